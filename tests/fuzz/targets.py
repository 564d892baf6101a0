"""The entry points: each makes one case from a seed, tries it in a folder, and returns what is wrong, or None."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import mutate
from oracle import call, command
from samples import BINARY_FORMATS, TEXT_FORMATS, Samples

Target = Callable[[Random, Path, Samples], "str | None"]
TARGETS: dict[str, tuple[Target, int]] = {}  # with the number of cases by default


def target(cases: int) -> Callable[[Target], Target]:
    """Register a target."""

    def register(function: Target) -> Target:
        TARGETS[function.__name__] = (function, cases)
        return function

    return register


def _text(text: str, rng: Random) -> bytes:
    """Change a text as text, or as bytes."""
    if rng.random() < 0.3:
        return mutate.of_bytes(text.encode(), rng)
    return mutate.of_text(text, rng).encode("utf-8", "surrogatepass")


def _yaml(tree: object, text: str, rng: Random) -> bytes:
    """Change YAML as a text, or as a tree, which is written as JSON."""
    return mutate.as_json(mutate.of_tree(tree, rng)) if rng.random() < 0.4 else _text(text, rng)


# --- configuration ----------------------------------------------------------------------------------------------


@target(300)
def configuration(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read audit.yaml, with a setting now and then."""
    import yaml

    from raikit.config.load import load

    (folder / "audit.yaml").write_bytes(_yaml(yaml.safe_load(samples.config), samples.config, rng))
    return call(lambda: load(folder / "audit.yaml", [_setting(rng)] if rng.random() < 0.2 else []), folder)


KEYS = ["seed", "name", "data.path", "data.sensitive", "data.bins", "gate.rules", "gate", "checks.fairness.groups", "confidence", "owner.team",
        "data.labels.sex.F", "model.load.kind", "data.max_rows", "a.b.c", "", ".", "data.", "gate.rules.0", "data.split.test"]  # fmt: skip


def _setting(rng: Random) -> str:
    value = rng.choice(mutate.TOKENS) if rng.random() < 0.8 else mutate.of_text("{a: [1, 2], b: 2026-01-01}", rng)
    key = rng.choice(KEYS) if rng.random() < 0.9 else rng.choice(mutate.TOKENS)
    return f"{key}{'=' if rng.random() < 0.97 else ''}{value}"


