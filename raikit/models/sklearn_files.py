"""Estimators of scikit-learn in files: skops, which runs no code, and pickles by permission."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from raikit.errors import ModelError, listed, raised
from raikit.models.extras import import_extra
from raikit.models.folder import refuse_special_file

PICKLES = (".joblib", ".pkl", ".pickle")
SKOPS = ".skops"
_MOST_UNPACKED = 8 << 30  # bytes of all members of a .skops file, which is an archive


def read_skops(path: Path, trusted: Sequence[str]) -> Any:
    """Read an estimator that skops has saved, of types that skops trusts by itself or that the user names.

    Parameters
    ----------
    path : Path
    trusted : sequence of str
        Further types, each with its module: ``my_steps.Cleaner``.

    Raises
    ------
    ModelError
        If the file cannot be read, or holds another type; names the types.
    """
    refuse_special_file(path, "model.load.path")
    skops = import_extra("skops.io", f"reading {path.name}")
    try:
        _refuse_large(path)
        unknown = [name for name in skops.get_untrusted_types(file=path) if name not in trusted]
        if not unknown:
            return skops.load(path, trusted=list(trusted))
    except FileNotFoundError:
        raise ModelError(f"model.load.path: there is no file {path.name}.") from None
    except ModelError:
        raise
    except Exception as error:
        raise ModelError(f"model.load.path: {path.name} cannot be read as a file of skops ({raised(error)}).") from None
    raise ModelError(
        f"model.load.path: {path.name} holds types that skops does not trust: {listed(unknown)}. If you trust their code, name "
        "each in `model.load.trusted`."
    )


def _refuse_large(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _MOST_UNPACKED:
        raise ModelError(f"model.load.path: {path.name} has {size:,} bytes after unpacking; the limit is {_MOST_UNPACKED:,}.")


def read_pickle(path: Path, allowed: bool) -> Any:
    """Read an estimator from a pickle, which runs whatever code it holds.

    Raises
    ------
    ModelError
        If that is not allowed, or the file cannot be read.
    """
    if not allowed:
        raise ModelError(
            f"model.load.path: {path.name} is a pickle, and loading one runs whatever code it holds; save it with skops, or if "
            "you trust its source say `allow_pickle: true`."
        )
    refuse_special_file(path, "model.load.path")
    import joblib

    try:
        return joblib.load(path)
    except Exception as error:
        raise ModelError(f"model.load.path: {path.name}: {raised(error)}.") from None
