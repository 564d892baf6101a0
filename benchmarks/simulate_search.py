"""Simulate whether the search over groups keeps its false-discovery rate, and the certificate its level.

    python benchmarks/simulate_search.py            # two to five minutes
    python benchmarks/simulate_search.py --long     # 4,000 runs of each scenario: an hour or two

Cases have four features of 2, 3, 4 and 2 values. Every group of up to three features (of one, where the name says 11 groups)
with at least 30 cases is searched. Beside the search stands a naive one: every group tested against the rest by a normal
test at 5%, as if cases were independent. Beside the certificate stands the naive upper limit of the group that looks worst.

Nominal: 5% of the flagged groups are flagged wrongly; the bound fails in at most 2.5%, the simultaneous limits in 5%.
"found" is the share of worse groups that are flagged. "worst is", "bound" and "by max-t" are medians in percentage points.
"""

from __future__ import annotations

import argparse
import itertools
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from raikit import stats

Floats = NDArray[np.float64]
LEVELS = (2, 3, 4, 2)
SHARES = ([0.55, 0.45], [0.5, 0.3, 0.2], [0.4, 0.3, 0.2, 0.1], [0.9, 0.1])
CELLS = np.array(list(itertools.product(*(range(k) for k in LEVELS))))
CHANCE = np.array([np.prod([SHARES[at][value] for at, value in enumerate(cell)]) for cell in CELLS])
DRAWS = 4_000


def groups_of(depth: int) -> NDArray[np.bool_]:
    """Return the members of every group of up to `depth` features, among the crossings of all features."""
    return np.array([
        np.all(CELLS[:, columns] == values, axis=1)
        for size in range(1, depth + 1) for columns in itertools.combinations(range(len(LEVELS)), size)
        for values in itertools.product(*(range(LEVELS[at]) for at in columns))
    ])  # fmt: skip


MEMBERS = {depth: groups_of(depth) for depth in (1, 3)}


def where(**values: int) -> Floats:
    """Return 1 for the crossings with these values of features a, b, c, d, else 0."""
    return np.all([CELLS[:, "abcd".index(name)] == value for name, value in values.items()], axis=0).astype(float)


@dataclass
class Scenario:
    """Rates of the crossings, on the logit scale where there are clusters."""

    name: str
    rows: int
    base: float
    shift: Floats = field(default_factory=lambda: np.zeros(len(CELLS)))
    tolerance: float = 0.0
    speakers: int = 0  # 0: independent cases
    sd: float = 1.0
    pictures: int = 0  # a second, crossed column
    by_speaker: str = "abcd"  # features that all cases of a speaker share
    weighted: bool = False
    sizes: str = "equal"  # of speakers; zipf EXPONENT, or the share of the largest
    depth: int = 3

    @property
    def members(self) -> NDArray[np.bool_]:
        """Base cells of every group."""
        return MEMBERS[self.depth]

    def rates(self) -> Floats:
        """Return the true rate of each crossing, averaged over speakers and pictures."""
        if not self.speakers:
            return self.base + self.shift
        z = np.random.default_rng(0).normal(size=200_000) * self.sd * (np.sqrt(1.25) if self.pictures else 1)
        kinds, at = np.unique(self.shift, return_inverse=True)
        return np.array([np.mean(expit(logit(self.base) + kind + z)) for kind in kinds])[at]

    def truth(self) -> tuple[Floats, Floats]:
        """Return the true excess of every group over its rest and over all cases."""
        rates = self.rates()
        inside, overall = self.members @ CHANCE, float(CHANCE @ rates)
        group = self.members @ (CHANCE * rates) / inside
        rest = (overall - inside * group) / (1 - inside)
        return np.round(group - rest, 12), group - overall

    def draw(self, rng: np.random.Generator) -> tuple[stats.Subgroups, NDArray[np.bool_], Floats, Floats]:
        """Draw one data set; return the groups, which of them were searched, and counts per crossing."""
        if self.speakers or self.weighted:
            return self._rows(rng)
        n = rng.multinomial(self.rows, CHANCE)
        x = rng.binomial(n, self.rates())
        searched = self.members @ n >= 30
        codes = np.tile([1, 0], len(CELLS)), np.repeat(np.arange(len(CELLS)), 2)
        return stats.subgroup_rates(*codes, self.members[searched], counts=np.column_stack([x, n - x]).ravel()), searched, x, n

    def _chances(self) -> Floats:
        if self.sizes.startswith("zipf"):
            share = np.arange(1, self.speakers + 1.0) ** -float(self.sizes[4:])
        else:
            share = np.ones(self.speakers)
            if self.sizes != "equal":
                share[0] = (self.speakers - 1) * float(self.sizes) / (1 - float(self.sizes))
        return np.asarray(share / share.sum())

    def _rows(self, rng: np.random.Generator) -> tuple[stats.Subgroups, NDArray[np.bool_], Floats, Floats]:
        feature = np.column_stack([rng.choice(k, self.rows, p=p) for k, p in zip(LEVELS, SHARES, strict=True)])
        clusters, effect = [], np.zeros(self.rows)
        if self.speakers:
            speaker = rng.choice(self.speakers, self.rows, p=self._chances())
            for at, name in enumerate("abcd"):
                if name in self.by_speaker:
                    feature[:, at] = rng.choice(LEVELS[at], self.speakers, p=SHARES[at])[speaker]
            clusters, effect = [speaker], rng.normal(0, self.sd, self.speakers)[speaker]
        if self.pictures:
            picture = rng.integers(0, self.pictures, self.rows)
            clusters.append(picture)
            effect = effect + rng.normal(0, self.sd / 2, self.pictures)[picture]
        cell = np.ravel_multi_index(tuple(feature.T), LEVELS)
        rate = expit(logit(self.base) + self.shift[cell] + effect) if self.speakers else self.rates()[cell]
        events = rng.random(self.rows) < rate
        n, x = (np.bincount(cell, part, minlength=len(CELLS)) for part in (None, events))
        searched = self.members @ n >= 30
        weight = rng.exponential(size=self.rows) + 0.1 if self.weighted else None
        groups = stats.subgroup_rates(events, cell, self.members[searched], clusters, weight)
        searched[searched] = ~groups.few_clusters
        return groups.subset(~groups.few_clusters), searched, x.astype(float), n


