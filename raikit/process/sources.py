"""Import modules that lie beside a configuration from their sources alone.

Python takes the bytecode in ``__pycache__`` for a module if it names the time and the size of its source. Another process can
write such bytecode, and nobody would see another program in the source.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path

_folders: set[str] = set()
MODULE_SUFFIXES = (*SOURCE_SUFFIXES, *EXTENSION_SUFFIXES)


class SourceOnly(SourceFileLoader):
    """Reads and writes no bytecode."""

    def path_stats(self, path: str) -> dict[str, int]:
        """Say that the source has no time, with which bytecode could be compared."""
        raise OSError


def import_from(folder: Path) -> None:
    """Put `folder` first on the import path; no bytecode is read for what lies in it or below."""
    place = os.path.abspath(folder)
    if place not in _folders:
        if not _folders:
            sys.path_hooks.insert(0, _finder)
        _folders.add(place)
        for known in [path for path in sys.path_importer_cache if _is_within(path, place)]:
            del sys.path_importer_cache[known]
    if place not in sys.path:
        sys.path.insert(0, place)


def _finder(path: str) -> FileFinder:
    """Return what finds modules in a folder of the import path, or of a package there.

    Raises
    ------
    ImportError
        If it is no such folder: Python asks another one then.
    """
    # A folder of installed packages may lie below that of the configuration, but is on the import path itself.
    roots = [root for root in {*sys.path, *_folders} if root and _is_within(path, root)]
    if max(roots, key=len, default="") not in _folders or not os.path.isdir(path):
        raise ImportError
    return FileFinder(path, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceOnly, SOURCE_SUFFIXES))


def _is_within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
