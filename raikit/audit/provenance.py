"""What it takes to repeat a run or to tell two apart: versions, platform, threads, fingerprints."""

from __future__ import annotations

import json
import os
import platform
import secrets
import time
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from raikit.files import canonical, sha256, sha256_text
from raikit.gate import baseline
from raikit.process.secrets import map_texts, without_secrets
from raikit.run.record import Provenance

if TYPE_CHECKING:
    from raikit.audit.plan import Plan
    from raikit.config.load import LoadedConfig
    from raikit.data.dataset import Dataset
    from raikit.run.record import Record

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


def resume_state(plan: Plan, data: Dataset) -> dict[str, Any]:
    """Return what must be the same for a run to be resumed."""
    config = plan.config
    state = {
        "config": config.audit.model_dump(mode="json", exclude={"formats"}),
        "checks": {item.name: item.status or "run" for item in plan.checks},
        "formats": {"formats": sorted(plan.formats)},
        "data": {"fingerprint": data.fingerprint, "media": data.media_fingerprint},
        "plugins": {
            f"{plugin.distribution}:{plugin.name}": plugin.version or plugin.status for plugin in plan.registry.plugins
        },
        "local": {name: sha256(config.folder / name) for name in config.audit.plugins.local},
        "model": _model_files(config),
        "versions": versions(),
    }
    if plan.request.baseline is not None:
        state["baseline"] = {"sha256": baseline.identity(plan.request.baseline)}
    masked: dict[str, Any] = map_texts(json.loads(json.dumps(state)), without_secrets)
    return masked


@dataclass(frozen=True)
class Start:
    """When an audit began, by the clock and by a counter that no change of the clock moves."""

    clock: float = field(default_factory=time.time)
    counter: float = field(default_factory=time.monotonic)


def make_provenance(plan: Plan, cases_scored: int, start: Start) -> Provenance:
    """Return the provenance of a run that began at `start` and ends now."""
    memory = plan.request.memory
    path = "" if memory is not None else _path_in_repository(plan.request.config)
    return Provenance(
        run_id=secrets.token_hex(8),
        started=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(start.clock)),
        seconds=round(time.monotonic() - start.counter, 1),
        seed=plan.seed,
        config=canonical(plan.settings.model_dump(mode="json")),
        config_path=path,
        command=f"raikit audit {path}" if memory is None else memory.call,
        versions=versions(),
        platform=system(),
        threads=threads(),
        rows_scored=cases_scored,
        isolation=plan.request.isolation,
        in_memory=list(memory.objects) if memory is not None else [],
    )


def manifest_facts(record: Record, data: Dataset, state: dict[str, Any]) -> dict[str, Any]:
    """Return what the manifest says of a run besides the hashes of its files."""
    return {
        "raikit": record.schema_version,
        "run": record.provenance.run_id,
        "versions": state["versions"],
        "seed": record.provenance.seed,
        "config": sha256_text(record.provenance.config),
        "data": data.fingerprint,
        "media": data.media_fingerprint,
        "state": state,
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that numbers depend on."""
    installed = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            installed[name] = version(name)
        except PackageNotFoundError:
            continue
    return installed


def threads() -> int | None:
    """Return how many threads the numeric libraries may use, None if they decide themselves."""
    written = os.environ.get("OMP_NUM_THREADS", "")
    return int(written) if written.isdigit() else None


def system() -> str:
    """Return the operating system, the processor and the interpreter in one line."""
    return f"{platform.system()} {platform.release()}, {platform.machine()}, {platform.python_implementation()}"


def _path_in_repository(path: Path) -> str:
    """Return the path relative to the working folder if it lies below it, else its name alone."""
    full, here = path.resolve(), Path.cwd().resolve()
    written = full.relative_to(here).as_posix() if full.is_relative_to(here) else path.name
    return written.encode("utf-8", "replace").decode()  # of a name that is no UTF-8 a record holds what it can


def _model_files(config: LoadedConfig) -> dict[str, str]:
    """Return the hashes of the files that a loaded model is made of."""
    load = config.audit.model.load
    hashes: dict[str, str] = {}
    for key in ("path", "weights"):
        value = (load.model_extra or {}).get(key) if load else None
        if not isinstance(value, str):
            continue
        path = config.folder / value.partition(":")[0].replace(".", "/") if ":" in value else config.folder / value
        path = path.with_suffix(".py") if ":" in value else path
        files = sorted(item for item in path.rglob("*") if item.is_file()) if path.is_dir() else [path]
        for file in files:
            if file.is_file():
                hashes[_name_below(config.folder, file)] = sha256(file)
    return hashes


def _name_below(folder: Path, file: Path) -> str:
    return file.relative_to(folder).as_posix() if file.is_relative_to(folder) else file.name
