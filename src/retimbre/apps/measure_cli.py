"""The command ``retimbre measure``: clips to a table of measures.

Everything heavy is imported when the command runs.
"""

import json
from pathlib import Path
from typing import Annotated

import typer

from retimbre.apps import arguments, places, standard_streams
from retimbre.apps.console import say
from retimbre.errors import InputError


def measure(
    output: Annotated[Path, arguments.clip("output", "clip that a transfer made; - for stdin")],
    content: Annotated[
        Path | None, arguments.clip_option("--content", "clip whose notes it should keep")
    ] = None,
    style: Annotated[Path | None, arguments.clip_option("--style", "clip whose sound it should have")] = None,
    target: Annotated[
        Path | None, arguments.clip_option("--target", "what it should be, if that is known")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object to stdout")] = False,
) -> None:
    """Measure content preservation, style gain, and the distances to the style and to a known target.

    Each measure needs its clips; at least one of the three has to be given. Pitch needs the extra 'measure'
    and 'pip install --no-deps basic-pitch'.
    """
    from retimbre.metrics import measures
    from retimbre.metrics import transcriber as transcribe
    from retimbre.sound.files import read

    if content is None and style is None and target is None:
        raise InputError("nothing is given to measure against: expected --content, --style or --target")
    clips = {"content": content, "style": style, "target": target}
    places.check_once([path for path in (output, *clips.values()) if path is not None])
    with standard_streams.without_notes():
        made = read(output)
        given = {name: None if path is None else read(path) for name, path in clips.items()}
    found = measures.measure(made, **given)
    lost = None if content is None and target is None else transcribe.missing()
    if lost is not None:
        say(f"pitch is left out: {lost}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for group, values in found.items():
        for name, value in values.items():
            typer.echo(f"{group:20} {name:11} {value:9.3f}")
