"""The verdict as a badge: an SVG for a README, and JSON for shields.io's endpoint badge."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import raikit

# verdict: what the badge says, shields.io's name of its colour, and that colour
WORDS = {
    "pass": ("passed", "brightgreen", "#2e7d32"),
    "warn": ("passed with warnings", "yellow", "#8d6e00"),
    "inconclusive": ("not enough data", "orange", "#b35900"),
    "fail": ("failed", "red", "#b71c1c"),
    "error": ("crashed", "lightgrey", "#555555"),
}
LABEL = "audit"
_WIDTH_OF_A_LETTER = 6.6  # about, at 11 px; textLength fits the text to it

SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="20" role="img">
<title>{title}</title>
<rect width="{width}" height="20" rx="3" fill="{colour}"/>
<rect width="{left}" height="20" rx="3" fill="#444"/>
<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">
<text x="6" y="14" textLength="{label_length}">{label}</text>
<text x="{start}" y="14" textLength="{message_length}">{message}</text>
</g>
</svg>
"""


def write(record: raikit.Record, folder: Path) -> list[Path]:
    """Write ``badge.svg`` and ``badge.json`` into a run, from its record alone.

    Returns
    -------
    list of Path
        The files that were written; the manifest of the run hashes them.
    """
    said = message(record)
    _, name, colour = WORDS[record.verdict]
    shield = {
        "schemaVersion": 1,
        "label": LABEL,
        "message": said,
        "color": name,
        "isError": record.verdict == "error",
    }
    title = f"{record.name}: {record.summary.answer or said}"
    return [
        _write(folder / "badge.svg", draw(LABEL, said, colour, title)),
        _write(folder / "badge.json", json.dumps(shield, indent=1) + "\n"),
    ]


def message(record: raikit.Record) -> str:
    """What the badge says: the verdict, and how many of the rules hold."""
    word = WORDS[record.verdict][0]
    rules = record.gate.rules
    held = sum(rule.status in ("pass", "waived") for rule in rules)
    return f"{word}, {held} of {len(rules)} rules" if rules else f"{word}, no rules"


def draw(label: str, message: str, colour: str, title: str) -> str:
    """Draw the badge; whatever the texts hold, they stay text."""
    label_length, message_length = (
        round(len(text) * _WIDTH_OF_A_LETTER) for text in (label, message)
    )
    left = label_length + 12
    return SVG.format(
        width=left + message_length + 12,
        left=left,
        start=left + 6,
        colour=colour,
        label_length=label_length,
        message_length=message_length,
        label=inert(label),
        message=inert(message),
        title=inert(title),
    )


def inert(text: str) -> str:
    """Text that stays text, without the characters that no XML can hold."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(f".{path.name}.partial")  # nobody ever reads half of it
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)
    return path
