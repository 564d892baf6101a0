"""A seeded mutator: small changes of valid bytes, text and JSON, towards what parsers and arithmetic stumble over."""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

TOKENS = [
    "", " ", "null", "~", "true", "nan", ".nan", ".inf", "-.inf", "NaN", "Infinity", "-0", "1e999", "9" * 40, "-" + "9" * 25, "9" * 5000,
    "0x7fffffffffffffffff", "1_000", "1:30", "2026-99-99", "2026-02-30", "0000-00-00", "9999-12-31", "\x00", "\x1b[31m", "\x85", "\u2028",
    "\ufeff", "\u202e", "é", "e\u0301", "🐢", "\ufffe", "::error::x", "\n::error::x", "%0A::warning::y", "##[error]x",
    "!!bool x", "!!int ''", "!!timestamp x", "!!float z", "!!set {a, b}", "!!omap [a: 1]", "!!binary aGk=", "!!python/name:os.system ",
    "!!null x", "&a [*a]", "&a {b: *a}", "*a", "<<: *a", "<<: {a: 1}", "? [a]", "{}", "[]", "[[[[[[[[", "{a: ", "- - - -", "'", '"', "|", ">-",
    "#", "?", "=", "@", "`", "%YAML 9.9", "---", "...", "[" * 3000, "{a: " * 300, "{? " * 40, "../../outside", "/etc/passwd", "\\\\host\\x",
    "s3://x/y", "file:///etc/passwd", "zip://../x::a.zip", "memory://a", "http://", "C:\\x", "a" * 300, "a/" * 600, "~/x", "$HOME", "*", "**",
    "(", ")", "a(b=c", "a.b(c=1, c=1)", "*(*)", 'a("', "x(y=\"\\ud800\")", "{}{0}{x!r}", "%s%n", "a\tb", "a\r\nb", "sex", "y", "score",
]  # fmt: skip
VALUES = [
    None, True, False, 0, -1, 1, 2, 10**40, -(10**20), 2**63, 2**53 + 1, 0.5, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"),
    "", " ", "x", "\x00", "\ud800", "\x1b]0;x\x07", "::error::x", "\n::error::x", "2026-99-99", "NaN", "9" * 5000, "a" * 5000,
    "../../outside", "/etc/passwd", [], {}, [[]], [None], [1, "x", None], {"a": None}, {"": {}}, {"\ud800": 1}, {"a": {"b": {"c": []}}},
]  # fmt: skip


def deep(levels: int) -> Any:
    """Return a list in a list in a list …"""
    value: Any = []
    for _ in range(levels):
        value = [value]
    return value


def of_bytes(content: bytes, rng: Random) -> bytes:
    """Change bytes in one to six places."""
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 6))):
        at = rng.randrange(len(changed) + 1)
        kind = rng.randrange(8)
        if kind == 0 and changed:
            changed[min(at, len(changed) - 1)] ^= 1 << rng.randrange(8)
        elif kind == 1:
            del changed[at:]
        elif kind == 2:
            del changed[at : at + rng.choice((1, 4, 30))]
        elif kind == 3:
            changed[at:at] = changed[at : at + rng.choice((1, 8, 100))] * rng.choice((1, 3))
        elif kind == 4:
            changed[at:at] = rng.choice(TOKENS).encode("utf-8", "surrogatepass")
        elif kind == 5:
            changed[at : at + 4] = rng.choice((b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80"))
        elif kind == 6:
            changed[at : at + 1] = bytes([rng.randrange(256)])
        else:
            other = rng.randrange(len(changed) + 1)
            changed[at:at] = changed[min(at, other) : max(at, other)][:200]
    return bytes(changed)


def of_text(text: str, rng: Random) -> str:
    """Change lines and words of a text, such as a configuration or a table."""
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        lines = text.split("\n")
        at = rng.randrange(len(lines))
        kind = rng.randrange(7)
        if kind == 0:
            lines.insert(at, lines[rng.randrange(len(lines))])
        elif kind == 1:
            del lines[at]
        elif kind == 2:
            head, colon, _ = lines[at].partition(":")
            lines[at] = f"{head}{colon} {rng.choice(TOKENS)}"
        elif kind == 3:
            lines[at] = " " * rng.randrange(9) + lines[at].lstrip()
        elif kind == 4:
            words = lines[at].split(" ")
            words[rng.randrange(len(words))] = rng.choice(TOKENS)
            lines[at] = " ".join(words)
        elif kind == 5:
            cells = lines[at].split(",")
            cells[rng.randrange(len(cells))] = rng.choice(TOKENS)
            lines[at] = ",".join(cells)
        else:
            place = rng.randrange(len(lines[at]) + 1)
            lines[at] = lines[at][:place] + rng.choice(TOKENS) + lines[at][place:]
        text = "\n".join(lines)
    return text


def of_tree(tree: Any, rng: Random, values: list[Any] | None = None) -> Any:
    """Change one to three nodes of a JSON value."""
    tree = copy.deepcopy(tree)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        places = list(_places(tree))
        if not places:
            return rng.choice(VALUES)
        holder, key = rng.choice(places)
        kind = rng.randrange(8)
        if kind == 0:
            del holder[key]
        elif kind == 1 and isinstance(holder, dict):
            holder[rng.choice([*TOKENS, "\ud800"])] = holder.pop(key)
        elif kind == 2:
            other, name = rng.choice(places)
            if name in other if isinstance(other, dict) else name < len(other):
                holder[key] = copy.deepcopy(other[name])
        elif kind == 3 and isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        elif kind == 4:
            holder[key] = rng.choice(TOKENS)
        elif kind == 5 and rng.random() < 0.2:
            holder[key] = deep(rng.choice((58, 61, 99, 101)))
        else:
            holder[key] = copy.deepcopy(rng.choice(values or VALUES))
    return tree


def of_part(tree: Any, rng: Random) -> Any:
    """Change a part of a JSON value, or replace it."""
    changed = of_tree([tree], rng)
    return changed[0] if isinstance(changed, list) and changed else None


def _places(tree: Any) -> Any:
    """Yield what holds each node, and under which key; nodes near the root more often than their number."""
    waiting = [tree]
    while waiting:
        holder = waiting.pop()
        keys = list(holder) if isinstance(holder, dict) else range(len(holder))
        for key in keys:
            yield holder, key
            if isinstance(holder[key], dict | list):
                waiting.append(holder[key])


def as_json(tree: Any) -> bytes:
    """Write JSON with whatever the tree holds: NaN, lone surrogates, integers of any size."""
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")
