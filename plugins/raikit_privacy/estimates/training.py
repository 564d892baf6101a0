"""The private model: trained beside the audited one, compared with it on the same cases, and discarded."""

from __future__ import annotations

import contextlib
import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch.nn.parameter import is_lazy

import raikit
from raikit.arrays import BoolArray, IntArray, class_positions, cluster_codes
from raikit_privacy.estimates import frozen_layers, preflight
from raikit_privacy.estimates.clipping import NotPrivateError
from raikit_privacy.estimates.costs import PairedCorrectness
from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe, freeze_feature_layers
from raikit_privacy.estimates.features import SensitiveFeature, features_of, sampling_units
from raikit_privacy.estimates.network_state import NetworkState
from raikit_privacy.estimates.preflight import CASES, Cases
from raikit_privacy.estimates.selftest import check_training

Watch = Callable[[PrivateTraining], tuple[Callable[..., float], Callable[..., Iterator[IntArray]]]]

_AT_ONCE = 256  # cases that `raikit.fit` prepares together
_MOST_CLASSES, _OF_A_CLASS = 10, 16  # of which steps of one class are made


def weights_digest(model: raikit.Model) -> str:
    """Return the SHA-256 of a model's weights and buffers."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.module.state_dict(keep_vars=True).items()):
        if is_lazy(tensor):
            continue
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return digest.hexdigest()


def require_unchanged(model: raikit.Model, digest: str, cause: str) -> None:
    """Raise if the weights of the audited model are no longer those of a digest.

    Parameters
    ----------
    model : Model
    digest : str
        Of `weights_digest`, before.
    cause : str
        What ran since then, as the subject of the sentence.

    Raises
    ------
    RuntimeError
        If they are not.
    """
    if weights_digest(model) != digest:
        raise RuntimeError(f"{cause} changed the audited model; no later measurement of it can be trusted.")


@dataclass(frozen=True)
class TrainedPrivately:
    """What a private training did.

    Parameters
    ----------
    steps : int
        Noisy steps that were made.
    no_shortcut : str
        Why each case went through the network by itself; empty if book-keeping was right.
    compared : int
        Cases that went through the network alone before training, to be compared.
    """

    steps: int
    no_shortcut: str
    compared: int


def train_private(
    ctx: raikit.CheckContext, model: raikit.Model, recipe: Recipe, noise_multiplier: float, workdir: Path | None,
    progress: Callable[[int, int], None], seed: int | None = None, watch: Watch | None = None,
) -> TrainedPrivately:
    """Train `model` in place with DP-SGD.

    `seed` (absent: that of the check) determines sampling and noise. `watch` returns step and sampler that wrap those of the
    training, to leave cases out and to look at what each step releases. A checkpoint in `workdir` is bound to everything that
    epsilon depends on, and holds no losses, which are computed without noise.

    Every epoch runs and the last weights are kept. An epoch chosen by its validation score would look at the data once
    more, without the accountant knowing of it, where validation cases come from the same people as training cases.

    Raises
    ------
    NotPrivateError
        If the guarantee would not hold for this model: see `raikit_privacy.estimates.preflight`.
    """
    freeze_feature_layers(model.module, recipe.layers)
    start = NetworkState(model, whole=False)  # before any case goes through
    _check_preparation(ctx, model)
    preflight.check_memory(model, *preflight_cases(ctx, model, recipe.physical_batch_size))
    seed = ctx.seed if seed is None else seed
    with _frozen_layers_cached(ctx, model) as trained:
        alone, together = preflight_cases(ctx, trained, recipe.physical_batch_size)
        companies = list(companies_of_a_class(ctx, trained, together, len(alone)))
        clipping, reason = preflight.choose_clipping(
            trained, recipe.max_grad_norm, alone, together, companies, norms=recipe.clipping)
        check_training(lambda tried, noise: PrivateTraining(trained, tried, noise, clipping, seed), recipe, noise_multiplier,
                       together)
    start.check()
    with _frozen_layers_cached(ctx, model) as trained:
        training = PrivateTraining(trained, recipe, noise_multiplier, clipping, seed)
        step, sampler = (training.step, training.sampler) if watch is None else watch(training)
        try:
            ctx.trainer(
                trained, ctx.data, epochs=recipe.epochs, batch_size=recipe.batch_size,
                seed=seed, patience=None,
                workdir=workdir, step=step, sampler=sampler, optimizer=training.optimizer,
                module=training.module, progress=progress, record_losses=False,
                recipe={"noise_multiplier": noise_multiplier, "max_grad_norm": recipe.max_grad_norm,
                        "learning_rate": recipe.learning_rate, "layers": recipe.layers, "clipping": recipe.clipping,
                        "sample_rate": recipe.sample_rate, "steps": recipe.steps},
            )
        finally:
            training.finish()
    start.check(untrained_only=True)
    model.module.eval()
    return TrainedPrivately(training.steps_made, reason, len(alone))


@contextlib.contextmanager
def _frozen_layers_cached(ctx: raikit.CheckContext, model: raikit.Model) -> Iterator[raikit.Model]:
    """Give the model in training mode, without its frozen layers if they can be taken out, and restore it afterwards."""
    assert ctx.data is not None
    cache = frozen_layers.cache_frozen_layers(model, next(iter(ctx.data.batches("train", 2))))
    trained = cache or model
    trained.module.train()
    try:
        yield trained
    finally:
        if cache is not None:
            cache.restore()


def _check_preparation(ctx: raikit.CheckContext, model: raikit.Model) -> None:
    """Raise if what `prepare` makes of a case depends on the cases that it prepared before: a growing vocabulary, a scale."""
    assert ctx.data is not None
    drawn = np.random.default_rng(ctx.seed).permutation(ctx.data.size("train"))
    used = _independent(model)
    _prepared(ctx, used, drawn[CASES:][:_AT_ONCE] if len(drawn) > CASES else drawn)
    for at in drawn[:CASES]:
        first, later = (_prepared(ctx, one, np.array([at])).inputs for one in (_independent(model), used))
        if first.keys() != later.keys() or not all(_alike(first[name], later[name]) for name in first):
            raise NotPrivateError("what `prepare` makes of a case depends on the cases that it prepared before")


def _independent(model: raikit.Model) -> raikit.Model:
    """Return a copy that shares no state with `model`, if that can be made: `Model.copy` need not copy more than weights."""
    try:
        return copy.deepcopy(model)
    except Exception:  # whatever a model holds may refuse to be copied
        return model.copy()


def _alike(one: torch.Tensor, other: torch.Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(one.double(), other.double(), rtol=1e-5, atol=1e-6, equal_nan=True)


def preflight_cases(ctx: raikit.CheckContext, model: raikit.Model, most: int) -> tuple[list[Cases], Cases]:
    """Prepare some training cases alone, and the same ones together with others, at most `most`.

    As many as are prepared at once for training are prepared together, even if fewer go through the network at once. The
    emptiest and the fullest of the cases drawn are among those that are prepared alone: a missing text or picture is where
    networks differ.
    """
    assert ctx.data is not None
    drawn = np.random.default_rng(ctx.seed).permutation(ctx.data.size("train"))[: max(_AT_ONCE, most)]
    together = _prepared(ctx, model, drawn)
    drawn = drawn[: max(2, most)]
    together = together.rows(slice(len(drawn)))
    filled = sum(torch.count_nonzero(tensor.reshape(len(drawn), -1), dim=1) for tensor in together.inputs.values())
    assert isinstance(filled, torch.Tensor)
    order = list(dict.fromkeys([int(filled.argmin()), int(filled.argmax()), *range(len(drawn))]))
    together = Cases({name: tensor[order] for name, tensor in together.inputs.items()}, together.target[order])
    return [_prepared(ctx, model, drawn[[at]]) for at in order[:CASES]], together


def companies_of_a_class(ctx: raikit.CheckContext, model: raikit.Model, together: Cases, alone: int) -> Iterator[Cases]:
    """Yield the first `alone` cases of `together` among cases of one class only, for each of the rarest classes.

    A network or a loss may mix cases only where a class has a share that it hardly has in a random step.
    """
    assert ctx.data is not None
    target = class_positions(ctx.data.frame(["target"], "train")["target"], ctx.classes)
    counts = np.bincount(target, minlength=len(ctx.classes))
    few = together.rows(slice(alone))
    for label in sorted(np.flatnonzero(counts), key=lambda label: counts[label])[:_MOST_CLASSES]:
        others = _prepared(ctx, model, np.flatnonzero(target == label)[:_OF_A_CLASS])
        copies = torch.arange(max(0, len(together.target) - alone)) % len(others.target)
        if any(others.inputs[name].shape[1:] != tensor.shape[1:] for name, tensor in few.inputs.items()):
            continue  # prepared together, cases may be padded to another length
        yield Cases({name: torch.cat([tensor, others.inputs[name][copies]]) for name, tensor in few.inputs.items()},
                    torch.cat([few.target, others.target[copies]]))


def _prepared(ctx: raikit.CheckContext, model: raikit.Model, positions: IntArray) -> Cases:
    assert ctx.data is not None
    batch = next(iter(ctx.data.batches("train", len(positions), indices=positions)))
    return Cases(model.prepare(batch), torch.tensor(batch.target))


@dataclass(frozen=True)
class ComparisonCases:
    """The cases on which models are compared: all of the audited split, or whole clusters of it.

    Parameters
    ----------
    frame : DataFrame
        Their rows of the predictions.
    positions : ndarray of int
        Their positions in the split of the dataset.
    available : int
        Cases in the split.
    """

    frame: pd.DataFrame
    positions: IntArray
    available: int

    @classmethod
    def sample(cls, ctx: raikit.CheckContext, most: int) -> ComparisonCases:
        """Draw whole clusters (of the finest column) at random until `most` cases are reached."""
        columns = ["id", "target", "prediction", *ctx.sensitive, *ctx.cluster, *([ctx.weight] if ctx.weight else [])]
        frame = ctx.predictions.frame(list(dict.fromkeys(columns)))
        available = len(frame)
        units = sampling_units(cluster_codes(frame, ctx.cluster)[0], available)
        frame = frame.iloc[np.flatnonzero(sample_clusters(units, most, ctx.rng))].reset_index(drop=True)
        assert ctx.data is not None
        position = {name: at for at, name in enumerate(ctx.data.frame(["id"], ctx.predictions.split)["id"])}
        return cls(frame, np.array([position[name] for name in frame["id"]], dtype=np.int64), available)

    def correct(self, ctx: raikit.CheckContext, model: raikit.Model) -> BoolArray:
        """Score the cases with `model` and return where it decides as the target says."""
        assert ctx.data is not None
        decisions: list[Any] = []
        for batch in ctx.data.batches(ctx.predictions.split, 256, indices=self.positions):
            scores = model.scores(batch)
            decisions.append(scores[:, 1] >= 0.5 if ctx.task == "binary" else scores.argmax(axis=1))
        return np.asarray(np.concatenate(decisions).astype(np.int64) == class_positions(self.frame["target"], ctx.classes))

    def pairs(
        self, ctx: raikit.CheckContext, private: BoolArray, reference: BoolArray | None = None
    ) -> PairedCorrectness:
        """Pair the private model with a reference; absent, with the audited model by its predictions."""
        if reference is None:
            truth, decided = (class_positions(self.frame[column], ctx.classes) for column in ("target", "prediction"))
            reference = np.asarray(truth == decided)
        weight = self.frame[ctx.weight].to_numpy(dtype=float) if ctx.weight else None
        return PairedCorrectness(reference, private, weight, cluster_codes(self.frame, ctx.cluster)[0])

    def features(self, ctx: raikit.CheckContext) -> list[SensitiveFeature]:
        """Return the groups of each sensitive column that is not constant here."""
        return [feature for feature in features_of(self.frame, ctx.sensitive) if feature.k > 1]

    def majority_correct(self, ctx: raikit.CheckContext) -> BoolArray:
        """Return where always predicting the most frequent class of these cases would be right."""
        truth = class_positions(self.frame["target"], ctx.classes)
        return np.asarray(truth == np.bincount(truth).argmax())


def sample_clusters(codes: IntArray, most: int, rng: np.random.Generator) -> BoolArray:
    """Draw as many whole clusters as have at most `most` cases together, at least one; true for their cases."""
    if len(codes) <= most:
        return np.ones(len(codes), dtype=bool)
    labels, place, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    order = rng.permutation(len(labels))
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")))]] = True
    return np.asarray(chosen[place])
