"""A sentence about a broken table quotes no free text. It may name columns, labels of the target, and a row by its number and id."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import suppress

import pandas as pd
import pytest

from raikit.cli import main

SECRET = "Xq7SecretDiagnosisOfJohn"
ROWS = [
    {"case": f"c{at}", "note": f"{SECRET} said {at}, \"and\" more; " * 3, "sex": "FM"[at % 2], "y": at % 2, "p": (at % 10) / 10}
    for at in range(30)
]  # fmt: skip


def frame(**changes):
    table = pd.DataFrame(ROWS)
    for column, value in changes.items():
        table[column] = value
    return table


def text(name, content):
    return lambda folder: (folder / name).write_text(content) and name


def binary(name, change=lambda content: content, **columns):
    def write(folder):
        table = frame(**columns)
        if name.endswith(".parquet"):
            table.to_parquet(folder / name)
        else:
            table.to_feather(folder / name, compression="uncompressed")
        (folder / name).write_bytes(change((folder / name).read_bytes()))
        return name

    return write


def shard(members):
    def write(folder):
        with tarfile.open(folder / "a.tar", "w") as archive:
            for member, content in members.items():
                info = tarfile.TarInfo(member)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
        return "a.tar"

    return write


CSV = frame().to_csv(index=False)
LINES = frame().to_json(orient="records", lines=True)
FAULTS = {
    "a cell too many": text("a.csv", CSV + f"{SECRET},{SECRET},F,1,0.5,{SECRET}\n"),
    "an open quotation mark": text("a.csv", CSV + f'{SECRET},"{SECRET},F,1,0.5\n'),
    "text among scores": text("a.csv", frame(p=[f"{SECRET} a whole note", *[0.5] * 29]).to_csv(index=False)),
    "a broken line of JSON": text("a.jsonl", LINES + f'{{"case": "{SECRET}", "note": {SECRET}}}\n'),
    "a column that mixes types": text("a.jsonl", LINES + json.dumps({**ROWS[0], "note": {"of": SECRET}}) + "\n"),
    "an array that ends early": text("a.json", json.dumps(ROWS)[:-40]),
    "an array of texts": text("a.json", json.dumps([SECRET, SECRET])),
    "numbers of more than 64 bits": text("a.json", json.dumps([*ROWS, {**ROWS[0], "note": 10**30}])),
    "a cut Parquet file": binary("a.parquet", lambda content: content[: len(content) // 2] + b"PAR1"),
    "a changed Parquet file": binary("a.parquet", lambda content: content.replace(SECRET.encode(), SECRET[::-1].encode(), 3)),
    "a cut Arrow file": binary("a.feather", lambda content: content[: len(content) // 2]),
    "a broken shard": shard({"c0.json": f'{{"note": "{SECRET}"'.encode()}),
    "a class of a shard that is no number": shard({"c0.cls": SECRET.encode()}),
    "a log that is none": text("a.jsonl", json.dumps({"doc_id": SECRET, "doc": SECRET, "target": SECRET, "resps": SECRET}) + "\n"),
}
CONFIG = "name: m\ndata: {{path: {name}, id: case, target: y, positive: 1, sensitive: [sex]}}\nmodel: {{load: {{kind: predictions, score: p}}}}\n"


@pytest.mark.parametrize("fault", FAULTS)
def test_no_text_of_a_row_is_in_a_sentence(tmp_path, monkeypatch, capsys, fault):
    monkeypatch.chdir(tmp_path)
    name = FAULTS[fault](tmp_path)
    (tmp_path / "audit.yaml").write_text(CONFIG.format(name=name))
    for command in (["init", name, "--out", "o.yaml"], ["audit", "audit.yaml", "--dry-run"], ["audit", "audit.yaml", "--out", "run"]):
        with suppress(SystemExit):
            main(command)
        said = capsys.readouterr()
        assert SECRET not in said.out + said.err, (command, (said.out + said.err)[:600])
