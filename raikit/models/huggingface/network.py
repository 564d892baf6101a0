"""A network of transformers with raikit's interface: tensors by name in, logits in the order of the data's classes out."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from raikit.models.huggingface.readers import LENGTHS
from raikit.models.torch_outputs import logits_of

PART = "part"  # the tensor that says which token or label of each text or case is meant


class Network(nn.Module):
    """A network of transformers.

    Parameters
    ----------
    net : PreTrainedModel
    order : sequence of int
        The network's output of each class.
    beside : mapping of str to Tensor, optional
        Tensors that the network gets with every batch.
    tokens : bool
        Whether the network returns logits for each token of a text, shape (n, tokens, k).
    """

    def __init__(
        self, net: Any, order: Sequence[int], beside: Mapping[str, Tensor] | None = None, *, tokens: bool = False
    ) -> None:
        super().__init__()
        self.tokens = tokens
        self.net = net
        self.order = list(order)
        self.beside = dict(beside or {})

    def forward(self, /, **tensors: Tensor) -> Tensor:
        """Compute logits, shape (n, k); of a part of each text or case if `PART` says which."""
        part = tensors.pop(PART, None)
        logits = self.whole(**tensors)
        return logits if part is None else picked(logits, part)

    def whole(self, /, **tensors: Tensor) -> Tensor:
        """Compute all logits of each text or case: shape (n, k), or (n, tokens, k) where tokens have their own."""
        rows, parts = zip(*((rows, self._logits(part)) for rows, part in groups(tensors)), strict=True)
        return parts[0] if len(parts) == 1 else torch.cat(parts)[torch.cat(rows).argsort()]

    def _logits(self, tensors: dict[str, Tensor]) -> Tensor:
        beside = {name: tensor.to(self.net.device) for name, tensor in self.beside.items()}
        with _short_sounds_unmasked(self.net, tensors):
            outputs = self.net(**tensors, **beside)
        logits = outputs.logits if self.tokens else logits_of(outputs)
        return logits if self.order == list(range(logits.shape[-1])) else logits[..., self.order]


def picked(logits: Tensor, part: Tensor) -> Tensor:
    """Return the logits of a part: of the classes of a token, or of a label as the logits of not having it and having it.

    Parameters
    ----------
    logits : Tensor, shape (n, tokens, k) or (n, labels)
    part : Tensor of int64, shape (n,)
    """
    own = logits[torch.arange(len(part), device=logits.device), part.to(logits.device)]
    return own if own.ndim == 2 else torch.stack([torch.zeros_like(own), own], dim=1)


def groups(tensors: Mapping[str, Tensor]) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
    """Yield cases that may go through a network together, with their rows: those of one length where padding is not masked."""
    tensors = dict(tensors)
    cases = len(next(iter(tensors.values())))
    lengths = tensors.pop(LENGTHS, None)
    of_one_length = sorted(set(lengths.tolist())) if lengths is not None else []
    if len(of_one_length) <= 1:
        yield torch.arange(cases), tensors
        return
    for length in of_one_length:
        rows = torch.nonzero(lengths == length)[:, 0]
        yield rows, {name: tensor[rows, :length] for name, tensor in tensors.items()}


@contextlib.contextmanager
def _short_sounds_unmasked(net: Any, tensors: Mapping[str, Tensor]) -> Iterator[None]:
    """Leave out the random masking of time inside the block if all sounds are shorter than one mask; transformers would fail."""
    config, values = net.config, tensors.get("input_values", tensors.get("input_features"))
    longest = getattr(config, "mask_time_length", None)
    if not net.training or longest is None or values is None or not getattr(config, "apply_spec_augment", True):
        yield
        return
    waveform = values.ndim == 2 and hasattr(net, "_get_feat_extract_output_lengths")
    frames = int(net._get_feat_extract_output_lengths(values.shape[1])) if waveform else values.shape[1]
    config.apply_spec_augment = frames >= longest
    try:
        yield
    finally:
        config.apply_spec_augment = True


@contextlib.contextmanager
def changed_output(layer: nn.Module, change: Callable[[Tensor], Tensor]) -> Iterator[None]:
    """Let a layer return what `change` makes of its output inside the block."""
    handle = layer.register_forward_hook(lambda module, arguments, computed: change(computed))
    try:
        yield
    finally:
        handle.remove()


def replaced_output(layer: nn.Module, output: Tensor) -> contextlib.AbstractContextManager[None]:
    """Return a context in which a layer returns `output`, whatever it computes."""
    return changed_output(layer, lambda computed: output)
