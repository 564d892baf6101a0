"""Texts out of the record. All of them are hostile: names of columns, groups, plugins, whole sentences.

Escaping is Jinja's work (autoescape). Here is what escaping does not do: characters that break a file or turn a line
round, texts that are too long to stand where they are, and the few places that are no HTML (a style sheet, a script).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

# Controls, lone surrogates and noncharacters: none can stand in an HTML or XML file. Overrides and isolates reorder
# what stands after them and may end the isolation of `bdi`; marks (U+200E, U+200F) belong to honest Arabic and Hebrew.
_BROKEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]|[\u202a-\u202e\u2066-\u2069]"
)
_PERCENT = re.compile("(?<=[0-9]) %")
_CODE = re.compile("`([^`]{1,120})`")
LONG = 400
WHOLE = 100_000


def clean(text: object) -> str:
    """Make any object a text that can be written to a file and reads in the order in which it is stored."""
    return _BROKEN.sub("\ufffd", str(text).replace("\r\n", "\n").replace("\r", "\n"))


def flat(text: object, limit: int = 160) -> str:
    """Make a text fit for an attribute or a title: one line of at most `limit` characters.

    Examples
    --------
    >>> flat("a\\u202e\\nb"), flat("x" * 9, 5)
    ('a� b', 'xxxx…')
    """
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def sentence(text: str) -> str:
    """Begin a text with a capital, unless that would change a name, and end it with a stop, unless it has one.

    Examples
    --------
    >>> sentence("needs a score"), sentence("gate.required names it."), sentence("")
    ('Needs a score.', 'gate.required names it.', '')
    """
    text = text.strip()
    if text.split(" ")[0].rstrip(",:;").isalpha():
        text = text[:1].upper() + text[1:]
    return text if not text or text[-1] in ".!?…:;。؟" else text + "."


def words(name: object) -> str:
    """Make a metric's name readable: ``equalized_odds_difference`` becomes ``Equalized odds difference``."""
    text = clean(name).replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def css_string(text: object) -> str:
    """Write `text` as a CSS string in which nothing but letters and digits stands as it is.

    Examples
    --------
    >>> css_string('a"</style>')
    '"a\\\\22 \\\\3c \\\\2f style\\\\3e "'
    """
    escaped = (
        char if char.isascii() and (char.isalnum() or char in " .-") else f"\\{ord(char):x} " for char in flat(text)
    )
    return '"' + "".join(escaped) + '"'


def script_json(value: Any) -> Markup:
    """Write `value` as JSON that cannot end the script element it stands in."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - escaped just above


def breakable(text: object) -> Markup:
    """Write a metric address so that it can break where its parts meet."""
    pieces = re.split(r"(?<=[._,/])|(?=[\[(])", flat(text, LONG))
    return Markup("<bdi>{}</bdi>").format(Markup("<wbr>").join(pieces))


@dataclass
class Texts:
    """The page's texts; those cut short are kept, to be shown whole at the end of the page."""

    whole: list[str] = field(default_factory=list)

    def say(self, text: object, limit: int = LONG) -> Markup:
        """Write a text of the record: isolated, so that its direction ends with it, `code` marked, cut at `limit`."""
        written = _PERCENT.sub("\u202f%", clean(text))  # a percent sign begins no line
        if not written.strip():
            return Markup('<span class="quiet">(empty)</span>')
        if len(written) <= limit:
            return Markup("<bdi>{}</bdi>").format(_with_code(written))
        if written[:WHOLE] not in self.whole:
            self.whole.append(written[:WHOLE])
        place = self.whole.index(written[:WHOLE]) + 1
        return Markup('<bdi>{}…</bdi> <a class="more" href="#text-{}">all {} characters</a>').format(
            written[:limit], place, len(written)
        )

    def brief(self, text: object) -> Markup:
        """Write a name that stands in a row or a heading."""
        return self.say(text, 120)


def _with_code(text: str) -> Markup:
    parts = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )
