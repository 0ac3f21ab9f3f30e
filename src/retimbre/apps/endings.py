"""Ends of the commands that compute: what was written, in a line, and the exit code."""

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from retimbre.apps import interrupts, standard_streams
from retimbre.apps.console import progress, progress_of_shares, say
from retimbre.apps.places import Destination

if TYPE_CHECKING:
    from retimbre.result import Result

COMPARED = "making the page of what is done", progress_of_shares
"""Note and bar of a page whose networks run in processes of their own (:func:`paged`)."""


def exit_code(result: "Result", stop: interrupts.Stop, place: Destination, size: str) -> int:
    """Give the exit code of a run; say what is written, if it ended before its time."""
    if result.stopped in ("terminated", "diverged"):
        word, code = "interrupted", interrupts.CODE
        if result.stopped == "diverged":
            word, code = "error: the loss stopped being a number", 2
        say(f"{word}: {place.left(result.path, size)}")
        return code
    if result.stopped == "interrupted" or stop.requested:
        say(f"interrupted: wrote the best result so far{size} to {place.name}")
        return interrupts.CODE
    return 0


def paged(
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
