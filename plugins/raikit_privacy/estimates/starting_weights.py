"""Where private training starts: the one rule on which every claim about privacy rests.

Epsilon bounds what a training *adds*. It says nothing of what the weights knew before, so a model that starts from weights
that have seen the cases may give them all away at any epsilon. The rule: every number that the network has before training,
in weights, buffers, and arrays and long lists kept in attributes, is one of these:

- drawn: `Model.fresh` gives it another, unrelated value for another seed;
- plain: 0 or 1 in a simple pattern (blocks, a band, an identity), or a count 0, 1, 2 …, as layers are initialised without
  looking at data; scattered zeros and ones, such as a pruning mask or stored targets, may come from cases;
- declared: the configuration says which public data it comes from (``public_weights``, or a pretrained model as ``base``), and
  with it the network does not tell training cases from others.

Otherwise nothing is trained and nothing is claimed: no epsilon, no bound on attacks, no cost of privacy.

The rule finds weights that are kept, in part or with noise upon them. It does not find an author's intent to deceive: old
weights far fainter than the noise upon them, or code outside of the network that remembers cases.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.stats import poisson
from torch import Tensor
from torch.nn.parameter import is_lazy

import raikit
from raikit.arrays import FloatArray, IntArray, cluster_codes
from raikit.format import number, percent
from raikit_privacy.estimates import membership
from raikit_privacy.estimates.holdings import holdings, networks_outside
from raikit_privacy.estimates.membership import Losses

_OTHER_SEED = 1_000_003  # added to a seed for a second, unrelated draw
_SHARED = 6.0  # standard errors of the correlation of two draws from which they have a common part
_FEWEST = 10  # drawn numbers below which their correlation says nothing
_LONG_LIST = 32  # numbers of a list from which it is taken for what a network knows rather than for settings
_MOST_BLOCKS = 8  # of equal numbers, in a pattern that layers begin with
_DRAWS = 10  # a false alarm in one of a thousand honest models
_FEW_CASES = 200
_SHIFTS = 20  # of the targets, to other cases
_MOST_CASES = 4000
_BATCH = 256
_LEVEL = 0.998  # of the attack on declared weights: a false alarm in one of a thousand honest declarations
_REMEDY = ("Let the model's `fresh` return weights from before any training, or name in `public_weights` the public data that "
           "they were trained on")


@dataclass(frozen=True)
class StartingWeights:
    """What is known of the weights that private training starts from.

    Parameters
    ----------
    fixed : list of str
        Weights and buffers with numbers that were neither drawn nor are plain.
    declared : str or None
        The public data that the fixed ones come from, as the configuration says.
    problem : str or None
        Why nothing may be claimed of a training from these weights.
    attack : str or None
        What the attack on declared weights found: an area under the ROC curve with its interval.
    pretrained : str or None
        The pretrained model that fixed weights come from, if the configuration names it and does not say what it has seen.
    partly_drawn : bool
        Other weights are newly drawn, such as those of a new head, behind which a loss hardly shows what the fixed ones know.
    """

    fixed: list[str]
    declared: str | None = None
    problem: str | None = None
    attack: str | None = None
    pretrained: str | None = None
    partly_drawn: bool = False

    @property
    def condition(self) -> str:
        """What every guarantee takes for granted of weights that were not drawn, as a clause; empty if all were drawn."""
        if self.declared is None:
            return ""
        if self.pretrained is not None:
            return (f"the pretrained model {self.pretrained} has seen no training case (the configuration names it, and does not "
                    "say what it has seen)")
        return "the initial weights have seen no training case, as the configuration says"


def initial_model(model: raikit.Model, seed: int) -> raikit.Model:
    """Return the model that private training starts from; a model without `fresh` only as it is given.

    The given weights are of unknown origin: `examine_starting_weights` finds them fixed, and only a declaration admits them.
    """
    try:
        return model.fresh(seed)
    except (raikit.ModelError, NotImplementedError):
        return model.copy()


def examine_starting_weights(ctx: raikit.CheckContext, public_weights: str | None) -> StartingWeights:
    """Apply the rule of this module to the model of `ctx`.

    Parameters
    ----------
    ctx : CheckContext
    public_weights : str or None
        The public data that fixed weights come from, in the user's words.
    """
    assert ctx.model is not None
    start = initial_model(ctx.model, ctx.seed)
    named = None if public_weights else _pretrained(start)
    public_weights = public_weights or (f"what the pretrained model {named} was trained on" if named else None)
    if lazy := [name for name, tensor in start.module.state_dict(keep_vars=True).items() if is_lazy(tensor)]:
        return StartingWeights(lazy, problem=(
            f"{_names(lazy)} would take a shape from the first case: a lazy layer has no initial weights. Let the model's "
            "`fresh` build layers of known size"))
    other = initial_model(ctx.model, ctx.seed + _OTHER_SEED)
    fixed = fixed_tensors(start, other)
    if not fixed and _all_draws_know_targets(ctx):
        fixed = ["all weights"]
        if public_weights is None:
            return StartingWeights(fixed, problem=(
                f"Initial models of {_DRAWS} seeds all predict the training targets better than chance, so `fresh` or `scores` "
                f"uses what was learnt from cases. {_REMEDY}"))
    if not fixed:
        return StartingWeights([])
    if public_weights is None:
        return StartingWeights(fixed, problem=(
            f"It is not known what the initial weights have seen: {_names(fixed)} would start from fixed numbers. {_REMEDY}"))
    problem, area = _attack(ctx, start, ", which the configuration denies," if named is None else "")
    pairs = zip(start.module.parameters(), other.module.parameters(), strict=False)
    return StartingWeights(fixed, public_weights, problem, area, named, any(not torch.equal(*pair) for pair in pairs))


def _pretrained(start: raikit.Model) -> str | None:
    """Return the name of a pretrained model, if the configuration names that model and raikit itself has read it."""
    return start.origin.name if start.origin.kind == "pretrained" and not start.built_by else None


def fixed_tensors(one: raikit.Model, other: raikit.Model) -> list[str]:
    """Name weights and buffers of two initial models, of different seeds, that are not drawn and not plain."""
    found, others = dict(_tensors(one)), dict(_tensors(other))
    fixed = [name for name, tensor in found.items() if name not in others or _is_fixed(tensor, others[name])]
    return fixed or _with_common_part({name: (tensor, others[name]) for name, tensor in found.items()})


def numbers_beside(model: raikit.Model) -> list[str]:
    """Name the tensors, arrays and long lists that a model holds beside all networks: a scaler's means, a list of cases."""
    known: set[int] = set()
    for network in (model.module, *(network for _, network in networks_outside(model))):
        list(holdings(network, known=known))
    return [name for name, value in holdings(model, "", known) if isinstance(value, Tensor) or _numbers(value) is not None]


