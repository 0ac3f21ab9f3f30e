"""The command ``retimbre texture``: a clip to new sound like it.

Everything heavy is imported when the command runs.
"""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from retimbre.apps import arguments, interrupts, places, standard_streams
from retimbre.apps.console import progress, say, summary
from retimbre.apps.endings import exit_code
from retimbre.apps.flags import with_settings
from retimbre.settings import TEXTURE_SECONDS, Settings

if TYPE_CHECKING:
    from retimbre.optim.step import Step


@with_settings(without=("strength", "content_weight", "content_layers", "align", "init", "jobs"))
def texture(
    style: Annotated[Path, arguments.STYLE],
    output: Annotated[Path, arguments.OUTPUT],
    settings: Settings,
    output_format: Annotated[str | None, arguments.FORMAT] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="length of the texture")] = TEXTURE_SECONDS,
    loop: Annotated[bool, typer.Option("--loop", help="make the end join the start")] = False,
    quiet: Annotated[bool, arguments.QUIET] = False,
    as_json: Annotated[bool, arguments.JSON] = False,
) -> None:
    """Make new sound like a clip's, of any length, with no content.

    The output has the style's sample rate, channels and loudness; another seed gives another. Ctrl-C
    writes the best result so far, as long as the blocks made by then; a second Ctrl-C stops at once.
    """
    from retimbre._texture import texture as run

    with places.Destination(output, output_format) as place:
        with (
            interrupts.after_evaluation(*place.outcomes) as stop,
            standard_streams.without_notes(),
            progress(quiet) as show,
        ):

            def show_block(step: "Step") -> None:
                show(step, "texture" if step.n_blocks == 1 else f"texture {step.block}/{step.n_blocks}")

            result = run(
                style,
                seconds,
                settings,
                loop=loop,
                output=place.path,
                output_format=place.format,
                on_step=interrupts.Listener(stop, show_block),
            )
        at = f", {result.audio.seconds:.1f} s,"
        is_there = place.reached(result.path)
    if as_json:
        found = summary(result, style, [(style, 1.0)], place.name if is_there else str(result.path))
        found = {key: value for key, value in (found | {"loop": loop}).items() if key != "content"}
        typer.echo(json.dumps(found), err=place.is_stdout)
    if code := exit_code(result, stop, place, at):
        raise typer.Exit(code)
    if sys.stderr.isatty() and not quiet:
        say(f"{place.name}: made in {result.seconds:.1f} s ({result.stopped})")
