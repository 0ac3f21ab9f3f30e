"""The command ``retimbre transfer``: clips and settings to a transfer, and its end as lines and an exit code.

Everything heavy is imported when the command runs.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from retimbre.apps import arguments, interrupts, places, standard_streams
from retimbre.apps.console import progress, say, summary, tracing
from retimbre.apps.endings import check_end
from retimbre.apps.flags import with_settings
from retimbre.errors import InputError
from retimbre.settings import Settings


@with_settings
def transfer(
    content: Annotated[Path, arguments.CONTENT],
    output: Annotated[Path, arguments.OUTPUT],
    settings: Settings,
    style: Annotated[Path | None, arguments.STYLE] = None,
    more_styles: Annotated[
        list[str] | None,
        typer.Option("--style", help="FILE or FILE:WEIGHT, several times: their statistics are mixed"),
    ] = None,
    output_format: Annotated[str | None, arguments.FORMAT] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="write every evaluation to this file (JSON lines)"),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="say what was chosen from the clips, and why")
    ] = False,
    quiet: Annotated[bool, arguments.QUIET] = False,
    as_json: Annotated[bool, arguments.JSON] = False,
) -> None:
    """Transfer the style of one clip, or of several, onto another.

    The output has the content's length, sample rate, channels and loudness. Ctrl-C writes the best
    result so far; a second Ctrl-C stops at once. SIGTERM leaves the output as it was, and writes the best
    result so far beside it. With -o - everything but the sound goes to stderr.
    """
    from retimbre import _output

    mix = _weighted([] if style is None else [style], more_styles or [])
    places.check_once([content, *(path for path, _ in mix)])
    if trace is not None:
        _output.check_writable(trace)
        if any(trace.resolve() == path.resolve() for path in (content, output, *(path for path, _ in mix))):
            raise InputError(f"{trace} is the content, the style or the output: expected a file of its own")

    from retimbre._transfer import transfer as run

    with places.Destination(output, output_format) as place:
        with (
            interrupts.after_evaluation(*place.outcomes) as stop,
            standard_streams.without_notes(),
            progress(quiet) as show,
            tracing(trace) as record,
        ):
            result = run(
                content,
                mix,
                settings,
                output=place.path,
                output_format=place.format,
                on_step=interrupts.Listener(stop, record, show),
            )
        is_there = place.reached(result.path)
    from retimbre.networks.weights import REGISTRY

    if settings.random_weights and settings.network in REGISTRY:
        say(f"{place.name}: made with random weights; nothing in the network was trained")
    from retimbre.apps import explanation

    for line in explanation.notices(result, [path for path, weight in mix if weight > 0], place.name):
        say(line)
    for line in explanation.explain(result) if explain else ():
        say(line)
    if as_json:
        found = summary(result, content, mix, place.name if is_there else str(result.path))
        typer.echo(json.dumps(found), err=place.is_stdout)
    at = "" if result.best is None else f" (evaluation {result.best.evaluation})"
    check_end(result, stop, place, at)
    if sys.stderr.isatty() and not quiet:
        say(f"{place.name}: made in {result.seconds:.1f} s ({result.stopped})")


def _weighted(first: list[Path], more: list[str]) -> list[tuple[Path, float]]:
    """Files of styles and their weights, from ``FILE`` or ``FILE:WEIGHT``; 1 where none is given."""
    mix = [(path, 1.0) for path in first]
    for text in more:
        path, _, weight = text.rpartition(":")
        try:
            mix.append((places.clip(path), float(weight)) if path else (places.clip(text), 1.0))
        except ValueError:  # the colon belongs to the name
            mix.append((places.clip(text), 1.0))
    if not mix:
        raise InputError("no style is given: expected STYLE after CONTENT, or --style FILE:WEIGHT")
    return mix
