"""The towers of networks that compare texts with pictures or sounds: each is a body of its own."""

from __future__ import annotations

from typing import Any

from torch import nn

_TOWERS = {"text": ("text_model",), "image": ("vision_model",), "audio": ("audio_model",)}
_CONFIGS = {"text_config", "vision_config", "audio_config"}


def has_towers(config: Any) -> bool:
    """Return whether a configuration describes a network of several towers."""
    return sum(hasattr(config, name) for name in _CONFIGS) > 1


def tower_of(net: Any, modality: str) -> Any:
    """Return the tower of a network that reads inputs of a modality; the network itself if it has no towers."""
    from transformers import PreTrainedModel

    towers = {kind: getattr(net, name, None) for kind, names in _TOWERS.items() for name in names}
    known = {kind: tower for kind, tower in towers.items() if isinstance(tower, PreTrainedModel)}
    return known[modality] if len(known) > 1 and modality in known else net


def without_projection(net: Any) -> Any:
    """Return a body without the layers that only the one vector of a tower needs, which is compared with the other tower's."""
    if hasattr(net, "use_head"):  # of SigLIP, for pictures
        net.use_head, net.head = False, None
    elif isinstance(getattr(net, "head", None), nn.Linear):  # of SigLIP, for texts
        net.head = nn.Identity()
    return net
