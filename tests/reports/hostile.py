"""Records whose every text is somebody's attack, and whose verdicts agree with each other as the gate's do."""

from __future__ import annotations

import json

from hypothesis import strategies as st
from report_record import HOSTILE

from raikit.config.schema import GateConfig
from raikit.gate.exit_code import exit_code
from raikit.naming import DisplayNames
from raikit.run.record import CheckRecord, DataRecord, Gate, PluginRecord, Provenance, Record, Rule, Summary
from raikit.run.results import Finding

TEXTS = st.one_of(
    st.sampled_from([*HOSTILE, "::error::x", "a%0Ab", "{0} [a](javascript:b)", "-->", "\r\n::warning::y", "\x1b[31m", "\u2028"]),
    st.text(st.characters(), max_size=30),
    st.text(st.characters(categories=["Cs", "Cc", "Co", "Zl", "Po"]), max_size=10),
)
_STATUSES = ["pass", "fail", "inconclusive", "waived", "missing"]
_NUMBERS = st.one_of(st.none(), st.floats(-1e6, 1e6))


@st.composite
def rules(draw) -> Rule:
    value = draw(_NUMBERS)
    return Rule(
        id=draw(TEXTS), sentence=draw(TEXTS), metric=draw(TEXTS), pattern=draw(TEXTS), check=draw(st.none() | TEXTS),
        kind=draw(st.sampled_from(["rule", "regression", "required"])), status=draw(st.sampled_from(_STATUSES)),
        severity=draw(st.sampled_from(["fail", "warn"])), reason=draw(TEXTS), limit=draw(_NUMBERS), bound="max",
        value=value, low=value, high=value, baseline=draw(_NUMBERS), unit=draw(st.none() | TEXTS),
        waiver=draw(st.none() | st.fixed_dictionaries({"reason": TEXTS, "who": TEXTS, "until": TEXTS})),
    )  # fmt: skip


@st.composite
def checks(draw) -> CheckRecord:
    status = draw(st.sampled_from(["ok", "error", "skipped", "deselected", "not_loaded", "missing"]))
    finding = Finding(sentence="x", severity=draw(st.sampled_from(["fail", "warn", "note"])), metrics=[draw(TEXTS)])
    finding.sentence = draw(TEXTS) or "x"
    return CheckRecord(
        name=draw(TEXTS), pillar=draw(TEXTS), title=draw(TEXTS), plugin=draw(TEXTS), status=status, help=draw(TEXTS),
        reason=None if status == "ok" else draw(TEXTS), traceback=draw(TEXTS), findings=[finding],
        process=draw(st.sampled_from(["audit", "plugin", "model"])), warnings=draw(st.lists(TEXTS, max_size=1)),
    )  # fmt: skip


@st.composite
def plugins(draw) -> PluginRecord:
    status = draw(st.sampled_from(["ok", "error", "incompatible", "ambiguous", "disabled", "local"]))
    return PluginRecord(name=draw(TEXTS), distribution=draw(TEXTS), status=status, reason=draw(TEXTS))


@st.composite
def labelled_data(draw) -> DataRecord:
    """Data whose labels of the unit, of columns, groups and classes are hostile too."""
    texts = st.dictionaries(st.sampled_from(["sex", "F", "1"]), TEXTS, max_size=2)
    names = DisplayNames(
        unit=(draw(TEXTS), draw(TEXTS)), columns=draw(texts), values={"sex": draw(texts)}, nouns=draw(texts), missing=draw(texts),
        classes=draw(texts),
    )  # fmt: skip
    return DataRecord(labels=names, classes=[draw(TEXTS)], sensitive=["sex"], notes=[draw(TEXTS)], limits=[draw(TEXTS)])


@st.composite
def records(draw) -> Record:
    """A record as the gate would have left it: its exit code follows from its rows by the gate's own function."""
    names = draw(st.lists(TEXTS, max_size=2))
    told = {"on_inconclusive": draw(st.sampled_from(["pass", "warn", "fail", "stop"])), "allow_errors": names}
    policy = GateConfig().model_copy(update=told)
    rows, ran = draw(st.lists(rules(), max_size=6)), draw(st.lists(checks(), max_size=4))
    lost = draw(st.lists(plugins(), max_size=3))
    gate = Gate(verdict="pass", rules=rows, exit_code=exit_code(policy, rows, ran, lost))
    gate.warnings = draw(st.lists(TEXTS, max_size=2))
    return Record(
        name=draw(TEXTS), verdict=draw(st.sampled_from(["pass", "warn", "fail", "inconclusive", "error"])),
        checks=ran, plugins=lost, gate=gate, data=draw(labelled_data()), summary=Summary(answer=draw(TEXTS), sentences=[draw(TEXTS)]),
        provenance=Provenance(
            config=json.dumps({"gate": told}), config_path=draw(TEXTS), run_id=draw(TEXTS),
            versions={"raikit": draw(TEXTS)},
        ),
    )  # fmt: skip
