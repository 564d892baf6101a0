"""What a hostile log claims or unpacks to is limited before memory is used."""

import gzip
import json
import tracemalloc
import zipfile
import zlib

import pyarrow as pa
import pytest

from raikit.data.evaluation_logs import limits, read_log
from raikit.errors import DataError


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setenv("RAIKIT_MAX_MEGABYTES", "2")


def peak(read):
    tracemalloc.start()
    try:
        with pytest.raises(DataError) as error:
            read()
        return str(error.value), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_member_that_would_unpack_to_gigabytes_is_refused_by_the_size_it_claims(tmp_path, monkeypatch):
    monkeypatch.setenv("RAIKIT_MAX_MEGABYTES", "64")
    with zipfile.ZipFile(tmp_path / "bomb.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", b" " * 64_000_001)
    message, memory = peak(lambda: read_log(tmp_path / "bomb.eval"))
    assert message == "bomb.eval has 65 megabytes, more than the 64 that are read; raise data.max_megabytes, or set RAIKIT_MAX_MEGABYTES."
    assert memory < 8 << 20


def test_many_members_are_refused_by_their_sum(tmp_path, small):
    header = {"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}}
    with zipfile.ZipFile(tmp_path / "bomb.eval", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", json.dumps(header))
        for number in range(5):
            archive.writestr(f"samples/{number}_epoch_1.json", b" " * (1 << 20))
    with pytest.raises(DataError, match=r"^bomb\.eval has 6 megabytes, more than the 2 that are read"):
        read_log(tmp_path / "bomb.eval")


def test_a_member_that_lies_about_its_size_is_not_unpacked_further(tmp_path):
    """Of zstd, which Python's zipfile does not know, no more is unpacked than the directory says."""
    packed = pa.compress(b" " * (256 << 20), codec="zstd", asbytes=True)
    with zipfile.ZipFile(tmp_path / "bomb.eval", "w") as archive:
        archive.writestr("header.json", packed)
    content = (tmp_path / "bomb.eval").read_bytes()
    local, central = content.index(b"PK\x03\x04"), content.index(b"PK\x01\x02")
    patched = bytearray(content)
    patched[local + 8 : local + 10] = patched[central + 10 : central + 12] = limits._ZSTD.to_bytes(2, "little")
    patched[central + 24 : central + 28] = (1000).to_bytes(4, "little")
    patched[central + 16 : central + 20] = zlib.crc32(b" " * 1000).to_bytes(4, "little")
    (tmp_path / "bomb.eval").write_bytes(patched)
    message, memory = peak(lambda: read_log(tmp_path / "bomb.eval"))
    assert message == "bomb.eval: header.json is not valid JSON; the log is damaged."
    assert memory < 8 << 20


def test_compressed_lines_are_limited(tmp_path, small):
    line = json.dumps({"doc_id": 0, "doc": {}, "target": "", "arguments": {}, "filtered_resps": [], "acc": 1}).encode()
    (tmp_path / "samples_a.jsonl.gz").write_bytes(gzip.compress((line + b"\n") * 60_000))
    with pytest.raises(DataError, match=r"^samples_a\.jsonl\.gz(, line 2: document 0 occurs twice| has more than)"):
        read_log(tmp_path / "samples_a.jsonl.gz")
    (tmp_path / "samples_b.jsonl.gz").write_bytes(gzip.compress(line + b"\n" + b'"' + b"x" * (3 << 20)))
    with pytest.raises(DataError, match=r"^samples_b\.jsonl\.gz has more than the 2 megabytes after unpacking"):
        read_log(tmp_path / "samples_b.jsonl.gz")


def test_json_that_is_too_large_is_refused(tmp_path, small):
    (tmp_path / "log.json").write_text('{"version": 2, "status": "success", "eval": {}' + " " * (3 << 20) + "}")
    with pytest.raises(DataError, match=r"^log\.json has 4 megabytes, more than the 2 that are read"):
        read_log(tmp_path / "log.json")


def test_a_member_in_several_frames_of_zstd_is_read_whole(tmp_path):
    """Inspect begins a new frame every 200 MB."""
    header = json.dumps({"version": 2, "status": "success", "eval": {"task": "t", "model": "m"}}).encode()
    sample = json.dumps({"id": 1, "scores": {"match": {"value": "C"}}}).encode()
    with zipfile.ZipFile(tmp_path / "log.eval", "w") as archive:
        archive.writestr("header.json", header)
        archive.writestr("samples/1_epoch_1.json", b"".join(pa.compress(part, codec="zstd", asbytes=True) for part in (sample[:20], sample[20:])))
    content = bytearray((tmp_path / "log.eval").read_bytes())
    local, central = content.rindex(b"PK\x03\x04"), content.rindex(b"PK\x01\x02")
    content[local + 8 : local + 10] = content[central + 10 : central + 12] = limits._ZSTD.to_bytes(2, "little")
    content[central + 16 : central + 20] = zlib.crc32(sample).to_bytes(4, "little")
    content[central + 24 : central + 28] = len(sample).to_bytes(4, "little")
    (tmp_path / "log.eval").write_bytes(content)
    assert read_log(tmp_path / "log.eval").column("correct").to_pylist() == [True]
