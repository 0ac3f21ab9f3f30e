"""Formulas as MathML, by docutils' own converter from LaTeX.

Sphinx's renderers need a script of another host, a copy of it of a megabyte, or LaTeX where pages are built;
browsers show MathML without any of them.
"""

from typing import Any

from docutils import nodes
from docutils.utils.math.latex2mathml import tex2mathml


def rendered(formula: str, *, block: bool = False) -> str:
    r"""Convert a formula from LaTeX.

    Args:
        formula: The formula, as between dollar signs.
        block: Whether it stands on a line of its own.

    >>> print(rendered("x^2"))
    <math xmlns="http://www.w3.org/1998/Math/MathML">
      <msup>
        <mi>x</mi>
        <mn>2</mn>
      </msup>
    </math>
    """
    return str(tex2mathml(formula, as_block=block))


def visit_inline(self: Any, node: Any) -> None:
    """Write a formula in a line."""
    self.body.append(rendered(node.astext()))
    raise nodes.SkipNode


def visit_block(self: Any, node: Any) -> None:
    """Write a formula on a line of its own; a wide one scrolls by itself, by keys too."""
    self.body.append(f'<div class="formula" tabindex="0">{rendered(node.astext(), block=True)}</div>')
    raise nodes.SkipNode
