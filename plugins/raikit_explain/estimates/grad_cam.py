"""Grad-CAM: what a convolutional or vision-transformer encoder saw, and in which of its layers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from raikit_explain.estimates.attributions import Attribution, Score, gradient_batch_size, scorer, slices
from raikit_explain.estimates.gradients import NotApplicable, empty, write
from raikit_explain.estimates.networks import networks

if TYPE_CHECKING:
    import raikit
    from raikit.models.encoded import Encoded
    from raikit_explain.estimates.explanation import ExplanationSettings

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_SPECIAL = 16  # most tokens before those of the patches: a class token, registers
_PROBES = 2  # cases by which layers are chosen
NO_LAYER = "grad_cam needs a layer that is a map of an input, by convolution or of a transformer's patches, and the model has none."


@dataclass(frozen=True)
class Layer:
    """The layer whose map shows an input.

    Attributes
    ----------
    name : str
        Its path in the model.
    shape : tuple of int
        Places of its map along each axis.
    special : int or None
        Tokens before those of the patches; None for the output of a convolution.
    axes : tuple of int
        Axis of the input that each axis of the map follows; 0 is the first axis behind the cases.
    reverse : tuple of bool
        Whether the map runs against it.
    """

    name: str
    shape: tuple[int, ...]
    special: int | None
    axes: tuple[int, ...]
    reverse: tuple[bool, ...]


def grad_cam(
    model: raikit.Model, encoded: Encoded, decided: Tensor, settings: ExplanationSettings, seed: int
) -> Attribution:
    """Attribute decisions to places by Grad-CAM [1]_, like Captum's `LayerGradCam`: with sign, and interpolated linearly.

    The layer of each input is the last one with a map of this input alone that the decision depends on. In a transformer that
    decides by a class token, that is the first normalisation of its last block. The result names it. An input without such a
    layer gets zero, and so does an input that is missing.

    Raises
    ------
    NotApplicable
        If no input has such a layer.

    References
    ----------
    .. [1] Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", ICCV 2017.
    """
    score = scorer(model, encoded, settings.scale)
    result = empty("grad_cam", score, encoded, decided)
    if not len(decided):
        return result
    chosen = choose_layers(model, encoded, decided, settings.scale)
    if not chosen:
        raise NotApplicable("grad_cam", NO_LAYER)
    for part in slices(len(decided), gradient_batch_size(score, encoded, decided, settings.megabytes)):
        write(result, part, _maps(model, score, encoded.take(part), decided[part], chosen))
    return replace(result, layers={name: layer.name for name, layer in chosen.items()})


def without_convolution(model: raikit.Model) -> str | None:
    """Return a sentence if a model has no convolution, and so no map of any input; None if it has one."""
    has = any(isinstance(module, _CONVOLUTIONS) for network in networks(model).values() for module in network.modules())
    return None if has else NO_LAYER


def _maps(
    model: raikit.Model, score: Score, encoded: Encoded, decided: Tensor, chosen: Mapping[str, Layer]
) -> list[Tensor]:
    with _recorded(model, {layer.name for layer in chosen.values()}) as outputs:
        inputs = [tensor.clone().requires_grad_() for tensor in encoded.values()]
        value = score(*inputs, decided, *encoded.context.values())
    last = {name: next(output.tensor for output in reversed(outputs) if output.name == layer.name)
            for name, layer in chosen.items()}
    gradients = torch.autograd.grad(value.sum(), list(last.values()), allow_unused=True)
    maps = {}
    for (name, output), gradient in zip(last.items(), gradients, strict=True):
        activation, slope = (_places(of, chosen[name]) for of in (output.detach(), torch.zeros_like(output)
                                                                         if gradient is None else gradient))
        weight = slope.flatten(2).mean(dim=2)
        weight = weight.view(*weight.shape, *[1] * len(chosen[name].shape))
        maps[name] = _spread((weight * activation).sum(dim=1).float(), encoded[name], chosen[name])
    present = encoded.present()
    return [maps[name] * present[name].view(-1, *[1] * (tensor.ndim - 1)) if name in maps else torch.zeros_like(tensor)
            for name, tensor in encoded.items()]


def _places(output: Tensor, layer: Layer) -> Tensor:
    """Return the map of a layer's output, shape (n, channels, *places)."""
    if layer.special is None:
        return output
    patches = output[:, layer.special :].transpose(1, 2)
    return patches.reshape(*patches.shape[:2], *layer.shape)


