"""Fine-tune a pretrained model of transformers with its own `Trainer`: all weights, the head alone, or low-rank adapters."""

from __future__ import annotations

import contextlib
import copy
import importlib.util
import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from raikit.config.training import HuggingFaceTraining
from raikit.errors import ModelError, RaikitError, listed, raised, system_fault
from raikit.files import make_folder, write_text
from raikit.models.base import Origin
from raikit.models.extras import import_extra
from raikit.models.folder import read_json_mapping
from raikit.models.history import Epoch, History
from raikit.models.huggingface.loader import build_readers, read, task_of_inputs
from raikit.models.huggingface.model import HuggingFaceModel, refuse_inputs
from raikit.models.huggingface.quiet import offline, quiet
from raikit.models.huggingface.settings import HuggingFaceSpec, validate_folder
from raikit.models.huggingface.size import refuse_larger
from raikit.models.trainer import weighted_mean

if TYPE_CHECKING:
    from raikit.data.dataset import Dataset

Progress = Callable[[int, int], None]

_SETTINGS = "settings.json"
_RATES = {"full": 5e-5, "head": 1e-3, "lora": 5e-4, "adalora": 1e-3}  # peaks that are usual for each method


def train_huggingface(
    data: Dataset, settings: HuggingFaceTraining, seed: int, workdir: Path, progress: Progress = lambda done, total: None
) -> tuple[HuggingFaceModel, History]:
    """Fine-tune the model in the folder `settings.base` on the train cases of `data`.

    Parameters
    ----------
    data : Dataset
    settings : HuggingFaceTraining
        `base` is an absolute path.
    seed : int
        Determines the new head and the training.
    workdir : Path
        Holds a checkpoint after each epoch; an interrupted training with the same settings resumes from the last one.
    progress : callable
        ``progress(done, total)``, in steps.

    Returns
    -------
    HuggingFaceModel, History
        Adapters are merged into the weights, so that `from_pretrained` reads the saved folder without peft, unless they are kept.

    Raises
    ------
    ModelError
        If the base cannot be read or does not fit the inputs, a package is missing, or `workdir` holds another training.
    """
    if not data.size("train"):
        raise ModelError("the train split has no cases, so no model can be trained.")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = start(data, settings)
        net = with_method(model.net, settings, _steps(data, settings))
    history = _train(model, net, data, settings, seed, workdir, progress)
    model.net = (net if settings.adapter == "kept" else merged(net)).eval()
    model.training = {"epochs": settings.epochs, "batch_size": settings.batch_size, "learning_rate": rate(settings),
                      "weight_decay": settings.weight_decay, "seed": seed}
    return model, history


def start(data: Dataset, settings: HuggingFaceTraining) -> HuggingFaceModel:
    """Return the pretrained model with a new head for the classes of the data, drawn from torch's generator."""
    spec = HuggingFaceSpec(path=settings.base, max_length=settings.max_length)
    weights = validate_folder(spec)
    modalities = {name: item.modality for name, item in data.inputs.items()}
    auto, wanted = task_of_inputs(modalities)
    refuse_inputs(modalities, wanted, f"a model of {settings.base.rpartition('/')[2]}")
    classes = list(data.classes)
    with quiet(), offline():
        config = read("AutoConfig", spec)
        names = {index: str(label) for index, label in enumerate(classes)}
        config.num_labels = len(classes) or 1
        if classes:
            config.id2label, config.label2id = names, {name: index for index, name in names.items()}
        config.problem_type = "single_label_classification" if classes else "regression"
        if weights is not None:
            refuse_larger(auto, config, weights)

        def restart() -> Any:
            with quiet(), offline():
                return read(auto, spec, config=copy.deepcopy(config), dtype="float32", ignore_mismatched_sizes=True)

        net = restart()
        readers = build_readers(spec, net, modalities)
    origin = Origin("pretrained", settings.base.rpartition("/")[2])
    return HuggingFaceModel(net, readers, range(config.num_labels), modalities, classes, restart, origin, readers_of_base=True)


def with_method(net: Any, settings: HuggingFaceTraining, steps: int) -> Any:
    """Return the network with what is trained: everything, the head, or low-rank adapters beside the head.

    Parameters
    ----------
    net : PreTrainedModel
    settings : HuggingFaceTraining
    steps : int
        Of the whole training, over which AdaLoRA narrows its adapters.

    Raises
    ------
    ModelError
        If peft is not installed, or the network has no part that the method trains.
    """
    parts = [name for name, part in net.named_children() if any(True for _ in part.parameters())]
    head = [name for name in parts if name != net.base_model_prefix]
    if settings.method == "full":
        return net
    if not head:
        raise ModelError(f"model.train.method: {type(net).__name__} has no head apart from its body; use `method: full`.")
    if settings.method == "head":
        for name, parameter in net.named_parameters():
            parameter.requires_grad_(name.split(".")[0] in head)
        return net
    try:
        import peft
    except ImportError:
        raise ModelError("model.train.method: adapters need the package peft; install raikit[models].") from None
    known: dict[str, Any] = {"target_modules": _linear_layers(net, head), "modules_to_save": head,
                             "lora_alpha": settings.alpha, "lora_dropout": settings.dropout}
    if settings.method == "lora":
        return peft.get_peft_model(net, peft.LoraConfig(r=settings.rank, **known))
    return peft.get_peft_model(net, peft.AdaLoraConfig(
        init_r=settings.rank + settings.rank // 2, target_r=settings.rank, tinit=steps // 10, tfinal=steps // 2, total_step=steps,
        **known))


