"""What every offline page needs: a policy that allows each script and style by its hash, and templates that escape texts."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2


def policy(styles: Sequence[str], scripts: Sequence[str], images: str = "") -> str:
    """Return a Content-Security-Policy that allows these contents, images from `images`, and nothing else."""
    shown = f"img-src {images}; " if images else ""
    return (
        f"default-src 'none'; {shown}style-src {_sources(styles)}; script-src {_sources(scripts)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _sources(contents: Sequence[str]) -> str:
    digests = (hashlib.sha256(content.encode()).digest() for content in contents)
    return " ".join(f"'sha256-{base64.b64encode(digest).decode()}'" for digest in digests)


def environment(folder: Path, filters: Mapping[str, Any]) -> jinja2.Environment:
    """Return the templates of a folder, in which every text is escaped and a name that is missing is an error."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(filters)
    return made
