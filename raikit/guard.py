"""What a check shares with all others, and must find and leave as it was: seeds, threads, environment, folder, streams.

Whoever changes such a thing is told; whoever comes after finds it put back, so that no number depends on its neighbours.
"""

from __future__ import annotations

import importlib.util
import io
import logging
import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import IO, Any

from raikit import process_state
from raikit.console import clean

MOST_OUTPUT = 20_000  # characters of what a check printed that are kept
MOST_RESULT = 64 << 20  # bytes of a result as JSON
_MOST_WARNINGS = 20
# Put back without a word: using a global generator is no fault, and many a library sets such things when it is imported.
_IN_SILENCE = {
    "the generator of random", "the generator of numpy.random", "the generator of torch", "warnings.filters", "sys.path",
    "sys.excepthook", "the locale",
}  # fmt: skip


class Sink(io.StringIO):
    """A text stream that keeps the first `MOST_OUTPUT` characters, however much is written."""

    def __init__(self) -> None:
        super().__init__()
        self.dropped = 0

    def write(self, text: str) -> int:
        kept = text[: max(MOST_OUTPUT - self.tell(), 0)]
        super().write(kept)
        self.dropped += len(text) - len(kept)
        return len(text)

    def close(self) -> None:
        """Stay open: a check that closes what it prints to would silence what comes after it."""


def shortened(text: str, dropped: int) -> str:
    """What was kept, and how much was not."""
    return text + (f"\n… and {dropped:,} more characters, which were not kept" if dropped else "")


@contextmanager
def captured(seed: int, stream: IO[str]) -> Iterator[list[str]]:
    """Send what is printed and logged to `stream`, collect warnings, seed the global generators, put back what changed.

    Yields
    ------
    list of str
        Filled when it is left: each warning once, and what the code changed that it shares with others.
    """
    said: list[str] = []
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    before = process_state.of_process()
    root.addHandler(handler)
    caught: list[warnings.WarningMessage] = []
    try:
        with (
            warnings.catch_warnings(record=True) as caught, redirect_stdout(stream), redirect_stderr(stream), seeded(seed, before)
        ):  # fmt: skip
            warnings.simplefilter("default")
            yield said  # filters are put back in silence: many a library sets some when it is first imported
    finally:
        root.removeHandler(handler)
        texts = dict.fromkeys(clean(f"{item.category.__name__}: {item.message}")[:500] for item in caught)
        said += list(texts)[:_MOST_WARNINGS]
        if changed := [name for name in process_state.restore(before) if name not in _IN_SILENCE]:
            said.append(f"it changed {', '.join(changed)} and left it so; what was there before has been put back")


@contextmanager
def preserved() -> Iterator[None]:
    """Put back what foreign code changes that others share, such as a plugin while it is imported."""
    with process_state.kept(), redirect_stdout(sys.stderr), warnings.catch_warnings():
        yield


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
    later = _SeedOnImport(seed, before)
    for name, seed_it in _SEEDERS.items():
        if name in sys.modules:
            seed_it(sys.modules[name], seed)
    sys.meta_path.insert(0, later)
    try:
        yield
    finally:
        if later in sys.meta_path:
            sys.meta_path.remove(later)


class _SeedOnImport(MetaPathFinder):
    """Lets the others find a module, and seeds it when it has been run."""

    def __init__(self, seed: int, before: process_state.State) -> None:
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
            _SEEDERS[name](module, self._seed)

        spec.loader.exec_module = run_and_seed  # type: ignore[method-assign]
        return spec
