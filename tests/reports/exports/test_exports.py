"""Exports are valid against the schemas that their owners publish, whatever the texts of a record hold, and lose no metric."""

from __future__ import annotations

import csv
import io
import json
import time
from importlib.resources import files
from pathlib import Path

import cyclonedx.schema._res as published
import pyarrow.parquet as pq
import pytest
import yaml
from hostile import records
from huggingface_hub import ModelCard
from hypothesis import HealthCheck, given, settings
from jsonschema import validators
from referencing import Registry, Resource

from raikit import RunError
from raikit.address import parse
from raikit_reports.exports import cyclonedx, every_eval_ever, evidence, metric_table, model_card, pdf

GENTLE = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
SCHEMAS = Path(__file__).parents[1] / "schemas"


def read_schema(name: str) -> dict:
    return json.loads(files(published).joinpath(f"{name}.SNAPSHOT.schema.json").read_text())


def cyclonedx_validator():
    parts = {f"http://cyclonedx.org/schema/{name}.SNAPSHOT.schema.json": read_schema(name) for name in ("spdx", "jsf-0.82", "cryptography-defs")}
    registry = Registry().with_resources([(uri, Resource.from_contents(part)) for uri, part in parts.items()])
    schema = read_schema("bom-1.7")
    return validators.validator_for(schema)(schema, registry=registry)


def ever_validator():
    schema = json.loads((SCHEMAS / "every_eval_ever-0.3.schema.json").read_text())
    return validators.validator_for(schema)(schema)


CYCLONEDX, EVER = cyclonedx_validator(), ever_validator()


def complaints(validator, value) -> list[str]:
    return [f"{list(error.path)}: {error.message[:200]}" for error in validator.iter_errors(value)]


def test_the_schemas_can_say_no():
    assert complaints(CYCLONEDX, {"bomFormat": "CycloneDX"}) and complaints(EVER, {"schema_version": "0.3.0"})


@given(records())
@GENTLE
def test_they_are_valid_whatever_the_texts_hold(record):
    for validator, value in ((CYCLONEDX, cyclonedx.bill(record)), (EVER, every_eval_ever.log(record))):
        written = json.loads(json.dumps(value, allow_nan=False, ensure_ascii=False).encode())
        assert complaints(validator, written) == []
    metadata, _, text = model_card.card(record).removeprefix("---\n").partition("---\n")
    assert yaml.safe_load(metadata)["tags"] == ["raikit"] and "<script" not in text


def test_the_card_of_a_component_has_each_metric_with_its_interval_and_slice(record):
    bill = cyclonedx.bill(record)
    (model,) = [part for part in bill["components"] if part["type"] == "machine-learning-model"]
    shown = {entry["type"]: entry for entry in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    measured = {metric.id: metric for _, metric in record.metrics() if metric.value is not None and metric.subject == "model"}
    assert shown.keys() == {address for address in measured if "\ud800" not in address} or len(shown) == len(measured)
    sliced = next(metric for metric in measured.values() if metric.group and metric.id in shown)
    assert float(shown[sliced.id]["confidenceInterval"]["lowerBound"]) == sliced.low and shown[sliced.id]["slice"]


def test_one_result_of_every_eval_ever_a_metric_and_group(record):
    log = every_eval_ever.log(record)
    ids = [result["evaluation_result_id"] for result in log["evaluation_results"]]
    assert len(ids) == len(set(ids)) == sum(metric.value is not None and metric.subject == "model" for _, metric in record.metrics())
    one = next(result for result in log["evaluation_results"] if any(key.startswith("group.") for key in result["metric_config"]["metric_parameters"]))
    ends = one["score_details"]["uncertainty"]["confidence_interval"]
    assert ends["lower"] <= one["score_details"]["score"] <= ends["upper"] and 0 < ends["confidence_level"] < 1


def test_tables_hold_every_metric_and_no_formula(record, tmp_path):
    (path,) = metric_table.write_csv(record, tmp_path)
    rows = list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))
    assert len(rows) == sum(1 for _ in record.metrics())
    assert not any(str(value).startswith(("=", "+", "@")) for row in rows for value in row.values())
    assert all(float(row["low"]) <= float(row["value"]) <= float(row["high"]) for row in rows if row["value"] and row["low"])
    (path,) = metric_table.write_parquet(record, tmp_path)
    table = pq.read_table(path).to_pylist()
    assert [row["address"] for row in table] == [row["address"].removeprefix("'") for row in rows]
    assert {type(row["value"]) for row in table if row["value"] is not None} == {float}


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "@SUM(A1)", "-2", "\tx"])
def test_a_text_that_a_spreadsheet_would_run_stays_text(text):
    assert metric_table._inert(text) == f"'{text}"
    assert metric_table._inert(-2.5) == -2.5


def test_the_hub_reads_the_results_of_a_card(record, tmp_path):
    (path,) = model_card.write(record, tmp_path)
    card = ModelCard.load(path)
    measured = {metric.value for check, metric in record.metrics()
                if check.pillar == "performance" and metric.value is not None and not metric.over and not metric.group}  # fmt: skip
    assert {result.metric_value for result in card.data.eval_results or []} == measured


def test_the_index_claims_nothing_and_names_what_is_lacking(record, tmp_path):
    (path,) = evidence.write(record, tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "claims no compliance" in text and "complies" not in text and "compliant" not in text
    by_item = {(entry.item.source, entry.item.item): entry for entry in evidence.collect(record)}
    fairness = next(entry for key, entry in by_item.items() if key[1] == "2.11")
    addresses = {metric.id for _, metric in record.metrics()}
    assert fairness.metrics > 0 and set(fairness.addresses) <= addresses
    assert all("[" in address and parse(address) for address in fairness.addresses)
    bare = record.model_copy(update={"checks": [], "intended_use": "", "owner": {}})
    lacking = {entry.item.item: entry for entry in evidence.collect(bare)}
    assert lacking["2.11"].metrics == 0 and "intended use" in lacking["Annex IV, 1(a)"].lacking


def test_every_fact_of_an_item_exists():
    assert {name for entry in evidence.ITEMS for name in entry.fields} <= evidence.FIELDS.keys()


def test_a_pdf_without_a_browser_is_one_sentence(record, tmp_path, monkeypatch):
    monkeypatch.setenv("RAIKIT_CHROMIUM", "no-such-browser")
    with pytest.raises(RunError, match="needs Chromium, Chrome or Edge") as raised:
        pdf.write(record, tmp_path)
    assert str(raised.value).count(". ") == 0 and not list(tmp_path.iterdir())


@pytest.mark.skipif(pdf.find_browser() is None, reason="no Chromium is installed")
def test_a_pdf_is_the_printed_report(record, tmp_path):
    (path,) = pdf.write(record, tmp_path)
    first = path.read_bytes()
    assert first.startswith(b"%PDF-") and [one.name for one in tmp_path.iterdir()] == ["report.pdf"]
    time.sleep(1.1)  # dates in a PDF have seconds
    assert pdf.write(record, tmp_path)[0].read_bytes() == first
