"""Entry points of the group ``raikit``, from metadata alone: listing plugins imports none of them."""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points

from raikit.run.owners import FIRST_PARTY

GROUP = "raikit"


def installed() -> list[EntryPoint]:
    """Return the entry points of every installed distribution.

    A distribution that two folders of ``sys.path`` hold (an editable install beside a wheel) counts once.
    """
    unique = {(point.name, distribution(point), point.value): point for point in entry_points(group=GROUP)}
    return sorted(unique.values(), key=lambda point: (distribution(point) != FIRST_PARTY, point.name))


def distribution(point: EntryPoint) -> str:
    """Return the name of the distribution that an entry point belongs to."""
    return (point.dist.name if point.dist else None) or "unknown"  # a broken uninstall leaves metadata without a name


def version(point: EntryPoint) -> str:
    """Return the version of the distribution that an entry point belongs to."""
    return (point.dist.version if point.dist else None) or ""
