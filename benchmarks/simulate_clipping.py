"""Try private training on networks that do one strange thing each, and see whether a case can move a step too far.

    python benchmarks/simulate_clipping.py           # two minutes
    python benchmarks/simulate_clipping.py --runs 3  # three draws of weights and cases

The networks are those of `tests/plugins/privacy/estimates/networks.py`. "unchecked" is book-keeping without a comparison with
autograd: how far the clipped sum is from one autograd call per case, and by how many clipping norms leaving one case out moves
it, at most; above 1 the guarantee is false. "decision" is what raikit does with the network; for one that is trained, the same
two figures follow. They are the worst of all draws.
"""

from __future__ import annotations

import argparse
import copy
import importlib.util
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from raikit_privacy.estimates import preflight
from raikit_privacy.estimates.bookkeeping import make_clipper
from raikit_privacy.estimates.clipping import Layers, NotPrivateError
from raikit_privacy.estimates.dpsgd import freeze_feature_layers
from raikit_privacy.estimates.draws import same_draws

NETWORKS = Path(__file__).parents[1] / "tests" / "plugins" / "privacy" / "estimates" / "networks.py"
ROWS, NORM = 20, 0.3


class Wrapped:
    """As much of a model as clipping asks for."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each case."""
        return functional.cross_entropy(logits, target, reduction="none")


def classes() -> list[type[nn.Module]]:
    """Return the networks, in the order of their file."""
    spec = importlib.util.spec_from_file_location("networks", NETWORKS)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return [kind for kind in vars(module).values() if isinstance(kind, type) and issubclass(kind, nn.Module)]


def clipped_sum(model: Any, cases: preflight.Cases, make: Callable[[Any], Any]) -> Tensor:
    """Return the sum of the clipped gradients, on a copy of the model."""
    own = Wrapped(copy.deepcopy(model.module))
    with same_draws(3):
        clipper = make(own)
        with clipper.compared():  # as before a training, so that it knows how often a layer uses its weights
            return torch.cat([total.flatten() for total in clipper.clip(*cases).sums])


def figures(model: Any, cases: preflight.Cases, make: Callable[[Any], Any]) -> tuple[float, float]:
    """Return the error of the sum, and the most that one case moves it, in clipping norms."""
    exact, whole = clipped_sum(model, cases, lambda own: make_clipper(own, NORM, "one by one")), clipped_sum(model, cases, make)
    moved = []
    for left_out in range(ROWS):
        keep = torch.arange(ROWS) != left_out
        rest = preflight.Cases({"x": cases.inputs["x"][keep]}, cases.target[keep])
        moved.append(float((whole - clipped_sum(model, rest, make)).norm()) / NORM)
    return float((whole - exact).norm() / exact.norm()), max(moved)


def attempt(kind: type[nn.Module], layers: Layers, seed: int) -> tuple[str, str]:
    """Return what an unchecked shortcut does, and what raikit does."""
    torch.manual_seed(seed)
    model: Any = Wrapped(kind().train())
    freeze_feature_layers(model.module, layers)
    cases = preflight.Cases({"x": torch.randn(ROWS, 6)}, torch.randint(0, 2, (ROWS,)))
    try:
        unchecked = "{:8.1e} {:6.2f}".format(*figures(model, cases, lambda own: make_clipper(own, NORM, "shortcut")))
    except Exception as error:
        unchecked = f"crash: {type(error).__name__}"
    try:
        way, _ = preflight.choose_clipping(model, NORM, cases.rows(slice(8)).alone(), cases)
    except NotPrivateError as error:
        return unchecked, f"refused: {error}"
    return unchecked, "{}: {:8.1e} {:6.2f}".format(way, *figures(model, cases, lambda own: make_clipper(own, NORM, way)))


def main() -> None:
    """Print one row for each network and choice of layers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1, help="draws of weights and cases (1)")
    runs = parser.parse_args().runs
    warnings.simplefilter("ignore")
    print(f"{'network':22} {'layers':6} {'unchecked':>24}   decision")
    for kind in classes():
        for layers in ("dense", "all"):
            tried = [attempt(kind, layers, seed) for seed in range(min(runs, 20))]  # type: ignore[arg-type]
            print(f"{kind.__name__:22} {layers:6} {max(one for one, _ in tried):>24}   {max(two for _, two in tried)}")


if __name__ == "__main__":
    main()
