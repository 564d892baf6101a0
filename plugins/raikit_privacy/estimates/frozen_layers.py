"""Compute the outputs of frozen layers once instead of in every epoch, by training only the layers behind them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

import raikit

if TYPE_CHECKING:
    from raikit.data.batch import Batch

_PREFIX = "untrained layer "
_OUTPUT = _PREFIX + "{}"  # name of a cached output among the prepared tensors; no input is called like this


def cache_frozen_layers(model: raikit.Model, batch: Batch) -> FrozenLayerCache | None:
    """Return the model without its frozen convolutions; None if it has none that can be taken out.

    Parameters
    ----------
    model : Model
        Changed in place until `FrozenLayerCache.restore`.
    batch : Batch
        A few cases, used to test that each of those layers is called once, before any trained one, and gives one output per
        case, and that the network behind them computes the same.
    """
    expected = _logits(model, batch)
    cache = FrozenLayerCache(model)
    with contextlib.suppress(Exception):  # a network may use a layer in ways that a cached output cannot stand for
        cache.drop_unusable(batch)
        if cache.layers and torch.allclose(_logits(cache, batch), expected, rtol=1e-4, atol=1e-5):
            return cache
    cache.restore()
    return None


def _logits(model: raikit.Model, batch: Batch) -> Tensor:
    """Compute the logits of a few cases in evaluation mode."""
    was_training = model.module.training
    model.module.eval()
    with torch.no_grad():
        logits: Tensor = model.module(**model.prepare(batch))
    model.module.train(was_training)
    return logits


class FrozenLayerCache(raikit.Model):
    """A model whose prepared tensors include the outputs of its frozen convolutions, which its network then skips.

    Outputs are computed in evaluation mode, so that they do not depend on the other cases of a batch.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: raikit.Model) -> None:
        self.inner = model
        self.kind, self.capabilities, self.classes = model.kind, model.capabilities, model.classes
        self.modalities = model.modalities
        self.layers = _replace_frozen_parts(model.module)
        self._net = _NetworkWithCachedOutputs(model.module, [layer for _, _, layer in self.layers])

    @property
    def module(self) -> nn.Module:
        """The network behind the frozen layers."""
        return self._net

    def scores(self, batch: Batch) -> Any:
        """Return the inner model's scores."""
        return self.inner.scores(batch)

    def loss(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the inner model's loss."""
        return self.inner.loss(logits, target)

    def prepare(self, batch: Batch) -> dict[str, Tensor]:
        """Return the inner model's tensors, and the outputs of the frozen layers."""
        tensors = self.inner.prepare(batch)
        net, layers = self.inner.module, self._net.layers
        was_training = net.training
        net.eval()
        for layer in layers:
            layer.cached, layer.calls = None, 0
        with torch.no_grad():
            net(**tensors)
        net.train(was_training)
        return tensors | {_OUTPUT.format(at): layer.output for at, layer in enumerate(layers)}

    def drop_unusable(self, batch: Batch) -> None:
        """Put back the layers that are not called once, do not give one output per case, or come after a trained layer."""
        tensors, net = self.inner.prepare(batch), self.inner.module
        was_training = net.training
        net.eval()
        net(**tensors)
        net.train(was_training)
        clash = bool(set(self.modalities) & {_OUTPUT.format(at) for at in range(len(self.layers))})
        usable = [entry for entry in self.layers if entry[2].is_usable(len(batch)) and not clash]
        for parent, name, layer in self.layers:
            if not any(layer is other for _, _, other in usable):
                parent._modules[name] = layer.original
        self.layers[:] = usable
        self._net.layers[:] = [layer for _, _, layer in usable]

    def restore(self) -> None:
        """Put the layers back where they were."""
        for parent, name, layer in self.layers:
            parent._modules[name] = layer.original


class _CachedLayer(nn.Module):
    """Takes the place of a frozen layer: returns its cached output, or calls it and keeps the output.

    What else a network reads from the layer (``weight.dtype``, ``stride``) is the layer's own.
    """

    passing_attributes = ("cached", "output", "calls", "after_trained")  # set anew for each batch

    def __init__(self, original: nn.Module) -> None:
        super().__init__()
        self._aside = [original.eval()]  # in a list, so that its parameters are not part of the network
        self.cached: Tensor | None = None
        self.output: Any = None
        self.calls = 0
        self.after_trained = False

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.__dict__["_aside"][0], name)

    @property
    def original(self) -> nn.Module:
        layer: nn.Module = self._aside[0]
        return layer

    def is_usable(self, cases: int) -> bool:
        """Return whether one cached output per case can stand for the layer in the call that was made last."""
        return self.calls == 1 and not self.after_trained and isinstance(self.output, Tensor) and len(self.output) == cases

    def forward(self, *inputs: Any, **named: Any) -> Any:
        if self.cached is not None:
            return self.cached
        # Gradients flow through what comes after a trained layer, and its outputs change with the weights.
        self.after_trained |= any(isinstance(given, Tensor) and given.requires_grad for given in (*inputs, *named.values()))
        self.output, self.calls = self.original(*inputs, **named), self.calls + 1
        return self.output


class _NetworkWithCachedOutputs(nn.Module):
    """The network, given the outputs of its frozen layers along with the other inputs."""

    def __init__(self, net: nn.Module, layers: list[_CachedLayer]) -> None:
        super().__init__()
        self.net, self._layers = net, [layers]

    @property
    def layers(self) -> list[_CachedLayer]:
        return self._layers[0]

    def forward(self, **tensors: Tensor) -> Tensor:
        for at, layer in enumerate(self.layers):
            layer.cached = tensors.pop(_OUTPUT.format(at))
        logits: Tensor = self.net(**tensors)
        return logits


def _replace_frozen_parts(module: nn.Module) -> list[tuple[nn.Module, str, _CachedLayer]]:
    """Replace the largest parts that hold convolutions and nothing trained; return parent, name and replacement of each."""
    replaced: list[tuple[nn.Module, str, _CachedLayer]] = []
    for name, part in list(module.named_children()):
        if _is_frozen_convolution(part):
            layer = _CachedLayer(part)
            module._modules[name] = layer
            replaced.append((module, name, layer))
        else:
            replaced += _replace_frozen_parts(part)
    return replaced


def _is_frozen_convolution(part: nn.Module) -> bool:
    return (any(isinstance(layer, nn.modules.conv._ConvNd) for layer in part.modules())
            and not any(parameter.requires_grad for parameter in part.parameters()))
