"""Whether explanations of single cases can be believed: a finding for each word, and the tests of all methods in a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

import raikit
from raikit.arrays import FloatArray
from raikit.format import capitalised, case_noun, confidence, count, headline, joined, sample_size
from raikit.run.results import FindingKind, Severity
from raikit_explain.estimates import verdict
from raikit_explain.estimates.trust import Trust
from raikit_explain.estimates.verdict import Share, Verdict, Word
from raikit_explain.names import method_name
from raikit_explain.report.wording import ends, share

Address = Callable[[str, str], str]
"""From the name of a metric and a method to the metric's address."""

_STATEMENTS: dict[Word, tuple[str, str, FindingKind, Severity]] = {
    verdict.SUPPORTED: ("are supported by evidence", "Trust the marks where the figure of a {} says so; elsewhere do not.",
                        "fine", "note"),
    verdict.CHANCE: ("are no better than chance", "Do not rely on the parts that the figures mark.", "worth_knowing", "warn"),
    verdict.NOT_CONVERGED: ("have not converged",
                            "Do not rely on the parts that the figures mark. More steps (max_steps) may help.",
                            "worth_knowing", "warn"),
    verdict.NOT_TESTED: ("are not tested", "Whether the parts that the figures mark decide is unknown.", "undecided", "note"),
}
_CONTROLS = {verdict.RANDOM_COPY: "Copies of the model with random weights", verdict.MAGNITUDE: "Size of the inputs alone",
             verdict.OTHER_CASE: "Explanations of others"}
_SHORT = {verdict.RANDOM_COPY: "random weights", verdict.MAGNITUDE: "input size", verdict.OTHER_CASE: "explanations of others"}


def findings(trust: Trust, address: Address, level: float) -> list[raikit.Finding]:
    """Return one finding for each word that some method has earned, those that warn first."""
    judged = {name: trust.verdict(name, level) for name in trust.methods}
    by_word: dict[Word, list[str]] = {}
    for name, of in judged.items():
        by_word.setdefault(of.word, []).append(name)
    order = [verdict.CHANCE, verdict.NOT_CONVERGED, verdict.NOT_TESTED, verdict.SUPPORTED]
    return [_finding(trust, word, by_word[word], judged, address, level) for word in order if word in by_word]


def _finding(
    trust: Trust, word: Word, methods: Sequence[str], judged: dict[str, Verdict], address: Address, level: float
) -> raikit.Finding:
    statement, advice, kind, severity = _STATEMENTS[word]
    named = joined([method_name(name) for name in methods])
    plain = f"Explanations of single {case_noun()} {statement}"
    said = plain if len(judged) == 1 else headline(f"Explanations by {named} {statement}", plain)
    first = judged[methods[0]]
    sample = _sample(trust)
    return raikit.Finding(
        kind=kind, severity=severity, headline=said,
        evidence=_evidence(first, level) if len(methods) == 1 else f"{named}: see the table of methods and tests",
        sentence=advice.format(case_noun(1)), what="verdict on explanations", who=named, certainty=sample,
        metrics=[address("trusted_share", name) for name in methods],
        facts=[*_verdict_facts(word, {name: judged[name] for name in methods}, level), *_tests(), *_agreement_facts(trust),
               ("Sample", f"{sample}.")])


def _verdict_facts(word: Word, judged: dict[str, Verdict], level: float) -> list[tuple[str, str]]:
    """Say why; of several methods each by itself, of one with what its controls reach."""
    if len(judged) > 1:
        return [(method_name(name), f"{capitalised(_reason(of))}.") for name, of in judged.items()]
    (of,) = judged.values()
    return [("Verdict", f"{capitalised(word)}: {_reason(of)}."), *_control_facts(of, level)]


def _reason(judged: Verdict) -> str:
    """Write why, with the unit where the reason counts cases."""
    return judged.reason.replace("fewer than 8 have", f"fewer than 8 {case_noun()} have")


