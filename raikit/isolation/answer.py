"""What passes between raikit and a child process: the signals, and the answer to one job."""

from __future__ import annotations

import re
import signal
import traceback
from dataclasses import dataclass, field
from typing import Any

from raikit.errors import PluginError, raised
from raikit.process.guard import MOST_RESULT
from raikit.run.results import CheckResult

STACK_SIGNAL = signal.SIGUSR1  # makes the child write its stack
END_OF_OUTPUT = b"\x00raikit: end of output\x00"
_ADVERTISEMENT = re.compile(r"\n *For further information visit https://errors\.pydantic\.dev\S*")


@dataclass
class Answer:
    """What came back: an encoded result, why and with what help it was skipped, or what went wrong."""

    result: str | None = None
    error: str | None = None
    skipped: tuple[str, str] | None = None
    traceback: str | None = None
    warnings: list[str] = field(default_factory=list)
    output: str = ""


def error_text(error: BaseException) -> str:
    """An error in a line; of pydantic's reports only what is wrong, not the values nor where to read more."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return raised(error)
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    said = [
        ": ".join(part for part in (".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) if part)
        for one in problems
    ]
    return f"{error.title} is not valid: {'; '.join(said)}"


def traceback_text() -> str:
    """The traceback of the error that is being handled, without pydantic's advertisement."""
    return _ADVERTISEMENT.sub("", traceback.format_exc(limit=-20))


def encode_result(result: Any) -> str:
    """What a check returned, as JSON.

    Raises
    ------
    PluginError
        If it is no `CheckResult`, holds what no JSON can hold, or is larger than a report can be.
    """
    from pydantic_core import PydanticSerializationError

    if not isinstance(result, CheckResult):
        raise PluginError(f"run returned {type(result).__name__}, not a CheckResult")
    # whatever was changed after construction is checked again, here, where the traceback is the author's
    result = CheckResult.model_validate(result.model_dump())
    try:
        text: str = result.model_dump_json()
    except PydanticSerializationError as error:
        raise PluginError(f"its result cannot be written as JSON: {error}") from None
    if len(text) > MOST_RESULT:
        raise PluginError(
            f"its result takes {len(text) >> 20:,} MB; {MOST_RESULT >> 20} MB are kept: write large things to ctx.workdir "
            "and return them as artifacts"
        )
    return text
