"""Entry points of the group ``raikit``, from metadata alone: listing plugins imports none of them."""

from __future__ import annotations

import importlib.util
import re
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from pathlib import Path

from raikit.run.owners import FIRST_PARTY, LOCAL

GROUP = "raikit"


def installed() -> list[EntryPoint]:
    """Return the entry points of every installed distribution.

    A distribution that two folders of ``sys.path`` hold counts once, as the first. Whatever calls itself raikit is listed from
    every folder, so that `impostor` sees it; an editable install beside a wheel is the same twice.
    """
    points: dict[tuple[str, str, str], EntryPoint] = {}
    seen: set[str] = set()
    for found in distributions():
        if not (own := found.entry_points.select(group=GROUP)):
            continue  # before its name is read, which is slow
        name = normal(_name_and_version(found)[0])
        if name in seen and name != FIRST_PARTY:
            continue
        seen.add(name)
        for point in own:
            points.setdefault((point.name, distribution(point), point.value), point)
    return sorted(points.values(), key=lambda point: (distribution(point) != FIRST_PARTY, point.name))


def normal(name: str) -> str:
    """Return the name of a distribution as packaging tools compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def distribution(point: EntryPoint) -> str:
    """Return the name of the distribution that an entry point belongs to."""
    return _name_and_version(point.dist)[0]


def version(point: EntryPoint) -> str:
    """Return the version of the distribution that an entry point belongs to."""
    return _name_and_version(point.dist)[1]


@lru_cache(maxsize=1_000)
def _name_and_version(found: Distribution | None) -> tuple[str, str]:
    """Read the metadata of a distribution, once: every look at its name parses the file anew."""
    if found is None:
        return "unknown", ""
    metadata = found.metadata
    return metadata["Name"] or "unknown", metadata["Version"] or ""  # a broken uninstall leaves metadata without a name


def module_file(point: EntryPoint) -> Path | None:
    """Return the file of the package or module that an entry point names, which is not imported; None if there is none."""
    try:
        spec = importlib.util.find_spec(point.module.split(".")[0])
    except (ImportError, ValueError, AttributeError):
        return None
    return Path(spec.origin) if spec is not None and spec.origin not in (None, "built-in", "frozen") else None


def impostor(point: EntryPoint) -> str | None:
    """Return why an entry point may not bear the name of its distribution: what is called raikit but is not part of it.

    What belongs to raikit runs in the process that judges, so its name alone proves nothing.
    """
    name, file = distribution(point), module_file(point)
    if name == LOCAL:
        return f"a distribution may not be called {LOCAL!r}, which stands for local files; {file} belongs to it"
    if normal(name) != FIRST_PARTY:
        return None
    own = Path(__file__).parents[2]
    if name == FIRST_PARTY and file is not None and file.parents[1] in (own, own / "plugins", own / "reports"):
        return None
    return f"{file or point.value} calls itself part of {name}, and {own / 'raikit'} is raikit; remove what is not"
