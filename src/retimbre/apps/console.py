"""The console: lines, progress bars and the trace of a run, and its summary for programs."""

import dataclasses
import json
import math
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from retimbre import __version__
from retimbre.apps.places import shown
from retimbre.errors import printable
from retimbre.settings import ALGORITHM

if TYPE_CHECKING:
    from retimbre.optim.step import OnStep, Step
    from retimbre.result import Result


def say(message: str) -> None:
    """Print a line to stderr, with the name of the program; nothing where that is full or broken.

    Control characters, which a name may hold, are written as escapes.
    """
    with suppress(OSError):
        typer.echo(f"retimbre: {printable(message)}", err=True)


@contextmanager
def progress(quiet: bool) -> "Iterator[Callable[..., None]]":
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
def progress_of_shares(quiet: bool) -> "Iterator[Callable[[float, str], None]]":
    """Show shares of works, 0 to 1, on stderr; nothing where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda share, title: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(bar_width=20), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def show(share: float, title: str) -> None:
            if title not in tasks:
                tasks[title] = bar.add_task(title, total=1.0)
            bar.update(tasks[title], completed=share)

        yield show


@contextmanager
def tracing(path: Path | None) -> "Iterator[OnStep]":
    """Write steps to a file as they come, one JSON object a line; the file is made at the first."""
    file: TextIO | None = None

    def record(step: "Step") -> None:
        nonlocal file, path
        if path is None:
            return
        try:
            file = file or path.open("w", encoding="utf-8")
            file.write(json.dumps(step.numbers()) + "\n")
            file.flush()
        except OSError as error:  # the run is worth more than its trace
            say(f"{path} cannot be written ({error.strerror}): going on without a trace")
            path = None

    try:
        yield record
    finally:
        if file is not None:
            with suppress(OSError):
                file.close()


def summary(result: "Result", content: Path, mix: list[tuple[Path, float]], output: str) -> dict[str, Any]:
    """Describe a run for ``--json``; numbers that are not finite become null."""
    import numpy
    import torch

    best = result.best
    found = {
        "content": shown(content),
        "styles": {shown(path): weight for path, weight in mix},
        "output": output,
        "settings": dataclasses.asdict(result.settings),
        "seed": result.settings.seed,
        "seconds": result.seconds,
        "stopped": result.stopped,
        "choices": [dataclasses.asdict(choice) for choice in result.choices],
        "ignored": result.ignored,
        "quieter": result.quieter,
        "clipped": 0 if result.delivery is None else result.delivery.n_clipped,
        "left_out": () if result.delivery is None else result.delivery.left_out,
        "sample_rate": None if result.delivery is None else result.delivery.sample_rate,
        "evaluations": len(result.steps),
        "terms": None if best is None else {k: getattr(best, k) for k in ("loss", "content", "style")},
        "loss": result.loss,
        "content_weight": result.content_weight,
        "spectral_convergence": result.spectral_convergence,
        "versions": {
            "retimbre": __version__,
            "algorithm": ALGORITHM,
            "python": platform.python_version(),
            "torch": torch.__version__,
            "numpy": numpy.__version__,
        },
    }
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in found.items()
    }