def logit(p: float) -> float:
    """Return the log odds of p."""
    return float(np.log(p / (1 - p)))


def expit(z: Floats) -> Floats:
    """Return the inverse of `logit`."""
    return np.asarray(1 / (1 + np.exp(-z)))


def scenarios() -> list[Scenario]:
    """Return the scenarios."""
    pair, small = where(a=1, b=2), where(c=3, d=1, a=1)
    a, c, d = where(a=1), where(c=3), where(d=1)
    return [
        Scenario("no effect, .20, 4,000 rows", 4_000, 0.20),
        Scenario("no effect, .03, 4,000 rows", 4_000, 0.03),
        Scenario("no effect, .10, 600 rows (small groups)", 600, 0.10),
        Scenario("no effect, .50, 600 rows (small groups)", 600, 0.50),
        Scenario("no effect, weights", 2_000, 0.20, weighted=True),
        Scenario("one worse pair by .15", 4_000, 0.20, 0.15 * pair),
        Scenario("one worse pair by .15, tolerance .05", 4_000, 0.20, 0.15 * pair, 0.05),
        Scenario("one worse triple by .25, 2,000 rows", 2_000, 0.20, 0.25 * where(a=1, b=2, c=3)),
        Scenario("main effect .10, tolerance .05", 4_000, 0.20, 0.10 * a, 0.05),
        Scenario("main effect .05 at tolerance .05", 4_000, 0.20, 0.05 * a, 0.05),
        Scenario("main effects .06 + .08, tolerance .05", 4_000, 0.20, 0.06 * a + 0.08 * c, 0.05),
        Scenario("small group .40, large group .05", 8_000, 0.10, 0.05 * a + 0.40 * small),
        Scenario("11 groups, one of a tenth worse by .15", 800, 0.20, 0.15 * d, depth=1),
        Scenario("11 groups, that by .06, a half by .03", 600, 0.02, 0.03 * a + 0.06 * d, depth=1),
        Scenario("240 speakers, no effect", 2_400, 0.20, speakers=240),
        Scenario("240 speakers, features c d of rows", 2_400, 0.20, speakers=240, by_speaker="ab"),
        Scenario("600 speakers, worse pair", 4_000, 0.20, 1.0 * pair, speakers=600),
        Scenario("240 speakers x 200 pictures, no effect", 2_400, 0.20, speakers=240, pictures=200, by_speaker="ab"),
        Scenario("240 Zipf speakers, no effect", 2_400, 0.20, speakers=240, sizes="zipf1"),
        Scenario("240 Zipf speakers, features c d of rows", 2_400, 0.20, speakers=240, by_speaker="ab", sizes="zipf1"),
        Scenario("240 Zipf speakers, rare", 2_400, 0.03, speakers=240, by_speaker="ab", sizes="zipf1"),
        Scenario("60 Zipf speakers, features b c d of rows", 2_400, 0.20, speakers=60, by_speaker="a", sizes="zipf1"),
        Scenario("240 speakers, one has a third", 2_400, 0.20, speakers=240, by_speaker="ab", sizes="0.333"),
        Scenario("240 speakers, one has half", 2_400, 0.20, speakers=240, by_speaker="ab", sizes="0.5"),
        Scenario("600 Zipf speakers, worse pair", 4_000, 0.20, 1.0 * pair, speakers=600, sizes="zipf1"),
        Scenario("Zipf speakers x pictures", 2_400, 0.20, speakers=240, pictures=200, by_speaker="ab", sizes="zipf1"),
    ]


