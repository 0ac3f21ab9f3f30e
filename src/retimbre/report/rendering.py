"""Filling in the templates of pages."""

import dataclasses
from pathlib import Path
from typing import Any

import retimbre
from retimbre.errors import DependencyError
from retimbre.report import spectrogram
from retimbre.report.axes import Mark
from retimbre.settings import Settings


def require() -> None:
    """Check before the work that pages can be made.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    for package in ("jinja2", "matplotlib"):
        try:
            __import__(package)
        except ImportError as error:
            raise DependencyError(package, extra="report") from error


def render_template(template: str, *, folder: Path | None = None, **values: Any) -> str:
    """Fill in a template of this package, or of another folder; adds the values that every page needs.

    Args:
        template: Name of its file.
        folder: Folder that is searched first.
        values: Values of the template's variables; every text is escaped.

    Raises:
        DependencyError: ``jinja2`` or ``matplotlib`` is not installed.
    """
    require()
    from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

    own = [] if folder is None else [FileSystemLoader(folder)]
    environment = Environment(
        loader=ChoiceLoader([*own, PackageLoader("retimbre.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html: str = environment.get_template(template).render(
        frequencies=[Mark(spectrogram.position(f), spectrogram.kilo(f)) for f in spectrogram.FREQUENCIES],
        range=spectrogram.RANGE,
        version=retimbre.__version__,
        **values,
    )
    return html


def split_paragraphs(text: str) -> list[str]:
    """Divide a text at its blank lines.

    >>> split_paragraphs("One." + 2 * chr(10) + "Two.")
    ['One.', 'Two.']
    """
    return [part for part in text.split("\n\n") if part.strip()]


def settings_rows(settings: Settings) -> list[dict[str, Any]]:
    """List every setting with its value, unit and meaning, for a table."""
    return [
        {
            "name": field.name,
            "value": getattr(settings, field.name),
            "unit": field.metadata["unit"],
            "help": field.metadata["help"],
            "changed": getattr(settings, field.name) != field.default,
        }
        for field in dataclasses.fields(settings)
    ]
