"""Load a folder that `save_pretrained` wrote."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.data.parts import LABEL, TOKEN
from raikit.errors import ModelError, RaikitError, listed, raised
from raikit.models.base import Origin
from raikit.models.folder import CONFIG
from raikit.models.huggingface.adapter import with_adapter, without_adapter
from raikit.models.huggingface.labels import class_order, label_order
from raikit.models.huggingface.model import HuggingFaceModel, refuse_inputs
from raikit.models.huggingface.quiet import is_panic, offline, quiet
from raikit.models.huggingface.readers import ImageReader, Reader, SoundReader, TextReader
from raikit.models.huggingface.settings import HuggingFaceSpec, validate_folder
from raikit.models.huggingface.size import refuse_larger
from raikit.models.huggingface.token_reader import TokenReader
from raikit.models.huggingface.zero_shot import prompt_tensors

if TYPE_CHECKING:
    from raikit.config.types import Modality
    from raikit.data.dataset import Dataset
    from raikit.models.folder import Weights

_TOKENS = "TOKEN_CLASSIFICATION"
# What a task's models read: the most inputs of each modality.
_TASKS: dict[str, tuple[str, Mapping[str, int]]] = {
    "IMAGE_CLASSIFICATION": ("AutoModelForImageClassification", {"image": 1}),
    "AUDIO_CLASSIFICATION": ("AutoModelForAudioClassification", {"audio": 1}),
    "SEQUENCE_CLASSIFICATION": ("AutoModelForSequenceClassification", {"text": 2}),
    _TOKENS: ("AutoModelForTokenClassification", {"text": 1}),
    "VISUAL_QUESTION_ANSWERING": ("AutoModelForVisualQuestionAnswering", {"image": 1, "text": 1}),
    "ZERO_SHOT_IMAGE_CLASSIFICATION": ("AutoModel", {"image": 1}),
}
_DUAL_ENCODER = "VisionTextDualEncoderModel"


def load_huggingface(spec: Mapping[str, Any], data: Dataset) -> HuggingFaceModel:
    """Load a classifier or a regression of transformers.

    Parameters
    ----------
    spec : mapping
        See `HuggingFaceSpec`.
    data : Dataset

    Raises
    ------
    ModelError
        If the folder cannot be read, is of another task, or does not fit the inputs or the classes of the data.
    """
    settings = HuggingFaceSpec.model_validate(dict(spec))
    weights = validate_folder(settings)
    with quiet(), offline(settings.allow_download):
        config = read("AutoConfig", settings.place_of(CONFIG))
        architecture = (config.architectures or ["a model without a head"])[0]
        task = _task(architecture, config)
        auto, wanted = _TASKS[task]
        modalities = {name: item.modality for name, item in data.inputs.items()}
        refuse_inputs(modalities, wanted, architecture)
        _refuse_other_parts(task, config, data)
        if task == "ZERO_SHOT_IMAGE_CLASSIFICATION":
            return _zero_shot(settings, config, modalities, data, weights)
        order, classes = _outputs(config, settings, data)
        net = _network(auto, settings, config, weights)
        readers = build_readers(settings, net, modalities, tokens=task == _TOKENS)
        for reader in readers:
            if isinstance(reader, TokenReader):
                reader.refuse_long_texts(data)
        restart, origin = _restart(settings, auto, net)
    return HuggingFaceModel(net, readers, order, modalities, classes, restart, origin)


def _zero_shot(
    settings: HuggingFaceSpec, config: Any, modalities: Mapping[str, Modality], data: Dataset, weights: Weights | None
) -> HuggingFaceModel:
    """Load a model of pictures and texts, with the text of each class beside it."""
    if data.task == "regression":
        raise ModelError("model.load: a zero-shot model decides between classes, and the target is a number.")
    net = _network("AutoModel", settings, config, weights)
    accepted = frozenset(inspect.signature(net.forward).parameters)
    tokenizer = _processor("AutoTokenizer", "tokenizer", settings)
    texts = prompt_tensors(settings.prompts, data.classes, tokenizer, config, accepted)
    readers, order = build_readers(settings, net, modalities), list(range(len(data.classes)))
    return HuggingFaceModel(net, readers, order, modalities, data.classes, beside=texts)


def _task(architecture: str, config: Any) -> str:
    """Return the task of an architecture.

    Raises
    ------
    ModelError
        If raikit audits no such task.
    """
    from transformers.models.auto import modeling_auto

    if architecture == _DUAL_ENCODER:
        return "ZERO_SHOT_IMAGE_CLASSIFICATION"
    for task in _TASKS:
        known = getattr(modeling_auto, f"MODEL_FOR_{task}_MAPPING_NAMES")
        if any(architecture in ((name,) if isinstance(name, str) else name) for name in known.values()):
            return task
    raise ModelError(
        f"model.load: {str(architecture)[:60]} is no model for the classification of texts, pictures or sounds, for visual "
        "question answering or for zero-shot classification; only these are loaded."
    )


def _outputs(config: Any, settings: HuggingFaceSpec, data: Dataset) -> tuple[list[int], list[Any]]:
    """Return the network's output of each class, and the classes; of a regression the one output."""
    if data.task == "regression":
        if config.num_labels != 1:
            raise ModelError(f"model.load: the target is a number, and the model has {config.num_labels} outputs, not one.")
        return [0], []
    if data.parts is not None and data.parts.role == LABEL:
        return label_order(dict(config.id2label), settings.labels, data.parts.names), list(data.classes)
    if config.num_labels < 2:
        raise ModelError("model.load: the target has classes, and the model has one output; a classifier has one for each class.")
    order = class_order(dict(config.id2label), settings.labels, data)
    return order, list(data.classes)


