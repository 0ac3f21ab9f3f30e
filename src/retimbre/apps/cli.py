"""The command line: arguments to settings to a call, and errors to one line.

Everything heavy is imported when a command runs.
"""

import json
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retimbre import __version__
from retimbre.apps import batch_cli, interrupts, places, standard_streams, studio_cli, weights_cli
from retimbre.apps.console import progress, progress_of_shares, say, summary, tracing
from retimbre.apps.flags import with_settings
from retimbre.errors import InputError, RetimbreError
from retimbre.settings import COMPARED_NETWORKS, DEMO_SECONDS, TEXTURE_SECONDS, Settings

if TYPE_CHECKING:
    from retimbre.optim.step import Step
    from retimbre.result import Result

app = typer.Typer(
    help="Give one recording the sound of another: the content's notes and rhythm, the style's sound.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help starts in half the time
    pretty_exceptions_enable=False,
)
app.add_typer(weights_cli.app, name="weights")
app.command()(studio_cli.studio)
batch_cli.register(app)


def _clip_argument(name: str, text: str, *, default: bool = True) -> Any:
    return typer.Argument(help=text, parser=places.clip, metavar=name, show_default=default)


def _clip_option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, parser=places.clip, metavar="FILE")


_CONTENT = _clip_argument("content", "clip whose notes and rhythm are kept; - for stdin")
_STYLE = _clip_argument("style", "clip whose sound is taken; - for stdin", default=False)
_OUTPUT = typer.Option(
    "--output",
    "-o",
    help="clip to write: .wav .flac .ogg .opus .mp3; - for stdout",
    parser=places.output,
    metavar="FILE",
)
_FORMAT = typer.Option(
    "--format", help="format of the output, where its name does not say it: wav flac ogg opus mp3"
)

_COMPARED = "making the page of what is done", progress_of_shares


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"retimbre {__version__}")
        raise typer.Exit


