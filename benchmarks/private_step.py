"""Time a private step against a plain one, with all layers trained on both sides: seconds and peak memory, in one process each.

    python benchmarks/private_step.py                 # all networks and ways, half an hour on one core
    python benchmarks/private_step.py --only bert-64x16 --ways plain raikit

A plain step is forward, backward and SGD with momentum. "raikit" is what private training does in a step: book-keeping, noise, the
optimizer, and the comparison of the network's state before and after. "raikit checked" adds what is done in every step with code
that raikit did not write: losses are compared with those of two smaller steps. "hooks" and "ghost" are Opacus's modes with its
optimizer; inputs that Opacus cannot broadcast (position numbers, token types) are given expanded to the batch. Each way is
measured in a process of its own, so that the peak of memory is that of the way; it is counted above what Python and the libraries
need. Medians of --rounds steps after a warm-up, on one thread; ways take turns, so that a busy machine slows all of them. raikit
draws noise in a second thread: "seconds" are those of a clock, "CPU" those of all threads together.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import statistics
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZES: dict[str, tuple[int, int]] = {  # cases of a step, words of a text
    "fusion-64": (64, 0), "fusion-256": (256, 0), "bert-64x16": (64, 16), "bert-64x128": (64, 128), "vit-64": (64, 0),
    "transformer-64x64": (64, 64), "bert-64x128-head": (64, 128), "bert-64x128-lora": (64, 128),
}
WAYS = ("plain", "raikit", "raikit checked", "hooks", "ghost")


class Logits(nn.Module):
    """A network of transformers that returns logits alone."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, **tensors: Tensor) -> Tensor:
        """Compute logits."""
        logits: Tensor = self.net(**tensors).logits
        return logits


class Wrapped:
    """As much of a model as private training asks for."""

    def __init__(self, module: nn.Module) -> None:
        self.module = module

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each case."""
        return functional.cross_entropy(logits, target, reduction="none")


def build(name: str) -> tuple[nn.Module, dict[str, Tensor]]:
    """Return a network and the inputs of a step."""
    import transformers

    torch.manual_seed(0)
    n, words = SIZES[name]
    if name.startswith("fusion"):
        return _fusion(n)
    if name.startswith("vit"):
        config: Any = transformers.ViTConfig(image_size=32, patch_size=4, hidden_size=192, num_hidden_layers=6,
                                             num_attention_heads=3, intermediate_size=768)
        return Logits(transformers.ViTForImageClassification(config)), {"pixel_values": torch.rand(n, 3, 32, 32)}
    small = name.startswith("bert")
    config = transformers.BertConfig(
        vocab_size=5000 if small else 8000, hidden_size=256 if small else 512, num_hidden_layers=4 if small else 5,
        num_attention_heads=4 if small else 8, intermediate_size=1024 if small else 2048, max_position_embeddings=128)
    net: nn.Module = transformers.BertForSequenceClassification(config)
    if name.endswith("head"):
        for key, parameter in net.named_parameters():
            parameter.requires_grad_(key.startswith("classifier"))
    if name.endswith("lora"):
        import peft

        lora = peft.LoraConfig(task_type="SEQ_CLS", r=8, target_modules=["query", "value"], lora_dropout=0.0)
        net = peft.get_peft_model(net, lora)  # type: ignore[arg-type]
    ids = torch.randint(5, config.vocab_size, (n, words))
    places = torch.arange(words).repeat(n, 1)  # expanded, for Opacus
    return Logits(net), {"input_ids": ids, "attention_mask": torch.ones_like(ids), "position_ids": places,
                         "token_type_ids": torch.zeros_like(ids)}


def _fusion(n: int) -> tuple[nn.Module, dict[str, Tensor]]:
    from raikit.models.network import FusionConfig, FusionNet

    modalities = {"picture": "image", "text": "text", "sound": "audio", "columns": "tabular"}
    net = FusionNet(FusionConfig([{"name": name, "modality": of, "columns": 6} for name, of in modalities.items()]))
    return net, {"picture": torch.randn(n, 3, 48, 48), "text": torch.randint(1, 4096, (n, 32)),
                 "sound": torch.randn(n, 1, 40, 64), "columns": torch.randn(n, 6)}


def plain_step(net: nn.Module, inputs: dict[str, Tensor], target: Tensor) -> Callable[[], None]:
    """Return a step of ordinary training."""
    optimizer = torch.optim.SGD([weight for weight in net.parameters() if weight.requires_grad], lr=0.01, momentum=0.9)

    def step() -> None:
        optimizer.zero_grad()
        functional.cross_entropy(net(**inputs), target).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    return step


def raikit_step(net: nn.Module, inputs: dict[str, Tensor], target: Tensor, checked: bool) -> Callable[[], None]:
    """Return a step of raikit's private training, after the comparison of the first one."""
    from raikit_privacy.estimates.clipping import case_losses
    from raikit_privacy.estimates.dpsgd import PrivateTraining, Recipe

    n = len(target)
    training = PrivateTraining(Wrapped(net), Recipe(4 * n, 1000, n, n, 1.0, 0.01, "all"), 1.0)  # type: ignore[arg-type]
    training.foreign = False
    if not checked:  # what is not raikit's own has a loss for each case in a call of its own
        training.clipper._losses_of = case_losses  # type: ignore[attr-defined]
    for _ in range(4):  # steps 0, 1 and 3 compare clipping with autograd
        training.step(net, training.optimizer, inputs, target, None)
    training.foreign = checked
    compare = training._clip.__globals__["preflight"].verify

    def step() -> None:
        training._clip.__globals__["preflight"].verify = lambda *given, **named: None  # the later ones are rare: 7, 15, 31 …
        training.step(net, training.optimizer, inputs, target, None)
        training._clip.__globals__["preflight"].verify = compare

    return step


