"""What untrained layers make of a row is worked out once, not in every epoch: the model as seen from behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import raikit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from raikit.data.batch import Batch

_FEATURE = "untrained layer {}"  # no name of an input: those come first when tensors are told apart


def behind_untrained(model: raikit.Model, batch: Batch) -> BehindUntrained | None:
    """The model from behind its untrained convolutions; None if it has none that can be taken out.

    Parameters
    ----------
    model : Model
        Changed in place until `BehindUntrained.restore`.
    batch : Batch
        A few rows, on which it is seen that each of those layers is gone through once and keeps the rows apart.
    """
    found = BehindUntrained(model)
    if found.stands and found.works_on(batch):
        return found
    found.restore()
    return None


class BehindUntrained(raikit.Model):
    """A model whose prepared tensors hold the answers of its untrained convolutions, which are left out of its network.

    They are asked in evaluation mode: a row always gets the same answer, whoever else is in the batch.
    """

    def __init__(self, model: raikit.Model) -> None:
        self.inner = model
        self.kind, self.capabilities, self.classes = model.kind, model.capabilities, model.classes
        self.modalities = model.modalities
        self.stands = _put_in_place(model.module)
        self._net = _Tail(model.module, [stand for _, _, stand in self.stands])

    @property
    def module(self) -> nn.Module:
        return self._net

    def scores(self, batch: Batch) -> Any:
        return self.inner.scores(batch)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        return self.inner.loss(logits, target)

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """The inner model's tensors, and the answers."""
        tensors = self.inner.prepare(batch)
        net, stands = self.inner.module, self._net.stands
        was = net.training
        net.eval()
        for stand in stands:
            stand.answer, stand.asked = None, 0
        with torch.no_grad():
            net(**tensors)
        net.train(was)
        return tensors | {_FEATURE.format(at): stand.said for at, stand in enumerate(stands)}

    def works_on(self, batch: Batch) -> bool:
        """Whether each layer was asked once and gave a tensor with one entry for each row."""
        said = self.prepare(batch)
        return all(
            stand.asked == 1 and isinstance(stand.said, Tensor) and len(stand.said) == len(batch) for stand in self._net.stands
        ) and not set(said) & {name for name in self.modalities if name.startswith("untrained layer ")}

    def restore(self) -> None:
        """Put the layers back where they were."""
        for parent, name, stand in self.stands:
            parent._modules[name] = stand.original


class _Stand(nn.Module):
    """Stands where a layer was: says what it was told to say, or asks the layer and remembers."""

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self._aside = [original.eval()]  # in a list, so that it is no part of the network
        self.answer: Tensor | None = None
        self.said: Any = None
        self.asked = 0

    @property
    def original(self) -> nn.Module:
        return self._aside[0]

    def forward(self, *inputs: Any) -> Any:
        if self.answer is not None:
            return self.answer
        self.said, self.asked = self.original(*inputs), self.asked + 1
        return self.said


class _Tail(nn.Module):
    """The network, given the answers of the layers that are left out."""

    def __init__(self, net: nn.Module, stands: list[_Stand]) -> None:
        super().__init__()
        self.net, self._stands = net, [stands]

    @property
    def stands(self) -> list[_Stand]:
        return self._stands[0]

    def forward(self, **tensors: Tensor) -> Tensor:
        for at, stand in enumerate(self.stands):
            stand.answer = tensors.pop(_FEATURE.format(at))
        logits: Tensor = self.net(**tensors)
        return logits


def _put_in_place(module: nn.Module) -> list[tuple[nn.Module, str, _Stand]]:
    """Replace the largest parts that hold convolutions and nothing trained; parent, name and stand-in of each."""
    found: list[tuple[nn.Module, str, _Stand]] = []
    for name, part in list(module.named_children()):
        if _untrained(part):
            stand = _Stand(part)
            module._modules[name] = stand
            found.append((module, name, stand))
        else:
            found += _put_in_place(part)
    return found


def _untrained(part: nn.Module) -> bool:
    parameters: Mapping[str, nn.Parameter] = dict(part.named_parameters())
    return (any(isinstance(layer, nn.modules.conv._ConvNd) for layer in part.modules())
            and not any(parameter.requires_grad for parameter in parameters.values()))
