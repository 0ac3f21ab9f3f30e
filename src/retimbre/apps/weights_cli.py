"""The commands ``retimbre weights``: trained weights are listed, fetched, imported and verified.

Everything heavy is imported when a command runs.
"""

import sys
from pathlib import Path
from typing import Annotated, Optional

import typer

from retimbre.apps import interrupts
from retimbre.apps.console import say
from retimbre.errors import WeightsError

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
    from retimbre.networks import weights

    for name, entry in weights.REGISTRY.items():
        here = "here" if weights.path(name).is_file() else "not here"
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

    A download that is cut off or interrupted leaves nothing behind.
    """
    import torch  # noqa: F401 - where an interrupt still ends the process at once

    from retimbre.networks import weights

    show = sys.stderr.isatty() and not quiet
    if show:
        say(f"fetching {name} from {url or weights.published(name).url}")
    with interrupts.cleaned_up(f"the weights {name} are here", "nothing was left behind"):
        done = weights.fetch(name, progress=show, url=url)
    typer.echo(done)


@app.command("import")
def import_(
    name: _Name,
    file: Annotated[Path, typer.Argument(help="the published file, or a state dict of the same tensors")],
) -> None:
    """Take weights from a file that was downloaded by hand, and print where they are.

    Nothing in the file is ever run.
    """
    import torch  # noqa: F401 - as in fetch

    from retimbre.networks import weights

    with interrupts.cleaned_up(f"the weights {name} are here", "nothing was left behind"):
        done = weights.import_file(name, file)
    if not weights.verify(name):
        say(f"{file} is not the file that was published, though its tensors have the same names and shapes")
    typer.echo(done)


@app.command()
def verify(name: _AnyName = None) -> None:
    """Read weights through and compare them with what was stored."""
    from retimbre.networks import weights

    names = [n for n in weights.REGISTRY if weights.path(n).is_file()] if name is None else [name]
    if not names:
        say(f"no weights are in {weights.cache_folder()}")
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
    from retimbre.networks import weights

    typer.echo(weights.cache_folder() if name is None else weights.path(name))
