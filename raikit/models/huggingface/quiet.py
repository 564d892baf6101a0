"""Silence and no connections for the libraries of Hugging Face, which write to the terminal and ask a hub unasked."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence the progress bars and warnings of transformers; what matters in them is an error or a note of raikit."""
    from transformers.utils import logging

    level, shown = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
            yield
    finally:
        logging.set_verbosity(level)
        if shown:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


@contextlib.contextmanager
def offline(allowed: bool = False) -> Iterator[None]:
    """Keep the libraries of Hugging Face from opening a connection: some of their classes ignore ``local_files_only``."""
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not allowed
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def is_panic(error: BaseException) -> bool:
    """Return whether a library in Rust has given up, which no class of Python's exceptions stands for."""
    return type(error).__name__ == "PanicException"
