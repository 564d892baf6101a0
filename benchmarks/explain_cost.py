"""Compare Integrated Gradients by nested quadrature with Captum's fixed 50 steps: passes, seconds and accuracy in one process.

    python benchmarks/explain_cost.py        # some minutes

A BERT, a ViT and the fusion network, small, are trained for a minute on made-up cases. The reference is Captum with 1,000 steps.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import transformers
from captum.attr import IntegratedGradients
from torch import Tensor

from raikit.models.encoded import Encoded
from raikit.models.network import FusionConfig, FusionNet
from raikit_explain.estimates.attributions import batch_size, difference, integrated_gradients, relative_error, scorer

FLOOR = 0.1
SIZE: dict[str, Any] = {"hidden_size": 64, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 128}


class Differentiable:
    """As much of a model as attributions need."""

    def __init__(self, forward: Callable[[Encoded], Tensor]) -> None:
        self.forward = forward
        self.passes = 0

    def score(self, encoded: Encoded) -> Callable[..., Tensor]:
        """Return the function that attributions explain; it counts the cases that go through it with gradients."""
        inner = scorer(self, encoded)  # type: ignore[arg-type]

        def counted(*arguments: Tensor) -> Tensor:
            self.passes += len(arguments[0]) * torch.is_grad_enabled()
            return inner(*arguments)

        return counted


def train(net: torch.nn.Module, logits: Callable[[Tensor], Tensor], label: Tensor, rounds: int) -> None:
    """Fit a network to made-up labels; `logits` takes the numbers of cases."""
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3)
    net.train()
    for _ in range(rounds):
        at = torch.randint(len(label), (64,))
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(logits(at), label[at]).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    net.eval()
    with torch.no_grad():
        right = (logits(torch.arange(256)).argmax(1) == label[:256]).float().mean()
    print(f"  trained: {100 * right:.0f}% right", flush=True)


def bert(cases: int, rounds: int) -> tuple[Differentiable, Encoded]:
    """Return a BERT that looks for words of two kinds, and texts of 6 to 24 words."""
    config = transformers.BertConfig(vocab_size=200, max_position_embeddings=32, **SIZE)
    net = transformers.BertForSequenceClassification(config)
    ids, lengths = torch.randint(5, 200, (1024, 24)), torch.randint(6, 25, (1024,))
    mask = (torch.arange(24) < lengths[:, None]).long()
    label = (((ids < 60) * mask).sum(1) > ((ids > 145) * mask).sum(1)).long()
    train(net, lambda at: net(input_ids=ids[at], attention_mask=mask[at]).logits, label, rounds)
    embed = net.get_input_embeddings()
    encoded = Encoded({"text": embed(ids[:cases]).detach()}, {"mask": mask[:cases]},
                      {"text": embed(torch.zeros(1, 24, dtype=torch.int64)).detach()})
    return Differentiable(lambda given: net(inputs_embeds=given["text"], attention_mask=given.context["mask"]).logits), encoded


def vit(cases: int, rounds: int) -> tuple[Differentiable, Encoded]:
    """Return a ViT that looks for a bright square on the left or the right, and noisy pictures."""
    net = transformers.ViTForImageClassification(transformers.ViTConfig(image_size=32, patch_size=8, **SIZE))
    pictures, label = 0.6 * torch.randn(1024, 3, 32, 32), torch.randint(2, (1024,))
    for case in range(1024):
        y, x = int(torch.randint(24, ())), int(torch.randint(8, ())) + 16 * int(label[case])
        pictures[case, :, y : y + 8, x : x + 8] += 1.5
    train(net, lambda at: net(pixel_values=pictures[at]).logits, label, rounds)
    return Differentiable(lambda given: net(pixel_values=given["picture"]).logits), Encoded({"picture": pictures[:cases]})


def fusion(cases: int, rounds: int) -> tuple[Differentiable, Encoded]:
    """Return the fusion network over a picture, a text, a sound and columns, of which a fifth is missing."""
    modalities = {"picture": "image", "text": "text", "sound": "audio", "columns": "tabular"}
    net = FusionNet(FusionConfig([{"name": name, "modality": of, "columns": 6} for name, of in modalities.items()], image_size=32))
    kind = torch.randint(2, (1024, 4))
    prepared = {
        "picture": 0.5 * torch.randn(1024, 3, 32, 32), "text": torch.randint(1, 4096, (1024, 32)),
        "sound": 0.5 * torch.randn(1024, 1, 40, 64), "columns": torch.randn(1024, 6),
    }
    prepared["picture"][:, 0] += kind[:, 0, None, None]
    prepared["text"][:, :4] = 7 + kind[:, 1, None]
    prepared["sound"][:, :, :20] += kind[:, 2, None, None, None]
    prepared["columns"][:, 0] += 2.0 * kind[:, 3]
    for tensor in prepared.values():
        tensor[torch.rand(1024) < 0.2] = 0
    label = ((kind.sum(1) + (kind[:, 0] == kind[:, 1])) > 2).long()
    train(net, lambda at: net.logits({name: tensor[at] for name, tensor in prepared.items()}), label, rounds)
    with torch.no_grad():
        encoded = net.embed({name: tensor[:cases] for name, tensor in prepared.items()})
    return Differentiable(net.classify), encoded.detach()


def captum(score: Callable[..., Tensor], encoded: Encoded, decided: Tensor, steps: int) -> list[np.ndarray]:
    """Return Captum's Integrated Gradients of some steps, with its default rule."""
    method: Any = IntegratedGradients(score)
    values = method.attribute(
        tuple(encoded.values()), baselines=tuple(encoded.baseline(name) for name in encoded), n_steps=steps,
        additional_forward_args=(decided, *encoded.context.values()), internal_batch_size=max(batch_size(encoded), len(decided)))
    return [part.detach().float().numpy() for part in values]


