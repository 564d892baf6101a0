"""Run foreign code so that it cannot disturb what runs after it: output captured, generators seeded, state restored.

What the code changed of the process is restored and reported, so that no number depends on the checks before it.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import os
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, TextIO

from raikit.console import block, clean
from raikit.errors import PluginError
from raikit.process import state as process_state

MOST_OUTPUT = 20_000  # characters of what a check printed that are kept, half from the beginning, half from the end
_MOST_WARNINGS = 20
_HALF = MOST_OUTPUT // 2
# Restored without a warning: using a global generator is no fault, and libraries set the others when they are imported.
_RESTORED_SILENTLY = {
    "sys.stdin",
    "the generator of random", "the generator of numpy.random", "the generator of torch", "warnings.filters", "sys.path",
    "sys.excepthook", "the locale",
}  # fmt: skip


class Clipped:
    """The beginning and the end of a text of any length."""

    def __init__(self) -> None:
        self._head, self._tail, self._pieces, self._pieces_length, self._dropped = "", "", list[str](), 0, 0

    def add(self, text: str) -> None:
        """Append a piece of the text."""
        room = _HALF - len(self._head)
        self._head += text[:room] if room > 0 else ""
        if rest := text[max(room, 0) :]:
            self._pieces.append(rest)
            self._pieces_length += len(rest)
        if self._pieces_length > 8 * _HALF:
            self._cut()

    def _cut(self) -> None:
        whole = "".join([self._tail, *self._pieces])
        self._tail = whole[-_HALF:]
        self._dropped += len(whole) - len(self._tail)
        self._pieces, self._pieces_length = [], 0

    def __str__(self) -> str:
        self._cut()
        gap = f"\n… {self._dropped:,} characters were not kept …\n" if self._dropped else ""
        return f"{self._head}{gap}{self._tail}"


class Sink(io.StringIO):
    """A text stream that keeps a `Clipped` text."""

    def __init__(self) -> None:
        super().__init__()
        self.text = Clipped()

    def write(self, text: str) -> int:
        """Append to the text."""
        self.text.add(text)
        return len(text)

    def close(self) -> None:
        """Stay open: a check that closes its output must not silence what is printed after it."""


@contextmanager
def captured(seed: int, stream: TextIO, terminal: bool = False) -> Iterator[list[str]]:
    """Capture prints, logs and warnings, seed the global generators, and restore what the block changed.

    Parameters
    ----------
    seed : int
    stream : text stream
        Where prints and logs go.
    terminal : bool
        Whether ``breakpoint()`` may talk to the terminal of this process.

    Yields
    ------
    list of str
        Filled when the block ends: each warning once, and what the code changed of the process.
    """
    messages: list[str] = []
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before, hook = process_state.read_state(), sys.breakpointhook
    root.addHandler(handler)
    sys.breakpointhook = _debug if terminal else _no_terminal
    caught: list[warnings.WarningMessage] = []
    try:
        with (
            warnings.catch_warnings(record=True) as caught, redirect_stdout(stream), redirect_stderr(stream), seeded(seed, before)
        ):  # fmt: skip
            warnings.simplefilter("default")
            yield messages  # filters are restored silently: libraries set some when they are first imported
    finally:
        root.removeHandler(handler)
        sys.breakpointhook = hook
        texts = dict.fromkeys(clean(f"{item.category.__name__}: {item.message}")[:500] for item in caught)
        messages += list(texts)[:_MOST_WARNINGS]
        if changed := [name for name in process_state.restore(before) if name not in _RESTORED_SILENTLY]:
            messages.append(clean(f"it changed {', '.join(changed)} and did not restore it; raikit has"))


def _debug(*_: Any, **__: Any) -> None:
    """Start the debugger on the real terminal, although the check's output is captured."""
    import pdb

    pdb.Pdb(stdin=sys.__stdin__, stdout=sys.__stdout__, nosigint=True).set_trace(sys._getframe(1))


def _no_terminal(*_: Any, **__: Any) -> None:
    raise PluginError("breakpoint() needs a terminal; run with --isolation none")


@contextmanager
def preserved() -> Iterator[None]:
    """Restore what foreign code changes of the process, such as a plugin while it is imported."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", write_through=True)
    with process_state.preserved_state() as before, open(os.devnull, encoding="utf-8") as nothing:
        sys.stdin = nothing
        try:
            with redirect_stdout(stream), warnings.catch_warnings(), _watched_imports(None, before):
                yield
        finally:
            if not raw.closed and raw.getvalue():
                sys.stderr.write(block(raw.getvalue().decode("utf-8", "replace")))


_SEEDERS: dict[str, Callable[[Any, int], object]] = {
    "numpy": lambda numpy, seed: numpy.random.seed(seed),
    "torch": lambda torch, seed: torch.manual_seed(seed),
}


@contextmanager
def seeded(seed: int, before: process_state.State) -> Iterator[None]:
    """Seed the global generators, those of libraries that are not yet imported as soon as they are.

    Otherwise a number would depend on whether another check had imported the library before. What such a library sets
    by itself is added to `before`, to be restored.
    """
    random.seed(seed)
    for name, seed_it in _SEEDERS.items():
        if name in sys.modules:
            seed_it(sys.modules[name], seed)
    with _watched_imports(seed, before):
        yield


@contextmanager
def _watched_imports(seed: int | None, before: process_state.State) -> Iterator[None]:
    finder = _SeedOnImport(seed, before)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        if finder in sys.meta_path:
            sys.meta_path.remove(finder)


class _SeedOnImport(MetaPathFinder):
    """An import hook that seeds a library right after its import."""

    def __init__(self, seed: int | None, before: process_state.State) -> None:
        self._seed, self._before = seed, before
        self._looking = False

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        """Find the module through the other finders, and seed it once it has run."""
        if name not in _SEEDERS or self._looking:
            return None
        self._looking = True  # the search below comes back here
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking = False
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_seed(module: ModuleType) -> None:
            run(module)
            self._before |= {key: value for key, value in process_state.read_state().items() if key not in self._before}
            if self._seed is not None:
                _SEEDERS[name](module, self._seed)

        spec.loader.exec_module = run_and_seed  # type: ignore[method-assign]
        return spec
