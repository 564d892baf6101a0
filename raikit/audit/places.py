"""In which process a check runs, so that no code of others runs where numbers are judged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from raikit.audit.requirements import needs_model
from raikit.run.owners import FIRST_PARTY

if TYPE_CHECKING:
    from raikit.isolation.parent import Child, Children
    from raikit.plugins.registry import CheckEntry

Place = Literal["audit", "plugin", "model"]


@dataclass(frozen=True)
class Places:
    """Where the checks of an audit run.

    Attributes
    ----------
    children : Children or None
        None: every check runs in raikit's own process (``--isolation none``, and the tests of plugins).
    model_is_here : bool
        False if the audited model runs in a process of its own.
    """

    children: Children | None = None
    model_is_here: bool = True

    def of(self, entry: CheckEntry) -> Place:
        """Return where a check runs: raikit's own process, that of its distribution, or that of the model."""
        if self.children is None:
            return "audit"
        if entry.plugin != FIRST_PARTY:
            return "plugin"
        return "audit" if self.model_is_here or not needs_model(entry.check) else "model"

    def child_of(self, entry: CheckEntry) -> Child | None:
        """Return the process in which a check runs, None for raikit's own."""
        place = self.of(entry)
        if self.children is None or place == "audit":
            return None
        return self.children.model if place == "model" else self.children.of(entry.plugin)
