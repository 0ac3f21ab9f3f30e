"""The commands ``retimbre weights``: trained weights are listed, fetched, imported and verified.

Everything heavy is imported when a command runs.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from retimbre.errors import WeightsError

if TYPE_CHECKING:
    from retimbre.networks.weights import OnProgress

app = typer.Typer(
    help="List, fetch, import and verify trained weights.",
    invoke_without_command=True,
    rich_markup_mode=None,
)

_Name = Annotated[str, typer.Argument(help="name of the weights, as 'retimbre weights list' tells")]
_AnyName = Annotated[
    Optional[str],  # noqa: UP045 - typer asks for this form
    typer.Argument(help="name of the weights; all of them if missing", show_default=False),
]


@app.callback()
def _top(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command("list")
def list_() -> None:
    """List the weights: which are here, under which licence, and what to cite."""
    from retimbre.networks import published

    for name, entry in published.REGISTRY.items():
        here = "here" if published.path(name).is_file() else "not here"
        typer.echo(f"{name:8}  {here:8}  {entry.licence:10}  {entry.citation}")


@app.command()
def fetch(
    name: _Name,
    url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--url", help="another place with the same file", show_default=False),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="show no progress")] = False,
) -> None:
    """Download weights, unless they are here, and print where they are.

    A download that was cut off goes on where it ended.
    """
    from retimbre.networks import weights

    try:
        with _progress(name, quiet) as show:
            typer.echo(weights.fetch(name, on_progress=show, url=url))
    except KeyboardInterrupt:
        _say(f"interrupted: 'retimbre weights fetch {name}' goes on from here")
        raise typer.Exit(128 + signal.SIGINT) from None


@app.command("import")
def import_(
    name: _Name,
    file: Annotated[Path, typer.Argument(help="the published file, or a state dict of the same tensors")],
) -> None:
    """Take weights from a file that was downloaded by hand, and print where they are.

    Of VGGish that may be TensorFlow's checkpoint too, vggish_model.ckpt. Nothing in the file is ever run.
    """
    from retimbre.networks import weights

    done = weights.import_file(name, file)
    if not weights.verify(name):
        _say(f"{file} is not the file that was published, though its tensors have the same names and shapes")
    typer.echo(done)


@app.command()
def verify(name: _AnyName = None) -> None:
    """Read weights through and compare them with what was stored."""
    from retimbre.networks import weights

    names = [n for n in weights.REGISTRY if weights.path(n).is_file()] if name is None else [name]
    if not names:
        _say(f"no weights are in {weights.cache_folder()}")
    bad = []
    for each in names:
        try:
            origin = "as published" if weights.verify(each) else "whole, made from another file"
            typer.echo(f"{each}: {origin}")
        except WeightsError as error:
            bad.append(str(error))
    if bad:
        raise WeightsError("; ".join(bad))


@app.command()
def path(name: _AnyName = None) -> None:
    """Print the file that holds weights, or would; the folder of all if no name is given."""
    from retimbre.networks import published

    typer.echo(published.cache_folder() if name is None else published.path(name))


def _say(message: str) -> None:
    typer.echo(f"retimbre: {message}", err=True)


@contextmanager
def _progress(name: str, quiet: bool) -> "Iterator[OnProgress | None]":
    """Show a download on stderr; nothing where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        DownloadColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
