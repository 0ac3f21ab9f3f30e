"""Arguments and options that several commands share."""

from typing import Any

import typer

from retimbre.apps import places
from retimbre.apps.help import GROUPS

_FILES, _MESSAGES = GROUPS["output"], GROUPS["messages"]
_FORMATS = ("wav", "flac", "ogg", "opus", "mp3")


def clip(name: str, text: str, *, default: bool = True) -> Any:
    """Describe an argument that names a clip; ``-`` is stdin."""
    return typer.Argument(help=text, parser=places.clip, metavar=name, show_default=default)


def clip_option(name: str, text: str) -> Any:
    """Describe an option that names a clip."""
    return typer.Option(name, help=text, parser=places.clip, metavar="FILE")


CONTENT = clip("content", "clip whose notes and rhythm are kept; - for stdin")
STYLE = clip("style", "clip whose sound is taken; - for stdin", default=False)
CONTENTS = typer.Argument(
    help="CONTENT: clip whose notes and rhythm are kept, a folder or a pattern of some; - for stdin. STYLE: "
    "clip whose sound is taken, where no --style is given",
    metavar="CONTENT... [STYLE]",
    show_default=False,
)
STYLES = typer.Option(
    "--style",
    "-s",
    help="FILE or FILE:WEIGHT, several times: their statistics are mixed",
    metavar="FILE",
    rich_help_panel=_FILES,
    show_default=False,
)
OUTPUTS = typer.Option(
    "--output",
    "-o",
    help="clip to write: .wav .flac .ogg .opus .mp3; - for stdout; of several contents a folder; if missing "
    "CONTENT_as_STYLE.wav beside the content, where no such file is",
    parser=places.output,
    metavar="FILE",
    rich_help_panel=_FILES,
    show_default=False,
)
FORCE = typer.Option("--force", "-f", help="overwrite files that -o does not name", rich_help_panel=_FILES)
OUTPUT = typer.Option(
    "--output",
    "-o",
    help="clip to write: .wav .flac .ogg .opus .mp3; - for stdout",
    parser=places.output,
    metavar="FILE",
    rich_help_panel=_FILES,
)
FORMAT = typer.Option(
    "--format",
    help="format of the output, where its name does not say it",
    metavar="<name>",
    rich_help_panel=_FILES,
    show_default=False,
    autocompletion=lambda incomplete: [f for f in _FORMATS if f.startswith(incomplete)],
)
PAGE_FOLDER = typer.Option(
    "--output", "-o", help="folder for the clips and index.html; made if missing", rich_help_panel=_FILES
)
QUIET = typer.Option("--quiet", "-q", help="show no progress", rich_help_panel=_MESSAGES)
JSON = typer.Option("--json", help="print one JSON object about the run to stdout", rich_help_panel=_MESSAGES)