def _spread(places: Tensor, like: Tensor, layer: Layer) -> Tensor:
    """Interpolate a map, shape (n, *places), to the elements of an input; elements at one place share its value."""
    for axis, turned in enumerate(layer.reverse):
        places = places.flip(axis + 1) if turned else places
    order = sorted(range(len(layer.axes)), key=lambda axis: layer.axes[axis])
    places = places.permute(0, *(axis + 1 for axis in order))
    sizes = [like.shape[1 + layer.axes[axis]] for axis in order]
    mode = "bilinear" if len(sizes) == 2 else "linear"
    fine = functional.interpolate(places[:, None], size=sizes, mode=mode, align_corners=False)[:, 0]
    shape = [size if axis in layer.axes else 1 for axis, size in enumerate(like.shape[1:])]
    others = prod(size for axis, size in enumerate(like.shape[1:]) if axis not in layer.axes)
    return (fine.reshape(-1, *shape) / others).expand_as(like).to(like.dtype)


# --- the choice of layers -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Output:
    """What a module computed."""

    name: str
    module: nn.Module
    tensor: Tensor


@contextmanager
def _recorded(model: raikit.Model, only: set[str] | None = None) -> Iterator[list[_Output]]:
    """Collect the outputs of modules, in the order in which they ended."""
    outputs: list[_Output] = []
    handles = []
    for attribute, network in networks(model).items():
        for path, module in network.named_modules():
            name = f"{attribute}.{path}".rstrip(".")

            def record(module: nn.Module, inputs: object, output: object, name: str = name) -> None:
                first = output[0] if isinstance(output, tuple) and output else output
                if isinstance(first, Tensor) and first.requires_grad:
                    outputs.append(_Output(name, module, first))

            if only is None or name in only:
                handles.append(module.register_forward_hook(record))
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def choose_layers(model: raikit.Model, encoded: Encoded, decided: Tensor, scale: float = 1.0) -> dict[str, Layer]:
    """Return the layer of each input that has one."""
    score = scorer(model, encoded, scale)
    whole = torch.stack([of.long() for of in encoded.present().values()]).sum(dim=0).argsort(descending=True, stable=True)
    at = whole[:_PROBES]
    probe = encoded.take(at)
    inputs = [tensor.clone().requires_grad_() for tensor in probe.values()]
    with torch.enable_grad(), _recorded(model) as outputs:
        value = score(*inputs, decided[at], *probe.context.values())
    if not outputs:
        return {}
    gradients = torch.autograd.grad(value.sum(), [output.tensor for output in outputs], allow_unused=True, retain_graph=True)
    open_inputs = {place: name for place, name in enumerate(encoded)
                   if model.modalities.get(name) != "tabular" and inputs[place].numel()}
    chosen: dict[str, Layer] = {}
    for number in reversed(range(len(outputs))):
        if not open_inputs:
            break
        shape = _shape_of_map(outputs, number)
        if shape is None or not _matters(outputs[number].tensor, shape, gradients[number]):
            continue
        depends = [place for place, of in enumerate(_gradient(outputs[number].tensor.sum(), inputs)) if of is not None]
        if len(depends) == 1 and (name := open_inputs.get(depends[0])):
            layer = _oriented(outputs, number, shape, inputs[depends[0]])
            if layer is not None:
                chosen[name] = layer
                del open_inputs[depends[0]]
    return {name: chosen[name] for name in encoded if name in chosen}


