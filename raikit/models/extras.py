"""Packages that only some loaders need: the extra ``raikit[models]``."""

from __future__ import annotations

import importlib
from typing import Any

from raikit.errors import ModelError


def import_extra(module: str, purpose: str, key: str = "model.load") -> Any:
    """Import a module of a package that the extra ``raikit[models]`` installs.

    Raises
    ------
    ModelError
        If the package is not installed; says what `purpose` needs, where (`key`), and how to get it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        package = module.partition(".")[0]
        raise ModelError(f"{key}: {purpose} needs the package {package}: pip install 'raikit[models]'.") from None
