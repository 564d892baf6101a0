"""Draw the rooms of raikit from the import contract: ``python docs/rooms.py`` after a change of either.

The layers come from ``[tool.importlinter]`` in pyproject.toml, which ``lint-imports`` enforces. The words come from the first
paragraphs of each room's docstring. The script writes ``images/rooms.svg`` and the table in ``architecture.md``. A test fails
when picture, table and contract differ.
"""

from __future__ import annotations

import ast
import re
import textwrap
import tomllib
from collections.abc import Iterator
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "architecture.md"
PICTURE = ROOT / "docs" / "images" / "rooms.svg"
BEGIN, END = "<!-- rooms: written by docs/rooms.py -->", "<!-- end of rooms -->"
PUBLIC = {"address", "arrays", "format", "hookspecs", "stats", "testing"}  # a test compares this with the public surface

# Sizes in the picture, in pixels.
WIDTH, LEFT, TOP, GAP, PADDING = 960, 190, 62, 10, 12
LINE, ROW_OF_ONE, ROW_OF_MANY = 17, 48, 34
CAPTION = "Blue border: public under its own name. The package raikit re-exports the public names of the others."
_PLUGIN_RULES = ["use public names,", "never each other;", "raikit finds them", "by entry points"]


def contracts() -> dict[str, dict[str, list[str]]]:
    """Return the import contracts of pyproject.toml by their type."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return {contract["type"]: contract for contract in project["tool"]["importlinter"]["contracts"]}


def layers() -> list[list[str]]:
    """Return the rooms of each layer, the highest layer first."""
    return [[room.strip() for room in layer.split("|")] for layer in contracts()["layers"]["layers"]]


def plugins() -> list[str]:
    """Return the packages that the harness must not import."""
    return contracts()["forbidden"]["forbidden_modules"]


def docstring(room: str) -> list[str]:
    """Return the paragraphs of a room's docstring, each on one line."""
    folder = ROOT / "raikit" / room
    path = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]


def purpose(room: str) -> str:
    """Return what a room is for: the first line of its docstring."""
    return docstring(room)[0]


def limit(room: str) -> str:
    """Return what a room must not know or do; empty if its docstring names no limit."""
    sentences = re.split(r"(?<=\.) (?=[A-Z])", " ".join(docstring(room)[1:]))
    return next((sentence for sentence in sentences if "must not" in sentence), "")


# --- the picture --------------------------------------------------------------------------------------------------


def picture() -> str:
    """Return the SVG: one row for each layer, arrows in the only direction that an import may take."""
    shapes: list[str] = []
    y = TOP
    for rooms in layers():
        height = ROW_OF_ONE if len(rooms) == 1 else ROW_OF_MANY
        width = (WIDTH - LEFT - 20 - GAP * (len(rooms) - 1)) / len(rooms)
        for position, room in enumerate(rooms):
            shapes += _room(room, LEFT + position * (width + GAP), y, width, height, described=len(rooms) == 1)
        y += height + GAP
    shapes += [*_plugins(y - GAP - TOP), *_arrow(y - GAP)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y + 12}" width="{WIDTH}" role="img">',
            "<title>The rooms of raikit: each may import those below it, never those above</title>",
            f'<rect width="{WIDTH}" height="{y + 12}" fill="#ffffff"/>',
            _text(LEFT, 26, "raikit: a room may import the rooms below it, never those above or beside it", bold=True),
            _text(LEFT, 46, CAPTION, color="#555555"),
            *shapes,
            "</svg>",
            "",
        ]
    )


def _room(room: str, x: float, y: float, width: float, height: float, *, described: bool) -> Iterator[str]:
    border = 'stroke="#1f5fa8" stroke-width="2.5"' if room in PUBLIC else 'stroke="#9aa4b0"'
    yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{height}" rx="5" fill="#f3f5f8" {border}/>'
    if not described:
        yield _text(x + width / 2, y + 22, room, bold=True, anchor="middle")
        return
    yield _text(x + PADDING, y + 29, room, bold=True)
    lines = textwrap.wrap(purpose(room).replace("`", ""), 92, max_lines=2, placeholder=" …")
    first = y + (29 if len(lines) == 1 else 21)
    for number, line in enumerate(lines):
        yield _text(x + 108, first + number * LINE, line, color="#333333")


def _plugins(height: float) -> Iterator[str]:
    yield f'<rect x="16" y="{TOP}" width="128" height="{height}" rx="5" fill="#fbf6ea" stroke="#b58a2c"/>'
    lines = ["Plugins", "", *plugins(), "… and yours", "", *_PLUGIN_RULES]
    for number, line in enumerate(lines):
        yield _text(28, TOP + 28 + number * LINE, line, bold=number == 0, size=12)


def _arrow(bottom: float) -> Iterator[str]:
    x = LEFT - 23
    yield f'<path d="M {x} {TOP} V {bottom - 8}" stroke="#555555" stroke-width="2"/>'
    yield f'<path d="M {x - 6} {bottom - 10} L {x} {bottom} L {x + 6} {bottom - 10} Z" fill="#555555"/>'
    yield (
        f'<text x="{x - 6}" y="{(TOP + bottom) / 2:.0f}" transform="rotate(-90 {x - 6} {(TOP + bottom) / 2:.0f})" '
        'text-anchor="middle" font-family="system-ui, sans-serif" font-size="13" fill="#555555">may import</text>'
    )


def _text(
    x: float, y: float, text: str, *, bold: bool = False, color: str = "#111111", anchor: str = "start", size: int = 13
) -> str:
    place = f'x="{x:.1f}" y="{y}" text-anchor="{anchor}"'
    font = f'font-family="system-ui, sans-serif" font-size="{size}"' + (' font-weight="600"' if bold else "")
    return f'<text {place} {font} fill="{color}">{escape(text)}</text>'


# --- the page -----------------------------------------------------------------------------------------------------


def table() -> str:
    """Return the table of rooms, the highest layer first."""
    lines = ["| room | what it is for | its limit |", "|---|---|---|"]
    for room in (room for rooms in layers() for room in rooms):
        lines.append(f"| `raikit.{room}` | {_cell(purpose(room))} | {_cell(limit(room))} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|")


def page(text: str) -> str:
    """Return the page with the table written again between its markers."""
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"{PAGE.name} needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8")
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
