"""Simulate how often intervals of averages over classes miss: macro and weighted precision and F1, balanced accuracy, areas.

    python benchmarks/simulate_averages.py [--runs 400] [--only "near perfect"]

Confusion matrices with a known truth: rare classes, classes that are hardly ever predicted, nearly perfect ones. Nominal: 5%,
half at each end. "low" is how often the low end lies above the truth, "high" how often the high end lies below, "width" the
mean width relative to 3.92 standard deviations of the estimate. "fail": the true class ranks last. "weights" samples wrong
predictions a fifth as often and weighs them five times; "heavy weights" weighs wrong predictions five times on top of
log-normal weights. "undecided" intervals do not count as misses. "clusters" draws 60 clusters whose cases are right or wrong
together; "Zipf" gives them uneven sizes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

import raikit
from raikit_performance.classification import label_metrics
from raikit_performance.scores import score_metrics

FloatArray = np.ndarray


@dataclass(frozen=True)
class Design:
    """A population of true and predicted classes, and how cases are drawn from it.

    Parameters
    ----------
    name : str
    prevalence, recall : sequence of float
        Of each class.
    even : bool
        Whether errors go to all other classes alike, or by their prevalence.
    sizes : tuple of int
        Cases of a sample.
    draw : {"cases", "weights", "heavy weights", "clusters", "Zipf"}
    """

    name: str
    prevalence: tuple[float, ...]
    recall: tuple[float, ...]
    even: bool = True
    sizes: tuple[int, ...] = (100, 300, 1_000)
    draw: str = "cases"

    @property
    def population(self) -> FloatArray:
        """Return the weights of true and predicted classes, shape (k, k)."""
        return self.matrix * np.where(np.eye(len(self.prevalence)), 1.0, 5.0) if self.draw == "heavy weights" else self.matrix

    @property
    def matrix(self) -> FloatArray:
        """Return the shares of true (rows) and predicted (columns) classes, shape (k, k)."""
        k, share = len(self.prevalence), np.array(self.prevalence) / sum(self.prevalence)
        others = np.tile(np.ones(k) if self.even else share, (k, 1))
        np.fill_diagonal(others, 0)
        recall = np.array(self.recall)
        return share[:, None] * ((1 - recall)[:, None] * others / others.sum(axis=1, keepdims=True) + np.diag(recall))


def _same(value: float, k: int) -> tuple[float, ...]:
    return (value,) * k


_HALVES = (16, 8, 4, 2, 1), (0.9, 0.8, 0.6, 0.4, 0.3)
_RARE = (50, 30, 15, 3, 1, 1), (0.9, 0.85, 0.7, 0.2, 0.1, 0.05)
DESIGNS = [
    Design("3 even classes", _same(1, 3), _same(0.7, 3)),
    Design("2 classes, rare .05", (95, 5), (0.97, 0.5)),
    Design("2 classes, rare .02", (98, 2), (0.995, 0.6), sizes=(300, 1_000)),
    Design("5 classes, each half of the last", *_HALVES, False),
    Design("5 such classes, 97% right", (16, 8, 4, 2, 1), _same(0.97, 5), False),
    Design("10 even classes", _same(1, 10), _same(0.6, 10)),
    Design("10 classes, Zipf", tuple(1 / rank for rank in range(1, 11)), tuple(np.linspace(0.95, 0.3, 10)), False),
    Design("6 classes, rarely predicted", *_RARE, False),
    Design("3 classes, one hardly ever predicted", (60, 38, 2), (0.9, 0.8, 0.02)),
    Design("4 classes, near perfect", _same(1, 4), _same(0.995, 4)),
    Design("20 classes, near perfect", _same(1, 20), _same(0.99, 20)),
    Design("10 classes, near zero", _same(1, 10), _same(0.01, 10)),
    Design("3 even classes, weights", _same(1, 3), _same(0.7, 3), draw="weights", sizes=(300, 1_000)),
    Design("5 classes, each half of the last, weights", *_HALVES, False, (300, 1_000), "weights"),
    Design("3 even classes, heavy weights", _same(1, 3), _same(0.7, 3), draw="heavy weights", sizes=(300, 1_000)),
    Design("2 classes, rare .05, heavy weights", (95, 5), (0.97, 0.5), sizes=(300, 1_000), draw="heavy weights"),
    Design("5 classes, each half of the last, heavy weights", *_HALVES, False, (300, 1_000), "heavy weights"),
    Design("3 even classes, clusters", _same(1, 3), _same(0.7, 3), draw="clusters", sizes=(600,)),
    Design("5 classes, each half of the last, clusters", *_HALVES, False, (600,), "clusters"),
    Design("4 classes, near perfect, clusters", _same(1, 4), _same(0.97, 4), draw="clusters", sizes=(600,)),
    Design("3 even classes, Zipf", _same(1, 3), _same(0.7, 3), draw="Zipf", sizes=(600,)),
    Design("10 classes, Zipf", _same(1, 10), _same(0.6, 10), draw="Zipf", sizes=(600,)),
]


def true_values(matrix: FloatArray) -> dict[str, float]:
    """Return the averages of a population."""
    matrix = matrix / matrix.sum()
    hits, truth, predicted = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
    f1, precision = 2 * hits / (truth + predicted), hits / predicted
    return {
        "balanced_accuracy": float((hits / truth).mean()),
        "precision(average=macro)": float(precision.mean()), "precision(average=weighted)": float(truth @ precision),
        "f1(average=macro)": float(f1.mean()), "f1(average=weighted)": float(truth @ f1),
    }  # fmt: skip


def draw_cases(design: Design, n: int, rng: np.random.Generator) -> raikit.Arrays:
    """Draw one sample."""
    matrix = design.matrix
    k = len(matrix)
    classes, weight, clusters = list(range(k)), None, []
    if design.draw == "weights":
        weights = np.where(np.eye(k, dtype=bool), 1.0, 5.0)
        matrix = matrix / weights / (matrix / weights).sum()
    truth, prediction = np.divmod(rng.choice(k * k, n, p=matrix.ravel()), k)
    if design.draw == "weights":
        weight = weights[truth, prediction]
    if design.draw == "heavy weights":
        weight = np.where(truth == prediction, 1.0, 5.0) * rng.lognormal(size=n)
    if design.draw in ("clusters", "Zipf"):
        share = np.ones(60) if design.draw == "clusters" else 1 / np.arange(1, 61)
        home = rng.choice(60, n, p=share / share.sum())
        clusters = [home]
        # A third of the cases repeat the first case of their cluster, so that the population stays what it is.
        first = np.full(60, -1)
        first[home[::-1]] = np.arange(n)[::-1]
        repeat = rng.random(n) < 0.33
        truth, prediction = (np.where(repeat, part[first[home]], part) for part in (truth, prediction))
    names = ["home"] * len(clusters)
    return raikit.Arrays(truth, prediction, weight=weight, clusters=clusters, cluster_names=names, classes=classes)


@dataclass(frozen=True)
class Scored:
    """A population of cases with a probability of every class.

    Parameters
    ----------
    name : str
    n : int
        Cases of a sample.
    prevalence : sequence of float
    apart : float
        Distance of the true class's mean logit from that of the others, in standard deviations.
    failing : float
        Share of cases whose true class ranks last; with `failing_class`, of that class alone.
    failing_class : int, optional
    tied : bool
        Whether probabilities are rounded to fifths.
    weights : {"", "log-normal", "errors", "class", "failing"}
        Log-normal weights, or such that wrong predictions, the last class, or failing cases weigh three to five times as much.
    """

    name: str
    n: int
    prevalence: tuple[float, ...]
    apart: float
    failing: float = 0.0
    failing_class: int | None = None
    tied: bool = False
    weights: str = ""

    def cases(self, rng: np.random.Generator, n: int) -> raikit.Arrays:
        """Draw n cases."""
        k, share = len(self.prevalence), np.array(self.prevalence)
        truth = rng.choice(k, n, p=share / share.sum())
        logits = rng.normal(size=(n, k)) + self.apart * np.eye(k)[truth]
        fails = (rng.random(n) < self.failing) & ((truth == self.failing_class) | (self.failing_class is None))
        logits[fails, truth[fails]] = -6.0
        scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        scores = np.round(scores * 5) / 5 + 0.001 if self.tied else scores
        scores = scores / scores.sum(axis=1, keepdims=True)
        prediction = scores.argmax(axis=1)
        noise = rng.lognormal(0, 1 if self.weights == "log-normal" else 0.3, n)
        weight = {
            "": None, "log-normal": noise, "errors": np.where(prediction != truth, 5.0, 1.0) * noise,
            "class": np.where(truth == k - 1, 3.0, 1.0) * noise, "failing": np.where(fails, 5.0, 1.0),
        }[self.weights]  # fmt: skip
        return raikit.Arrays(truth, prediction, scores=scores, classes=list(range(k)), weight=weight)

    def truth(self, rng: np.random.Generator) -> dict[str, float]:
        """Return the averages of the population."""
        found: dict[str, list[float]] = {"roc_auc": [], "average_precision": []}
        for _ in range(8):
            for metric in score_metrics(self.cases(rng, 30_000), 0.95):
                if metric.name in found and not metric.args:
                    found[metric.name].append(metric.value or 0.0)
        return {name: float(np.mean(each)) for name, each in found.items()}


_HALF = (8, 4, 2, 1)
SCORED = [
    Scored("4 even classes", 200, _same(1, 4), 1.0),
    Scored("4 classes, each half of the last", 200, _HALF, 1.5),
    Scored("8 even classes, near perfect", 300, _same(1, 8), 4.0),
    *(Scored("3 classes, rare .03", n, (60, 37, 3), 2.0) for n in (300, 1_000)),
    *(Scored("4 even classes, 2% fail", n, _same(1, 4), 3.0, 0.02) for n in (300, 1_000)),
    Scored("4 classes, each half of the last, 3% fail", 300, _HALF, 3.0, 0.03),
    *(Scored("3 classes, rare .05, of which 5% fail", n, (60, 35, 5), 3.0, 0.05, 2) for n in (400, 2_000)),
    Scored("6 classes, Zipf, 2% fail", 500, tuple(1 / rank for rank in range(1, 7)), 3.0, 0.02),
    Scored("4 even classes, ties", 300, _same(1, 4), 2.0, tied=True),
    Scored("4 classes, each half of the last, ties, 2% fail", 300, _HALF, 3.0, 0.02, tied=True),
    *(Scored(f"4 classes, each half of the last, weights: {kind}", 400, _HALF, 1.5, weights=kind)
      for kind in ("log-normal", "errors", "class")),
    Scored("4 even classes, 2% fail, weights: failing", 400, _same(1, 4), 3.0, 0.02, weights="failing"),
]  # fmt: skip


def tally(samples: Iterable[list[raikit.Metric]], truth: dict[str, float]) -> Iterator[str]:
    """Yield one line about each metric in `truth`."""
    found: dict[str, list[tuple[float, float, float, bool]]] = {name: [] for name in truth}
    for metrics in samples:
        for metric in metrics:
            average = metric.args.get("average")
            name = f"{metric.name}(average={average})" if average else metric.name
            if name in found and "class" not in metric.args and metric.value is not None:
                decides = not {"unreliable", "few_events"} & set(metric.flags)
                found[name].append((metric.value, metric.low or 0.0, metric.high or 0.0, decides))
    for name, rows in found.items():
        value, low, high, decides = np.array(rows).T
        under, over = 100 * np.mean(decides * (low > truth[name])), 100 * np.mean(decides * (high < truth[name]))
        width = np.mean(high - low) / max(3.92 * value.std(), 1e-12)
        error = 100 * np.sqrt(0.05 * 0.95 / len(rows))
        undecided = f"   undecided {100 * np.mean(decides == 0):.0f}%" if not decides.all() else ""
        yield (f"   {name:28} low {under:5.1f}   high {over:5.1f}   both {under + over:5.1f} (SE {error:.1f})   width {width:.2f}"
               f"{undecided}")


def main() -> None:
    """Read the options and simulate the designs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="runs per design and size (400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="designs whose name contains this")
    options = parser.parse_args()
    print("Percent of intervals that miss; nominal: 5 in all, 2.5 at each end")
    for design in DESIGNS:
        for n in design.sizes:
            name, rng = f"{design.name}, {n:,} cases", np.random.default_rng(options.seed)
            if options.only in name:
                samples = (label_metrics(draw_cases(design, n, rng), 0.95) for _ in range(options.runs))
                print(f"\n{name}", *tally(samples, true_values(design.population)), sep="\n", flush=True)
    for scored in SCORED:
        name, rng = f"areas, {scored.name}, {scored.n:,} cases", np.random.default_rng(options.seed)
        if options.only in name:
            truth = scored.truth(rng)
            samples = (score_metrics(scored.cases(rng, scored.n), 0.95) for _ in range(options.runs))
            print(f"\n{name}", *tally(samples, truth), sep="\n", flush=True)


if __name__ == "__main__":
    main()
