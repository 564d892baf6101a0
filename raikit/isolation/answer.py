"""What passes between raikit and a child process: signals, and the answer to one job."""

from __future__ import annotations

import re
import signal
import traceback
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError

from raikit.console import clean
from raikit.errors import PluginError, raised
from raikit.limits import Limits, remedy
from raikit.process.guard import MOST_OUTPUT
from raikit.run.results import CheckResult

STACK_SIGNAL = signal.SIGUSR1  # makes the child write its stack
END_OF_OUTPUT = b"\x00raikit: end of output\x00"
_PYDANTIC_LINK = re.compile(r"\n *For further information visit https://errors\.pydantic\.dev\S*")

_MOST_WARNINGS = 40
_Sentence = Annotated[str, AfterValidator(lambda text: clean(text[:2000]))]
_Traceback = Annotated[str, AfterValidator(lambda text: clean(text[-MOST_OUTPUT:]))]
_Warnings = Annotated[list[_Sentence], AfterValidator(lambda texts: texts[:_MOST_WARNINGS])]


@dataclass
class Answer:
    """The answer to one job: an encoded result, the reason and the help of a skip, or what went wrong.

    `refusal` is the sentence of an error that raikit itself raises for a person. `died` says that the process ended, `late` that it
    was ended because it took too long.
    """

    result: str | None = None
    error: _Sentence | None = None
    refusal: _Sentence | None = None
    died: bool = False
    late: bool = False
    skipped: tuple[_Sentence, _Sentence] | None = None
    traceback: _Traceback | None = None
    warnings: _Warnings = field(default_factory=list)
    output: str = ""


@cache
def _answers() -> TypeAdapter[Answer]:
    return TypeAdapter(Answer)


def read_answer(message: Any) -> Answer:
    """Return the answer that a child has sent, which may be forged; long texts are cut.

    Raises
    ------
    ValueError
        If it is none.
    """
    try:
        return _answers().validate_python(message)
    except ValidationError as error:
        raise ValueError(f"{error.error_count()} faults") from None


def error_text(error: BaseException) -> str:
    """Return an error as one line; of pydantic's reports only what is wrong, without values and links."""
    if not isinstance(error, ValidationError):
        return raised(error)
    problems = error.errors(include_url=False, include_input=False, include_context=False)
    lines = [
        ": ".join(part for part in (".".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) if part)
        for one in problems
    ]
    return f"{error.title} is not valid: {'; '.join(lines)}"


def traceback_text() -> str:
    """Return the traceback of the error being handled, without pydantic's links."""
    return _PYDANTIC_LINK.sub("", traceback.format_exc(limit=-20))


def most_result() -> int:
    """Return how many bytes a result may take as JSON."""
    return Limits.of_environment().result_megabytes << 20


def encode_result(result: Any) -> str:
    """Encode the result of a check as JSON.

    Raises
    ------
    PluginError
        If it is not a `CheckResult`, cannot be written as JSON, or is too large.
    """
    from pydantic_core import PydanticSerializationError

    if not isinstance(result, CheckResult):
        raise PluginError(f"run returned {type(result).__name__}, not a CheckResult")
    try:
        text: str = result.model_dump_json()
    except PydanticSerializationError as error:
        raise PluginError(f"its result cannot be written as JSON: {error}") from None
    if len(text) > (most := most_result()):
        raise PluginError(
            f"its result takes {len(text) >> 20:,} MB; the limit is {most >> 20:,} MB: write large things to ctx.workdir "
            f"and return them as artifacts, or {remedy('result_megabytes')}"
        )
    return text


def decode_result(text: str | None) -> CheckResult:
    """Read a result from its JSON and validate it; what was changed after construction is validated with the rest.

    Raises
    ------
    ValidationError
        If it is not a valid result.
    """
    return CheckResult.model_validate_json(text or "")
