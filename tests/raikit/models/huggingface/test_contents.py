"""What a hostile folder of transformers asks for, and does not get: code, other files, connections, memory and time."""

import json
import os
import resource
import shutil
import socket
import time

import pytest

from raikit.errors import LimitError, ModelError
from raikit.models.loaders import LOADERS, load

from .conftest import cases

KIND = {"text": "bert", "image": "vit", "audio": "ast"}


@pytest.fixture
def edited(folder, tmp_path):
    """Copy a saved model, beside which lies a file that nothing may reach."""

    def edited(modality="text"):
        (tmp_path / "outside").mkdir()
        (tmp_path / "outside" / "secret.json").write_text('{"1": {"name": "secret", "isthing": 1}}')
        shutil.copytree(folder(KIND[modality]), tmp_path / "model")
        return tmp_path / "model"

    return edited


def opened(path, modality="text", **settings):
    return load({"kind": "huggingface", "path": str(path), **settings}, cases([modality]), LOADERS, path)


def change(file, **settings):
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps(content | settings))


def elsewhere(path):
    return f"../outside/{path}"


def deeper(file, where, **settings):
    change(file, **{where: settings})


def rename_weights(path, to):
    (path / "model.safetensors").rename(path / to)


def index(path, part):
    rename_weights(path, "a.safetensors")
    (path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"x": part}}))


def replaced(path, content, times, pattern=None):
    stepped(path, {"type": "Replace", "pattern": pattern or {"String": "a"}, "content": content}, times)


def stepped(path, step, times):
    change(path / "tokenizer.json", normalizer={"type": "Sequence", "normalizers": [step] * times})


