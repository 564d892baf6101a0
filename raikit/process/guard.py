"""What a check shares with all others, and must find and leave as it was: seeds, threads, environment, folder, streams.

Whoever changes such a thing is told; whoever comes after finds it put back, so that no number depends on its neighbours.
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

from raikit.console import clean
from raikit.errors import PluginError
from raikit.process import state as process_state

MOST_OUTPUT = 20_000  # characters of what a check printed that are kept, half from the beginning, half from the end
MOST_RESULT = 64 << 20  # bytes of a result as JSON
_MOST_WARNINGS = 20
_HALF = MOST_OUTPUT // 2
# Put back without a word: using a global generator is no fault, and many a library sets such things when it is imported.
_IN_SILENCE = {
    "sys.stdin",
    "the generator of random", "the generator of numpy.random", "the generator of torch", "warnings.filters", "sys.path",
    "sys.excepthook", "the locale",
}  # fmt: skip


class Clipped:
    """Keeps the beginning and the end of a text, however long it gets."""

    def __init__(self) -> None:
        self._head, self._tail, self._later, self._waiting, self._dropped = "", "", list[str](), 0, 0

    def add(self, text: str) -> None:
        """Append."""
        room = _HALF - len(self._head)
        self._head += text[:room] if room > 0 else ""
        if rest := text[max(room, 0) :]:
            self._later.append(rest)
            self._waiting += len(rest)
        if self._waiting > 8 * _HALF:
            self._cut()

    def _cut(self) -> None:
        whole = "".join([self._tail, *self._later])
        self._tail = whole[-_HALF:]
        self._dropped += len(whole) - len(self._tail)
        self._later, self._waiting = [], 0

    def __str__(self) -> str:
        self._cut()
        gap = f"\n… {self._dropped:,} characters were not kept …\n" if self._dropped else ""
        return f"{self._head}{gap}{self._tail}"


class Sink(io.StringIO):
    """A text stream into a `Clipped`."""

    def __init__(self) -> None:
        super().__init__()
        self.text = Clipped()

    def write(self, text: str) -> int:
        self.text.add(text)
        return len(text)

    def close(self) -> None:
        """Stay open: a check that closes what it prints to would silence what comes after it."""


@contextmanager
def captured(seed: int, stream: TextIO, terminal: bool = False) -> Iterator[list[str]]:
    """Send what is printed and logged to `stream`, collect warnings, seed the global generators, put back what changed.

    Parameters
    ----------
    seed : int
    stream : text stream
    terminal : bool
        Whether ``breakpoint()`` may talk to the terminal of this process.

    Yields
    ------
    list of str
        Filled when it is left: each warning once, and what the code changed that it shares with others.
    """
    said: list[str] = []
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before, hook = process_state.of_process(), sys.breakpointhook
    root.addHandler(handler)
    sys.breakpointhook = _debug if terminal else _no_terminal
    caught: list[warnings.WarningMessage] = []
    try:
        with (
            warnings.catch_warnings(record=True) as caught, redirect_stdout(stream), redirect_stderr(stream), seeded(seed, before)
        ):  # fmt: skip
            warnings.simplefilter("default")
            yield said  # filters are put back in silence: many a library sets some when it is first imported
    finally:
        root.removeHandler(handler)
        sys.breakpointhook = hook
        texts = dict.fromkeys(clean(f"{item.category.__name__}: {item.message}")[:500] for item in caught)
        said += list(texts)[:_MOST_WARNINGS]
        if changed := [name for name in process_state.restore(before) if name not in _IN_SILENCE]:
            said.append(clean(f"it changed {', '.join(changed)} and left it so; what was there before has been put back"))


def _debug(*_: Any, **__: Any) -> None:
    """Let the debugger talk to the terminal although the check's own output is captured."""
    import pdb

    pdb.Pdb(stdin=sys.__stdin__, stdout=sys.__stdout__, nosigint=True).set_trace(sys._getframe(1))


def _no_terminal(*_: Any, **__: Any) -> None:
    raise PluginError("breakpoint() has no terminal here; --isolation none runs checks where it has one")


@contextmanager
def preserved() -> Iterator[None]:
    """Put back what foreign code changes that others share, such as a plugin while it is imported."""
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="utf-8", errors="replace", write_through=True)  # its own, whatever becomes of it
    with process_state.kept() as before, open(os.devnull, encoding="utf-8") as nothing:
        sys.stdin = nothing
        try:
            with redirect_stdout(stream), warnings.catch_warnings(), _watched_imports(None, before):
                yield
        finally:
            if not raw.closed and raw.getvalue():
                sys.stderr.write(clean(raw.getvalue().decode("utf-8", "replace")))


_SEEDERS: dict[str, Callable[[Any, int], object]] = {
    "numpy": lambda numpy, seed: numpy.random.seed(seed),
    "torch": lambda torch, seed: torch.manual_seed(seed),
}


@contextmanager
def seeded(seed: int, before: process_state.State) -> Iterator[None]:
    """Seed the global generators; of libraries that are not there yet, as soon as they are imported.

    Else a number would depend on whether another check had imported the library before. What such a library has set by
    itself is added to `before`, to be put back.
    """
    random.seed(seed)
    for name, seed_it in _SEEDERS.items():
        if name in sys.modules:
            seed_it(sys.modules[name], seed)
    with _watched_imports(seed, before):
        yield


@contextmanager
def _watched_imports(seed: int | None, before: process_state.State) -> Iterator[None]:
    later = _SeedOnImport(seed, before)
    sys.meta_path.insert(0, later)
    try:
        yield
    finally:
        if later in sys.meta_path:
            sys.meta_path.remove(later)


class _SeedOnImport(MetaPathFinder):
    """Lets the others find a module, and seeds it when it has been run."""

    def __init__(self, seed: int | None, before: process_state.State) -> None:
        self._seed, self._before = seed, before
        self._looking = False

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name not in _SEEDERS or self._looking:
            return None
        self._looking = True  # asking the others comes back here
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._looking = False
        if spec is None or spec.loader is None:
            return None
        run = spec.loader.exec_module

        def run_and_seed(module: ModuleType) -> None:
            run(module)
            self._before |= {key: value for key, value in process_state.of_process().items() if key not in self._before}
            if self._seed is not None:
                _SEEDERS[name](module, self._seed)

        spec.loader.exec_module = run_and_seed  # type: ignore[method-assign]
        return spec