def _refuse_other_parts(task: str, config: Any, data: Dataset) -> None:
    """Raise unless the model tags tokens or gives several labels where the data say so, and only there.

    Raises
    ------
    ModelError
        Says what `data.task` would fit.
    """
    role = None if data.parts is None else data.parts.role
    several = getattr(config, "problem_type", None) == "multi_label_classification"
    if (task == _TOKENS) != (role == TOKEN):
        what = "tags each token of a text" if task == _TOKENS else "gives no tags"
        own = "`data.task: token_classification`"
        fits = f"say {own}" if task == _TOKENS else f"{own} needs one that does"
        raise ModelError(f"model.load: the model {what}; {fits}.")
    if several != (role == LABEL) and task != _TOKENS:
        what, fits = ("gives each case several labels", "say `data.task: multilabel`") if several else (
            "gives each case one label", "several need `problem_type: multi_label_classification` in its config.json")
        raise ModelError(f"model.load: the model {what}; {fits}.")


def _network(auto: str, settings: HuggingFaceSpec, config: Any, weights: Weights | None) -> Any:
    """Read the network.

    Raises
    ------
    ModelError
        If a weight is missing: transformers would draw it at random.
    """
    if weights is not None:
        refuse_larger(auto, config, weights)
    if settings.has_adapter:
        return _adapted(auto, settings, config)
    net, loading = read(auto, settings, config=config, dtype="float32", output_loading_info=True)
    if missing := sorted(loading["missing_keys"]):
        raise ModelError(f"model.load: {settings.where} lacks the weights {listed(missing)}; the model was saved without them.")
    return net


def _adapted(auto: str, settings: HuggingFaceSpec, config: Any) -> Any:
    """Read the base of adapters, and put them into it; they bring the head."""
    base = settings.model_copy(update={"path": settings.base})
    net, loading = read(auto, base, config=config, dtype="float32", output_loading_info=True, ignore_mismatched_sizes=True)
    absent = sorted({*loading["missing_keys"], *(mismatch[0] for mismatch in loading["mismatched_keys"])})
    return with_adapter(net, Path(settings.where), absent, keep=settings.adapter == "kept")


