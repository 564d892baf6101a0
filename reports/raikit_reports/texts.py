"""Texts from the record. Treat all of them as hostile: names of columns, groups and plugins, and whole sentences.

Jinja escapes HTML (autoescape). This module handles the rest: characters that break a file or reverse a line, texts that
are too long for their place, and the few places that are not HTML (a style sheet, a script).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup, escape

import raikit
from raikit import format as fmt

# Controls, lone surrogates and noncharacters are not allowed in HTML and XML files. Overrides and isolates reorder the text
# after them and may end the isolation of `bdi`. Marks (U+200E, U+200F) are needed in Arabic and Hebrew.
_BROKEN = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]|[\u202a-\u202e\u2066-\u2069]"
)
_BEFORE_UNIT = re.compile(r"(?<=[0-9]) (?=%|pp\b)")
_CODE = re.compile("`([^`]{1,120})`")
LONG = 400
WHOLE = 100_000


def clean(text: object) -> str:
    """Convert an object to a text that can be written to a file and is read in the order in which it is stored."""
    return _BROKEN.sub("\ufffd", str(text).replace("\r\n", "\n").replace("\r", "\n"))


def flat(text: object, limit: int = 160) -> str:
    r"""Convert an object to one line of at most `limit` characters, for an attribute or a title.

    Examples
    --------
    >>> flat("a\u202e\nb"), flat("x" * 9, 5)
    ('a� b', 'xxxx…')
    """
    line = " ".join(clean(text).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def beside(check: raikit.CheckRecord | None) -> str:
    """Return a sentence if a check of raikit ran beside the model, whose code could have changed its numbers; else nothing."""
    if check is None or check.status != "ok" or check.process != "model":
        return ""
    return "Measured in a process that ran the model's own code."


def sentence(text: str) -> str:
    """Begin a text with a capital, unless it begins with an identifier, and end it with a full stop.

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
    """Write an identifier for people, with acronyms as they are usually written.

    Examples
    --------
    >>> words("equalized_odds_difference"), words("roc_auc"), words("membership_tpr_at_fpr")
    ('Equalized odds difference', 'ROC AUC', 'Membership TPR at FPR')
    """
    return fmt.capitalised(fmt.metric_words(clean(name)))


def css_string(text: object) -> str:
    r"""Write `text` as a CSS string in which everything but letters, digits, spaces, dots and dashes is escaped.

    Examples
    --------
    >>> css_string('a"</style>')
    '"a\\22 \\3c \\2f style\\3e "'
    """
    escaped = (
        char if char.isascii() and (char.isalnum() or char in " .-") else f"\\{ord(char):x} " for char in flat(text)
    )
    return '"' + "".join(escaped) + '"'


def script_json(value: Any) -> Markup:
    """Write `value` as JSON that cannot end the script element around it."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    for char in "<>&":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Markup(text)  # noqa: S704 - escaped just above


def breakable(text: object) -> Markup:
    """Write a metric's address so that lines can break between its parts."""
    pieces = re.split(r"(?<=[._,/])|(?=[\[(])", flat(text, LONG))
    return Markup("<bdi>{}</bdi>").format(Markup("<wbr>").join(pieces))


@dataclass
class Texts:
    """The texts of a page; those cut short are collected, to be shown in full at the end of the page."""

    whole: list[str] = field(default_factory=list)

    def say(self, text: object, limit: int = LONG) -> Markup:
        """Write a text of the record: its direction isolated, `code` marked, and cut at `limit` characters."""
        written = _BEFORE_UNIT.sub("\u202f", clean(text))  # a line must not begin with a unit
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
        """Write a name for a row or a heading."""
        return self.say(text, 120)


def _with_code(text: str) -> Markup:
    parts = _CODE.split(text)
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )
