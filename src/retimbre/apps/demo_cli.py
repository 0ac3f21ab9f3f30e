"""The command ``retimbre demo``: four rendered pairs to a page.

Everything heavy is imported when the command runs.
"""

from pathlib import Path
from typing import Annotated

import typer

from retimbre.apps import arguments
from retimbre.apps.endings import COMPARED, paged
from retimbre.apps.flags import with_settings
from retimbre.settings import DEMO_SECONDS, OF_FILES, Settings


@with_settings(without=OF_FILES)
def demo(
    directory: Annotated[Path, arguments.PAGE_FOLDER],
    settings: Settings,
    seconds: Annotated[float, typer.Option("--seconds", help="length of the clips")] = DEMO_SECONDS,
    side_by_side: Annotated[
        bool, typer.Option("--compare", help="compare the networks on each pair, as 'retimbre compare' does")
    ] = False,
    quiet: Annotated[bool, arguments.QUIET] = False,
) -> None:
    """Transfer four rendered pairs and make a page to hear and see them.

    Piano to drums, drums to piano (same song), drums to piano (another song), piano to strings.
    Needs the extra 'demo'. Prints the path of the page.
    """
    if side_by_side:
        from retimbre.apps.demo import compared as run_all

        paged(
            directory,
            quiet,
            lambda tell: run_all(directory, seconds=seconds, settings=settings, on_progress=tell),
            *COMPARED,
        )
        return
    from retimbre.apps.demo import demo as run

    paged(directory, quiet, lambda tell: run(directory, seconds=seconds, settings=settings, on_progress=tell))
