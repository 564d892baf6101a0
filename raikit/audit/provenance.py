"""What it takes to do a run again or to tell two apart: versions, platform, threads, fingerprints."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

from raikit.files import sha256

if TYPE_CHECKING:
    from raikit.audit.selection import Planned
    from raikit.config.load import LoadedConfig
    from raikit.data.dataset import Dataset
    from raikit.plugins.registry import Registry

_LIBRARIES = (
    "raikit",
    "torch",
    "transformers",
    "numpy",
    "pandas",
    "scipy",
    "scikit-learn",
    "fairlearn",
    "captum",
    "opacus",
    "duckdb",
    "pyarrow",
    "pluggy",
    "pydantic",
)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that numbers depend on."""
    found = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def fingerprints(
    config: LoadedConfig, registry: Registry, data: Dataset, planned: Sequence[Planned], formats: Sequence[str]
) -> dict[str, Any]:
    """What must be the same for a run to be resumed."""
    return {
        "config": config.audit.model_dump(mode="json", exclude={"formats"}),
        "checks": {item.name: item.status or "run" for item in planned},
        "formats": {"formats": sorted(formats)},
        "data": {"fingerprint": data.fingerprint, "media": data.media_fingerprint},
        "plugins": {
            f"{plugin.distribution}:{plugin.name}": plugin.version or plugin.status for plugin in registry.plugins
        },
        "local": {name: sha256(config.folder / name) for name in config.audit.plugins.local},
        "model": _model_files(config),
        "versions": versions(),
    }


def _model_files(config: LoadedConfig) -> dict[str, str]:
    """Hashes of the files that a loaded model is made of."""
    load = config.audit.model.load
    found: dict[str, str] = {}
    for key in ("path", "weights"):
        value = (load.model_extra or {}).get(key) if load else None
        if not isinstance(value, str):
            continue
        path = config.folder / value.partition(":")[0].replace(".", "/") if ":" in value else config.folder / value
        path = path.with_suffix(".py") if ":" in value else path
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        found |= {
            item.relative_to(config.folder).as_posix() if item.is_relative_to(config.folder) else item.name: sha256(
                item
            )
            for item in files
            if item.is_file()
        }
    return found


def threads() -> int | None:
    """Threads that the numeric libraries were told to use."""
    written = os.environ.get("OMP_NUM_THREADS", "")
    return int(written) if written.isdigit() else None


def system() -> str:
    """Operating system, processor and interpreter in a line."""
    return f"{platform.system()} {platform.release()}, {platform.machine()}, {platform.python_implementation()}"
