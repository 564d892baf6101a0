"""The demo's data: does this spoken or typed query match this picture? It is built from packages, without a download.

The pictures are emoji of people (two vendors, three depicted genders, six skin tones), the texts are their names in
four languages, and a speech synthesiser speaks them. No label or case is altered to create a gap: the model is trained
on data "collected in one country, from yellow-to-medium drawings", and tested on everything else. This room must not
know how an audit works.
"""

from __future__ import annotations

from raikit.demo.build import build

__all__ = ["build"]