def _tensors(model: raikit.Model) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of the network, and of networks that the model uses besides, such as a teacher."""
    known: set[int] = set()
    for prefix, network in (("", model.module), *networks_outside(model)):
        for name, value in holdings(network, prefix, known):
            if isinstance(value, Tensor):
                yield name, value.detach()
            elif (array := _numbers(value)) is not None:
                yield name, torch.as_tensor(array)


def _numbers(value: Any) -> FloatArray | None:
    """Return an array, or the numbers of a long list, as floats; settings are short lists."""
    if isinstance(value, tuple):
        value = np.array([item for item in value if isinstance(item, int | float | np.number)], dtype=float)
        return value if len(value) >= _LONG_LIST else None
    return value.astype(float) if isinstance(value, np.ndarray) and value.dtype.kind in "biuf" else None


def _is_fixed(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return True
    a, b = (tensor.detach().double().flatten() for tensor in (one, other))
    same = a == b
    kept, drawn, redrawn = a[same], a[~same], b[~same]
    odd = (kept != 0) & (kept != 1)
    if int(odd.sum()) <= _equal_by_chance(len(drawn)):
        same[same.clone()] = ~odd
        kept = kept[~odd]
    plain = bool(((kept == 0) | (kept == 1)).all()) and _is_simple(torch.where(same, a, 2.0).reshape(one.shape))
    counts = bool(same.all()) and torch.equal(kept, torch.arange(len(kept), dtype=kept.dtype))
    return not (plain or counts) or _is_reordered(drawn, redrawn) or _have_common_part([(drawn, redrawn)])


def _equal_by_chance(drawn: int) -> int:
    """Return how many of `drawn` numbers may be equal in two draws: single precision has about 2^23 of each size."""
    return int(poisson.isf(1e-7, drawn * 2.0**-22)) if drawn else 0


def _is_reordered(drawn: Tensor, redrawn: Tensor) -> bool:
    """Return whether two draws are the same numbers in another order or with other signs: a network with its units permuted.

    Whole numbers are left out: drawn permutations and signs are what layers may begin with.
    """
    if len(drawn) < 2 or torch.equal(drawn, drawn.round()):
        return False
    return torch.equal(drawn.abs().sort().values, redrawn.abs().sort().values)


def _is_simple(pattern: Tensor) -> bool:
    """Return whether a pattern of fixed zeros, fixed ones and drawn numbers is one that layers begin with.

    Blocks, rows or columns that are all alike (in blocks), and matrices that depend on the diagonal alone: masks of attention,
    identities. Such a pattern has no room for what a network knows of cases.
    """
    if _blocks(pattern) <= _MOST_BLOCKS:
        return True
    if pattern.ndim < 2:
        return False
    matrices = pattern.reshape(-1, *pattern.shape[-2:])
    first = matrices[0]
    if not bool((matrices == first).all()):
        return False
    if bool((first == first[:1]).all()):
        return _blocks(first[0]) <= _MOST_BLOCKS
    if bool((first == first[:, :1]).all()):
        return _blocks(first[:, 0]) <= _MOST_BLOCKS
    diagonals = torch.cat([first[1:, 0].flip(0), first[0]])
    return bool((first[1:, 1:] == first[:-1, :-1]).all()) and _blocks(diagonals) <= _MOST_BLOCKS


def _blocks(pattern: Tensor) -> int:
    flat = pattern.flatten()
    return 1 + int((flat[1:] != flat[:-1]).sum())


def _with_common_part(pairs: Mapping[str, tuple[Tensor, Tensor]]) -> list[str]:
    """Name all drawn tensors if their draws, taken together, are correlated: each may be too small to show it."""
    drawn = {name: (one[one != other], other[one != other]) for name, (one, other) in pairs.items()}
    return [name for name, (one, _) in drawn.items() if len(one)] if _have_common_part(list(drawn.values())) else []


def _have_common_part(pairs: Sequence[tuple[Tensor, Tensor]]) -> bool:
    """Return whether pairs of draws are correlated, as those of old weights with new noise are (Fisher's z).

    Each pair has its own mean and scale.
    """
    products, free = 0.0, 0
    scaled = [(_standardised(one), _standardised(other)) for one, other in pairs if len(one) > 1]
    for one, other in scaled:
        products, free = products + float(one @ other), free + len(one) - 1
    if free < _FEWEST:
        return False
    correlation = min(abs(products) / sum(float(one @ one) for one, _ in scaled), 1 - 1e-12)
    return math.atanh(correlation) * math.sqrt(free - 2) > _SHARED


def _standardised(drawn: Tensor) -> Tensor:
    drawn = drawn.detach().double().flatten()
    centred = drawn - drawn.mean()
    return centred * (math.sqrt(len(drawn)) / max(float(centred.norm()), 1e-300))


def _all_draws_know_targets(ctx: raikit.CheckContext) -> bool:
    """Return whether models of every seed fit the training targets better than shuffled ones.

    A newly drawn network does so with a probability of a half, because its last layer may as well have the opposite signs.
    """
    assert ctx.model is not None and ctx.data is not None
    positions = np.sort(np.random.default_rng(ctx.seed).permutation(ctx.data.size("train"))[:_FEW_CASES])
    models = [initial_model(ctx.model, ctx.seed + number * _OTHER_SEED) for number in range(_DRAWS)]
    return any(all(_fits_better(ctx, model, positions, by_scores=by_scores) for model in models) for by_scores in (False, True))


def _fits_better(ctx: raikit.CheckContext, model: raikit.Model, positions: IntArray, *, by_scores: bool) -> bool:
    """Return whether a model fits targets better than shuffled ones: by its network and loss, or by its scores."""
    assert ctx.data is not None
    batch = next(iter(ctx.data.batches("train", len(positions), indices=positions)))
    target = torch.tensor(batch.target)
    model.module.eval()
    with torch.inference_mode():
        losses = _losses_by_scores(model, batch) if by_scores else partial(model.loss, model.module(**model.prepare(batch)))
        shuffled = torch.stack([losses(target.roll(by)).double().mean() for by in range(1, min(_SHIFTS, len(target)))])
        return bool(losses(target).double().mean() < shuffled.mean() * (1 - 1e-9))


def _losses_by_scores(model: raikit.Model, batch: Any) -> Callable[[Tensor], Tensor]:
    """Return the cross-entropy of scores as a function of the targets: `scores` may use more than the network."""
    scores = torch.as_tensor(np.asarray(model.scores(batch), dtype=float)).clamp(min=1e-12).log()
    return lambda target: -scores[torch.arange(len(target)), target.long()]


def _names(fixed: list[str], most: int = 3) -> str:
    more = f" and {len(fixed) - most} more" if len(fixed) > most else ""
    return ", ".join(fixed[:most]) + more


def _attack(ctx: raikit.CheckContext, start: raikit.Model, denial: str) -> tuple[str | None, str]:
    """Return what contradicts that `start` has not seen the training cases, if anything, and the area.

    `denial` says that the configuration says so.
    """
    assert ctx.data is not None
    split = next((name for name in ("validation", "test") if ctx.data.size(name)), None)
    if split is None:
        return (
            "Nothing can test what the configuration says of the initial weights: there are no cases that were not trained on"
        ), ""
    members, others = (_sample(ctx, name) for name in ("train", split))
    loss = np.concatenate([_loss(ctx, start, name, at) for name, at in (("train", members), (split, others))])
    frames = [ctx.data.frame(["id", *ctx.cluster], name).iloc[at] for name, at in (("train", members), (split, others))]
    clusters = cluster_codes(pd.concat(frames, ignore_index=True), ctx.cluster)[0]
    area = membership.area(Losses(np.arange(len(loss)) < len(members), loss, clusters), _LEVEL)
    value, low, high = (number(end, 3) for end in (area.value, area.low, area.high))
    if area.low <= 0.5:
        return None, f"area under the ROC curve {value}, {percent(_LEVEL)} CI {low} to {high}"
    return (f"The initial weights already tell training cases from {split} cases (area under the ROC curve {value}, {low} to "
            f"{high}). Either they have seen training cases{denial} or the two splits hold different populations"), ""


def _sample(ctx: raikit.CheckContext, split: str) -> IntArray:
    assert ctx.data is not None
    cases = ctx.data.size(split)
    drawn = np.random.default_rng(ctx.seed).permutation(cases)[:_MOST_CASES]
    return np.sort(drawn)


def _loss(ctx: raikit.CheckContext, model: raikit.Model, split: str, positions: IntArray) -> FloatArray:
    assert ctx.data is not None
    model.module.eval()
    losses = []
    with torch.inference_mode():
        for batch in ctx.data.batches(split, _BATCH, indices=positions):
            assert batch.target is not None
            losses.append(model.loss(model.module(**model.prepare(batch)), torch.tensor(batch.target)).double().numpy())
    return np.concatenate(losses)
