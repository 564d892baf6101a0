"""What a differentiable model computes from the inputs of some cases: what attributions refer to, and what stays beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from torch import Tensor

    from raikit.data.batch import Batch


class _Encoder(Protocol):
    """A `raikit.Model` with the capability ``gradients``."""

    def encode(self, batch: Batch) -> Encoded | dict[str, Tensor]: ...


@dataclass(frozen=True)
class Encoded(Mapping[str, "Tensor"]):
    """Encoded inputs of n cases, with their context and their baselines.

    As a mapping it holds what is attributed, by input name. A model without context and with baselines of zero may return a
    plain ``dict`` from `raikit.Model.encode` instead.

    Attributes
    ----------
    inputs : mapping of input name to Tensor, shape (n, …)
        What attributions refer to: token embeddings, pixels, a waveform or spectrogram, columns.
    context : mapping of str to Tensor, shape (n, …)
        What the model needs beside them: attention masks, token types, positions. It is never attributed, scaled or replaced.
    baselines : mapping of input name to Tensor, shape (n, …) or (1, …)
        What stands for an absent input: embeddings of the padding token, a picture of the mean colour, silence. Zero for an
        input that is not named.
    """

    inputs: Mapping[str, Tensor]
    context: Mapping[str, Tensor] = field(default_factory=dict)
    baselines: Mapping[str, Tensor] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Tensor:
        return self.inputs[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.inputs)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def cases(self) -> int:
        """Number of cases."""
        return len(next(iter(self.inputs.values()), ()))

    def baseline(self, name: str) -> Tensor:
        """Return the baseline of an input, shape (n, …), as its values have it."""
        value = self.inputs[name]
        if name not in self.baselines:
            return value.new_zeros(value.shape)
        return self.baselines[name].to(value.dtype).expand_as(value)

    def take(self, cases: Any) -> Self:
        """Return some of the cases; `cases` indexes the first axis of every tensor."""
        return replace(
            self,
            inputs={name: tensor[cases] for name, tensor in self.inputs.items()},
            context={name: tensor[cases] for name, tensor in self.context.items()},
            baselines={name: tensor if len(tensor) == 1 else tensor[cases] for name, tensor in self.baselines.items()},
        )

    def with_inputs(self, inputs: Sequence[Tensor], context: Sequence[Tensor] | None = None) -> Self:
        """Return the same inputs with other values, and another context, each in the order of this one."""
        return replace(
            self,
            inputs=dict(zip(self.inputs, inputs, strict=True)),
            context=dict(self.context) if context is None else dict(zip(self.context, context, strict=True)),
        )

    def without(self, absent: Sequence[str]) -> Self:
        """Return the same cases with some inputs replaced by their baselines."""
        values = {name: self.baseline(name) if name in absent else tensor for name, tensor in self.inputs.items()}
        return replace(self, inputs=values)

    def detach(self) -> Self:
        """Return the same tensors without the graph that made them."""
        return replace(
            self,
            inputs={name: tensor.detach() for name, tensor in self.inputs.items()},
            context={name: tensor.detach() for name, tensor in self.context.items()},
            baselines={name: tensor.detach() for name, tensor in self.baselines.items()},
        )

    def present(self) -> dict[str, Tensor]:
        """Return which cases have each input: those in which it differs from its baseline, shape (n,)."""
        return {name: (tensor != self.baseline(name)).flatten(1).any(dim=1) for name, tensor in self.inputs.items()}


def encode(model: _Encoder, batch: Batch) -> Encoded:
    """Return what a model encodes, with an empty context and baselines of zero where it returns a plain mapping.

    Raises
    ------
    ModelError
        If the model lacks the capability ``gradients``.
    """
    encoded = model.encode(batch)
    return (encoded if isinstance(encoded, Encoded) else Encoded(dict(encoded))).detach()
