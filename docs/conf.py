"""Configures Sphinx: ``make docs`` builds the pages of this folder and, from the docstrings, the API.

The docstrings are reST with doctests, which Sphinx reads as they are.
"""

# Not mkdocs-material: in maintenance alone since November 2025, and it ends in May 2027 (its release 9.8.1).

import dataclasses
import sys
from pathlib import Path
from typing import Any

import retimbre

sys.path.insert(0, str(Path(__file__).parents[1]))  # the extension, and the study's songs

project = "retimbre"
release = version = retimbre.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_parser", "docs.extension"]
html_math_renderer_name = "mathml"
source_suffix = {".md": "markdown"}
root_doc = "index"
html_theme = "furo"  # asks nothing of other hosts: no fonts, no scripts
html_title = "retimbre"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = [("players.js", {"defer": "defer"})]
html_show_copyright = html_show_sphinx = html_copy_source = False

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
maximum_signature_line_length = 90
python_use_unqualified_type_names = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes stand in the docstring of their class
myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3


def setup(app: Any) -> None:
    """Add the options to the docstring of ``Settings`` before Napoleon reads it."""
    app.connect("autodoc-process-docstring", _describe_options, priority=400)


def _describe_options(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    if name != "retimbre.Settings":
        return
    lines[:0] = [lines.pop(0), "", "Args:"]
    at = 3
    for field in dataclasses.fields(obj):
        help_ = field.metadata["help"].replace("`", "``")  # Markdown's code, in reST
        unit = f" In {field.metadata['unit']}." if field.metadata["unit"] else ""
        lines.insert(at, f"    {field.name}: {help_}.{unit}")
        at += 1