@target(200)
def settings(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Apply ``--set`` to a valid configuration."""
    from raikit.config.load import load

    (folder / "audit.yaml").write_text(samples.config)
    return call(lambda: load(folder / "audit.yaml", [_setting(rng) for _ in range(rng.choice((1, 1, 3)))]), folder)


@target(12)
def plans(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Plan an audit, and open its data."""
    import yaml

    (folder / "audit.yaml").write_bytes(_yaml(yaml.safe_load(samples.config), samples.config, rng))
    (folder / "cases.csv").write_bytes(_text(samples.tables["csv"].decode(), rng) if rng.random() < 0.5 else samples.tables["csv"])
    return command(["audit", "audit.yaml", "--dry-run", "--no-baseline", "--set", _setting(rng)][: 6 if rng.random() < 0.2 else 4], folder)


@target(4)
def audits(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Audit a table that was changed."""
    (folder / "audit.yaml").write_text(mutate.of_text(samples.config, rng) if rng.random() < 0.5 else samples.config, errors="replace")
    (folder / "cases.csv").write_bytes(_text(samples.tables["csv"].decode(), rng))
    return command(["audit", "audit.yaml", "--no-baseline", "--out", "run"], folder)


@target(200)
def policies(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read a policy with rules, regressions and waivers."""
    import yaml

    from raikit.config.load import read_policy

    (folder / "policy.yaml").write_bytes(_yaml(yaml.safe_load(samples.policy), samples.policy, rng))
    return call(lambda: read_policy(folder / "policy.yaml"), folder)


@target(15)
def judging(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Judge a run with a policy that can be read, by rules and waivers that nobody expected."""
    import yaml

    _copy_run(samples.run, folder)
    tree = yaml.safe_load(samples.policy)
    for section in ("rules", "waivers", "regressions"):
        if rng.random() < 0.6:
            tree["gate"][section] = mutate.of_tree(tree["gate"][section], rng, mutate.TOKENS)
    (folder / "policy.yaml").write_bytes(mutate.as_json(tree))
    return command(["gate", "run", "--policy", "policy.yaml", "--no-baseline"], folder)


@target(400)
def addresses(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read an address and a pattern, and write the address again."""
    from raikit.address import Pattern, parse

    text = mutate.of_text('fairness.gap(sex="F, \\"M\\"", age=[25, 40), class=1)', rng)
    for read in (parse, lambda written: Pattern(written).matches("performance.accuracy")):
        if (problem := call(lambda read=read: _address(read, text), folder)) is not None:
            return problem
    return None


def _address(read: Callable[[str], object], text: str) -> None:
    try:
        read(text)
    except ValueError as error:  # what these functions document
        if isinstance(error, UnicodeError):
            raise


# --- tables -----------------------------------------------------------------------------------------------------


def _table(kind: str) -> Target:
    def read(rng: Random, folder: Path, samples: Samples) -> str | None:
        content = samples.tables.get(kind)
        if content is None:
            return None
        path = folder / f"a.{kind}"
        if kind in TEXT_FORMATS:
            path.write_bytes(_json_or_text(kind, content, rng))
        else:
            path.write_bytes(mutate.of_bytes(content, rng))
        from raikit.data.tables import read_table

        if rng.random() < 0.15:
            return command(["init", path.name, "--out", "audit.yaml"], folder)
        return call(lambda: read_table(path), folder)

    return read


def _json_or_text(kind: str, content: bytes, rng: Random) -> bytes:
    if kind == "jsonl" and rng.random() < 0.5:
        lines = content.splitlines()
        at = rng.randrange(len(lines))
        lines[at] = mutate.as_json(mutate.of_tree(json.loads(lines[at]), rng))
        return b"\n".join(lines)
    if kind.endswith("json") and rng.random() < 0.5:
        return mutate.as_json(mutate.of_tree(json.loads(content), rng))
    return _text(content.decode(), rng)


for _kind in (*TEXT_FORMATS, *BINARY_FORMATS):
    TARGETS[f"table_{_kind}"] = (_table(_kind), 60)


@target(100)
def logs(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read the log of another tool."""
    from raikit.data.tables import read_table

    name = rng.choice(sorted(samples.logs))
    content, path = samples.logs[name], folder / name
    if name.endswith(".eval"):
        path.write_bytes(mutate.of_bytes(content, rng))
    elif name.endswith(".json"):
        path.write_bytes(_json_or_text("json", content, rng))
    else:
        path.write_bytes(_json_or_text("jsonl", content, rng))
    if rng.random() < 0.1:
        return command(["init", name, "--out", "audit.yaml"], folder)
    return call(lambda: read_table(path), folder)


@target(60)
def archives(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read an Inspect log whose members hold JSON that Inspect does not write."""
    import zipfile

    from raikit.data.evaluation_logs.limits import Archive
    from raikit.data.tables import read_table

    name = rng.choice([name for name in sorted(samples.logs) if name.endswith(".eval")])
    (folder / "in.eval").write_bytes(samples.logs[name])
    before = Archive(folder / "in.eval")
    with zipfile.ZipFile(folder / "a.eval", "w") as after:
        for member, info in before.members.items():
            content = before._unpack(info)
            if member.endswith(".json") and rng.random() < 0.3:
                content = mutate.as_json(mutate.of_tree(json.loads(content), rng))
            after.writestr(rng.choice(mutate.TOKENS).replace("\x00", "") or "x" if rng.random() < 0.05 else member, content)
    return call(lambda: read_table(folder / "a.eval"), folder)


@target(60)
def folders(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read a folder of parts, of what a library saved, or of things that are no files."""
    from raikit.data.tables import read_table

    place = folder / "set"
    place.mkdir()
    for at in range(rng.randrange(1, 4)):
        kind = rng.choice(("csv", "csv", "parquet", "jsonl", "arrow"))
        (place / f"{rng.choice(('train', 'test', 'part', '.x', 'year=20'))}-{at}.{kind}").write_bytes(samples.tables[kind])
    state = {"_data_files": [{"filename": rng.choice(("part-0.arrow", "../outside", "", "/etc/passwd", "x\x00"))}]}
    extras: list[Callable[[], object]] = [
        lambda: os.mkfifo(place / "pipe.csv"), lambda: (place / "loop").symlink_to(place), lambda: (place / "z.csv").symlink_to("/dev/zero"),
        lambda: (place / "state.json").write_bytes(mutate.as_json(mutate.of_tree(state, rng))),
        lambda: (place / "dataset_dict.json").write_bytes(mutate.as_json(mutate.of_tree({"splits": ["train", "../"]}, rng))),
        lambda: (place / "metadata.csv").write_text("file_name,y\n../outside,1\n"), lambda: (place / "a" / "b.png").mkdir(parents=True),
    ]  # fmt: skip
    rng.choice(extras)()
    return call(lambda: read_table(place), folder)


@target(120)
def media(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Decode pictures and sounds, given as bytes."""
    from raikit.data.media import decode_audio, decode_image

    kind = rng.choice(sorted(samples.media))
    content = mutate.of_bytes(samples.media[kind], rng)
    decode = decode_audio if kind in ("wav", "flac", "ogg") else decode_image
    return call(lambda: decode(content, folder), folder)


@target(150)
def cells(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Open the file that a cell names."""
    from raikit.data.media import decode_image

    (folder / "a.png").write_bytes(samples.media["png"])
    (folder / "link").symlink_to("../outside")
    os.mkfifo(folder / "pipe")
    name = rng.choice([*mutate.TOKENS, "link", "pipe", "\ud800", "a.png/../../outside"])
    return call(lambda: decode_image(mutate.of_text(name, rng) if rng.random() < 0.3 else name, folder), folder)


# --- paths ------------------------------------------------------------------------------------------------------


@target(25)
def paths(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Give a command a path that is none, or one with a name that is no text."""
    (folder / "cases.csv").write_bytes(samples.tables["csv"])
    (folder / "folder").mkdir()
    os.mkfifo(folder / "pipe")
    (folder / "loop").symlink_to("loop")
    odd = os.fsdecode(b"\xff\xfe.csv")
    (folder / odd).write_bytes(samples.tables["csv"])
    remote = ("s3://", "http", "memory://", "zip://", "file://")
    names = [name for name in mutate.TOKENS if "\x00" not in name and not name.startswith((*remote, "/", "~"))]
    name = rng.choice([*names, "folder", "pipe", "loop", odd, odd, "/dev/zero", "\udcff", "folder/pipe"])
    one: Callable[[list[str]], list[str]] = lambda words: [word.replace("PATH", name) for word in words]  # noqa: E731
    commands = [["init", "PATH"], ["init", "cases.csv", "--out", "PATH"], ["verify", "PATH"], ["report", "PATH"], ["gate", "PATH"],
                ["audit", "PATH", "--dry-run"], ["baseline", "save", "PATH", "b.json"], ["compare", "PATH", "PATH"], ["history", "PATH"],
                ["verify", "folder", "--signed-by", "PATH"], ["sign", "folder", "--key", "PATH"], ["init", "cases.csv", "--target", "PATH"]]  # fmt: skip
    return command(one(rng.choice(commands)), folder)


# --- runs -------------------------------------------------------------------------------------------------------


def _copy_run(run: Path, folder: Path) -> Path:
    shutil.copytree(run, folder / "run")
    return folder / "run"


def _changed_record(rng: Random, folder: Path, samples: Samples) -> Path:
    """Write a run whose record was changed and hashed again."""
    from raikit.run import manifest

    run = _copy_run(samples.run, folder)
    record = json.loads((run / "audit.json").read_text())
    if rng.random() < 0.3:
        config = json.loads(record["provenance"]["config"])
        config = mutate.of_tree(config, rng)
        record["provenance"]["config"] = json.dumps(config)
    else:
        part = rng.choice([None, *record])
        if part is None:
            record = mutate.of_tree(record, rng)
        else:
            record[part] = mutate.of_part(record[part], rng)
    (run / "audit.json").write_bytes(mutate.as_json(record))
    manifest.update(run, [run / "audit.json"])
    return run


@target(60)
def records(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Read a record that was changed and hashed again."""
    _changed_record(rng, folder, samples)
    commands = (["gate", "run", "--no-baseline"], ["verify", "run"], ["baseline", "save", "run", "b.json"], ["history", "run"],
                ["history", "run", "--ratchet"], ["gate", "run", "--baseline", "run"], ["report", "run", "--formats", "md,json,junit,sarif"])  # fmt: skip
    return command(rng.choice(commands), folder)


@target(3)
def pages(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Write the page of a record that was changed and hashed again."""
    _changed_record(rng, folder, samples)
    return command(["report", "run", "--formats", "html"], folder)


@target(10)
def comparisons(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Compare a run with one that was changed and hashed again, either way round."""
    changed = _changed_record(rng, folder, samples)
    shutil.copytree(samples.run, folder / "other")
    pair = [changed.name, "other"]
    rng.shuffle(pair)
    return command(rng.choice((["compare", *pair], ["gate", pair[0], "--baseline", pair[1]])), folder)


@target(15)
def predictions(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Measure again from predictions that were changed and hashed again."""
    from raikit.run import manifest

    run = _copy_run(samples.run, folder)
    path = run / "predictions.parquet"
    if rng.random() < 0.3:
        path.write_bytes(mutate.of_bytes(path.read_bytes(), rng))
    else:
        _change_columns(path, rng)
    manifest.update(run, [run / "predictions.parquet"])
    return command(rng.choice((["gate", "run", "--no-baseline", "--remeasure"], ["baseline", "save", "run", "b.json", "--suppress", "0"])), folder)


def _change_columns(path: Path, rng: Random) -> None:
    """Take away, rename, shorten or convert columns of Parquet, or fill them with something else."""
    import pandas as pd

    frame = pd.read_parquet(path)
    for _ in range(rng.choice((1, 1, 2))):
        column = rng.choice(list(frame))
        kind = rng.randrange(6)
        if kind == 0:
            frame = frame.drop(columns=column)
        elif kind == 1:
            frame = frame.rename(columns={column: rng.choice(["x", "split", "", "Target", "prediction "])})
        elif kind == 2:
            frame = frame.iloc[: rng.choice((0, 1, 2))]
        elif kind == 3:
            frame[column] = frame[column].astype(str)
        elif kind == 4:
            frame[column] = rng.choice([None, float("nan"), float("inf"), -1.0, 10**18, "x", b"x", True, pd.Timestamp(0)])
        else:
            frame[column] = [[1]] * len(frame)
        if not len(frame.columns):
            break
    frame.loc[:, ~frame.columns.duplicated()].to_parquet(path)


@target(40)
def manifests(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Verify a run whose manifest was changed, with or without a right hash."""
    from raikit.files import canonical, sha256_text

    run = _copy_run(samples.run, folder)
    content = mutate.of_tree(json.loads((run / "manifest.json").read_text()), rng)
    if isinstance(content, dict) and rng.random() < 0.7:
        content.pop("manifest", None)
        try:
            text = json.dumps({**content, "manifest": sha256_text(canonical(content))}, sort_keys=True, indent=1, ensure_ascii=False) + "\n"
            (run / "manifest.json").write_text(text)
        except (ValueError, TypeError, RecursionError):  # what no manifest can hold
            (run / "manifest.json").write_bytes(mutate.as_json(content))
    else:
        (run / "manifest.json").write_bytes(mutate.as_json(content))
    if rng.random() < 0.1:
        (run / "audit.json").unlink()
        os.mkfifo(run / "audit.json")
    return command(rng.choice((["verify", "run"], ["gate", "run", "--no-baseline"], ["gate", "run", "--baseline", "run"])), folder)


@target(60)
def baselines(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Compare with a baseline file that was changed, with or without a right hash."""
    from raikit.files import canonical, sha256_text

    _copy_run(samples.run, folder)
    content = json.loads(samples.baseline.read_text())
    part = rng.choice([None, *content])
    if part is None:
        content = mutate.of_tree(content, rng)
    else:
        content[part] = mutate.of_part(content[part], rng)
    if rng.random() < 0.9 and isinstance(content, dict):
        with contextlib.suppress(ValueError, RecursionError):  # nobody can hash NaN so
            content["sha256"] = sha256_text(canonical({key: value for key, value in content.items() if key != "sha256"}))
    (folder / "b.json").write_bytes(mutate.as_json(content))
    accept = ["baseline", "accept", "run", "b.json", "--reason", "r"]
    return command(rng.choice((["gate", "run", "--baseline", "b.json"], ["gate", "run", "--baseline", "b.json"], accept)), folder)


@target(60)
def attestations(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Verify a signature that was changed, or with a key that is none."""
    _, public = samples.keys
    shutil.copytree(public.parent / "signed", folder / "run")
    path, key = folder / "run" / "attestation.json", public.read_bytes()
    envelope = json.loads(path.read_text())
    kind = rng.randrange(4)
    if kind == 0:
        envelope = mutate.of_tree(envelope, rng)
    elif kind == 1:
        payload = mutate.as_json(mutate.of_tree(json.loads(base64.b64decode(envelope["payload"])), rng))
        envelope["payload"] = base64.b64encode(payload).decode()
    elif kind == 2:
        key = mutate.of_bytes(key, rng)
    path.write_bytes(mutate.as_json(envelope) if kind < 2 else mutate.of_bytes(path.read_bytes(), rng))
    (folder / "key.pub").write_bytes(key)
    return command(["verify", "run", "--signed-by", "key.pub"], folder)


@target(20)
def models(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Load the folder of a model, of which a file was changed."""
    from raikit.models.fusion import FusionModel

    place = folder / "model"
    shutil.copytree(samples.model, place)
    path = rng.choice(sorted(path for path in place.iterdir() if path.is_file()))
    content = path.read_bytes()
    if path.suffix == ".json" and rng.random() < 0.7:
        path.write_bytes(mutate.as_json(mutate.of_tree(json.loads(content), rng)))
    else:
        path.write_bytes(mutate.of_bytes(content, rng))
    return call(lambda: FusionModel.load(place), folder)


NOTES = ["calm", "louder", "calm-loud", "", "a\x00b", "🐢 e\u0301", "x" * 300, "loud " * 40]
HOSTILE = {"auto_map": ["x.Y", "x.Y"], "num_labels": 10**9, "vocab_file": "../outside", "model_args": {"a": 1}, "max_length": 10**12,
           "num_hidden_layers": 10**9, "vocab_size": 2**40, "fast_tokenizer_files": ["../tokenizer.4.0.0.json"], "dtype": "load",
           "tokenizer_class": "AutoModel", "problem_type": "regression", "architectures": ["CLIPModel"], "model_type": "clip"}  # fmt: skip


@target(20)
def transformers(rng: Random, folder: Path, samples: Samples) -> str | None:
    """Open a folder of transformers of which a file was changed, and score texts with it."""
    import pandas as pd

    from raikit.config.schema import DataConfig
    from raikit.data.dataset import Dataset
    from raikit.models.loaders import LOADERS, load
    from raikit.models.scoring import score_all

    place = folder / "model"
    shutil.copytree(samples.transformer, place)
    _change_folder(place, rng)
    table = pd.DataFrame({"note": NOTES, "y": [0, 1, 1, 0] * 2, "split": ["train", "test"] * 4})
    data = Dataset.of(table, DataConfig(path="(memory)", target="y", inputs={"note": {"modality": "text"}}, split="split"))

    def score() -> None:
        score_all(load({"kind": "huggingface", "path": str(place)}, data, LOADERS, folder), data, lambda done, total: None)

    return call(score, folder)


def _change_folder(place: Path, rng: Random) -> None:
    """Change the settings, the tokenizer, or the weights' header or bytes, or put another file there."""
    path = rng.choice(sorted(place.iterdir()))
    content = path.read_bytes()
    kind = rng.random()
    if kind < 0.1:
        other = place / rng.choice(["model.safetensors.index.json", "adapter_config.json", "preprocessor_config.json", "vocab.txt"])
        tree = {"weight_map": {"a": rng.choice(["model.safetensors", "../outside", "..", ""])}, **HOSTILE}
        other.write_bytes(mutate.as_json(mutate.of_tree(tree, rng)))
        if rng.random() < 0.5:
            (place / "model.safetensors").unlink()
    elif path.suffix == ".json" and kind < 0.4:
        name = rng.choice(list(HOSTILE))
        path.write_bytes(mutate.as_json({**json.loads(content), name: HOSTILE[name]}))
    elif path.suffix == ".json" and kind < 0.85:
        path.write_bytes(mutate.as_json(mutate.of_tree(json.loads(content), rng)))
    elif path.suffix == ".safetensors" and kind < 0.8:
        length = int.from_bytes(content[:8], "little")
        header = mutate.as_json(mutate.of_tree(json.loads(content[8 : 8 + length]), rng))
        path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length :])
    else:
        path.write_bytes(mutate.of_bytes(content, rng))
