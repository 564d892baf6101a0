"""The state of a training after its last complete epoch, on disk if there is a folder for it."""

from __future__ import annotations

import copy
import hashlib
import io
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from raikit.errors import ModelError
from raikit.files import atomic, is_plain_file
from raikit.models.history import History


def digest(tensors: Mapping[str, torch.Tensor]) -> str:
    """Return a hash of tensors by name, type, shape and content."""
    total = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()[:16]


class Checkpoint:
    """Weights, optimizer and history of a training; no generator, because every epoch seeds its own.

    Parameters
    ----------
    folder : Path or None
        None keeps only the best weights, in memory.
    settings : mapping
        What must be equal to resume a training. With ``patience`` the best weights are kept too.
    """

    def __init__(self, folder: Path | None, settings: Mapping[str, Any]) -> None:
        self._path = None if folder is None else Path(folder) / "training.pt"
        self._settings = dict(settings)
        self._best: dict[str, torch.Tensor] | None = None
        self.ended = False

    def restore(self, module: nn.Module, optimizer: torch.optim.Optimizer) -> History | None:
        """Restore what was saved and return the history; None if nothing was saved."""
        if self._path is None or not os.path.lexists(self._path):
            return None
        try:
            if not is_plain_file(self._path):
                raise OSError
            saved = torch.load(self._path, weights_only=True)
            self._refuse_other_settings(saved["settings"])
            module.load_state_dict(saved["module"])
            optimizer.load_state_dict(saved["optimizer"])
            self._best, self.ended = saved["best"], bool(saved["ended"])
            return History.from_dict(saved["history"])
        except ModelError:
            raise
        except Exception as error:  # whatever torch raises for a file that is no checkpoint, or not a whole one
            raise ModelError(
                f"{self._path} cannot be resumed, because it is no whole checkpoint of this training; delete it to start again."
            ) from error

    def _refuse_other_settings(self, saved: Mapping[str, Any]) -> None:
        """Raise if any setting differs; one that only the checkpoint has belongs to another training too."""
        for key in (*self._settings, *(saved.keys() - self._settings.keys())):
            was, value = saved.get(key), self._settings.get(key)
            if was != value:
                raise ModelError(f"{self._path} belongs to another training: {key} was {was!r} and is {value!r}. "
                                 "Delete the file, or train as before.")

    def save(self, module: nn.Module, optimizer: torch.optim.Optimizer, history: History, *, ended: bool) -> None:
        """Save the state at the end of an epoch."""
        self.ended = ended
        if self._settings.get("patience") is not None and history.best == len(history.epochs):
            self._best = copy.deepcopy(module.state_dict())
        if self._path is None:
            return
        # Torch's own writer hides what is wrong with the disk.
        content = io.BytesIO()
        torch.save({
            "settings": self._settings, "history": history.to_dict(), "ended": ended, "best": self._best,
            "module": module.state_dict(), "optimizer": optimizer.state_dict(),
        }, content)
        with atomic(self._path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def restore_best(self, module: nn.Module) -> None:
        """Restore the weights of the best epoch, if they were kept."""
        if self._best is not None:
            module.load_state_dict(self._best)
