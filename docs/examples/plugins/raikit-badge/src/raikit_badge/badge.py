"""The verdict as a badge: an SVG for a README, and JSON for shields.io's endpoint "
"badge."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import raikit

# Verdict: text of the badge, shields.io's name of its colour, and the colour itself.
WORDS = {
    "pass": ("passed", "brightgreen", "#2e7d32"),
    "warn": ("passed with warnings", "yellow", "#8d6e00"),
    "inconclusive": ("not enough data", "orange", "#b35900"),
    "fail": ("failed", "red", "#b71c1c"),
    "error": ("crashed", "lightgrey", "#555555"),
}
LABEL = "audit"
_LETTER_WIDTH = 6.6  # pixels, about, at 11 px; textLength fits the text to it

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
        The files that were written; the manifest of the run holds their hashes.
    """
    text = message(record)
    _, name, colour = WORDS[record.verdict]
    shield = {
        "schemaVersion": 1,
        "label": LABEL,
        "message": text,
        "color": name,
        "isError": record.verdict == "error",
    }
    title = f"{record.name}: {record.summary.answer or text}"
    return [
        _write(folder / "badge.svg", draw(LABEL, text, colour, title)),
        _write(folder / "badge.json", json.dumps(shield, indent=1) + "\n"),
    ]


def message(record: raikit.Record) -> str:
    """Return the text of the badge: the verdict, and how many of the rules hold."""
    word = WORDS[record.verdict][0]
    rules = record.gate.rules
    holding = sum(rule.status in ("pass", "waived") for rule in rules)
    return f"{word}, {holding} of {len(rules)} rules" if rules else f"{word}, no rules"


def draw(label: str, message: str, colour: str, title: str) -> str:
    """Draw the badge; markup in the texts stays text."""
    label_length, message_length = (
        round(len(text) * _LETTER_WIDTH) for text in (label, message)
    )
    left = label_length + 12
    return SVG.format(
        width=left + message_length + 12,
        left=left,
        start=left + 6,
        colour=colour,
        label_length=label_length,
        message_length=message_length,
        label=escaped(label),
        message=escaped(message),
        title=escaped(title),
    )


def escaped(text: str) -> str:
    """Escape markup, and replace the characters that XML cannot hold."""
    return escape("".join(letter if letter.isprintable() else " " for letter in text))


def _write(path: Path, text: str) -> Path:
    partial = path.with_name(f".{path.name}.partial")  # a reader never sees half a file
    partial.write_text(text, encoding="utf-8", newline="\n")
    os.replace(partial, path)
    return path