def compare(name: str, model: Differentiable, encoded: Encoded, goal: float) -> None:
    """Print the shares of passes and seconds, and both sides' distances from the reference."""
    with torch.no_grad():
        decided = model.forward(encoded).argmax(1)
    score = model.score(encoded)
    seconds: dict[str, list[float]] = {"nested": [], "fixed": []}
    found: dict[str, Any] = {}
    passes: dict[str, int] = {}
    sides = {"fixed": lambda: captum(score, encoded, decided, 50), "nested": lambda: integrated_gradients(
        score, encoded, decided, tolerance=0.01, most_steps=256, floor=FLOOR)}
    for _ in range(3):
        for side, attribute in sides.items():
            model.passes, start = 0, time.process_time()
            found[side] = attribute()  # type: ignore[no-untyped-call]
            seconds[side].append(time.process_time() - start)
            passes[side] = model.passes
    nested = found["nested"]
    reference = captum(score, encoded, decided, 1000)
    print(f"{name}: {len(decided)} cases; passes {passes['nested'] / passes['fixed']:.2f} of 50 steps (goal at most {goal}), "
          f"seconds {np.median(seconds['nested']) / np.median(seconds['fixed']):.2f}; {(~nested.converged).sum()} not converged",
          flush=True)
    for side, values in (("nested", list(nested.values.values())), ("fixed 50", found["fixed"])):
        apart = difference(reference, values, FLOOR)
        error = relative_error(_total(values), nested.change, FLOOR)
        print(f"  {side:9} completeness over 1%: {100 * (error > 0.01).mean():5.1f}% of cases; from the reference: "
              f"median {100 * np.median(apart):.2f}%, largest {100 * apart.max():.2f}%, "
              f"over 5%: {100 * (apart > 0.05).mean():.1f}% of cases", flush=True)


def _total(values: Sequence[np.ndarray]) -> np.ndarray:
    return np.asarray(sum(part.reshape(len(part), -1).sum(axis=1, dtype=np.float64) for part in values))


def main() -> None:
    """Compare on the three networks."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=48)
    parser.add_argument("--rounds", type=int, default=400)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, build, goal in (("BERT", bert, 0.25), ("ViT", vit, 0.45), ("fusion", fusion, 0.65)):
        torch.manual_seed(0)
        compare(name, *build(arguments.cases, arguments.rounds), goal)


if __name__ == "__main__":
    main()
