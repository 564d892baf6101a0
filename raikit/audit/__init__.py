"""An audit from request to report: plan, open, score, run checks, judge, report. Start with `conductor`.

It must not know a pillar or a report format by name, nor be imported by the stages that it calls.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inspect import Signature

    from raikit.audit.result import AuditResult


class _CallablePackage(ModuleType):
    """The class of this package, which makes it the public function `raikit.audit` as well.

    Importing a module of the package, such as `raikit.audit.plan`, sets the attribute ``audit`` of `raikit` to the package. A
    function of that name would be there or gone, depending on what was imported last. So the package itself can be called, by the
    documented way to give a module another class. `raikit.audit.session.audit` is imported when it is first needed.
    """

    def __call__(self, *arguments: Any, **options: Any) -> AuditResult:
        """Audit a model or its predictions on data, both of which may be objects in memory; see `raikit.audit.session.audit`."""
        from raikit.audit.session import audit

        return audit(*arguments, **options)

    @property
    def __signature__(self) -> Signature:
        """The signature of the function, which editors and notebooks show."""
        import inspect

        from raikit.audit.session import audit

        return inspect.signature(audit)


sys.modules[__name__].__class__ = _CallablePackage
