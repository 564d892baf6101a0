"""What epsilon covers and what it does not: initial weights, what was fitted without noise, single cases, a known seed."""

from __future__ import annotations

import math
from collections.abc import Mapping

import raikit
from raikit.format import capitalised, case_noun, cases, column_text, count, headline, joined, percent
from raikit_privacy.estimates.features import largest_clusters
from raikit_privacy.estimates.starting_weights import numbers_beside
from raikit_privacy.estimates.trials import LARGEST_DELTA, Trials
from raikit_privacy.report.wording import at_most
from raikit_privacy.words import plain

_MOST_NAMES = 6


def scope_findings(ctx: raikit.CheckContext, trials: Trials) -> list[raikit.Finding]:
    """Say what epsilon covers: the weights, single cases, and a seed that is known."""
    findings = [_weights_finding(ctx, trials), _unit_of_privacy_finding(trials)]
    findings += [*_delta_findings(trials), *_number_findings(trials)]
    findings.append(raikit.Finding(
        kind="method", headline="Noise comes from the run's seed: a measurement, not a release",
        evidence="Private models and checkpoints were deleted",
        sentence="Noise and sampling were drawn from the run's seed: this is a measurement, not a release. Private models and "
                 "checkpoints were deleted. A model that is released must draw its noise from the operating system.",
        what="seeded noise", certainty="by construction",
    ))
    compared = len(trials.cases.frame)
    if trials.cases.available > compared:
        findings.append(raikit.Finding(
            kind="method", headline="Models are compared on a part of the test cases",
            evidence=f"{count(compared)} of {count(trials.cases.available)} test cases",
            sentence=f"Models were compared on {count(compared)} of {count(trials.cases.available)} test cases, whole "
                     "clusters drawn at random. Raise test_rows to compare more.", what="cases compared",
        ))
    return findings


def fitted_without_noise(ctx: raikit.CheckContext) -> dict[str, str]:
    """Return what the private model knows of the cases outside of its weights, by where it is used, as far as is known."""
    assert ctx.model is not None
    return {**(ctx.model.fitted() or {}), "target": f"list of {len(ctx.classes)} classes"}


def preprocessing_is_known(ctx: raikit.CheckContext) -> bool:
    """Return whether the model says what its preprocessing learnt."""
    return ctx.model is not None and ctx.model.fitted() is not None


def uncovered_table(ctx: raikit.CheckContext, trials: Trials) -> raikit.Table:
    """Return what epsilon does not cover, one row for each place where the private model uses it."""
    options = trials.options
    derived = [name for name, given in (("delta", options.delta), ("batch_size", options.batch_size)) if given is None]
    rows = [[where, what] for where, what in fitted_without_noise(ctx).items()]
    if not preprocessing_is_known(ctx):
        rows.append(["preprocessing", "not known: the model does not say what it was fitted on"])
    elif trials.foreign:
        rows.append(["anything else", "not known: what is above, but for the target, is the model's own statement"])
    rows.append(["number of training cases", f"{count(trials.recipe.rows)}; sampling rate and steps depend on it"
                 + (f", and by default {joined(derived)}" if derived else "")])
    if trials.start.declared is not None:
        known = "as declared" if trials.start.pretrained is None else "not known"
        rows.append(["initial weights", f"{known}: {trials.start.declared}"])
    before = "what was computed from several cases before raikit read them: ranks, means of a group, filled gaps, counts"
    rows.append(["columns of the data", before])
    rows.append(["choice of training cases", "which cases they are, where that depends on other cases, as a random split does"])
    rows.append(["this report", "its numbers are computed from all cases without noise, by models without privacy too"])
    searched = ctx.model.searched if ctx.model is not None else 0
    rows.append(["options and network", "what was chosen by trying it on these cases" + (
        f": a search of {count(searched)} trials, each trained on them without noise" if searched else "")])
    rows.append(["other runs on these cases", "their ε adds to this one"])
    return raikit.Table(
        id="uncovered", title="What ε does not cover", rows=rows,
        columns=[raikit.Column(name="where", title="Where"), raikit.Column(name="what", title="What was used without noise")],
        note="ε bounds what the weights reveal when all of this is taken as public. An attacker who sees it may learn more.",
    )


def _weights_finding(ctx: raikit.CheckContext, trials: Trials) -> raikit.Finding:
    if trials.start.declared is None:
        origin = ("ε covers the training of the weights, from newly drawn ones. Two seeds give unrelated numbers, and nothing "
                  "shows that these know the cases.")
    else:
        known = "declared, not proved" if trials.start.pretrained is None else "not known beyond its name"
        origin = (f"ε covers the training from given weights, whose origin is {known}: {trials.start.declared}. "
                  "An attack on the loss of the initial weights does not show that they have seen training cases "
                  f"({trials.start.attack}), which is no proof.")
        if trials.start.partly_drawn:
            origin += " It has little power here, because other weights are newly drawn, as those of a new head."
    declared, searched = trials.start.declared is not None, bool(_search_sentence(ctx))
    said = ("The private copy's guarantee assumes initial weights that saw no training case" if declared
            else "The private copy's guarantee leaves out the search that chose settings" if searched
            else "The private copy's ε covers the training of its weights alone")
    return raikit.Finding(
        kind="worth_knowing" if declared or searched else "method", headline=said,
        evidence="Not covered: what was fitted without noise, searches, other runs on these cases",
        sentence=f"{origin} {_fitted_sentence(ctx, bool(trials.foreign))}{_search_sentence(ctx)} ε leaves out the number of "
                 "training cases, which is taken as public, and columns that were computed from several cases. It leaves out "
                 "options that were chosen by trying them on these cases. It leaves out other "
                 "runs on them: their ε adds to this one.",
        facts=[("About", "The private copy, promised."), ("Fitted without noise", _short(fitted_without_noise(ctx)))],
        severity="warn" if declared or searched else "note", what="scope of epsilon",
        certainty="two draws were compared" if not trials.start.condition else "if these weights have seen no training case",
    )