def naive_search(x: Floats, n: Floats, members: NDArray[np.bool_], tolerance: float) -> tuple[NDArray[np.bool_], float]:
    """Return the groups flagged by normal tests, and the upper limit of the group that looks worst."""
    inside_x, inside = members @ x, members @ n
    p, q = inside_x / inside, (x.sum() - inside_x) / np.maximum(n.sum() - inside, 1)
    se = np.sqrt(p * (1 - p) / inside + q * (1 - q) / np.maximum(n.sum() - inside, 1))
    excess = p - x.sum() / n.sum()
    worst = int(np.argmax(excess))
    outside = 1 - inside[worst] / n.sum()
    return p - q - tolerance > 1.645 * np.maximum(se, 1e-12), float(excess[worst] + 1.96 * outside * se[worst])


def percent(values: list[float]) -> str:
    """Return the mean with its standard error, in percent; a dash where nothing was decided in any run."""
    if not values:
        return "–"
    shares = 100 * np.array(values)
    return f"{shares.mean():5.1f} ±{max(shares.std(), 50 / len(shares)) / np.sqrt(len(shares)):3.1f}"


def simulate(scenario: Scenario, runs: int, seed: int) -> str:
    """Return one line of the table."""
    rng = np.random.default_rng(seed)
    rest, overall = scenario.truth()
    names = ("groups", "fdr", "any", "naive fdr", "power", "miss", "joint", "naive miss", "bound", "band", "truth")
    seen: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(runs):
        groups, searched, x, n = scenario.draw(rng)
        if not len(groups):  # Nothing can be decided.
            continue
        worse, excess = rest[searched] > scenario.tolerance, overall[searched]
        flagged = stats.worse_than_rest(groups, scenario.tolerance).flagged
        naive, limit = naive_search(x, n, scenario.members[searched], scenario.tolerance)
        certificate = stats.certificate(groups, 0.95, DRAWS, rng=rng)
        values = (
            len(groups), np.sum(flagged & ~worse) / max(flagged.sum(), 1), not worse.any() and flagged.any(),
            np.sum(naive & ~worse) / max(naive.sum(), 1), np.sum(flagged & worse) / max(worse.sum(), 1),
            certificate.bound < excess.max(), np.any((certificate.low > excess) | (certificate.high < excess)),
            limit < excess.max(),
            certificate.bound, certificate.high.max(), excess.max(),
        )  # fmt: skip
        for name, value in zip(names, values, strict=True):
            seen[name].append(float(value))
    cells = [percent(seen[name]) for name in ("fdr", "naive fdr", "power", "miss", "joint", "naive miss")]
    sizes = [f"{100 * float(np.median(seen[name])):5.1f}" if seen[name] else "–" for name in ("truth", "bound", "band")]
    groups_decided = float(np.mean(seen["groups"])) if seen["groups"] else 0.0
    return f"{scenario.name:42}{groups_decided:5.0f}" + "".join(f"{cell:>13}" for cell in [*cells, *sizes])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--long", action="store_true", help="4,000 runs of each scenario")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="scenarios whose name holds this")
    options = parser.parse_args()
    runs, start = 4_000 if options.long else options.runs, time.perf_counter()
    print(f"{runs} runs of each scenario; percent, ± Monte-Carlo standard error")
    heads = ("FDR", "naive FDR", "found", "bound fails", "limits fail", "naive fails", "worst is", "bound", "by max-t")
    print(f"{'scenario':42}{'N':>5}" + "".join(f"{head:>13}" for head in heads))
    for scenario in scenarios():
        if options.only in scenario.name:
            print(simulate(scenario, runs, options.seed), flush=True)
    print(f"{time.perf_counter() - start:.0f} s")


if __name__ == "__main__":
    main()
