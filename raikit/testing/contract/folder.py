"""Find the plugins of a package's folder, whether the package is installed or not."""

from __future__ import annotations

import importlib
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raikit.errors import ConfigError, PluginError
from raikit.plugins.entry_points import GROUP


@dataclass(frozen=True)
class FolderPlugin:
    """A plugin that a folder declares.

    Attributes
    ----------
    name : str
        Of the entry point, or of the package.
    module, attribute : str
        What the entry point names: ``module`` or ``module:attribute``.
    root : Path
        The folder from which the module is imported.
    """

    name: str
    module: str
    attribute: str
    root: Path

    def load(self) -> Any:
        """Import the plugin from its folder.

        Raises
        ------
        PluginError
            If a module of that name is already imported from elsewhere.
        """
        if str(self.root) not in sys.path:
            sys.path.insert(0, str(self.root))
        importlib.invalidate_caches()
        loaded: Any = importlib.import_module(self.module)
        origin = Path(getattr(loaded, "__file__", None) or self.root).resolve()
        if not origin.is_relative_to(self.root):
            raise PluginError(f"{self.module} was imported from {origin}, not from {self.root}; test the folder in a new process")
        for attribute in filter(None, self.attribute.split(".")):
            loaded = getattr(loaded, attribute)
        return loaded


def plugins_in(folder: Path) -> list[FolderPlugin]:
    """Return the plugins that ``pyproject.toml`` declares, or the folder itself if it is a Python package.

    Raises
    ------
    ConfigError
        If there are none, or ``pyproject.toml`` cannot be read.
    """
    folder = folder.resolve()
    declaration = folder / "pyproject.toml"
    if not declaration.is_file():
        if (folder / "__init__.py").is_file():
            return [FolderPlugin(folder.name, folder.name, "", folder.parent)]
        raise ConfigError(
            f"{folder} has no pyproject.toml and no __init__.py; name a file of checks, an installed plugin, or a package's folder."
        )
    try:
        project = tomllib.loads(declaration.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{declaration}: it cannot be read as TOML: {error}.") from None
    standard = _table(project, "project", "entry-points", GROUP)
    points = {**_table(project, "tool", "poetry", "plugins", GROUP), **standard}
    if not points:
        raise ConfigError(f"{declaration} declares no plugin; add [project.entry-points.{GROUP}] with a line NAME = \"MODULE\".")
    return [_declared(folder, name, str(value)) for name, value in points.items()]


def _table(project: dict[str, Any], *keys: str) -> dict[str, Any]:
    """Return a table inside tables; an empty one if it is not there."""
    table: Any = project
    for key in keys:
        table = table.get(key, {}) if isinstance(table, dict) else {}
    return table if isinstance(table, dict) else {}


def _declared(folder: Path, name: str, value: str) -> FolderPlugin:
    module, _, attribute = value.partition(":")
    module = module.strip()
    top = module.partition(".")[0]
    root = next((root for root in (folder / "src", folder) if (root / top).is_dir() or (root / f"{top}.py").is_file()), folder)
    return FolderPlugin(name, module, attribute.strip(), root)