@app.callback()
def _top(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
@with_settings
def transfer(
    content: Annotated[Path, _CONTENT],
    output: Annotated[Path, _OUTPUT],
    settings: Settings,
    style: Annotated[Path | None, _STYLE] = None,
    more_styles: Annotated[
        list[str] | None,
        typer.Option("--style", help="FILE or FILE:WEIGHT, several times: their statistics are mixed"),
    ] = None,
    output_format: Annotated[str | None, _FORMAT] = None,
    trace: Annotated[
        Path | None,
        typer.Option("--trace", help="write every evaluation to this file (JSON lines)"),
    ] = None,
    explain: Annotated[
        bool, typer.Option("--explain", help="say what was chosen from the clips, and why")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object about the run to stdout")
    ] = False,
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
    _check_end(result, stop, place, at)
    if sys.stderr.isatty() and not quiet:
        say(f"{place.name}: made in {result.seconds:.1f} s ({result.stopped})")


@app.command()
@with_settings
def texture(
    style: Annotated[Path, _STYLE],
    output: Annotated[Path, _OUTPUT],
    settings: Settings,
    output_format: Annotated[str | None, _FORMAT] = None,
    seconds: Annotated[float, typer.Option("--seconds", help="length of the texture")] = TEXTURE_SECONDS,
    loop: Annotated[bool, typer.Option("--loop", help="make the end join the start")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object about the run to stdout")
    ] = False,
) -> None:
    """Make new sound like a clip's, of any length, with no content.

    The output has the style's sample rate, channels and loudness; another seed gives another. The settings
    strength, content-weight and init mean nothing here. Ctrl-C writes the best result so far, as long as
    the blocks made by then; a second Ctrl-C stops at once.
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
    _check_end(result, stop, place, at)
    if sys.stderr.isatty() and not quiet:
        say(f"{place.name}: made in {result.seconds:.1f} s ({result.stopped})")


@app.command()
@with_settings
def demo(
    directory: Annotated[
        Path,
        typer.Option("--output", "-o", help="folder for the clips and index.html; made if missing"),
    ],
    settings: Settings,
    seconds: Annotated[float, typer.Option("--seconds", help="length of the clips")] = DEMO_SECONDS,
    side_by_side: Annotated[
        bool, typer.Option("--compare", help="compare the networks on each pair, as 'retimbre compare' does")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
) -> None:
    """Transfer four rendered pairs and make a page to hear and see them.

    Piano to drums, drums to piano (same song), drums to piano (another song), piano to strings.
    Needs the extra 'demo'. Prints the path of the page.
    """
    if side_by_side:
        from retimbre.apps.demo import compared as run_all

        _paged(
            directory,
            quiet,
            lambda tell: run_all(directory, seconds=seconds, settings=settings, on_progress=tell),
            *_COMPARED,
        )
        return
    from retimbre.apps.demo import demo as run

    _paged(
        directory, quiet, lambda tell: run(directory, seconds=seconds, settings=settings, on_progress=tell)
    )


@app.command()
@with_settings
def compare(
    content: Annotated[Path, _CONTENT],
    style: Annotated[Path, _STYLE],
    directory: Annotated[
        Path,
        typer.Option("--output", "-o", help="folder for the clips and index.html; made if missing"),
    ],
    settings: Settings,
    networks: Annotated[
        str, typer.Option("--networks", help="which ones, with commas; 'retimbre networks' lists them")
    ] = ",".join(COMPARED_NETWORKS),
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers", help="processes of one thread; as many as cores", min=1, max=1024, show_default=False
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
) -> None:
    """Try several networks on one pair and make a page to hear and see them side by side.

    Each gets the strength that does best in a short sweep. One whose trained weights are not there runs with
    random ones, and the page says so. The settings network and strength mean nothing here. Needs the extra
    'report'. Prints the path of the page.
    """
    from retimbre.apps.compare import compare as run

    places.check_once([content, style])
    names = _listed(networks)
    _paged(
        directory,
        quiet,
        lambda tell: run(
            content,
            style,
            directory,
            networks=names,
            settings=settings,
            workers=workers,
            on_progress=tell,
        ),
        *_COMPARED,
    )


@app.command()
def measure(
    output: Annotated[Path, _clip_argument("output", "clip that a transfer made; - for stdin")],
    content: Annotated[Path | None, _clip_option("--content", "clip whose notes it should keep")] = None,
    style: Annotated[Path | None, _clip_option("--style", "clip whose sound it should have")] = None,
    target: Annotated[Path | None, _clip_option("--target", "what it should be, if that is known")] = None,
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


@app.command("networks")
def networks_() -> None:
    """List the networks: their input, their layers, and their requirements."""
    from retimbre.networks.registry import network_specs

    for name, spec in network_specs().items():
        rate = "the content's, at most 48 kHz" if spec.sample_rate is None else f"{spec.sample_rate} Hz"
        typer.echo(f"{name}: {spec.summary}")
        typer.echo(f"  rate       {rate}")
        typer.echo(f"  front end  {spec.front_end}")
        typer.echo(f"  layers     {', '.join(spec.layers)}")
        typer.echo(f"  needs      {spec.needs}")


def _check_end(result: "Result", stop: interrupts.Stop, place: places.Destination, size: str) -> None:
    """End with a line and the exit code of a run that ended before its time."""
    if result.stopped in ("terminated", "diverged"):
        word, code = "interrupted", interrupts.CODE
        if result.stopped == "diverged":
            word, code = "error: the loss stopped being a number", 2
        say(f"{word}: {place.left(result.path, size)}")
        raise typer.Exit(code)
    if result.stopped == "interrupted" or stop.requested:
        say(f"interrupted: wrote the best result so far{size} to {place.name}")
        raise typer.Exit(interrupts.CODE)


def _paged(
    directory: Path,
    quiet: bool,
    run: Callable[[Callable[[str, Any], None]], Path],
    note: str = "finishing with the best result so far",
    bar: Callable[[bool], AbstractContextManager[Callable[[Any, str], None]]] = progress,
) -> None:
    """Make a page and print its path.

    Args:
        directory: Folder of the page.
        quiet: Whether to show no progress.
        run: Makes the page, and tells of its progress by titles and steps, or shares.
        note: What follows the first interrupt.
        bar: Shows the progress.
    """
    with (
        interrupts.after_evaluation(
            f"the page in {directory} was written",
            "there is no page",
            [directory, Path(tempfile.gettempdir())],
            note=note,
        ) as stop,
        standard_streams.without_notes(),
        bar(quiet) as show,
    ):

        def on_progress(title: str, step: Any) -> None:
            show(step, title)
            stop.evaluated(by_either=True)

        page = run(on_progress)
    typer.echo(page)
    if stop.requested:
        say("interrupted: the page shows what was done by then")
        raise typer.Exit(interrupts.CODE)


def _listed(text: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


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


def main() -> int:
    """Run the command ``retimbre`` and give its exit code.

    0 done, 1 done but stdout could not be written, 2 an error in one line on stderr, 130 interrupted.
    """
    sys.stdout.reconfigure(errors="surrogateescape")  # type: ignore[union-attr] # names of any bytes
    try:
        code = app(standalone_mode=False)
    except (RetimbreError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        say(" ".join(f"error: {message}".split()))
        code = 2
    except (interrupts.InterruptError, KeyboardInterrupt, typer.Abort) as error:
        say(f"interrupted: {error or interrupts.NOTHING}")
        code = interrupts.CODE
    except OSError as error:
        if error.filename is not None:
            raise
        standard_streams.drop(sys.stdout)
        if not isinstance(error, BrokenPipeError):
            say(f"error: stdout cannot be written ({error.strerror}); what was made is there")
        code = 1
    interrupts.ignore()
    return code if isinstance(code, int) else 0