def _evidence(judged: Verdict, level: float) -> str:
    """Write how many explanations pass, and how many pictures that know nothing of the model."""
    if judged.share is None:
        return capitalised(_reason(judged))
    controls = "; ".join(f"{_SHORT[name]} {share(of.value, of.n)}" for name, of in judged.controls.items())
    passing = f"Better than random: {_with_ends(judged.share, level)}"
    return f"{passing}{f'; {controls}' if controls else ''}; n = {count(judged.share.n)}"


def _with_ends(of: Share, level: float) -> str:
    return f"{share(of.value, of.n)}, {ends(of.low, of.high, of.n, level=level, value=of.value)}"


def _tests() -> list[tuple[str, str]]:
    return [
        ("Test", "Parts are kept, or removed, in the order of their attributions."),
        ("Passes", "The order tells decisive parts better than random orders of the same parts."),
        ("Many tests", f"Of {case_noun()} that pass, at most one in twenty is expected by chance (Benjamini-Hochberg)."),
        ("Condition", "Removed parts get the values of the model's baseline. The test is about this model and its decisions."),
    ]


def _control_facts(judged: Verdict, level: float) -> list[tuple[str, str]]:
    def ignores(name: str) -> str:
        return f"of this {case_noun(1)}" if name == verdict.OTHER_CASE else "of this model"

    return [(_CONTROLS[name],
             f"{count(of.passed)} of {count(of.n)} pass, {_with_ends(of, level)}; it knows nothing {ignores(name)}.")
            for name, of in judged.controls.items()]


def _agreement_facts(trust: Trust) -> list[tuple[str, str]]:
    return [(f"{method_name(first)} and {method_name(second)}",
             f"Rank correlation of the parts {np.nanmean(found.correlation):.2f} on average.")
            for (first, second), found in trust.found.agreement.items() if np.isfinite(found.correlation).any()]


def _sample(trust: Trust) -> str:
    drawn, population = len(trust.sample.frame), trust.sample.population
    return sample_size(drawn) + (f", drawn at random from {count(population)}" if drawn < population else "")


def table(trust: Trust, level: float) -> raikit.Table:
    """Return the tests of all methods: one row each."""
    columns = [raikit.Column(name=name, title=title, format=form) for name, title, form in (
        ("method", "Method", "text"), ("verdict", "Verdict", "text"), ("n", f"{capitalised(case_noun())} tested", "integer"),
        ("pass", "Better than random", "percent"), ("low", "Lower", "percent"), ("high", "Upper", "percent"),
        ("random", "Random weights", "percent"), ("size", "Input size", "percent"),
        ("other", f"Other {case_noun()}", "percent"), ("converged", "Converged", "percent"),
        ("sensitivity", "Sensitivity", "number"))]
    rows = [_row(trust, name, trust.verdict(name, level)) for name in trust.methods]
    rows += [[method_name(name), f"{verdict.NOT_TESTED}: {reason}", *[None] * (len(columns) - 2)]
             for name, reason in trust.refused.items()]
    shown = [index for index, column in enumerate(columns)
             if column.name != "sensitivity" or any(row[index] is not None for row in rows)]
    return raikit.Table(
        id="verdicts", title="Methods and their tests", columns=[columns[index] for index in shown],
        rows=[[row[index] for index in shown] for row in rows],
        note=f"Share of {case_noun()} whose explanation is better than random orders, with its {confidence(level)} CI. "
             "Random weights and input size know nothing of the model, and explanations of others nothing of the "
             f"{case_noun(1)}: their shares show what the test lets pass.")


def _row(trust: Trust, name: str, judged: Verdict) -> list[str | int | float | bool | None]:
    of, controls = judged.share, judged.controls
    of_controls = [controls[control].value if control in controls else None
                   for control in (verdict.RANDOM_COPY, verdict.MAGNITUDE, verdict.OTHER_CASE)]
    converged = float(np.mean(trust.found.evidence.converged[name]))
    sensitivity = _mean(trust.found.sensitivity.get(name))
    passing = (of.n, of.value, of.low, of.high) if of is not None else (0, None, None, None)
    return [method_name(name), judged.word, *passing, *of_controls, converged, sensitivity]


def _mean(values: FloatArray | None) -> float | None:
    return None if values is None or not np.isfinite(values).any() else float(np.nanmean(values))
