"""A Sphinx extension: what pages hold that the code knows better, filled in when they are built.

A page asks for it in a comment, which shows nothing where the page is read as it is. ``<!-- commands -->`` is
replaced by every command with its options, ``<!-- situation: NAME -->`` by clips that the build makes, with
their pictures and figures. Formulas become MathML, which needs no script.
"""

import re
from typing import Any

from docs.extension import command_line, mathml, media, pages

_FILE_NAME = re.compile(r"\[([\w-]+\.md)\]\((\1[^)]*)\)")


def setup(app: Any) -> dict[str, bool]:
    """Connect the extension to a build."""
    app.add_config_value("situations", pages.ALL, "html", [str])
    app.add_html_math_renderer("mathml", (mathml.visit_inline, None), (mathml.visit_block, None))
    app.connect("source-read", _fill_in)
    app.connect("build-finished", media.copy_media)
    return {"parallel_read_safe": False, "parallel_write_safe": True}


def _fill_in(app: Any, name: str, content: list[str]) -> None:
    """Replace the comments of a page; ``content`` holds its text."""
    if command_line.PLACE in content[0]:
        content[0] = content[0].replace(command_line.PLACE, command_line.markdown())
    content[0] = pages.filled_in(content[0], app.config.situations)
    # A text that names a page by its file is right in a folder; a site names it by its title.
    content[0] = _FILE_NAME.sub(r"[](\2)", content[0])
