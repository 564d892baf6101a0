"""Estimators of scikit-learn in files: skops, which runs no code, and pickles by permission."""

from __future__ import annotations

import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from raikit.console import clean
from raikit.errors import ModelError, listed, raised
from raikit.models.extras import import_extra
from raikit.models.folder import refuse_special_file

PICKLES = (".joblib", ".pkl", ".pickle")
SKOPS = ".skops"
_MOST_UNPACKED = 8 << 30  # bytes of all members of a .skops file, which is an archive


class SavedEstimator(NamedTuple):
    """An estimator from a file, and sentences on how it was saved."""

    estimator: Any
    notes: list[str]


def read_skops(path: Path, trusted: Sequence[str]) -> SavedEstimator:
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
            return _read(lambda: skops.load(path, trusted=list(trusted)))
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


def _read(load: Callable[[], Any]) -> SavedEstimator:
    """Call a function that reads an estimator; that another version of scikit-learn saved it is a note."""
    from sklearn.exceptions import InconsistentVersionWarning

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = load()
    notes: list[str] = []
    for item in caught:
        if not isinstance(item.message, InconsistentVersionWarning):
            warnings.warn(item.message, stacklevel=2)
        elif not notes:  # one of the steps speaks for all
            notes.append(
                f"The estimator was saved by scikit-learn {clean(str(item.message.original_sklearn_version))} and is read by "
                f"{item.message.current_sklearn_version}; its scores may differ from those that it gave there."
            )
    return SavedEstimator(estimator, notes)


def read_pickle(path: Path, allowed: bool) -> SavedEstimator:
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
        return _read(lambda: joblib.load(path))
    except Exception as error:
        raise ModelError(f"model.load.path: {path.name}: {raised(error)}.") from None