def _steps(data: Dataset, settings: HuggingFaceTraining) -> int:
    """Return the number of updates of the whole training, at least ten."""
    together = settings.batch_size * settings.accumulation
    return max(settings.epochs * -(-data.size("train") // together), 10)


def _linear_layers(net: Any, head: Sequence[str]) -> list[str]:
    """Return the names of the body's linear layers, as GPT-2 has them too."""
    kinds = (nn.Linear, *([_conv1d()] if _conv1d() else []))
    return [name for name, part in net.named_modules() if isinstance(part, kinds) and name.split(".")[0] not in head]


def _conv1d() -> Any:
    from transformers import pytorch_utils

    return getattr(pytorch_utils, "Conv1D", None)


def merged(net: Any) -> Any:
    """Return the network with its adapters added to its weights."""
    return net.merge_and_unload() if hasattr(net, "merge_and_unload") else net


def rate(settings: HuggingFaceTraining) -> float:
    """Return the peak of the learning rate: the one that is set, else what is usual for the method."""
    return settings.learning_rate if settings.learning_rate is not None else _RATES[settings.method]


# --- the training ------------------------------------------------------------------------------------------------


class _WithLoss(nn.Module):
    """The network as `Trainer` calls it: it computes the mean loss of the cases too."""

    def __init__(self, model: HuggingFaceModel, net: Any) -> None:
        super().__init__()
        self.network = copy.copy(model.module)
        self.network._modules = {"net": net}
        self._loss = model.loss

    def forward(self, labels: Tensor, weight: Tensor | None = None, **tensors: Tensor) -> dict[str, Tensor]:
        logits = self.network(**tensors)
        return {"loss": weighted_mean(self._loss(logits, labels), weight), "logits": logits}


class _Cases(torch.utils.data.Dataset):  # type: ignore[type-arg]
    """The cases of a split by name and position; the collator reads and prepares whole batches."""

    def __init__(self, data: Dataset, split: str) -> None:
        self._split, self._size = split, data.size(split)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, position: int) -> tuple[str, int]:
        return self._split, position


def _collator(model: HuggingFaceModel, data: Dataset) -> Callable[[Sequence[tuple[str, int]]], dict[str, Tensor]]:
    def collate(cases: Sequence[tuple[str, int]]) -> dict[str, Tensor]:
        split, positions = cases[0][0], np.array([position for _, position in cases])
        batch = next(data.batches(split, len(positions), indices=positions))
        prepared = model.prepare(batch) | {"labels": torch.tensor(batch.target)}
        return prepared if batch.weight is None else prepared | {"weight": torch.tensor(batch.weight, dtype=torch.float32)}

    return collate


def _train(
    model: HuggingFaceModel, net: Any, data: Dataset, settings: HuggingFaceTraining, seed: int, workdir: Path, progress: Progress
) -> History:
    """Run `Trainer`, and return the course of the training; the weights end in `net`."""
    if importlib.util.find_spec("accelerate") is None:
        raise ModelError("model.train: fine-tuning needs the package accelerate; install raikit[models].")
    import transformers

    folder = workdir / "checkpoints"
    known = settings.model_dump(exclude={"tensorboard"})
    resumes = _resumes(folder, {**known, "seed": seed, "cases": data.size("train"), "data": data.fingerprint})
    watched = bool(data.size("validation"))
    callbacks = [_progress(progress), *([transformers.EarlyStoppingCallback(settings.patience)] if settings.patience else [])]
    if settings.tensorboard is not None:
        callbacks.append(_curves(Path(settings.tensorboard) / workdir.name))
    with quiet(), _as_seeded():
        trainer = transformers.Trainer(
            model=_WithLoss(model, net), args=_arguments(settings, seed, folder, watched), callbacks=callbacks,
            data_collator=_collator(model, data), train_dataset=_Cases(data, "train"),
            eval_dataset=_Cases(data, "validation") if watched else None,
            compute_metrics=_accuracy if model.classes else _r2,
        )
        trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
        try:
            trainer.train(resume_from_checkpoint=resumes)
        except torch.OutOfMemoryError as error:
            raise ModelError(f"model.train: {raised(error)}; try a smaller batch_size with accumulation.") from None
        except Exception as error:
            if not resumes or isinstance(error, RaikitError) or system_fault(error) is not None:
                raise
            raise ModelError(f"model.train: {folder} cannot be resumed ({raised(error)}); delete it to start again.") from None
    return _history(trainer.state, bool(model.classes), settings.patience is not None)


def _arguments(settings: HuggingFaceTraining, seed: int, folder: Path, watched: bool) -> Any:
    import transformers

    each_epoch = "epoch" if watched else "no"
    return transformers.TrainingArguments(
        output_dir=str(folder), num_train_epochs=settings.epochs, per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=max(settings.batch_size, 64), learning_rate=rate(settings), weight_decay=settings.weight_decay,
        warmup_steps=settings.warmup, gradient_accumulation_steps=settings.accumulation, seed=seed, data_seed=seed,
        save_strategy="epoch", eval_strategy=each_epoch, logging_strategy="epoch", save_total_limit=2,
        load_best_model_at_end=watched and settings.patience is not None, metric_for_best_model="loss", report_to="none",
        disable_tqdm=True, remove_unused_columns=False, label_names=["labels"], dataloader_pin_memory=False,
        bf16=settings.precision == "bf16",
    )  # fmt: skip


def _progress(progress: Progress) -> Any:
    import transformers

    class Reporting(transformers.TrainerCallback):
        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            progress(state.global_step, state.max_steps)

    return Reporting()


def _curves(folder: Path) -> Any:
    """Return a callback that writes losses, rates and metrics to a folder of TensorBoard."""
    import_extra("tensorboard", "writing curves", "model.train.tensorboard")
    make_folder(folder)
    import transformers
    from torch.utils.tensorboard import SummaryWriter

    class Curves(transformers.TrainerCallback):
        """Writes numbers alone: the callback of transformers also writes settings of this machine."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **more: Any) -> None:
            for name, value in (logs or {}).items():
                if isinstance(value, int | float):
                    self.writer.add_scalar(name, value, state.global_step)
            self.writer.flush()

        def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.writer = SummaryWriter(str(folder))

        def on_train_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            self.writer.close()

    return Curves()


def _resumes(folder: Path, settings: Mapping[str, Any]) -> bool:
    """Return whether there is a checkpoint of the same training; write what this one is.

    Raises
    ------
    ModelError
        If the folder holds another training.
    """
    folder.mkdir(parents=True, exist_ok=True)
    file, known = folder / _SETTINGS, json.loads(json.dumps(settings, default=str))
    if file.exists() and (other := read_json_mapping(file)) != known:
        changed = [key for key in known if other.get(key) != known[key]]
        raise ModelError(f"{folder} holds another training: {listed(changed)} differ; delete it to start again.")
    write_text(file, json.dumps(known))
    for checkpoint in [path for path in folder.glob("checkpoint-*") if not _is_whole(path)]:
        shutil.rmtree(checkpoint)
    return any(folder.glob("checkpoint-*"))


def _is_whole(checkpoint: Path) -> bool:
    """Return whether a checkpoint was written to its end: `Trainer` writes its own state last, and a kill may come before."""
    try:
        return bool(read_json_mapping(checkpoint / "trainer_state.json"))
    except ModelError:
        return False


def _accuracy(predicted: Any) -> dict[str, float]:
    return {"metric": float((predicted.predictions.argmax(axis=1) == predicted.label_ids).mean())}


def _r2(predicted: Any) -> dict[str, float]:
    residual, target = predicted.predictions[:, 0] - predicted.label_ids, predicted.label_ids
    return {"metric": 1 - float((residual**2).mean()) / max(float(target.var()), 1e-12)}


def _history(state: Any, classes: bool, keeps_best: bool) -> History:
    """Return the course of a training from what `Trainer` logged after each epoch."""
    history, steps = History("accuracy" if classes else "r2"), 0
    by_epoch: dict[int, dict[str, Any]] = {}
    for entry in state.log_history:
        if "loss" in entry or "eval_loss" in entry:
            by_epoch.setdefault(round(entry["epoch"]), {}).update(entry)
    for number, entry in sorted(by_epoch.items()):
        history.epochs.append(
            Epoch(number, entry["step"] - steps, entry.get("loss"), entry.get("eval_loss"), entry.get("eval_metric"))
        )
        steps = entry["step"]
    return History(history.metric, history.epochs, history.best if keeps_best else len(history.epochs))


@contextlib.contextmanager
def _as_seeded() -> Iterator[None]:
    """Restore the generators that `Trainer` seeds: torch's, NumPy's and Python's."""
    import random

    states = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(states[0])
            np.random.set_state(states[1])
