"""The command line: arguments to settings to a call, and errors to one line.

Flags of :class:`Settings` are made from its fields, so that name, default and range stand in
one place. Everything heavy is imported when a command runs.
"""

import dataclasses
import functools
import inspect
import json
import math
import os
import platform
import signal
import sys
import types
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from retimbre import __version__
from retimbre.apps import weights_cli
from retimbre.errors import InputError, RetimbreError
from retimbre.settings import Settings

if TYPE_CHECKING:
    from retimbre._result import Result
    from retimbre.apps.compare import OnProgress
    from retimbre.optim.minimise import OnStep, Step

app = typer.Typer(
    help="Give one recording the sound of another: the content's notes and rhythm, the style's sound.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help starts in half the time
    pretty_exceptions_enable=False,
)
app.add_typer(weights_cli.app, name="weights")


def _with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Replace a command's parameter ``settings`` by one flag for each field of :class:`Settings`."""
    names = [field.name for field in dataclasses.fields(Settings)]
    signature = inspect.signature(command)
    kept = [p for name, p in signature.parameters.items() if name != "settings"]
    flags = [_flag(field) for field in dataclasses.fields(Settings)]

    @functools.wraps(command)
    def wrapper(**arguments: Any) -> None:
        chosen = {name: arguments.pop(name) for name in names}
        command(settings=Settings(**chosen), **arguments)

    wrapper.__signature__ = signature.replace(parameters=[*kept, *flags])  # type: ignore[attr-defined]
    wrapper.__annotations__ = {p.name: p.annotation for p in (*kept, *flags)}
    return wrapper


