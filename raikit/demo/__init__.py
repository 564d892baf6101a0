"""The demo's data: does this spoken or typed query match this picture? Real parts that packages ship, no download.

The pictures are emoji of people (two vendors, three depicted genders, six skin tones), the texts are their names in
four languages, the voices a speech synthesiser's. Nothing is planted in labels, rows or test: the model is trained on
what was "collected in one country, from yellow-to-medium drawings", and tested on everything else.
"""

from __future__ import annotations

from raikit.demo.build import build

__all__ = ["build"]
