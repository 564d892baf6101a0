"""Findings, table and figure of ``privacy.canaries``: what was claimed, what was proved, and what canaries measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import raikit
from raikit.format import capitalised, confidence, count, number
from raikit_privacy.estimates.budget import NAMES
from raikit_privacy.estimates.canary_audit import CanaryAudit, rounded_down
from raikit_privacy.report.wording import at_most
from raikit_privacy.words import plain

_CLAIMED, _PROVED, _MEASURED = "claimed", "proved", "measured"


def at_least(value: float) -> str:
    """Write a lower bound with two decimals, rounded down.

    Examples
    --------
    >>> at_least(1.799), at_least(0.0)
    ('1.79', '0.00')
    """
    return f"{rounded_down(value):.2f}"


def findings(audits: Sequence[CanaryAudit], address: Any) -> list[raikit.Finding]:
    """Say for each training whether canaries contradict the proof, and what they cannot show."""
    return [*(_finding(audit, address) for audit in audits), _method_finding(audits)]


def not_measured_finding(reason: str, addresses: list[str]) -> raikit.Finding:
    """Say why no private model was trained with canaries."""
    return raikit.Finding(
        kind="undecided", headline="Private training was not audited with canaries",
        evidence="Not measured: no private model was trained", sentence=f"{capitalised(reason.rstrip('.'))}.",
        what="audit of private training in one run", certainty="not measured", metrics=addresses)


def _right(audit: CanaryAudit) -> str:
    """Write right guesses beside the most that are allowed."""
    return "; ".join(f"{count(right)} of {count(made)} guesses right, at most {count(audit.allowed[made])} allowed"
                     for made, right in audit.guesses.correct.items())


def _finding(audit: CanaryAudit, address: Any) -> raikit.Finding:
    bound, epsilon = at_least(audit.bound.epsilon), at_most(audit.epsilon)
    canaries = len(audit.training.canaries)
    common: dict[str, Any] = {
        "evidence": _right(audit),
        "facts": [("About", "A private copy that was trained with canaries, measured; it was deleted."),
                  ("Claimed", f"ε = {audit.target} at δ = {plain(audit.budget.delta)}."),
                  ("Proved", f"ε = {epsilon} by {NAMES[audit.budget.accountant]}."),
                  ("Measured", f"ε is at least {bound} ({confidence(audit.level)} confidence), for any mechanism."),
                  ("Assuming Gaussian noise", f"At least {at_least(audit.gaussian.epsilon)}; nothing is decided by it."),
                  ("Canaries", f"{count(canaries)}, of which {count(int(audit.training.canaries.inserted.sum()))} were in."),
                  ("Method", audit.bound.method)],
        "what": "audit of private training in one run", "certainty": f"{confidence(audit.level)} confidence",
        "metrics": [address(metric) for metric in audit.metrics[: 1 + len(audit.allowed)]],
        "figures": [f"canaries-{audit.target}"]}
    if audit.contradicted:
        return raikit.Finding(
            kind="worth_knowing", severity="fail", headline="THE MEASURED PRIVACY LOSS CONTRADICTS THE CLAIMED EPSILON",
            sentence="PRIVATE TRAINING DOES NOT KEEP ITS PROMISE. More guesses are right than the proved ε allows. "
                     "Release no model that was trained so.", **common)
    if not audit.could_contradict:
        return raikit.Finding(
            kind="undecided", headline="Too few canaries to contradict this ε",
            sentence="Even if every guess were right, the claimed ε would allow it. Use more canaries, or a smaller ε.", **common)
    return raikit.Finding(
        kind="fine", headline="Canaries do not contradict the ε of private training",
        sentence=f"Canaries show that ε is at least {bound}. The proof says that it is at most {epsilon}. "
                 "If all guesses were right, as without noise, the proof would be contradicted.", **common)


def _method_finding(audits: Sequence[CanaryAudit]) -> raikit.Finding:
    return raikit.Finding(
        kind="method", headline="What canaries test, and what they cannot show",
        evidence="Canaries are training cases with a wrong label, in or out by the toss of a coin",
        sentence="The attacker sees the noisy gradient of every step. In a further layer, each canary has weights of its own.",
        facts=[("Tested", "Noise, clipping, sampling and accounting, by the code that trains the private copies."),
               ("Declared", "How many guesses are made was fixed before any score was seen."),
               ("False alarms", f"A correct training is accused in at most {100 * (1 - audits[0].level):.0f}% of runs."
                if audits else "None."),
               ("Not shown", "A bound from below proves no privacy. Small faults may stay hidden."),
               ("Not shown either", "What a network does with other cases, and where its initial weights come from.")],
        what="audit in one run", certainty="by construction")


def table(audits: Sequence[CanaryAudit]) -> raikit.Table:
    """Return claim, proof and measurement, one row per training."""
    titles = [("target", "Claimed ε", "number"), ("epsilon", "Proved ε, at most", "number"), ("delta", "δ", "number"),
              ("canaries", "Canaries", "integer"), ("right", "Right guesses", "text"),
              ("bound", "Measured ε, at least", "text"), ("steinke", "Steinke et al., at least", "text"),
              ("gaussian", "Assuming Gaussian noise, at least", "text"), ("verdict", "Contradicted", "text")]
    rows = [[audit.budget.target, audit.epsilon, audit.budget.delta, len(audit.training.canaries), _right(audit),
             at_least(audit.bound.epsilon), at_least(audit.steinke.epsilon), at_least(audit.gaussian.epsilon),
             "YES" if audit.contradicted else "no" if audit.could_contradict else "cannot be decided"] for audit in audits]
    return raikit.Table(
        id="canaries", title="Claimed, proved and measured ε", rows=rows,
        columns=[raikit.Column(name=name, title=title, format=form) for name, title, form in titles],
        note="The measured ε holds for any mechanism. The last bound assumes Gaussian noise, and no decision rests on it.")


def figure(audit: CanaryAudit) -> raikit.Figure:
    """Draw claim, proof and measured bounds on one axis, groups below."""
    data = [{"what": "claimed", "kind": _CLAIMED, "epsilon": float(audit.budget.target)},
            {"what": "proved, at most", "kind": _PROVED, "epsilon": audit.epsilon},
            {"what": "measured, at least", "kind": _MEASURED, "epsilon": audit.bound.epsilon},
            {"what": "assuming Gaussian noise", "kind": _CLAIMED, "epsilon": audit.gaussian.epsilon}]
    data += [{"what": feature.text(index), "kind": _MEASURED, "epsilon": bound.epsilon}
             for feature, index, _, bound in audit.groups if bound is not None]
    names = [str(row["what"]) for row in data]
    filled = {"field": "kind", "type": "nominal", "legend": None,
              "scale": {"domain": [_CLAIMED, _PROVED, _MEASURED], "range": ["var(--paper)", "var(--ink-2)", "var(--ink)"]}}
    y = {"field": "what", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 200}}
    x = {"field": "epsilon", "type": "quantitative", "title": "ε", "scale": {"zero": True, "nice": True}}
    return raikit.Figure(
        id=f"canaries-{audit.target}", title=f"Claimed, proved and measured ε, target {audit.target}",
        subtitle=f"black: measured at {confidence(audit.level)} confidence, from below; grey: proved, from above; "
                 "rings: claimed, and an assumption",
        alt=f"Claimed ε {audit.target}, proved at most {number(audit.epsilon, 2)}, measured at least "
            f"{number(audit.bound.epsilon, 2)}.",
        spec={"height": {"step": 26}, "layer": [
            {"mark": {"type": "rule", "strokeDash": [4, 4], "color": "var(--ink-2)"}, "encoding": {"x": {"datum": audit.epsilon}}},
            {"mark": {"type": "point", "size": 70, "opacity": 1, "strokeWidth": 2, "stroke": "var(--ink)"},
             "encoding": {"y": y, "x": x, "fill": filled}}]},
        data=data)