def _flag(field: "dataclasses.Field[Any]") -> inspect.Parameter:
    hint = typing.get_type_hints(Settings)[field.name]
    if typing.get_origin(hint) is typing.Literal:
        allowed, hint = ", ".join(typing.get_args(hint)), str
    elif hint in (bool, str, str | None):
        allowed = ""
    else:
        low, high = field.metadata["low"], field.metadata["high"]
        allowed = f"{low:g} to {high:.10g}" if high < 1e9 else f"{low:g} and up"
    if isinstance(hint, types.UnionType):
        hint = typing.Optional[typing.get_args(hint)[0]]  # noqa: UP045 - typer asks for this form
    unit = f" {field.metadata['unit']}" if field.metadata["unit"] else ""
    about = f" ({allowed}{unit})" if allowed else ""
    option = typer.Option(f"--{field.name.replace('_', '-')}", help=field.metadata["help"] + about)
    return inspect.Parameter(
        field.name,
        inspect.Parameter.KEYWORD_ONLY,
        default=field.default,
        annotation=Annotated[hint, option],
    )


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
@_with_settings
def transfer(
    content: Annotated[Path, typer.Argument(help="clip whose notes and rhythm are kept")],
    output: Annotated[Path, typer.Option("--output", "-o", help="clip to write: .wav .flac .ogg .opus .mp3")],
    settings: Settings,
    style: Annotated[
        Path | None, typer.Argument(help="clip whose sound is taken", show_default=False)
    ] = None,
    more_styles: Annotated[
        list[str] | None,
        typer.Option("--style", help="FILE or FILE:WEIGHT, several times: their statistics are mixed"),
    ] = None,
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
    result so far; a second Ctrl-C stops at once.
    """
    from retimbre import _output

    mix = _weighted([] if style is None else [str(style)], more_styles or [])
    if trace is not None:
        _output.check_writable(trace)
        if any(trace.resolve() == path.resolve() for path in (content, output, *(path for path, _ in mix))):
            raise InputError(f"{trace} is the content, the style or the output: expected a file of its own")

    from retimbre._transfer import transfer as run

    with _interrupts() as stop_if_asked, _progress(quiet) as show, _tracing(trace) as record:

        def on_step(step: "Step") -> None:
            record(step)
            show(step)
            stop_if_asked(step)

        result = run(content, mix, settings, output=output, on_step=on_step)
    from retimbre.networks.published import REGISTRY

    if settings.random_weights and settings.network in REGISTRY:
        _say(f"{output}: made with random weights; nothing in the network was trained")
    if explain:
        for choice in result.choices:
            _say(choice)
    if as_json:
        typer.echo(json.dumps(_summary(result, content, mix, output)))
    if result.stopped == "interrupted":
        assert result.best is not None
        _say(f"interrupted: wrote the best result so far (evaluation {result.best.evaluation}) to {output}")
        raise typer.Exit(_INTERRUPTED)
    if sys.stderr.isatty() and not quiet:
        _say(f"{output}: made in {result.seconds:.1f} s ({result.stopped})")


@app.command()
@_with_settings
def texture(
    style: Annotated[Path, typer.Argument(help="clip whose sound is taken")],
    output: Annotated[Path, typer.Option("--output", "-o", help="clip to write: .wav .flac .ogg .opus .mp3")],
    settings: Settings,
    seconds: Annotated[float, typer.Option("--seconds", help="length of the texture")] = 10.0,
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

    with _interrupts() as stop_if_asked, _progress(quiet) as show:

        def on_step(step: "Step") -> None:
            show(step, "texture" if step.n_blocks == 1 else f"texture {step.block}/{step.n_blocks}")
            stop_if_asked(step)

        result = run(style, seconds, settings, loop=loop, output=output, on_step=on_step)
    if as_json:
        summary = _summary(result, style, [(style, 1.0)], output) | {"loop": loop}
        typer.echo(json.dumps({key: value for key, value in summary.items() if key != "content"}))
    if result.stopped == "interrupted":
        _say(f"interrupted: wrote the best result so far, {result.audio.seconds:.1f} s, to {output}")
        raise typer.Exit(_INTERRUPTED)
    if sys.stderr.isatty() and not quiet:
        _say(f"{output}: made in {result.seconds:.1f} s ({result.stopped})")


@app.command()
@_with_settings
def demo(
    directory: Annotated[
        Path,
        typer.Option("--output", "-o", help="folder for the clips and index.html; made if missing"),
    ],
    settings: Settings,
    seconds: Annotated[float, typer.Option("--seconds", help="length of the clips")] = 6.0,
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

        _compared(
            quiet, lambda tell: run_all(directory, seconds=seconds, settings=settings, on_progress=tell)
        )
        return
    from retimbre.apps.demo import demo as run

    with _interrupts() as stop_if_asked, _progress(quiet) as show:

        def on_progress(title: str, step: "Step") -> None:
            show(step, title)
            stop_if_asked(step)

        page = run(directory, seconds=seconds, settings=settings, on_progress=on_progress)
    typer.echo(page)


@app.command()
@_with_settings
def compare(
    content: Annotated[Path, typer.Argument(help="clip whose notes and rhythm are kept")],
    style: Annotated[Path, typer.Argument(help="clip whose sound is taken")],
    directory: Annotated[
        Path,
        typer.Option("--output", "-o", help="folder for the clips and index.html; made if missing"),
    ],
    settings: Settings,
    networks: Annotated[
        str, typer.Option("--networks", help="which ones, with commas; 'retimbre networks' lists them")
    ] = "kernel,shallow,vggish,cnn14",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
) -> None:
    """Try several networks on one pair and make a page to hear and see them side by side.

    Each gets the strength that does best in a short sweep. One whose trained weights are not there runs with
    random ones, and the page says so. The settings network and strength mean nothing here. Needs the extra
    'report'. Prints the path of the page.
    """
    from retimbre.apps.compare import compare as run

    names = _listed(networks)
    _compared(
        quiet,
        lambda tell: run(content, style, directory, networks=names, settings=settings, on_progress=tell),
    )


@app.command()
def measure(
    output: Annotated[Path, typer.Argument(help="clip that a transfer made")],
    content: Annotated[Path | None, typer.Option("--content", help="clip whose notes it should keep")] = None,
    style: Annotated[Path | None, typer.Option("--style", help="clip whose sound it should have")] = None,
    target: Annotated[
        Path | None, typer.Option("--target", help="what it should be, if that is known")
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
    found = measures.measure(
        read(output), **{name: None if path is None else read(path) for name, path in clips.items()}
    )
    lost = None if content is None and target is None else transcribe.missing()
    if lost is not None:
        _say(f"pitch is left out: {lost}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    for group, values in found.items():
        for name, value in values.items():
            typer.echo(f"{group:20} {name:11} {value:9.3f}")


@app.command("networks")
def networks_() -> None:
    """List the networks: what they hear, their layers, and what they need."""
    from retimbre.networks.registry import kinds

    for name, kind in kinds().items():
        rate = "the content's, at most 48 kHz" if kind.sample_rate is None else f"{kind.sample_rate} Hz"
        typer.echo(f"{name}: {kind.summary}")
        typer.echo(f"  rate       {rate}")
        typer.echo(f"  front end  {kind.front_end}")
        typer.echo(f"  layers     {', '.join(kind.layers)}")
        typer.echo(f"  needs      {kind.needs}")


def _compared(quiet: bool, run: "Callable[[OnProgress], Path]") -> None:
    """Run a comparison and print the path of its page."""
    with _interrupts() as stop_if_asked, _progress(quiet) as show:

        def on_progress(title: str, step: "Step") -> None:
            show(step, title)
            stop_if_asked(step)

        try:
            page = run(on_progress)
        except KeyboardInterrupt:
            _say("interrupted: nothing is done yet, so there is no page")
            raise typer.Exit(_INTERRUPTED) from None
    typer.echo(page)


def _listed(text: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]


def _weighted(first: list[str], more: list[str]) -> list[tuple[Path, float]]:
    """Files of styles and their weights, from ``FILE`` or ``FILE:WEIGHT``; 1 where none is given."""
    mix = [(Path(path), 1.0) for path in first]
    for text in more:
        path, _, weight = text.rpartition(":")
        try:
            mix.append((Path(path), float(weight)) if path else (Path(text), 1.0))
        except ValueError:  # the colon belongs to the name
            mix.append((Path(text), 1.0))
    if not mix:
        raise InputError("no style is given: expected STYLE after CONTENT, or --style FILE:WEIGHT")
    return mix


_INTERRUPTED = 128 + signal.SIGINT


class _AtOnceError(BaseException):
    """The second Ctrl-C. Nothing between the handler and ``main`` catches it, as the first one is."""


def main() -> NoReturn:
    """Run the command ``retimbre``: 0 done, 2 an error in one line on stderr, 130 interrupted."""
    try:
        code = app(standalone_mode=False)
    except (RetimbreError, typer.TyperException) as error:
        message = error.format_message() if isinstance(error, typer.TyperException) else str(error)
        _say(" ".join(f"error: {message}".split()))
        code = 2
    except _AtOnceError:
        _say("interrupted: nothing was written")
        code = _INTERRUPTED
    sys.exit(code if isinstance(code, int) else 0)


def _say(message: str) -> None:
    typer.echo(f"retimbre: {message}", err=True)


@contextmanager
def _interrupts() -> "Iterator[Callable[..., None]]":
    """Make the first SIGINT or SIGTERM a stop after the evaluation at hand, the second one at once."""
    asked = False

    def handler(signum: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise _AtOnceError
        asked = True
        os.write(2, b"\nretimbre: finishing with the best result so far; again to stop at once\n")

    def stop_if_asked(step: "Step | None" = None) -> None:
        if asked:
            raise KeyboardInterrupt

    before = {signum: signal.signal(signum, handler) for signum in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop_if_asked
    finally:
        for signum, previous in before.items():
            signal.signal(signum, previous)


@contextmanager
def _progress(quiet: bool) -> "Iterator[Callable[..., None]]":
    """Show steps on stderr; nothing where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda step, title="": None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TextColumn("evaluation {task.fields[evaluation]}  {task.fields[terms]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(step: "Step", title: str = "transfer") -> None:
            if title not in tasks:
                tasks[title] = bar.add_task(title, evaluation=0, terms="", total=1.0)
            bar.update(
                tasks[title],
                completed=step.done,
                evaluation=step.evaluation,
                terms=f"loss {step.loss:.4f}  content {step.content:.4f}  style {step.style:.4f}",
            )

        yield show


@contextmanager
def _tracing(path: Path | None) -> "Iterator[OnStep]":
    """Write steps to a file as they come, one JSON object a line; the file is made at the first."""
    file: typing.TextIO | None = None

    def record(step: "Step") -> None:
        nonlocal file, path
        if path is None:
            return
        try:
            file = file or path.open("w", encoding="utf-8")
            file.write(json.dumps(dataclasses.asdict(step)) + "\n")
            file.flush()
        except OSError as error:  # the run is worth more than its trace
            _say(f"{path} cannot be written ({error.strerror}): going on without a trace")
            path = None

    try:
        yield record
    finally:
        if file is not None:
            with suppress(OSError):
                file.close()


def _summary(result: "Result", content: Path, mix: list[tuple[Path, float]], output: Path) -> dict[str, Any]:
    """What ``--json`` prints; numbers that are not finite become null."""
    import numpy
    import torch

    best = result.best
    summary = {
        "content": str(content),
        "styles": {str(path): weight for path, weight in mix},
        "output": str(output),
        "settings": dataclasses.asdict(result.settings),
        "seed": result.settings.seed,
        "seconds": result.seconds,
        "stopped": result.stopped,
        "choices": result.choices,
        "evaluations": len(result.steps),
        "terms": None if best is None else {k: getattr(best, k) for k in ("loss", "content", "style")},
        "written": result.written,
        "content_weight": result.content_weight,
        "spectral_convergence": result.spectral_convergence,
        "versions": {
            "retimbre": __version__,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
        },
    }
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in summary.items()
    }