def _search_sentence(ctx: raikit.CheckContext) -> str:
    """Return a sentence on the search that chose the network, empty without one."""
    searched = ctx.model.searched if ctx.model is not None else 0
    if not searched:
        return ""
    return (f" A search of {count(searched)} trials on these cases, trained without noise, chose the settings of the network. "
            "What it learnt from them is not covered, at any ε.")


def _fitted_sentence(ctx: raikit.CheckContext, foreign: bool) -> str:
    without_noise = "It does not cover what was fitted on these cases without noise, which is listed below."
    if not preprocessing_is_known(ctx):
        return f"{without_noise} What else the model's preprocessing or loss was fitted on is not known."
    if foreign:
        held = numbers_beside(ctx.model) if ctx.model is not None else []
        more = f" The model also holds numbers whose origin is not known: {_some(held)}." if held else ""
        return f"{without_noise} That is the model's own statement; nothing shows that it is complete.{more}"
    return without_noise


def _short(fitted: Mapping[str, str]) -> str:
    """Write what was fitted, one clause for each kind with the columns that have it."""
    columns: dict[str, list[str]] = {}
    for where, what in fitted.items():
        columns.setdefault(what, []).append(where)
    clauses = [f"{what} ({_some(where)})" for what, where in columns.items()]
    return "; ".join(clauses[:_MOST_NAMES]) + (f"; and {len(clauses) - _MOST_NAMES} more" if len(clauses) > _MOST_NAMES else "")


def _some(names: list[str]) -> str:
    shown = names[:_MOST_NAMES]
    return joined([*shown, f"{len(names) - len(shown)} more"] if len(names) > len(shown) else shown)


def _unit_of_privacy_finding(trials: Trials) -> raikit.Finding:
    where = joined(trials.shared)
    copies = trials.copies
    facts = [("About", "The private copy, promised."),
             ("For k cases", "With k cases of one person, or k copies of a case, ε is k times as large and δ is larger too.")]
    facts += [("Among the training cases", "; ".join(map(capitalised, trials.shared)) + ".")] if where else []
    facts += [("Copies", f"{count(copies)} training cases have the same inputs."),
              ("Not counted", "Copies under other file names or spellings.")] if copies > 1 else []
    return raikit.Finding(
        kind="worth_knowing" if where else "method", headline=_one_case(trials),
        evidence=(f"Among the training cases, {joined(trials.shared[:2])}" if where
                  else "For k cases of one person, ε is k times as large"),
        facts=facts, severity="warn" if where else "note", what="unit of privacy", certainty="by construction",
    )


def _one_case(trials: Trials) -> str:
    """Say that a case is protected and not those who are in several, by the names of the columns that tell them apart."""
    one = case_noun(1)
    columns = [column_text(column) for column, n in largest_clusters(trials.ctx, "train").items() if n > 1]
    said = f"ε protects one {one}, not one {' or '.join(columns)}" if columns else ""
    whose = f"The private copy's {said}" if said else ""
    plain_words = f"The private copy's ε protects one {one}, not all of one person"
    return headline(whose, said, plain_words, "ε protects one case, not one person")


def _number_findings(trials: Trials) -> list[raikit.Finding]:
    """Say what all private models of the run together would spend: ε of each is for that one alone."""
    targets, repeats = trials.options.epsilons, trials.options.repeats
    if len(targets) * repeats == 1:
        return []
    models = len(targets) * repeats
    return [raikit.Finding(
        kind="method", headline="Private models of the same cases add up their ε",
        evidence=f"All {count(models)} together: ε = {at_most(sum(targets) * repeats)} at δ = {plain(trials.delta * models)}",
        sentence=f"Each ε is that of one private model. {count(models)} were trained on the same cases. Who sees all of them, or "
                 f"numbers computed from all, has at most ε = {at_most(sum(targets) * repeats)} at "
                 f"δ = {plain(trials.delta * models)}.",
        what="several private models", certainty="by construction",
    )]


def _delta_findings(trials: Trials) -> list[raikit.Finding]:
    """Warn of a delta that is not far below the share of one case.

    References
    ----------
    .. [1] Dwork and Roth, "The Algorithmic Foundations of Differential Privacy", 2014, section 2.3.
    .. [2] Ponomareva et al., "How to DP-fy ML", JAIR 2023.
    """
    n = trials.recipe.rows
    if not trials.has_large_delta:
        return []
    over = "at least" if trials.delta * n >= 1 else "not far below"
    return [raikit.Finding(
        kind="worth_knowing", headline="δ is too large for the guarantee to mean much",
        evidence=f"δ = {plain(trials.delta)}; one over the number of training cases is {plain(1 / n)}",
        sentence=f"δ = {plain(trials.delta)} is {over} one over the number of training cases ({count(n)}). Publishing each case "
                 f"with a probability of δ, {_published(trials.delta * n)}, would satisfy such a guarantee (Dwork and Roth 2014).",
        facts=[("What to do", f"Leave delta out, or set it to {plain(LARGEST_DELTA / n)} at most."),
               ("Source", "Ponomareva et al. 2023 advise far less than one over the number of training cases.")],
        severity="warn", what="size of delta", certainty="by construction",
    )]


def _published(expected: float) -> str:
    """Write how many cases are published if each is with a probability of delta."""
    return f"about {cases(round(expected))}" if expected >= 1 else f"some case in {percent(-math.expm1(-expected))} of releases"
