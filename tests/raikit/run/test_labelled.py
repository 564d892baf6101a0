"""For people a record names groups and classes in words; everything that identifies a number stays."""

import pytest

from raikit.naming import DisplayNames, names_in_use
from raikit.run.labelled import in_words
from raikit.run.record import CheckRecord, DataRecord, Gate, Record
from raikit.run.results import JudgedOver, Metric

NAMES = DisplayNames(values={"sex": {"F": "Women", "M": "Men"}, "dept": {"A": "Law"}}, missing={"sex": "not stated"},
                     columns={"dept": "department"}, classes={"0": "refused", "1": "approved"})  # fmt: skip


def rate(id, **fields):
    return Metric.exact(id.split("[")[0].split("(")[0].split(".")[1], 0.5, id=id, **fields)


@pytest.fixture
def record():
    metrics = [
        *(rate(f"fairness.rate[sex={value}]", over=["sex"], group={"sex": value}) for value in ("F", "M", None)),
        rate("fairness.gap[sex]", over=["sex"], pair=["sex: F", "sex: missing"], excluded=["sex: M"],
             judged=JudgedOver(value=0.4, low=0.4, high=0.4, left_out=["sex: missing"], pair=["sex: F", "sex: M"])),
        rate("fairness.rate_difference(to=M)[sex=F]", over=["sex"], group={"sex": "F"}, args={"to": "M"}),
        rate("fairness.rate(given=dept=A)[sex=F]", over=["sex"], group={"sex": "F"}, args={"given": "dept=A"}),
        rate("performance.recall(class=1)", args={"class": 1}),
        rate("performance.recall(average=macro)", args={"average": "macro"}, excluded=["0"]),
        rate("performance.confusion_matrix", args={"predicted": 0, "target": 1}),
        rate("privacy.cost(target=1)", args={"target": 1}),
    ]  # fmt: skip
    check = CheckRecord(name="a.b", pillar="a", plugin="raikit", status="ok", metrics=metrics)
    return Record(name="m", verdict="pass", gate=Gate(verdict="pass"), checks=[check], data=DataRecord(labels=NAMES))


def test_texts_that_name_groups_and_classes_are_in_words(record):
    with in_words(record) as readable:
        by_id = {str(metric.id): metric for _, metric in readable.metrics()}
        assert names_in_use() == NAMES
    gap = by_id["fairness.gap[sex]"]
    assert (gap.pair, gap.excluded) == (["sex: Women", "sex: not stated"], ["sex: Men"])
    assert (gap.judged.left_out, gap.judged.pair) == (["sex: not stated"], ["sex: Women", "sex: Men"])
    assert by_id["fairness.rate_difference(to=M)[sex=F]"].args == {"to": "Men"}
    assert by_id["fairness.rate(given=dept=A)[sex=F]"].args == {"given": "department: Law"}
    assert by_id["performance.recall(class=1)"].args == {"class": "approved"}
    assert by_id["performance.recall(average=macro)"].excluded == ["refused"]
    assert by_id["performance.confusion_matrix"].args == {"predicted": "refused", "target": "approved"}
    assert by_id["privacy.cost(target=1)"].args == {"target": 1}  # the target of a budget is no class


def test_the_record_itself_and_what_rules_name_keep_the_codes(record):
    before = record.model_dump()
    with in_words(record) as readable:
        assert [metric.id for _, metric in readable.metrics()] == [metric.id for _, metric in record.metrics()]
        assert readable.find("fairness.rate[sex=F]").group == {"sex": "F"}
    assert record.model_dump() == before
    assert Record.model_validate_json(record.model_dump_json()).data.labels == NAMES
