"""New packages and configurations for ``raikit plugins new`` and ``raikit init``, which work as they are written.

It must not run an audit or import a plugin. The templates beside this file are packages that could be installed as they are,
under a placeholder name: to write a package is to copy them and replace the name. So they are linted and read like any code.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from raikit.errors import ConfigError
from raikit.files import write_text

# what a plugin of each kind brings, in words
KINDS = {"check": "a check", "report": "a report format", "model": "a model loader"}

_TEMPLATES = Path(__file__).parent
_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST = 40  # so that a line with the name in it stays within what formatters allow
_RESERVED = {"robustness", "efficiency", "data"}  # pillars of raikit that are still to come own their metric ids too


@dataclass(frozen=True)
class Names:
    """How a plugin is called, in the four places that have their own rules.

    Parameters
    ----------
    plugin : str
        Of the entry point, the pillar, the first part of metric ids, the format or the loader: ``my_check``.
    """

    plugin: str

    @property
    def package(self) -> str:
        """What is imported: ``raikit_my_check``."""
        return f"raikit_{self.plugin}"

    @property
    def distribution(self) -> str:
        """What is installed: ``raikit-my-check``."""
        return self.package.replace("_", "-")

    def put_in(self, text: str) -> str:
        """Replace the template's name."""
        text = text.replace("raikit-plugin-name", self.distribution).replace("plugin_name", self.plugin)
        return text.replace("THE_YEAR", str(datetime.datetime.now(datetime.UTC).year))


def names_of(name: str) -> Names:
    """Return the names of a plugin called `name`; a leading ``raikit-`` is not doubled.

    Raises
    ------
    ConfigError
        If it can be no distribution's name, or is an installed plugin's.

    Examples
    --------
    >>> names_of("raikit-my-check").package, names_of("My.Check").distribution
    ('raikit_my_check', 'raikit-my-check')
    """
    bare = re.sub(r"^raikit[-_.]+", "", name, flags=re.IGNORECASE)
    if not _NAME.fullmatch(bare):
        raise ConfigError(
            f"{name!r} cannot be a package's name: it begins with a letter, ends with a letter or digit and holds only "
            "those and - _ . (such as 'my-check')."
        )
    names = Names(re.sub(r"[-_.]+", "_", bare).lower())
    if len(names.plugin) > _LONGEST:
        raise ConfigError(f"{name!r} has {len(names.plugin)} letters; a plugin's name has at most {_LONGEST}.")
    _refuse_taken(names)
    return names


def _refuse_taken(names: Names) -> None:
    """Two plugins of one name are both left out of an audit, so a name that is taken is of no use to anybody."""
    from raikit.plugins.entry_points import distribution, installed

    for point in installed():
        owner = distribution(point)
        normal = re.sub(r"[-_.]+", "-", owner).lower()
        if names.plugin == point.name or names.distribution == normal or names.package == point.module.split(".")[0]:
            raise ConfigError(f"{names.plugin!r} is the name of a plugin that {owner} has installed; choose another.")
    if names.plugin in {*_RESERVED, "raikit"}:
        raise ConfigError(f"{names.plugin!r} is a name that raikit keeps for itself; choose another.")


def write_package(name: str, kind: str = "check", out: Path | None = None) -> Path:
    """Write a package with one working check, report format or model loader, its tests and an example.

    Parameters
    ----------
    name : str
        Of the distribution, with or without ``raikit-``.
    kind : {"check", "report", "model"}
    out : Path, optional
        The folder to write; absent: `name`, here.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        If the name or the kind cannot be, or if the folder is there already and holds something.
    """
    if kind not in KINDS:
        raise ConfigError(f"--kind is {', '.join(KINDS)}, not {kind!r}.")
    names, folder = names_of(name), out or Path(name)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already; choose another name or --out.")
    for path, text in _files(kind):
        write_text(folder / names.put_in(path), names.put_in(text))
    return folder


def _files(kind: str) -> list[tuple[str, str]]:
    """Relative paths and texts of a kind's template; ``dot-`` stands for a dot that packagers would stumble over."""
    found = []
    for root in (_TEMPLATES / "common", _TEMPLATES / kind):
        for path in sorted(root.rglob("*")):
            place = path.relative_to(root)
            # what tools leave is no template: pip compiles what it installs, linters keep caches
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in place.parts):
                found.append((place.as_posix().replace("dot-", "."), path.read_text(encoding="utf-8")))
    return found
