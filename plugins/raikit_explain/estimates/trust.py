"""Whether explanations can be believed: evidence on a sample of cases of its own, and on the examples that are drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor

import raikit
from raikit.arrays import FloatArray
from raikit.format import joined
from raikit.models.encoded import Encoded, encode
from raikit_explain.estimates import methods as registry
from raikit_explain.estimates import shares, stability, verdict
from raikit_explain.estimates.explanation import Explanations, ExplanationSettings, batches, decided_classes
from raikit_explain.estimates.faithfulness import DRAWS
from raikit_explain.estimates.games import EncodedGame
from raikit_explain.estimates.sampling import Sample
from raikit_explain.estimates.verdict import Evidence, Explained, Method, Verdict, Word
from raikit_explain.names import method_name

if TYPE_CHECKING:
    from raikit.models.positions import Positions

_WORD_LEVEL = 0.95  # of the intervals that decide the word, whatever the level of the run
_PASSES = 10  # of an order: five shares of the parts are kept, five removed
_ORDERS = 4  # of the method and of three controls
_ROWS = (16, 64)


@dataclass(frozen=True)
class Agreement:
    """How alike two methods order the parts of n cases; see `raikit_explain.estimates.stability.agreement`."""

    correlation: FloatArray
    overlap: FloatArray


@dataclass(frozen=True)
class Findings:
    """What tests found on consecutive cases.

    Attributes
    ----------
    evidence : Evidence
    agreement : mapping of (method, method) to Agreement
    sensitivity : mapping of method to ndarray, shape (n,)
        Empty unless it was asked for.
    """

    evidence: Evidence
    agreement: dict[tuple[str, str], Agreement] = field(default_factory=dict)
    sensitivity: dict[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Trust:
    """What was found on a sample of cases.

    Attributes
    ----------
    sample : Sample
    methods : list of str
    refused : mapping of str to str
        Methods that do not apply to the model, with the reason.
    found : Findings
    """

    sample: Sample
    methods: list[str]
    refused: dict[str, str]
    found: Findings

    def verdict(self, method: str, level: float = _WORD_LEVEL) -> Verdict:
        """Judge a method; shares have intervals at `level`, the word does not depend on it."""
        def at(level: float) -> Verdict:
            return verdict.verdict(
                self.found.evidence, method, weight=self.sample.weight, clusters=self.sample.clusters, level=level)

        judged, shown = at(_WORD_LEVEL), at(level)
        return Verdict(judged.word, judged.reason, shown.share, shown.controls, judged.passed)

    def words(self, method: str, others: Evidence) -> list[Word]:
        """Return the word of each of some other cases; many tests are allowed for over the sample and these cases together."""
        both = verdict.joined([_only(self.found.evidence, method), _only(others, method)])
        return verdict.case_words(both, method, self.verdict(method))[len(self.sample.frame):]


def _only(evidence: Evidence, method: str) -> Evidence:
    """Return what was found about one method, without its controls."""
    return Evidence({method: evidence.p[method]}, {method: evidence.score[method]}, {method: evidence.converged[method]}, {})


def affordable_rows(explanations: Explanations, drawn: int) -> int:
    """Return on how many cases a method can be tested at about three times the cost of `explanations`, with `drawn` more tests.

    Costs are counted in forward passes, of which a backward pass is worth two: an explanation needs a gradient at each step, a
    test two explanations and up to 39 random orders of ten passes each.
    """
    gradients = 3.0 * float(explanations.steps.mean())
    explained = len(explanations.steps) * (gradients + 2 ** min(len(explanations.inputs), shares.MAX_INPUTS))
    tested = 2 * gradients + _PASSES * (DRAWS + _ORDERS)
    return int(np.clip(3 * explained / tested - drawn, *_ROWS))


def applicable(
    ctx: raikit.CheckContext, cases: pd.DataFrame, names: Sequence[str], settings: ExplanationSettings
) -> tuple[dict[str, Method], dict[str, str]]:
    """Return the methods that can explain the model, and why the others cannot; each explains the first case as a trial.

    Parameters
    ----------
    ctx : CheckContext
    cases : DataFrame
        With ``id`` and ``prediction``; at least one.
    names : sequence of str
        Among `raikit_explain.estimates.methods.names`.
    settings : ExplanationSettings
    """
    assert ctx.model is not None
    batch, part = next(batches(ctx, cases.head(1)))
    encoded = encode(ctx.model, batch)
    decided = torch.from_numpy(decided_classes(ctx, part["prediction"])).to(next(iter(encoded.inputs.values())).device)
    reasons = {name: registry.applies(name, ctx.model) for name in registry.names()}
    methods: dict[str, Method] = {}
    refused: dict[str, str] = {}
    for name in dict.fromkeys(names):
        method = registry.method(name, settings, seed=ctx.seed)
        try:
            if reasons[name] is None:
                method(ctx.model, encoded, decided)
                methods[name] = method
        except registry.NotApplicable as error:
            reasons[name] = str(error)
        if name not in methods:
            refused[name] = _refusal(reasons, name)
    return methods, refused


def _refusal(reasons: Mapping[str, str | None], name: str) -> str:
    others = joined([method_name(other) for other in reasons if reasons[other] is None])
    return f"{str(reasons[name]).rstrip('.')}; what applies: {others}"


def examine_applicable(
    ctx: raikit.CheckContext, sample: Sample, names: Sequence[str], settings: ExplanationSettings, seed: Sequence[int], *,
    sensitivity: bool = False, progress: Callable[[int], None] = lambda done: None,
) -> Trust:
    """Test those of some methods that apply to the model on a sample; see `applicable` and `examine`.

    Where only later cases show that a method is wrong for the model, the others are tested anew without it.
    """
    methods, refused = applicable(ctx, sample.frame, names, settings)
    while True:
        try:
            found = examine(ctx, sample.frame, methods, np.random.default_rng(list(seed)), scale=settings.scale,
                            sensitivity=sensitivity, progress=progress)
            return Trust(sample, list(methods), refused, found)
        except registry.NotApplicable as error:
            del methods[error.method]
            refused[error.method] = _refusal({**dict.fromkeys(methods), error.method: str(error)}, error.method)


def examine(
    ctx: raikit.CheckContext, cases: pd.DataFrame, methods: Mapping[str, Method], rng: np.random.Generator, *,
    scale: float = 1.0, controls: bool = True, sensitivity: bool = False, progress: Callable[[int], None] = lambda done: None,
) -> Findings:
    """Test the explanations of some cases by each method.

    Parameters
    ----------
    ctx : CheckContext
    cases : DataFrame
        With ``id`` and ``prediction``; at least one.
    methods : mapping of str to Method
    rng : numpy.random.Generator
    scale : float
        See `raikit_explain.estimates.explanation.ExplanationSettings`.
    controls : bool
        Whether pictures that know nothing of the model are tested too.
    sensitivity : bool
        Whether to measure how much explanations change when inputs hardly do.
    progress : callable
        Called with the number of cases that are done.
    """
    assert ctx.model is not None
    parts, done = [], 0
    for batch, part in batches(ctx, cases):
        parts.append(_examine_batch(ctx, batch, part, methods, rng, (scale, controls, sensitivity)))
        done += len(part)
        progress(done)
    return _joined(parts)


class _Recorder:
    """A method that keeps what it said of the model itself, so that agreement costs no second explanation."""

    def __init__(self, method: Method, model: raikit.Model) -> None:
        self._method, self._model = method, model
        self.explained: Explained | None = None

    def __call__(self, model: raikit.Model, encoded: Encoded, decided: Tensor) -> Explained:
        explained = self._method(model, encoded, decided)
        if model is self._model:
            self.explained = explained
        return explained


def _examine_batch(
    ctx: raikit.CheckContext, batch: raikit.Batch, part: pd.DataFrame, methods: Mapping[str, Method],
    rng: np.random.Generator, options: tuple[float, bool, bool],
) -> Findings:
    model = ctx.model
    assert model is not None
    scale, controls, sensitivity = options
    encoded = encode(model, batch)
    decided = torch.from_numpy(decided_classes(ctx, part["prediction"])).to(next(iter(encoded.inputs.values())).device)
    positions: Mapping[str, Sequence[Positions]] = model.positions(batch)
    game = EncodedGame(model, encoded, decided, positions, scale)
    recorders = {name: _Recorder(method, model) for name, method in methods.items()}
    evidence = verdict.examine(model, game, encoded, decided, recorders, rng, controls=controls)
    totals = {name: game.totals(recorder.explained.values) for name, recorder in recorders.items() if recorder.explained}
    agreement = {(first, second): Agreement(*stability.agreement(totals[first], totals[second], game.content))
                 for first, second in combinations(methods, 2)}
    seed = int(rng.integers(2**31))
    changes = {name: stability.sensitivity_max(lambda *of, method=method: method(model, *of).values, encoded, decided, seed=seed)
               for name, method in methods.items()} if sensitivity else {}
    return Findings(evidence, agreement, changes)


def _joined(parts: Sequence[Findings]) -> Findings:
    first = parts[0]
    return Findings(
        verdict.joined([part.evidence for part in parts]),
        {pair: Agreement(np.concatenate([part.agreement[pair].correlation for part in parts]),
                         np.concatenate([part.agreement[pair].overlap for part in parts])) for pair in first.agreement},
        {name: np.concatenate([part.sensitivity[name] for part in parts]) for name in first.sensitivity},
    )