def task_of_inputs(modalities: Mapping[str, Modality]) -> tuple[str, Mapping[str, int]]:
    """Return the class of transformers that reads such inputs, and the most inputs of each modality.

    Raises
    ------
    ModelError
        If no class of models reads them together.
    """
    kinds = set(modalities.values())
    for task in ("SEQUENCE_CLASSIFICATION", "IMAGE_CLASSIFICATION", "AUDIO_CLASSIFICATION", "VISUAL_QUESTION_ANSWERING"):
        if kinds == _TASKS[task][1].keys():
            return _TASKS[task]
    together = " and ".join(sorted(kinds)) or "no inputs"
    raise ModelError(f"model.train: raikit fine-tunes no model of transformers that reads {together}; `kind: fusion` does.")


def build_readers(
    settings: HuggingFaceSpec, net: Any, modalities: Mapping[str, Any], *, tokens: bool = False
) -> list[Reader]:
    """Return the readers of all inputs; texts are read as lists of `tokens` if these are tagged."""
    net = without_adapter(net)
    accepted = frozenset(inspect.signature(net.forward).parameters)
    names = {kind: [name for name, modality in modalities.items() if modality == kind] for kind in ("text", "image", "audio")}
    readers: list[Reader] = []
    if names["text"]:
        tokenizer = _processor("AutoTokenizer", "tokenizer", settings)
        if len(tokenizer) <= len(tokenizer.all_special_ids):  # transformers makes one without words where no file holds any
            raise ModelError(f"model.load: {settings.where} has no tokenizer that can be read; save it too, with "
                             "`tokenizer.save_pretrained`.")
        kind = TokenReader if tokens else TextReader
        if tokens and not tokenizer.is_fast:
            raise ModelError("model.load: tags need a fast tokenizer, which says where words begin; save the model with one.")
        readers.append(kind.of(tokenizer, names["text"], net, accepted, settings.max_length))
    if names["image"]:
        processor = _processor("AutoImageProcessor", "image processor", settings)
        patch = getattr(net.config, "patch_size", None)
        readers.append(ImageReader(processor, names["image"][0], accepted, patch if isinstance(patch, int) else None))
    if names["audio"]:
        extractor = _processor("AutoFeatureExtractor", "feature extractor", settings)
        readers.append(SoundReader.of(extractor, names["audio"][0], net, accepted))
    return readers


def _processor(auto: str, what: str, settings: HuggingFaceSpec) -> Any:
    """Read a tokenizer or processor; `what` it is called in a sentence."""
    try:
        return read(auto, settings.processors)
    except ModelError as error:
        missing = "OSError: " in str(error)  # transformers then speaks of a hub, which nobody asked for
        why = "" if missing else f" ({str(error).partition('cannot be read by ')[2].rstrip('.')})"
        raise ModelError(
            f"model.load: {settings.where} has no {what} that can be read{why}; save it too, with "
            f"`{what.replace(' ', '_')}.save_pretrained`."
        ) from None


def _restart(settings: HuggingFaceSpec, auto: str, net: Any) -> tuple[Callable[[], Any], Origin]:
    """Return what makes a network with weights that have seen none of the cases, and where they come from."""
    import transformers

    config = copy.deepcopy(net.config)
    factory = getattr(transformers, auto)
    if settings.base is None:
        return lambda: factory.from_config(copy.deepcopy(config)), Origin("random")
    base = settings.model_copy(update={"path": settings.base, "hub": None})
    validate_folder(base)

    def restart() -> Any:
        with quiet(), offline(base.allow_download):
            return read(auto, base, config=copy.deepcopy(config), dtype="float32", ignore_mismatched_sizes=True)

    return restart, Origin("pretrained", settings.base.rpartition("/")[2])


def read(auto: str, settings: HuggingFaceSpec, **arguments: Any) -> Any:
    """Call ``from_pretrained`` of a class of transformers; whatever it raises is one sentence."""
    import transformers

    if auto.startswith("AutoModel"):
        arguments["use_safetensors"] = None if settings.allow_pickle else True
    try:
        return getattr(transformers, auto).from_pretrained(settings.where, **settings.reading, **arguments)
    except RaikitError:
        raise
    except BaseException as error:
        if not isinstance(error, Exception) and not is_panic(error):
            raise
        raise ModelError(f"model.load: {settings.where} cannot be read by {auto}: {raised(error)}.") from None
