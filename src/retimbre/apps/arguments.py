"""Arguments and options that several commands share."""

from typing import Any

import typer

from retimbre.apps import places


def clip(name: str, text: str, *, default: bool = True) -> Any:
    """Describe an argument that names a clip; ``-`` is stdin."""
    return typer.Argument(help=text, parser=places.clip, metavar=name, show_default=default)


def clip_option(name: str, text: str) -> Any:
    """Describe an option that names a clip."""
    return typer.Option(name, help=text, parser=places.clip, metavar="FILE")


CONTENT = clip("content", "clip whose notes and rhythm are kept; - for stdin")
STYLE = clip("style", "clip whose sound is taken; - for stdin", default=False)
CONTENTS = typer.Argument(
    help="clips whose notes and rhythm are kept: files, folders, patterns; - for stdin; after them, where no "
    "--style is given, the clip whose sound is taken",
    metavar="CONTENT... [STYLE]",
    show_default=False,
)
STYLES = typer.Option(
    "--style", "-s", help="FILE or FILE:WEIGHT, several times: their statistics are mixed", metavar="FILE"
)
OUTPUTS = typer.Option(
    "--output",
    "-o",
    help="clip to write: .wav .flac .ogg .opus .mp3; - for stdout; of several contents a folder; or "
    "CONTENT_as_STYLE.wav beside the content, where no file has that name",
    parser=places.output,
    metavar="FILE",
    show_default=False,
)
FORCE = typer.Option("--force", "-f", help="overwrite files that -o does not name")
OUTPUT = typer.Option(
    "--output",
    "-o",
    help="clip to write: .wav .flac .ogg .opus .mp3; - for stdout",
    parser=places.output,
    metavar="FILE",
)
FORMAT = typer.Option(
    "--format", help="format of the output, where its name does not say it: wav flac ogg opus mp3"
)
PAGE_FOLDER = typer.Option("--output", "-o", help="folder for the clips and index.html; made if missing")
QUIET = typer.Option("--quiet", "-q", help="show no progress")
JSON = typer.Option("--json", help="print one JSON object about the run to stdout")
