from raikit.run.record import Gate, Record, Rule
from raikit_reports import verdicts


def record(status):
    rule = Rule(id="r", sentence="s", metric="a.b", limit=0.1, bound="max", status=status)
    return Record(name="m", verdict="fail", gate=Gate(verdict="fail", rules=[rule]))


def test_an_audit_fails_because_a_rule_is_broken_or_because_one_could_not_be_judged():
    assert verdicts.answer(record("fail"))[1] == "a rule is broken"
    assert verdicts.answer(record("inconclusive"))[1] == verdicts.answer(record("missing"))[1] == "not all rules could be judged"
