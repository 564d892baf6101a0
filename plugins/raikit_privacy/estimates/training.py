"""The second model: trained privately beside the audited one, asked about test rows, and thrown away."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from raikit_privacy.estimates import dpsgd
from raikit_privacy.estimates.costs import Pairs
from raikit_privacy.estimates.features import clusters_of, features_of, finest, positions

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    import raikit
    from raikit_privacy.estimates.dpsgd import Recipe
    from raikit_privacy.estimates.features import BoolArray, Feature, IntArray


def beginning(model: raikit.Model, seed: int) -> raikit.Model:
    """What private training starts from: a fusion model with newly drawn weights, any other as it was given."""
    return model.fresh(seed) if model.kind == "fusion" else model.copy()


def fingerprint(model: raikit.Model) -> str:
    """SHA-256 of a model's weights and buffers."""
    found = hashlib.sha256()
    for name, tensor in sorted(model.module.state_dict().items()):
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().contiguous().view(-1).numpy().tobytes())
    return found.hexdigest()


def train_private(
    ctx: raikit.CheckContext, model: raikit.Model, recipe: Recipe, noise_multiplier: float, workdir: Path,
    progress: Callable[[int, int], None],
) -> int:
    """Train `model` in place with DP-SGD; every epoch runs and the last weights stay. Returns the noisy steps made.

    No epoch is chosen by a validation score: validation rows that came from the same people as train rows would make that
    choice one more look at the data, and the accountant does not know of it.
    """
    with _quickly(ctx, model, recipe) as quick:
        training = dpsgd.PrivateTraining(quick, recipe, noise_multiplier)
        try:
            ctx.trainer(
                quick, ctx.data, epochs=recipe.epochs, batch_size=recipe.batch_size, seed=ctx.seed, patience=None,
                workdir=workdir, step=training.step, sampler=training.sampler, optimizer=training.optimizer,
                module=training.module, progress=progress,
            )
        finally:
            training.finish()
    model.module.eval()
    return training.steps_made


@contextlib.contextmanager
def _quickly(ctx: raikit.CheckContext, model: raikit.Model, recipe: Recipe) -> Iterator[raikit.Model]:
    """The model with only its trained layers in the loop, if the others can be taken out; as it was afterwards."""
    from raikit_privacy.estimates.shortcut import behind_untrained

    assert ctx.data is not None
    dpsgd.keep_as_drawn(model.module, recipe.layers)
    quick = behind_untrained(model, next(iter(ctx.data.batches("train", 2))))
    try:
        yield quick or model
    finally:
        if quick is not None:
            quick.restore()


@dataclass(frozen=True)
class TestRows:
    """The rows that models are compared on: all of the audited split, or whole clusters of it.

    Parameters
    ----------
    frame : DataFrame
        Their rows of the predictions.
    at : ndarray of int
        Their positions in the split of the dataset.
    available : int
        Rows in the split.
    """

    frame: pd.DataFrame
    at: IntArray
    available: int

    @classmethod
    def drawn(cls, ctx: raikit.CheckContext, most: int) -> TestRows:
        """Whole clusters (of the finest column) at random until `most` rows are reached."""
        columns = ["id", "target", "prediction", *ctx.sensitive, *ctx.cluster, *([ctx.weight] if ctx.weight else [])]
        frame = ctx.predictions.frame(list(dict.fromkeys(columns)))
        kept = np.flatnonzero(some_clusters(finest(clusters_of(frame, ctx.cluster), len(frame)), most, ctx.rng))
        frame, available = frame.iloc[kept].reset_index(drop=True), len(frame)
        assert ctx.data is not None
        place = {name: at for at, name in enumerate(ctx.data.frame(["id"], ctx.predictions.split)["id"])}
        return cls(frame, np.array([place[name] for name in frame["id"]], dtype=np.int64), available)

    def right(self, ctx: raikit.CheckContext, model: raikit.Model) -> BoolArray:
        """Whether `model` decides each row as its target says."""
        assert ctx.data is not None
        truth = positions(self.frame["target"], ctx.classes)
        found: list[Any] = []
        for batch in ctx.data.batches(ctx.predictions.split, 256, indices=self.at):
            scores = model.scores(batch)
            found.append(scores[:, 1] >= 0.5 if ctx.task == "binary" else scores.argmax(axis=1))
        return np.asarray(np.concatenate(found).astype(np.int64) == truth)

    def pairs(self, ctx: raikit.CheckContext, private: BoolArray, open_: BoolArray | None = None) -> Pairs:
        """Both models' answers; without `open_` the audited model's, from its predictions."""
        truth, decided = (positions(self.frame[column], ctx.classes) for column in ("target", "prediction"))
        weight = self.frame[ctx.weight].to_numpy(dtype=float) if ctx.weight else None
        return Pairs(np.asarray(truth == decided) if open_ is None else open_, private, weight,
                     clusters_of(self.frame, ctx.cluster))

    def features(self, ctx: raikit.CheckContext) -> list[Feature]:
        """The groups of each sensitive column that is not constant here."""
        return [feature for feature in features_of(self.frame, ctx.sensitive) if feature.k > 1]

    def commonest(self, ctx: raikit.CheckContext) -> BoolArray:
        """Whether answering the commonest class of these rows, always, would be right."""
        truth = positions(self.frame["target"], ctx.classes)
        return np.asarray(truth == np.bincount(truth).argmax())


def some_clusters(codes: IntArray, most: int, rng: np.random.Generator) -> BoolArray:
    """Rows of randomly ordered clusters, as many whole ones as have at most `most` rows together; at least one."""
    if len(codes) <= most:
        return np.ones(len(codes), dtype=bool)
    labels, place, sizes = np.unique(codes, return_inverse=True, return_counts=True)
    order = rng.permutation(len(labels))
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order[: max(1, int(np.searchsorted(np.cumsum(sizes[order]), most, side="right")))]] = True
    return np.asarray(chosen[place])
