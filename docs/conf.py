"""Configuration of Sphinx for ``./dev docs``, or ``sphinx-build -W -n docs build/docs``. The build needs no network."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

import raikit

sys.path.insert(0, str(Path(__file__).parent))

from public_surface import fields_of

# autodoc sets TYPE_CHECKING when it imports, and pydantic fails on the circular imports that this causes. Import first.
for name in raikit.__all__:
    getattr(raikit, name)

project = "raikit"
author = "The raikit maintainers"
copyright = author
version = release = raikit.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.viewcode",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
]
root_doc = "index"
exclude_patterns = ["examples/**", "_build"]
# README is for readers of the repository and links to these pages. Here index.md replaces it.
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3

# --- the API, from docstrings ------------------------------------------------------------------------------------
default_role = "autolink"  # `Metric.exact` in a docstring is a link where there is something to link to, else code
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
# Show these aliases by name, not by what they stand for.
_ARRAYS = "ArrayLike FloatArray IntArray BoolArray Noise Strata Statistic Scale Dependence"
_OTHERS = "Number Count Value Plugin ModelLoader Task"
autodoc_type_aliases = {name: name for name in f"{_ARRAYS} {_OTHERS}".split()}
autodoc_default_options = {"exclude-members": "model_config, model_post_init, Options"}
autosummary_generate = False
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
# Types and words in backticks become links only to names of this project, because inventories of other libraries need a network.
nitpick_ignore_regex = [("py:(class|obj)", ".*")]

# --- how it looks ------------------------------------------------------------------------------------------------
html_theme = "pydata_sphinx_theme"
html_title = "raikit"
html_static_path = ["_static"]
html_css_files = ["raikit.css"]
html_show_sourcelink = False
html_sidebars = {"tutorial/**": []}  # the tutorial is one page, so there is nothing to navigate
html_theme_options = {
    "logo": {"text": "raikit"},
    "navbar_align": "left",
    "navbar_end": ["theme-switcher"],
    "show_nav_level": 1,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
copybutton_prompt_text = "$ "  # copy only what a reader would type
copybutton_only_copy_prompt_lines = True


def short_signature(app: Any, what: str, name: str, obj: Any, options: Any, signature: str | None, returns: str | None) -> Any:
    """Shorten signatures: a record's fields are in the table below it, and type aliases are shown by name."""
    if what == "class" and isinstance(obj, type) and issubclass(obj, BaseModel):
        return ("(name, value=None, **fields)" if obj is raikit.Metric else "(**fields)"), None
    return tuple(text and re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", text) for text in (signature, returns))


def table_of_fields(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Append a table of a record's fields, with types and defaults, to its docstring."""
    if what == "class" and isinstance(obj, type) and issubclass(obj, BaseModel) and obj.model_fields:
        lines += ["", ".. list-table::", "   :header-rows: 1", "   :widths: 24 52 24", ""]
        lines += ["   * - field", "     - type", "     - default"]
        for field, type_, default in fields_of(obj):
            lines += [f"   * - ``{field}``", f"     - ``{type_}``", f"     - ``{default}``" if default else "     - required"]
        lines.append("")


def setup(app: Any) -> None:
    """Connect the hooks of this file to Sphinx."""
    app.connect("autodoc-process-signature", short_signature)
    app.connect("autodoc-process-docstring", table_of_fields, priority=900)  # after numpydoc