CODE = {
    "in the processor's part": lambda path: deeper(path / "processor_config.json", "image_processor", auto_map={"AutoImageProcessor": "x.Y"}),
    "in the model's part": lambda path: deeper(path / "config.json", "text_config", auto_map={"AutoModel": "evil/repo--x.Y"}),
    "of the tokenizer": lambda path: change(path / "tokenizer_config.json", auto_map=["x.Y", None]),
    "in a configuration of another version": lambda path: (path / "config.4.0.0.json").write_text('{"auto_map": {}}'),
}
FILES = {
    "vocabulary": lambda path: change(path / "tokenizer_config.json", vocab_file="/etc/passwd"),
    "tokenizer": lambda path: change(path / "tokenizer_config.json", tokenizer_file=elsewhere("secret.json")),
    "tokenizer of a version": lambda path: change(path / "tokenizer_config.json", fast_tokenizer_files=[elsewhere("tokenizer.4.0.0.json")]),
    "configuration of a version": lambda path: change(path / "config.json", configuration_files=["config.4.0.0.json"]),
    "kernel": lambda path: change(path / "config.json", attn_implementation="evil/kernel:attention"),
    "kernel of a part": lambda path: deeper(path / "config.json", "text_config", _attn_implementation="evil/kernel"),
    "timm": lambda path: change(path / "config.json", model_args={"checkpoint_path": "/x.pth"}),
    "timm's folder": lambda path: change(path / "config.json", architecture="local-dir:/outside"),
    "sentence pieces": lambda path: deeper(path / "tokenizer_config.json", "sp_model_kwargs", model_file="/etc/passwd"),
    "a network for a tokenizer": lambda path: change(path / "tokenizer_config.json", tokenizer_class="GPT2Model"),
    "itself for a tokenizer": lambda path: change(path / "tokenizer_config.json", tokenizer_class="AutoTokenizer"),
    "a function for a processor": lambda path: change(path / "preprocessor_config.json", image_processor_type="pipeline"),
    "dictionary": lambda path: deeper(path / "tokenizer_config.json", "mecab_kwargs", mecab_option="-r /etc/passwd"),
}
BUILT = {
    "layers": (lambda path: change(path / "config.json", num_hidden_layers=10**7), "num_hidden_layers is 10,000,000, more than"),
    "labels": (lambda path: (change(path / "config.json", num_labels=10**10)), "num_labels is 10,000,000,000, more than the 100,000"),
    "width": (lambda path: change(path / "config.json", intermediate_size=10**8), r"network of [\d,]{13,} numbers, and the weights hold"),
    "vocabulary": (lambda path: change(path / "config.json", vocab_size=10**9), r"network of [\d,]{13,} numbers, and the weights hold"),
    "replacements": (lambda path: replaced(path, "aa", 40), "tokenizer.json: what it replaces or adds makes a text more"),
    "expressions": (lambda path: replaced(path, "x" * 50, 2, {"Regex": ""}), "tokenizer.json: what it replaces or adds makes a text"),
    "prefixes": (lambda path: stepped(path, {"type": "Prepend", "prepend": "x" * 1000}, 1000), "tokenizer.json: what it replaces or adds"),
    "steps": (lambda path: stepped(path, {"type": "Lowercase"}, 10_000), "tokenizer.json: its steps hold .* more than the 2,000"),
    "tokens": (
        lambda path: change(path / "tokenizer.json", post_processor={"type": "TemplateProcessing", "special_tokens": {
            "[CLS]": {"id": "[CLS]", "ids": [2] * 10**5, "tokens": ["[CLS]"] * 10**5}}}), "tokenizer.json: its steps hold"
    ),
    "positions": (lambda path: change(path / "config.json", max_position_embeddings=10**9), "network of .* numbers"),
}  # fmt: skip
LINKS = {
    "a folder of templates": (lambda path: (path / "additional_chat_templates").symlink_to("../outside"), "additional_chat_templates is a link"),
    "an index of dots": (lambda path: index(path, ".."), "there is no file"),
    "an index that leads outside": (lambda path: index(path, elsewhere("secret.json")), "there is no file"),
    "an index of lists": (lambda path: index(path, ["a.safetensors"]), "weight_map must name a file for each weight"),
    "an index of a folder": (lambda path: ((path / "b").mkdir(), index(path, "b")), "there is no file"),
    "distributed shards": (
        lambda path: shutil.copy(path / "model.safetensors", path / "shard-00001-model-00001-of-00001.safetensors"), "distributed training"
    ),
    "an adapter beside the model": (
        lambda path: change(path / "adapter_config.json", peft_type="LORA", base_model_name_or_path="/outside", megatron_core="evil"),
        "holds an adapter beside a model",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CODE)
def test_code_is_refused_wherever_it_is_asked_for(edited, name):
    path = edited()
    CODE[name](path)
    with pytest.raises(ModelError, match=r"'auto_map' asks for code.*trust_remote_code: true"):
        opened(path)


@pytest.mark.parametrize("name", FILES)
def test_no_other_file_is_read(edited, name):
    path = edited()
    FILES[name](path)
    with pytest.raises(ModelError, match="asks for code or files that the folder does not hold"):
        opened(path)


@pytest.mark.parametrize("name", BUILT)
def test_nothing_grows_beyond_the_weights(edited, name):
    path, started = edited(), time.monotonic()
    BUILT[name][0](path)
    with pytest.raises(ModelError, match=BUILT[name][1]):
        opened(path)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"hidden_size": 2**31}, r"network of [\d,]{10,} numbers, and the weights hold"),  # memory that one layer asks for by itself
     ({"conv_stride": [10**9] * 3}, "shortest sound has [\\d,]{20,} samples"), ({"conv_kernel": [2**20] * 3}, "shortest sound|numbers|cannot")],
)  # fmt: skip
def test_a_network_of_sounds_takes_no_more_memory_than_its_weights(folder, tmp_path, settings, message):
    shutil.copytree(folder("wav2vec2"), tmp_path / "model")
    change(tmp_path / "model" / "config.json", **settings)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelError, match=message):
        opened(tmp_path / "model", "audio")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 1_500_000  # kilobytes


@pytest.mark.parametrize("name", LINKS)
def test_only_files_of_the_folder_count(edited, name):
    path = edited()
    LINKS[name][0](path)
    with pytest.raises(ModelError, match=LINKS[name][1]) as caught:
        opened(path)
    assert "\n" not in str(caught.value)


def test_a_pipe_among_the_templates_blocks_nothing(edited):
    path = edited()
    (path / "additional_chat_templates").mkdir()
    os.mkfifo(path / "additional_chat_templates" / "a.jinja")
    with pytest.raises(ModelError, match=r"a\.jinja is no regular file"):
        opened(path)