def opacus_step(net: nn.Module, inputs: dict[str, Tensor], target: Tensor, mode: str) -> Callable[[], None]:
    """Return a step with Opacus's per-sample gradients ("hooks") or fast gradient clipping ("ghost")."""
    from opacus.grad_sample import GradSampleModule, GradSampleModuleFastGradientClipping
    from opacus.optimizers import DPOptimizer, DPOptimizerFastGradientClipping
    from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

    n = len(target)
    sgd = torch.optim.SGD([weight for weight in net.parameters() if weight.requires_grad], lr=0.01, momentum=0.9)
    given: dict[str, Any] = {"noise_multiplier": 1.0, "max_grad_norm": 1.0, "expected_batch_size": n}
    if mode == "hooks":
        wrapped: Any = GradSampleModule(net)
        optimizer: Any = DPOptimizer(sgd, **given)
        loss: Any = nn.CrossEntropyLoss()
    else:
        wrapped = GradSampleModuleFastGradientClipping(net, max_grad_norm=1.0)
        optimizer = DPOptimizerFastGradientClipping(sgd, **given)
        loss = DPLossFastGradientClipping(wrapped, optimizer, nn.CrossEntropyLoss())

    def step() -> None:
        optimizer.zero_grad()
        loss(wrapped(**inputs), target).backward()
        optimizer.step()

    return step


def make(name: str, way: str) -> Callable[[], None]:
    """Return the step of a network and a way."""
    net, inputs = build(name)
    net.train()
    target = torch.randint(0, 2, (SIZES[name][0],))
    if way == "plain":
        return plain_step(net, inputs, target)
    if way.startswith("raikit"):
        return raikit_step(net, inputs, target, way.endswith("checked"))
    return opacus_step(net, inputs, target, way)


def worker(name: str, way: str, pipe: Any) -> None:
    """Answer each request for a step with its seconds, by the clock and of the CPU, and the last one with the peak of memory."""
    import transformers  # noqa: F401

    import raikit_privacy.estimates.dpsgd  # noqa: F401

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    libraries = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20
    try:
        step = make(name, way)
        step()
        pipe.send("")
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {' '.join(str(error).split())[:60]}")
        return
    while pipe.recv():
        clock, cpu = time.perf_counter(), time.process_time()
        step()
        pipe.send((time.perf_counter() - clock, time.process_time() - cpu))
    pipe.send(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - libraries)


def compare(name: str, ways: list[str], rounds: int) -> dict[str, Any]:
    """Measure the ways in turns; return seconds and memory by way."""
    context = multiprocessing.get_context("spawn")
    found: dict[str, Any] = {}
    running = {}
    for way in ways:
        ours, theirs = context.Pipe()
        process = context.Process(target=worker, args=(name, way, theirs))
        process.start()
        if problem := ours.recv():
            found[way] = {"problem": problem}
            process.join()
        else:
            running[way] = ours, process
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in running}
    for _ in range(rounds):
        for way, (pipe, _) in running.items():
            pipe.send(True)
            seconds[way].append(pipe.recv())
    for way, (pipe, process) in running.items():
        pipe.send(False)
        clock, cpu = (statistics.median(of) for of in zip(*seconds[way], strict=True))
        found[way] = {"seconds": clock, "cpu": cpu, "memory": pipe.recv()}
        process.join()
    return found


def main() -> None:
    """Print a row for each network and way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="*", default=list(SIZES), choices=list(SIZES))
    parser.add_argument("--ways", nargs="*", default=list(WAYS), choices=WAYS)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true", help="print what was measured as JSON too")
    arguments = parser.parse_args()
    print(f"{'network':18} {'way':15} {'seconds':>8} {'times':>6} {'CPU':>8} {'times':>6} {'MiB':>7} {'times':>6}")
    for name in arguments.only:
        found = compare(name, arguments.ways, arguments.rounds)
        plain = found.get("plain")
        for way in arguments.ways:
            row = found[way]
            if "problem" in row:
                print(f"{name:18} {way:15} {row['problem']}", flush=True)
                continue
            cells = [f"{row[of]:{width}} {row[of] / plain[of] if plain else float('nan'):6.2f}"
                     for of, width in (("seconds", "8.3f"), ("cpu", "8.3f"), ("memory", "7.0f"))]
            print(f"{name:18} {way:15} {' '.join(cells)}", flush=True)
        if arguments.json:
            print(json.dumps({name: found}))


if __name__ == "__main__":
    main()
