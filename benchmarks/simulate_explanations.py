"""Simulate how often pictures that do not know a model pass as its explanations, and how often right ones are recognised.

    python benchmarks/simulate_explanations.py              # about five minutes
    python benchmarks/simulate_explanations.py --runs 1000  # more models in the last table

Three small networks are trained on made-up cases whose class is decided in one place: an 8 × 8 pattern in a picture, a word in a
text, a pattern in one band of a spectrogram. What surrounds it is as strong, and a tenth of the training cases have no such
place and any class. For each network, 1,000 cases are explained in ways that know the model and in ways that do not, and all
are judged on the network (`chance_test`). "random copy" is Integrated Gradients of 80 networks with random weights.

"p to 5%" is the share of cases with a p-value of at most .05, with its 95% Clopper-Pearson upper limit; "pass" is the share after
Benjamini-Hochberg. "uniform" is the p-value of a Kolmogorov-Smirnov test of the randomised p-values. "pointing" is the share of
cases whose highest part lies in the planted place.

The last table counts verdicts "supported by evidence" over models with random weights, linear or with a hidden layer, each with 64
cases of 16 columns: free, alike (all near one point), two kinds (near two points that are decided differently) or in clusters
of 8. A verdict on what does not know the model may be wrong in 5%. "mean of a class" is the mean of the right explanations in
one class, for all cases. "before" is the rule as it was: without the explanation of another case, and without half of the
cases at half the level.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from monte_carlo import percent
from numpy.typing import NDArray
from scipy.stats import kstest
from torch import Tensor, nn

from raikit import stats
from raikit.models.encoded import Encoded
from raikit_explain.estimates import methods, verdict
from raikit_explain.estimates.explanation import ExplanationSettings
from raikit_explain.estimates.faithfulness import chance_test
from raikit_explain.estimates.games import EncodedGame, Player
from raikit_explain.estimates.model_matters import of_random_copies

Array = NDArray[np.float64]
SETTINGS = ExplanationSettings(0.01, 64)
CASES, TRAINED, BATCH = 1000, 3000, 50
WITHOUT = 10  # one training case in so many has nothing planted
SIZE: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}


class Net:
    """As much of a model as explanations need."""

    capabilities = frozenset({"gradients"})

    def __init__(self, net: nn.Module, modality: str, forward: Callable[[nn.Module, Tensor], Tensor]) -> None:
        self.net, self.modalities, self._forward = net, {"x": modality}, forward

    def forward(self, encoded: Mapping[str, Tensor]) -> Tensor:
        """Compute logits."""
        return self._forward(self.net, encoded["x"])


@dataclass(frozen=True)
class Planted:
    """A trained network, its cases, and which players of each case hold what decides."""

    name: str
    model: Any
    encoded: Encoded
    planted: NDArray[np.bool_]


# --- planted models -------------------------------------------------------------------------------------------------


def picture(seed: int) -> Planted:
    """Plant one of two 8 × 8 patterns among random pixels, in one of 64 places."""
    torch.manual_seed(seed)
    patterns = torch.randn(2, 8, 8).sign()
    pictures, label = torch.randn(TRAINED + CASES, 1, 32, 32).sign(), torch.randint(2, (TRAINED + CASES,))
    row, column = torch.randint(0, 7, (2, TRAINED + CASES))
    for case in planted_cases(label):
        y, x = 4 * int(row[case]), 4 * int(column[case])
        pictures[case, 0, y : y + 8, x : x + 8] = patterns[label[case]]
    net = nn.Sequential(nn.Conv2d(1, 32, 8, stride=4), nn.ReLU(), nn.Conv2d(32, 16, 1), nn.ReLU(), nn.MaxPool2d(7),
                        nn.Flatten(), nn.Linear(16, 2))
    model = Net(net, "image", lambda net, x: net(x))
    train(net, lambda at: net(pictures[at]), label)
    held = slice(TRAINED, None)
    places = torch.arange(64).view(8, 8)
    planted = np.zeros((CASES, 64), dtype=bool)
    for case, (y, x) in enumerate(zip(row[held], column[held], strict=True)):
        planted[case, places[y : y + 2, x : x + 2].ravel().numpy()] = True
    return Planted("picture", model, Encoded({"x": pictures[held]}), planted)


def text(seed: int) -> Planted:
    """Plant one of two words among others, at one of 16 places."""
    torch.manual_seed(seed)
    net = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=100, max_position_embeddings=16, **SIZE))
    ids, label = torch.randint(5, 100, (TRAINED + CASES, 16)), torch.randint(2, (TRAINED + CASES,))
    place = torch.randint(16, (TRAINED + CASES,))
    at = torch.tensor(planted_cases(label))
    ids[at, place[at]] = 3 + label[at]
    train(net, lambda at: net(input_ids=ids[at]).logits, label)
    embed = net.get_input_embeddings()
    held = slice(TRAINED, None)
    encoded = Encoded({"x": embed(ids[held]).detach()}, {}, {"x": embed(torch.zeros(1, 16, dtype=torch.int64)).detach()})
    planted = np.arange(16) == place[held, None].numpy()
    return Planted("text", Net(net, "text", lambda net, x: net(inputs_embeds=x).logits), encoded, planted)


def sound(seed: int) -> Planted:
    """Plant one of two patterns over time in one of eight bands of five rows."""
    torch.manual_seed(seed)
    patterns = torch.randn(2, 5, 64).sign()
    sounds, label = torch.randn(TRAINED + CASES, 1, 40, 64).sign(), torch.randint(2, (TRAINED + CASES,))
    band = torch.randint(8, (TRAINED + CASES,))
    for case in planted_cases(label):
        at = 5 * int(band[case])
        sounds[case, 0, at : at + 5] = patterns[label[case]]
    net = nn.Sequential(nn.Conv2d(1, 32, (5, 8), stride=(5, 8)), nn.ReLU(), nn.Conv2d(32, 16, (1, 8)), nn.ReLU(),
                        nn.MaxPool2d((8, 1)), nn.Flatten(), nn.Linear(16, 2))
    train(net, lambda at: net(sounds[at]), label)
    held = slice(TRAINED, None)
    planted = np.arange(64) // 8 == band[held, None].numpy()
    return Planted("sound", Net(net, "audio", lambda net, x: net(x)), Encoded({"x": sounds[held]}), planted)


def planted_cases(label: Tensor) -> list[int]:
    """Return the cases in which something is planted: all of those that are held out."""
    return [case for case in range(len(label)) if case % WITHOUT or case >= TRAINED]


def train(net: nn.Module, logits: Callable[[Tensor], Tensor], label: Tensor) -> None:
    """Fit a network to the labels of the first cases, and print how many of the others it decides rightly."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=3e-3)
    net.train()
    for _ in range(600):
        at = torch.randint(TRAINED, (64,))
        optimiser.zero_grad()
        nn.functional.cross_entropy(logits(at), label[at]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    net.eval()
    with torch.no_grad():
        right = (logits(torch.arange(TRAINED, len(label))).argmax(1) == label[TRAINED:]).float().mean()
    print(f"  trained: {100 * right:.1f}% of new cases right", flush=True)


# --- level and power ------------------------------------------------------------------------------------------------


def study(planted: Planted, seed: int) -> None:
    """Print how explanations of a planted model fare, and pictures that do not know it."""
    rng = np.random.default_rng(seed)
    p, below, points = [], [], []
    names: list[str] = []
    for start in range(0, CASES, BATCH):
        part = slice(start, start + BATCH)
        encoded = planted.encoded.take(part)
        with torch.no_grad():
            decided = planted.model.forward(encoded).argmax(1)
        game = EncodedGame(planted.model, encoded, decided, {})
        maps = {**explanations(planted.model, game, encoded, decided), **strangers(planted.model, game, encoded, decided, rng)}
        maps["zero covariance"] = uncorrelated(maps["integrated_gradients"], game.content, rng)
        names = list(maps)
        tested = chance_test(game, list(maps.values()), rng)
        p.append(tested.p)
        below.append(tested.below)
        points.append(np.stack([planted.planted[part][np.arange(BATCH), values.argmax(axis=1)] for values in maps.values()]))
    table(planted.name, names, np.concatenate(p, 1), np.concatenate(below, 1), np.concatenate(points, 1), rng)


def explanations(model: Any, game: EncodedGame, encoded: Encoded, decided: Tensor) -> dict[str, Array]:
    """Explain by all gradient methods that apply."""
    maps = {}
    for name in methods.names():
        try:
            maps[name] = game.totals(methods.method(name, SETTINGS)(model, encoded, decided).values)
        except methods.NotApplicable:
            continue
    return maps


def strangers(model: Any, game: EncodedGame, encoded: Encoded, decided: Tensor, rng: np.random.Generator) -> dict[str, Array]:
    """Return pictures that do not know the model."""
    explain = methods.method("integrated_gradients", SETTINGS)
    copies = of_random_copies(model, encoded, decided, lambda *of: explain(*of).values, rng)
    assert copies is not None
    content = game.content
    fixed = rng.normal(size=content.shape[1])
    return {"random": rng.normal(size=content.shape), "constant": np.ones(content.shape), "random copy": game.totals(copies),
            "size of the input": game.magnitudes(), "edges": game.totals({"x": edges(encoded["x"].numpy())}),
            "one for all cases": np.broadcast_to(fixed, content.shape)}


def edges(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute how much elements differ from their neighbours: in pictures along both axes, in texts from word to word."""
    axes = (2, 3) if values.ndim == 4 else (1,)
    return np.asarray(sum(np.abs(np.gradient(values, axis=axis)) for axis in axes))


def uncorrelated(values: Array, content: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    """Return random maps whose covariance with the given ones is zero in each case."""
    noise = np.zeros(values.shape)
    for case, counts in enumerate(content):
        truth, other = (of - of.mean() for of in (values[case, counts], rng.normal(size=counts.sum())))
        noise[case, counts] = other - (other @ truth) / max(truth @ truth, 1e-30) * truth
    return noise


def table(name: str, names: list[str], p: Array, below: Array, points: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Print one line for each way to explain."""
    for row, of in enumerate(names):
        small = int((p[row] <= 0.05).sum())
        limit = float(stats.clopper_pearson(small, CASES, 0.90)[1])
        passed = int(verdict.passes(p[row]).sum())
        uniform = kstest(rng.uniform(below[row], p[row]), "uniform").pvalue
        print(f"{name:9}{of:22}{percent(small, CASES):>12}{100 * limit:>8.1f}{percent(passed, CASES):>12}{uniform:>9.3f}"
              f"{percent(int(points[row].sum()), CASES):>12}", flush=True)


# --- verdicts -------------------------------------------------------------------------------------------------------

COLUMNS, SAMPLE, KINDS = 16, 64, ("free", "alike", "two kinds", "clusters")
Weights = tuple[Array, Array]


class Columns:
    """A game of a network with random weights: the log-odds of the decided class, with some of the columns absent."""

    def __init__(self, x: Array, weights: Weights, linear: bool) -> None:
        self.x, self.linear, (self.inner, self.outer) = x, linear, weights
        self.content = np.ones(x.shape, dtype=bool)
        self.players: Sequence[Sequence[Player]] = [[Player("x", str(column)) for column in range(COLUMNS)]] * len(x)
        self.sign = np.where(self._log_odds(x) > 0, 1.0, -1.0)

    def _log_odds(self, x: Array) -> Array:
        hidden = x @ self.inner
        return np.asarray((hidden if self.linear else np.tanh(hidden)) @ self.outer)

    def values(self, cases: NDArray[np.int64], masks: NDArray[np.bool_]) -> Array:
        """Compute decisions."""
        return np.asarray(self.sign[cases] * self._log_odds(self.x[cases] * masks))

    def input_x_gradient(self, weights: Weights) -> Array:
        """Explain the decisions by this network or another one."""
        hidden = self.x @ weights[0]
        slope = np.ones_like(hidden) if self.linear else 1 - np.tanh(hidden) ** 2
        return np.asarray(self.sign[:, None] * self.x * ((slope * weights[1]) @ weights[0].T))


def cases_of(kind: str, rng: np.random.Generator) -> Array:
    """Draw the cases of one audit."""
    noise = rng.normal(size=(SAMPLE, COLUMNS))
    if kind == "alike":
        return np.asarray(rng.normal(size=COLUMNS) + 0.3 * noise)
    if kind == "two kinds":
        return np.asarray(rng.normal(size=(2, COLUMNS))[np.arange(SAMPLE) % 2] + 0.2 * noise)
    if kind == "clusters":
        return np.asarray(np.repeat(rng.normal(size=(SAMPLE // 8, COLUMNS)), 8, axis=0) + 0.1 * noise)
    return noise


def random_weights(linear: bool, rng: np.random.Generator) -> Weights:
    """Draw a network."""
    units = 1 if linear else 16
    return rng.normal(size=(COLUMNS, units)) / 4, np.ones(1) if linear else rng.normal(size=units) / 4


def useless(game: Columns, rng: np.random.Generator) -> dict[str, Callable[[Weights], Array]]:
    """Return ways to explain by a network: none but the last two knows it, and one of these knows no case."""
    group = (game.sign > 0).astype(int)

    def zero_covariance(weights: Weights) -> Array:
        return uncorrelated(game.input_x_gradient(weights), game.content, rng)

    def mean_of_class(weights: Weights) -> Array:
        return np.broadcast_to(game.input_x_gradient(weights)[group == group[0]].mean(axis=0), game.x.shape)

    return {
        "random": lambda weights: rng.normal(size=game.x.shape),
        "one for all cases": lambda weights: np.broadcast_to(rng.normal(size=COLUMNS), game.x.shape),
        "one for each class": lambda weights: rng.normal(size=(2, COLUMNS))[group],
        "another network": lambda weights: game.input_x_gradient(random_weights(game.linear, rng)),
        "zero covariance": zero_covariance, "mean of a class": mean_of_class, "right": game.input_x_gradient}


def audit(linear: bool, kind: str, rng: np.random.Generator) -> dict[str, tuple[bool, bool]]:
    """Judge all methods on one network; return which are supported, and which were by the rule as it was."""
    while True:
        game = Columns(cases_of(kind, rng), weights := random_weights(linear, rng), linear)
        if kind != "two kinds" or 0.3 < (game.sign > 0).mean() < 0.7:
            break
    which = rng.permutation(SAMPLE) % 4
    strange = [random_weights(linear, rng) for _ in range(4)]
    rows: dict[tuple[str, str], Array] = {("", verdict.MAGNITUDE): np.abs(game.x)}
    for name, explain in useless(game, rng).items():
        rows[name, ""] = explain(weights)
        rows[name, verdict.OTHER_CASE] = verdict.of_other_cases(rows[name, ""], rng)
        rows[name, verdict.RANDOM_COPY] = np.stack([explain(of) for of in strange])[which, np.arange(SAMPLE)]
    tested = chance_test(game, list(rows.values()), rng)
    p, score = (dict(zip(rows, found, strict=True)) for found in (tested.p, tested.score))
    clusters = [np.arange(SAMPLE) // 8] if kind == "clusters" else []
    result = {}
    for name in (of for of, control in rows if control == ""):
        evidence = verdict.Evidence(
            {name: p[name, ""]}, {name: score[name, ""]}, {name: np.ones(SAMPLE, dtype=bool)},
            {(name, control): p["" if control == verdict.MAGNITUDE else name, control]
             for control in (verdict.MAGNITUDE, verdict.RANDOM_COPY, verdict.OTHER_CASE)})
        found = verdict.verdict(evidence, name, clusters=clusters)
        assert found.share is not None
        rivals = max(of.high for control, of in found.controls.items() if control != verdict.OTHER_CASE)
        result[name] = (found.word == verdict.SUPPORTED, found.share.low > max(rivals, verdict.LEVEL))
    return result


def verdicts(runs: int, seed: int) -> None:
    """Print how often methods are supported."""
    print(f"\n{runs} models of each design, {SAMPLE} cases")
    print(f"{'model':9}{'cases':11}{'explanation':22}{'supported, %':>13}{'before, %':>13}")
    for linear in (True, False):
        for kind in KINDS:
            rng = np.random.default_rng([seed, linear, KINDS.index(kind)])
            found = [audit(linear, kind, rng) for _ in range(runs)]
            for name in found[0]:
                now, before = (sum(of[name][rule] for of in found) for rule in (0, 1))
                print(f"{'linear' if linear else 'hidden':9}{kind:11}{name:22}{percent(now, runs):>13}{percent(before, runs):>13}",
                      flush=True)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    start = time.perf_counter()
    print(f"{'model':9}{'explanation':22}{'p to 5%, %':>12}{'limit':>8}{'pass, %':>12}{'uniform':>9}{'pointing, %':>12}")
    for build in (picture, text, sound):
        study(build(options.seed), options.seed)
    verdicts(options.runs, options.seed)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