def _gradient(value: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor | None, ...]:
    return torch.autograd.grad(value, list(inputs), allow_unused=True, retain_graph=True)


def _shape_of_map(outputs: Sequence[_Output], number: int) -> tuple[int, ...] | None:
    """Return the places of an output that is a map, of a convolution or of patches; None if it is none."""
    module, tensor = outputs[number].module, outputs[number].tensor
    if isinstance(module, nn.Conv1d) and tensor.ndim == 3 and tensor.shape[2] > 1:
        return (tensor.shape[2],)
    if isinstance(module, nn.Linear | nn.LayerNorm) and tensor.ndim == 4:
        return None  # channels come last
    if tensor.ndim == 4 and prod(tensor.shape[2:]) > 1:
        return (tensor.shape[2], tensor.shape[3])
    if tensor.ndim != 3 or isinstance(module, nn.Linear):
        return None
    patches = _patches(outputs, number)
    return None if patches is None else (patches.tensor.shape[2], patches.tensor.shape[3])


def _patches(outputs: Sequence[_Output], number: int) -> _Output | None:
    """Return the convolution that cut the patches of which an output holds tokens."""
    tokens = outputs[number].tensor.shape[1]
    fits = (output for output in reversed(outputs[:number]) if isinstance(output.module, nn.Conv2d) and output.tensor.ndim == 4
            and 0 <= tokens - prod(output.tensor.shape[2:]) <= _SPECIAL and prod(output.tensor.shape[2:]) > 1)
    return next(fits, None)


def _matters(tensor: Tensor, shape: tuple[int, ...], gradient: Tensor | None) -> bool:
    """Return whether the decision depends on the places of a map, not only on tokens before them."""
    if gradient is None:
        return False
    places = gradient if tensor.ndim == 2 + len(shape) else gradient[:, tensor.shape[1] - prod(shape) :]
    return bool(places.any())


def _oriented(outputs: Sequence[_Output], number: int, shape: tuple[int, ...], given: Tensor) -> Layer | None:
    """Find which axes of the input a map follows, by the elements on which its corners depend."""
    output = outputs[number]
    is_map = output.tensor.ndim == 2 + len(shape)
    seen = output if is_map else _patches(outputs, number)
    if seen is None:
        return None
    first = _centre(_corner(seen.tensor, len(shape)), given)
    axes, reverse = [], []
    for axis, length in enumerate(shape):
        moved = _centre(_corner(seen.tensor, len(shape), axis), given) - first
        free = [place for place in moved.abs().argsort(descending=True).tolist() if place not in axes and moved[place] != 0]
        if length > 1 and not free:
            return None
        axes.append(free[0] if free else -1)
        reverse.append(bool(free) and bool(moved[free[0]] < 0))
    for axis in range(len(axes)):  # an axis with a single place follows the last that is left
        if axes[axis] < 0:
            axes[axis] = max(place for place in range(given.ndim - 1) if place not in axes)
    return Layer(output.name, shape, None if is_map else output.tensor.shape[1] - prod(shape), tuple(axes), tuple(reverse))


def _corner(places: Tensor, axes: int, last: int | None = None) -> Tensor:
    """Return the first place of a map, or along one of its axes the last."""
    for axis in range(axes):
        places = places.select(2, places.shape[2] - 1 if axis == last else 0)
    return places


def _centre(place: Tensor, given: Tensor) -> Tensor:
    """Compute the middle of the elements on which one place of a map depends, along each axis as a share of its length."""
    (gradient,) = _gradient(place.sum(), [given])
    size = torch.zeros_like(given) if gradient is None else gradient.abs()
    size = size.sum(dim=0).double()
    total = size.sum().clamp(min=torch.finfo(torch.float64).tiny)
    centres = []
    for axis, length in enumerate(size.shape):
        along = size.sum(dim=[other for other in range(size.ndim) if other != axis]) if size.ndim > 1 else size
        centres.append((along * torch.arange(length, device=size.device)).sum() / total / max(length, 1))
    return torch.stack(centres)
