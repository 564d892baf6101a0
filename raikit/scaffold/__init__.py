"""New packages for ``raikit plugins new`` and configurations for ``raikit init``, which work as they are written.

It must not run an audit or import a plugin. The templates beside this file are complete packages under a placeholder name,
so that they are linted and tested like any code. Writing a package copies a template and replaces the name.
"""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from pathlib import Path

from raikit.errors import ConfigError
from raikit.files import write_text

# What a plugin of each kind provides, in words.
KINDS = {"check": "a check", "report": "a report format", "model": "a model loader"}

_TEMPLATES = Path(__file__).parent
_NAME = re.compile(r"[A-Za-z]([A-Za-z0-9._-]*[A-Za-z0-9])?")
_LONGEST = 40  # letters, so that formatters accept every line with the name
_RESERVED = {"robustness", "efficiency", "data"}  # pillars that raikit will provide later


@dataclass(frozen=True)
class Names:
    """The forms of a plugin's name.

    Parameters
    ----------
    plugin : str
        Name of the entry point, the pillar, the first part of metric ids, the format or the loader: ``my_check``.
    """

    plugin: str

    @property
    def package(self) -> str:
        """Name of the package to import: ``raikit_my_check``."""
        return f"raikit_{self.plugin}"

    @property
    def distribution(self) -> str:
        """Name of the distribution to install: ``raikit-my-check``."""
        return self.package.replace("_", "-")

    def fill(self, template: str) -> str:
        """Replace the placeholders of a template."""
        text = template.replace("raikit-plugin-name", self.distribution).replace("plugin_name", self.plugin)
        return text.replace("THE_YEAR", str(datetime.datetime.now(datetime.UTC).year))


def names_of(name: str) -> Names:
    """Return the forms of a plugin's name; a leading ``raikit-`` is not doubled.

    Raises
    ------
    ConfigError
        If `name` is not a valid name of a distribution, or is taken by an installed plugin.

    Examples
    --------
    >>> names_of("raikit-my-check").package, names_of("My.Check").distribution
    ('raikit_my_check', 'raikit-my-check')
    """
    bare = re.sub(r"^raikit[-_.]+", "", name, flags=re.IGNORECASE)
    if not _NAME.fullmatch(bare):
        raise ConfigError(
            f"{name!r} cannot be a package's name: a name begins with a letter, ends with a letter or digit, and contains "
            "only letters, digits, - _ and . (such as 'my-check')."
        )
    names = Names(re.sub(r"[-_.]+", "_", bare).lower())
    if len(names.plugin) > _LONGEST:
        raise ConfigError(f"{name!r} has {len(names.plugin)} characters; a plugin's name has at most {_LONGEST}.")
    _refuse_taken(names)
    return names


def _refuse_taken(names: Names) -> None:
    """Refuse a name that is taken, because an audit leaves out both of two plugins with the same name."""
    from raikit.plugins.entry_points import distribution, installed

    for point in installed():
        owner = distribution(point)
        normal = re.sub(r"[-_.]+", "-", owner).lower()
        if names.plugin == point.name or names.distribution == normal or names.package == point.module.split(".")[0]:
            raise ConfigError(f"{names.plugin!r} is the name of a plugin that {owner} has installed; choose another.")
    if names.plugin in {*_RESERVED, "raikit"}:
        raise ConfigError(f"{names.plugin!r} is a name that raikit reserves; choose another.")


def write_package(name: str, kind: str = "check", out: Path | None = None) -> Path:
    """Write a package with one working check, report format or model loader, its tests and an example.

    Parameters
    ----------
    name : str
        Name of the distribution, with or without ``raikit-``.
    kind : {"check", "report", "model"}
    out : Path, optional
        The folder to write; absent: `name` in the working directory.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        If the name or the kind is not valid, or if the folder exists and is not empty.
    """
    if kind not in (kinds := list(KINDS)):
        raise ConfigError(f"--kind must be {', '.join(kinds[:-1])} or {kinds[-1]}; got {kind!r}.")
    names, folder = names_of(name), out or Path(name)
    if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
        raise ConfigError(f"{folder} exists already; choose another name or --out.")
    for path, text in _files(kind):
        write_text(folder / names.fill(path), names.fill(text))
    return folder


def _files(kind: str) -> list[tuple[str, str]]:
    """Read the template of a kind: relative paths and texts; ``dot-`` stands for a leading dot, which build tools skip."""
    files = []
    for root in (_TEMPLATES / "common", _TEMPLATES / kind):
        for path in sorted(root.rglob("*")):
            relative = path.relative_to(root)
            # pip compiles what it installs, and linters write caches; neither belongs to a template.
            if path.is_file() and not any(part.startswith((".", "__pycache__")) for part in relative.parts):
                files.append((relative.as_posix().replace("dot-", "."), path.read_text(encoding="utf-8")))
    return files
