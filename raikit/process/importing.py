"""Import many modules without looking for garbage among them: they live to the end of the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collection() -> Iterator[None]:
    """Import without automatic garbage collection, and leave what is there then out of later ones.

    The collector looks at all modules again and again while they are imported: a tenth of the time of a short command.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
