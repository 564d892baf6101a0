"""Simulate intervals and comparisons of entities of texts, labels of cases, and answers of several annotators.

    python benchmarks/simulate_parts.py [--runs 400] [--only Pareto]

Texts of uneven length are clusters. Models find entities better in some texts than in others, take a type for another one, and
see entities where there are none. "low" is how often the low end lies above the truth, "high" how often the high end lies below,
at the levels .95 (nominal 2.5% each) and .99 (0.5%). "undecided" intervals do not count as misses. "fails": how often a comparison
of two models of the same quality on the same texts shows a loss, at 5% and 1%. "finds" is how often a loss of about three points
is shown at 5%.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from monte_carlo import percent
from scipy.special import expit

import raikit
from raikit.run.record import Measurements
from raikit_performance.answers import accuracy_metric, as_numbers
from raikit_performance.compare import Side, compare_matched
from raikit_performance.detection import Detections, Kind

LEVELS = (0.95, 0.99)
UNDECIDED = {"few_clusters", "few_events", "unreliable"}
Ints = np.ndarray


@dataclass(frozen=True)
class Texts:
    """A population of texts with entities, and two models of the same quality.

    Parameters
    ----------
    name : str
    texts : int
    sizes : {"equal", "log-normal", "Pareto", "one"}
        Of texts: four entities each, or uneven; "one": one text has a tenth of all.
    types : tuple of float
        Shares of the types.
    right : float
        Log odds that an entity is found.
    spread : float
        Standard deviation of the log odds between texts.
    harder : float
        By how much the log odds fall where a text is e times as long.
    loss : float
        Of the second model's log odds.
    """

    name: str
    texts: int
    sizes: str = "log-normal"
    types: tuple[float, ...] = (0.5, 0.3, 0.18, 0.02)
    right: float = 1.7
    spread: float = 0.7
    harder: float = 0.0
    loss: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[Ints, tuple[Ints, Ints], Ints]:
        """Return the true types, those of both models, and the text of each entity; the last type is none."""
        none, mean = len(self.types), 4.0
        length = {"equal": np.full(self.texts, mean), "log-normal": mean * rng.lognormal(-0.5, 1, self.texts),
                  "Pareto": mean / 2 * (1 + rng.pareto(2, self.texts)), "one": np.full(self.texts, mean)}[self.sizes]
        if self.sizes == "one":
            length[0] = mean * self.texts / 9
        real, invented = rng.poisson(length), rng.poisson(0.25 * length)
        text = np.concatenate([np.repeat(np.arange(self.texts), n) for n in (real, invented)])
        truth = np.concatenate([rng.choice(none, real.sum(), p=self.types), np.full(invented.sum(), none)])
        skill = self.right + self.spread * rng.normal(size=self.texts) - self.harder * np.log(length / mean)
        alike, same, found = rng.random(len(text)) < 0.8, rng.random(len(text)), []
        other = rng.choice(none, len(text), p=self.types)
        for loss in (0.0, self.loss):
            chance = expit(skill[text] - loss)
            own = np.where(alike, same, rng.random(len(text)))
            wrong = np.where(own < chance + (1 - chance) / 3, other, none)  # a third of the errors is another type
            of_real = np.where(own < chance, truth, np.where(wrong == truth, none, wrong))
            found.append(np.where(truth < none, of_real, np.where(own < chance / 2, none, other)))
        return truth, (found[0], found[1]), text


@dataclass(frozen=True)
class Cases:
    """A population of cases that may have several labels, some of them from the same person; labels are "entities" of a case."""

    name: str
    texts: int
    people: int = 0
    prevalence: tuple[float, ...] = (0.4, 0.1, 0.03)
    right: float = 1.7
    spread: float = 0.7
    loss: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[Ints, tuple[Ints, Ints], Ints]:
        """Return as `Texts.draw`."""
        k = len(self.prevalence)
        share = 1 / np.arange(1, self.people + 1.0)
        person = rng.choice(self.people, self.texts, p=share / share.sum()) if self.people else np.arange(self.texts)
        skill = (self.right + self.spread * rng.normal(size=max(self.people, self.texts)))[person][:, None]
        has = rng.random((self.texts, k)) < self.prevalence
        alike, same, found = rng.random(has.shape) < 0.8, rng.random(has.shape), []
        label = np.broadcast_to(np.arange(k), has.shape)
        for loss in (0.0, self.loss):
            own = np.where(alike, same, rng.random(has.shape))
            # Labels that are absent are given less often, the less the rarer they are.
            wrong = own >= np.where(has, expit(skill - loss), 1 - np.array(self.prevalence) * expit(-skill + loss))
            found.append(np.where(has ^ wrong, label, k).ravel())
        return np.where(has, label, k).ravel(), (found[0], found[1]), np.repeat(person, k)


@dataclass(frozen=True)
class Answers:
    """A population of questions about pictures, with accuracies by agreeing annotators."""

    name: str
    pictures: int
    sizes: str = "log-normal"
    right: float = 0.8
    spread: float = 1.0
    loss: float = 0.0

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, Ints]:
        """Return the accuracies of both models, and the picture of each question."""
        length = {"equal": np.full(self.pictures, 4.0), "log-normal": 4 * rng.lognormal(-0.5, 1, self.pictures),
                  "Pareto": 2 * (1 + rng.pareto(2, self.pictures))}[self.sizes]
        picture = np.repeat(np.arange(self.pictures), 1 + rng.poisson(length))
        skill, n = (self.right + self.spread * rng.normal(size=self.pictures))[picture], len(picture)
        accuracy = rng.choice([0.3, 0.6, 0.9, 1.0], n, p=[0.1, 0.1, 0.1, 0.7])
        alike, same, found = rng.random(n) < 0.8, rng.random(n), []
        for loss in (0.0, self.loss):
            own = np.where(alike, same, rng.random(n))
            found.append(np.where(own < expit(skill - loss), accuracy, 0.0))
        return found[0], found[1], picture


_TEN = np.arange(1, 11.0) ** -1.5
TEXTS = [
    *(Texts(f"{texts} texts, {sizes} sizes", texts, sizes) for texts in (50, 300) for sizes in ("equal", "log-normal", "Pareto")),
    Texts("100 texts, longer ones are harder", 100, harder=0.5),
    Texts("100 texts, near perfect", 100, right=5.0),
    Texts("100 texts, hardly anything found", 100, right=-3.0),
    Texts("100 texts, one has a tenth", 100, "one"),
    Texts("1,000 texts, log-normal sizes, ten types", 1_000, types=tuple(_TEN / _TEN.sum())),
]
CASES = [
    Cases("200 cases", 200), Cases("1,000 cases", 1_000), Cases("1,000 cases of 100 people, Zipf", 1_000, 100),
    Cases("500 cases, near perfect", 500, right=4.5),
]
ANSWERS = [
    *(Answers(f"{n} pictures, {sizes} sizes", n, sizes) for n in (50, 300) for sizes in ("equal", "log-normal", "Pareto")),
    Answers("100 pictures, near perfect", 100, right=5.0), Answers("100 pictures, near zero", 100, right=-5.0),
]


def things(truth: Ints, found: Ints, cluster: Ints, k: int) -> raikit.Arrays:
    """Return what is found or missed; class k is none."""
    return raikit.Arrays(truth, found, clusters=[cluster], cluster_names=["text"], classes=[*map(str, range(k)), "none"])


def measured(arrays: raikit.Arrays, level: float) -> list[raikit.Metric]:
    """Return the measures of entities or labels, without those of single types but for the rarest."""
    k = len(arrays.classes) - 1
    present = arrays.take((arrays.truth < k) | (arrays.prediction < k))
    metrics = Detections(present, Kind("entity", "entity", "entities", "seqeval")).at(level)
    return [metric for metric in metrics if metric.name != "entity_support" and metric.args.get("class") in (None, str(k - 1))]


def name_of(metric: raikit.Metric) -> str:
    """Return the name by which a metric is printed."""
    of = metric.args.get("average") or ("rarest type" if metric.args else "")
    return f"{metric.name.removeprefix('entity_')} {of}".strip()


def show(samples: Iterable[Callable[[float], list[raikit.Metric]]], truth: dict[str, float]) -> None:
    """Print how often intervals miss."""
    counts = {name: np.zeros((len(LEVELS), 3), dtype=int) for name in truth}
    runs = 0
    for sample in samples:
        runs += 1
        for at, level in enumerate(LEVELS):
            for metric in sample(level):
                name, known = name_of(metric), metric.value is not None and not UNDECIDED & set(metric.flags)
                low, high = metric.low or 0.0, 1.0 if metric.high is None else metric.high
                counts[name][at] += [known and low > truth[name] + 1e-12, known and high < truth[name] - 1e-12, not known]
    for name, table in counts.items():
        cells = [f"{level:.2f}: low {percent(low, runs)}  high {percent(high, runs)}  undecided {100 * none / runs:3.0f}%"
                 for level, (low, high, none) in zip(LEVELS, table.tolist(), strict=True)]
        print(f"   {name:22}", "   ".join(cells), flush=True)


def compare(draws: Iterable[tuple[Side, Side]], metrics: list[raikit.Metric]) -> tuple[dict[str, list[float | None]], int]:
    """Return the p-values of all comparisons; None where nothing is decided."""
    margins, runs = raikit.Margins({str(metric.id): raikit.Margin(0.0) for metric in metrics}), 0
    found: dict[str, list[float | None]] = {name_of(metric): [] for metric in metrics}
    for sides in draws:
        runs += 1
        frame = pd.DataFrame(index=range(len(sides[0].cases)))
        matched = raikit.MatchedCases(frame, frame, (sides[0].unit, sides[1].unit), len(frame))
        results = compare_matched(metrics, matched, Measurements(name="m"), margins, lambda *_, both=sides: both)
        for metric, result in zip(metrics, results, strict=True):
            found[name_of(metric)].append(None if result is None or result.value is None else result.p_value)
    return found, runs


def show_comparisons(same: Iterable[tuple[Side, Side]], worse: Iterable[tuple[Side, Side]], metrics: list[raikit.Metric]) -> None:
    """Print how often a loss is shown."""
    (level, runs), (loss, others) = compare(same, metrics), compare(worse, metrics)
    for name, values in level.items():
        known, found = [p for p in values if p is not None], [p for p in loss[name] if p is not None]
        five, one = (percent(sum(p <= level for p in known), runs) for level in (0.05, 0.01))
        power = percent(sum(p <= 0.05 for p in found), others)
        undecided = 100 * (1 - len(known) / runs)
        print(f"   {name:22} fails: 5% {five}  1% {one}   finds {power}   undecided {undecided:3.0f}%", flush=True)


def of_things(design: Texts | Cases, runs: int, seed: int) -> None:
    """Simulate entities or labels."""
    rng, k = np.random.default_rng(seed), len(design.types if isinstance(design, Texts) else design.prevalence)
    large = [design.draw(rng) for _ in range(max(1, 400_000 // (4 * design.texts)))]
    steps = np.cumsum([0, *(cluster.max() + 1 for *_, cluster in large[:-1])])
    truth, found = np.concatenate([one for one, *_ in large]), np.concatenate([both[0] for _, both, _ in large])
    cluster = np.concatenate([one + step for (*_, one), step in zip(large, steps, strict=True)])
    true = {name_of(metric): metric.value or 0.0 for metric in measured(things(truth, found, cluster, k), 0.95)}

    def sample() -> Callable[[float], list[raikit.Metric]]:
        one, both, of = design.draw(rng)
        return lambda level: measured(things(one, both[0], of, k), level)

    show((sample() for _ in range(runs)), true)

    def sides(of: Texts | Cases) -> tuple[Side, Side]:
        one, both, cluster = of.draw(rng)
        pair = [things(one, found, cluster, k) for found in both]
        units = np.arange(len(one))
        old, new = (Side(each, units, (each.truth < k) | (each.prediction < k)) for each in pair)
        return old, new

    metrics = [
        raikit.Metric.undefined(f"entity_{measure}", "r", direction="higher", id=f"{measure} {args}", args=args)
        for args in ({"average": "micro"}, {"average": "macro"}, {"average": "weighted"}, {"class": str(k - 1)})
        for measure in ("precision", "recall", "f1")
    ]
    worse = replace(design, loss=0.25)
    show_comparisons((sides(design) for _ in range(runs)), (sides(worse) for _ in range(runs // 4)), metrics)


def of_answers(design: Answers, runs: int, seed: int) -> None:
    """Simulate answers of several annotators."""
    rng = np.random.default_rng(seed)
    large = [design.draw(rng)[0] for _ in range(max(1, 1_000_000 // (5 * design.pictures)))]
    true = {"vqa_accuracy": float(sum(one.sum() for one in large) / sum(map(len, large)))}

    def cases(accuracy: np.ndarray, picture: Ints) -> raikit.Arrays:
        empty = np.zeros(len(picture), dtype=np.int64)
        return as_numbers(accuracy, raikit.Arrays(empty, empty, clusters=[picture], cluster_names=["picture"]))

    def sample() -> Callable[[float], list[raikit.Metric]]:
        accuracy, _, picture = design.draw(rng)
        return lambda level: [accuracy_metric(accuracy, cases(accuracy, picture), level)]

    def sides(of: Answers) -> tuple[Side, Side]:
        *both, picture = of.draw(rng)
        old, new = (Side(cases(one, picture), np.arange(len(one)), np.ones(len(one), dtype=bool)) for one in both)
        return old, new

    show((sample() for _ in range(runs)), true)
    metric = raikit.Metric.undefined("vqa_accuracy", "r", direction="higher", id="vqa_accuracy")
    worse = replace(design, loss=0.25)
    show_comparisons((sides(design) for _ in range(runs)), (sides(worse) for _ in range(runs // 4)), [metric])


def main() -> None:
    """Read the options and simulate the designs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400, help="runs per design (400)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="designs whose name contains this")
    options = parser.parse_args()
    print("Percent of intervals that miss, nominal 2.5 and 0.5 at each end; of comparisons that show a loss, nominal 5 and 1")
    families = (("entities", TEXTS, of_things), ("labels", CASES, of_things), ("answers", ANSWERS, of_answers))
    for title, designs, simulate in families:
        for design in designs:
            if options.only in f"{title}, {design.name}":
                print(f"\n{title}, {design.name}, {options.runs} runs", flush=True)
                simulate(design, options.runs, options.seed)


if __name__ == "__main__":
    main()
