"""The command ``retimbre compare``: one pair and several networks to a page.

Everything heavy is imported when the command runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from retimbre.apps import arguments, places
from retimbre.apps.endings import COMPARED, paged
from retimbre.apps.flags import with_settings
from retimbre.settings import COMPARED_NETWORKS, OF_FILES, Settings


@with_settings(without=("network", "strength", *OF_FILES))
def compare(
    content: Annotated[Path, arguments.CONTENT],
    style: Annotated[Path, arguments.STYLE],
    directory: Annotated[Path, arguments.PAGE_FOLDER],
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
    quiet: Annotated[bool, arguments.QUIET] = False,
) -> None:
    """Try several networks on one pair and make a page to hear and see them side by side.

    Each gets the strength that does best in a short sweep. One whose trained weights are not there runs with
    random ones, and the page says so. Needs the extra 'report'. Prints the path of the page.
    """
    from retimbre.apps.compare import compare as run

    places.check_once([content, style])
    names = _listed(networks)
    paged(
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
        *COMPARED,
    )


def _listed(text: str) -> list[str]:
    """The names in a list with commas."""
    return [name.strip() for name in text.split(",") if name.strip()]
