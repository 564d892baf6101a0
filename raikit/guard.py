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
from typing import IO, Any

from raikit.console import clean

MOST_OUTPUT = 20_000  # characters of what a check printed that are kept
MOST_RESULT = 64 << 20  # bytes of a result as JSON
_MOST_WARNINGS = 20
_SET_BY_IMPORTS = {"KMP_DUPLICATE_LIB_OK", "KMP_INIT_AT_FORK"}  # scikit-learn does, when it is first imported


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
    before = _Shared()
    root.addHandler(handler)
    caught: list[warnings.WarningMessage] = []
    try:
        with (
            warnings.catch_warnings(record=True) as caught, redirect_stdout(stream), redirect_stderr(stream), seeded(seed)
        ):  # fmt: skip
            warnings.simplefilter("default")
            yield said  # filters are put back in silence: many a library sets some when it is first imported
    finally:
        root.removeHandler(handler)
        texts = dict.fromkeys(clean(f"{item.category.__name__}: {item.message}")[:500] for item in caught)
        said += list(texts)[:_MOST_WARNINGS]
        if changed := before.restore():
            said.append(f"it changed {', '.join(changed)} and left it so; what was there before has been put back")


@contextmanager
def preserved() -> Iterator[None]:
    """Put back what foreign code changes that others share, such as a plugin while it is imported."""
    before = _Shared()
    try:
        with redirect_stdout(sys.stderr), warnings.catch_warnings():
            yield
    finally:
        before.restore()


_SEEDERS: dict[str, Callable[[Any, int], object]] = {
    "numpy": lambda numpy, seed: numpy.random.seed(seed),
    "torch": lambda torch, seed: torch.manual_seed(seed),
}


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the global generators; of libraries that are not there yet, as soon as they are imported.

    Else a number would depend on whether another check had imported the library before.
    """
    random.seed(seed)
    later = _SeedOnImport(seed)
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

    def __init__(self, seed: int) -> None:
        self._seed = seed
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
            _SEEDERS[name](module, self._seed)
            if name == "torch":
                _AT_IMPORT.update(_settings(module))

        spec.loader.exec_module = run_and_seed  # type: ignore[method-assign]
        return spec


class _Shared:
    """The state of the process that code shares, as it was."""

    def __init__(self) -> None:
        self.changed: list[str] = []
        self._environment = dict(os.environ)
        self._folder = os.getcwd()
        self._random = random.getstate()
        self._path = list(sys.path)
        self._hook = sys.excepthook
        self._numpy = sys.modules["numpy"].random.get_state() if "numpy.random" in sys.modules else None
        self._torch = _torch_state()

    def restore(self) -> list[str]:
        """Put everything back; what had changed, in words. Random states are put back in silence: to use them is no fault."""
        random.setstate(self._random)
        if self._numpy is not None:
            sys.modules["numpy"].random.set_state(self._numpy)
        if dict(os.environ) != self._environment:
            differ = {name for name, _ in os.environ.items() ^ self._environment.items()} - _SET_BY_IMPORTS
            self.changed += [f"the environment ({', '.join(sorted(differ))})"] * bool(differ)
            os.environ.clear()
            os.environ.update(self._environment)
        if _folder() != self._folder:
            self.changed.append("the working directory")
            os.chdir(self._folder)
        if sys.path != self._path:
            sys.path[:] = self._path  # in silence: many a library puts its own folder there
        sys.excepthook = self._hook
        self.changed += _restore_torch(self._torch)
        return self.changed


def _folder() -> str | None:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return None


# What torch shares, with how to read it and how to set it.
_TORCH = {
    "torch's number of threads": ("get_num_threads", "set_num_threads"),
    "torch's default dtype": ("get_default_dtype", "set_default_dtype"),
    "torch's gradient mode": ("is_grad_enabled", "set_grad_enabled"),
    "torch's deterministic mode": ("are_deterministic_algorithms_enabled", "use_deterministic_algorithms"),
}
_AT_IMPORT: dict[str, Any] = {}  # these settings as torch had them when a check imported it


def _settings(torch: Any) -> dict[str, Any]:
    return {name: getattr(torch, read)() for name, (read, _) in _TORCH.items()}


def _torch() -> Any:
    """The module if it is there and not only half imported."""
    torch = sys.modules.get("torch")
    return torch if hasattr(torch, "get_rng_state") else None


def _torch_state() -> dict[str, Any] | None:
    torch = _torch()
    return None if torch is None else {"random": torch.get_rng_state(), **_settings(torch)}


def _restore_torch(before: dict[str, Any] | None) -> list[str]:
    torch = _torch()
    if torch is None:
        return []
    before = _AT_IMPORT if before is None else before
    changed = [name for name, value in _settings(torch).items() if name in before and value != before[name]]
    for name in changed:
        getattr(torch, _TORCH[name][1])(before[name])
    if "random" in before:
        torch.set_rng_state(before["random"])
    return changed