def test_a_template_that_has_no_end_is_refused(edited):
    path = edited()
    with (path / "chat_template.jinja").open("wb") as stream:
        stream.truncate(10 << 30)
    with pytest.raises(ModelError, match=r"chat_template\.jinja has .* megabytes"):
        opened(path)


@pytest.mark.parametrize(
    ("modality", "settings"),
    [("image", {"size": {"height": 10**5, "width": 10**5}}), ("image", {"crop_size": 10**6}), ("audio", {"sampling_rate": 10**9}),
     ("audio", {"max_length": 10**9}), ("audio", {"num_mel_bins": 10**6}), ("audio", {"feature_size": True})],
)  # fmt: skip
def test_a_processor_makes_no_input_larger_than_networks_read(edited, modality, settings):
    path = edited(modality)
    change(path / "preprocessor_config.json", **settings)
    with pytest.raises(ModelError, match=r"preprocessor_config\.json: \w+ must be (at most|a number)"):
        opened(path, modality)


def test_a_template_and_a_file_of_code_are_not_run(edited, tmp_path):
    path, mark = edited(), tmp_path / "ran"
    evil = f"open({str(mark)!r}, 'w')"
    change(path / "tokenizer_config.json", chat_template="{{ ''.__class__.__mro__[1].__subclasses__() }}{% for x in range(10**12) %}{% endfor %}")
    for name in ("modeling_bert.py", "tokenization_bert.py", "__init__.py", "custom_generate/generate.py"):
        (path / name).parent.mkdir(exist_ok=True)
        (path / name).write_text(evil)
    assert "scores" in opened(path).capabilities
    assert not mark.exists()


def test_what_the_folder_says_is_one_short_line(edited, tmp_path):
    path = edited()
    change(path / "config.json", **{"x\n::error::" + "y" * 10**5 + "_layers": 10**9})
    with pytest.raises(ModelError, match="is 1,000,000,000, more than") as caught:
        opened(path)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < len(str(path)) + 200


def test_a_model_brings_no_more_labels_than_are_read(edited):
    path = edited()
    labels = ["a", "b", "c", *(f"other{number}" for number in range(2_000))]
    change(path / "config.json", id2label=dict(enumerate(labels)), label2id={label: at for at, label in enumerate(labels)})
    with pytest.raises(LimitError, match="2,003 labels, more than the 1,000.*RAIKIT_MAX_CLASSES"):
        opened(path)


def test_a_library_that_gives_up_is_one_sentence(edited):
    path = edited()
    change(path / "tokenizer.json", normalizer={"type": "Precompiled", "precompiled_charsmap": "/////w=="})
    with pytest.raises(ModelError, match="has no tokenizer that can be read.*PanicException"):
        opened(path)


HUB = {  # processors that ask a hub although nobody has allowed it
    "metadata": {"image_processor_type": "OneFormerImageProcessor", "num_text": 1, "class_info_file": "x.json"},
    "a class that nobody knows": {"image_processor_type": "NoSuchImageProcessor"},
}


@pytest.mark.parametrize("name", HUB)
def test_no_socket_is_opened_without_permission(edited, name, monkeypatch):
    path, asked = edited("image"), []
    change(path / "preprocessor_config.json", **HUB[name])
    hook_sockets(monkeypatch, asked)
    from raikit.models.huggingface import contents

    monkeypatch.setattr(contents, "_refuse_keys", lambda *arguments: None)  # the net below, for keys that nobody knows yet
    with pytest.raises(ModelError):
        opened(path, "image")
    assert asked == []


@pytest.mark.parametrize("modality", KIND)
def test_a_model_is_opened_and_scored_without_a_socket(edited, modality, monkeypatch):
    path, asked = edited(modality), []
    change(path / "config.json", _name_or_path="google/vit-base-patch16-224")
    hook_sockets(monkeypatch, asked)
    model = opened(path, modality)
    assert model.fresh(1).scores(next(cases([modality]).batches("test", 2))).shape == (2, 3)
    assert asked == []


def hook_sockets(monkeypatch, asked):
    """Forbid sockets and names of hosts; `asked` notes who tried."""

    def forbid(*arguments, **named):
        asked.append(arguments)
        raise OSError("no network here")

    for name in ("create_connection", "getaddrinfo", "gethostbyname"):
        monkeypatch.setattr(socket, name, forbid)
    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbid)
