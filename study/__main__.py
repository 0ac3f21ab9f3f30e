"""The command of the study's benchmark: ``python -m study -o FOLDER``."""

import argparse
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retimbre.errors import InputError, RetimbreError
from study.benchmark import KINDS, STRENGTHS, OnProgress, benchmark
from study.pairs import SECONDS

_INTERRUPTED = 130


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m study", description=benchmark.__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder for the page and the cache")
    parser.add_argument("--methods", help="names with commas; an unknown name lists them")
    parser.add_argument("--pairs", default="report", help="report, or tune")
    parser.add_argument("--kinds", default=",".join(KINDS), help="kinds of pairs, with commas")
    parser.add_argument("--strengths", default=",".join(f"{s:g}" for s in STRENGTHS), help="with commas")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of the clips, 1 to 7")
    parser.add_argument("--jobs", type=int, help="processes of one thread; as many as cores by default")
    parser.add_argument("-q", "--quiet", action="store_true", help="show no progress")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"strengths has {text!r}: expected numbers with commas") from None


@contextmanager
def _progress(quiet: bool) -> Iterator[tuple[OnProgress, OnProgress]]:
    """Count trials, and training's steps, on stderr; nothing where that is no terminal."""
    if quiet or not sys.stderr.isatty():
        yield (lambda n_done, n_all: None,) * 2
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    times = (TimeElapsedColumn(), TimeRemainingColumn())
    columns = ("{task.description}", BarColumn(bar_width=30), MofNCompleteColumn(), *times)
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("trials", total=None)
        training = bar.add_task("training", total=None, visible=False)
        yield (
            lambda n_done, n_all: bar.update(task, completed=n_done, total=n_all),
            lambda n_done, n_all: bar.update(training, completed=n_done, total=n_all, visible=n_done < n_all),
        )


def main() -> int:
    """Run the benchmark: 0 done, 1 some trials failed, 2 nothing could start, 130 interrupted."""
    options = _arguments()
    # Python leaves it ignored where a script has started it in the background.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with _progress(options.quiet) as (show, show_training):
            outcome = benchmark(
                options.output,
                names=None if options.methods is None else _names(options.methods),
                pairs=options.pairs,
                kinds=_names(options.kinds),
                strengths=[_number(text) for text in _names(options.strengths)],
                seconds=options.seconds,
                jobs=options.jobs,
                on_progress=show,
                on_training=show_training,
            )
    except RetimbreError as error:
        print(f"study: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("study: interrupted: nothing is done yet, so there is no page", file=sys.stderr)
        return _INTERRUPTED
    print(f"{outcome.table}\n\n{outcome.page}")
    if outcome.interrupted:
        print("study: interrupted: the same command goes on from here", file=sys.stderr)
        return _INTERRUPTED
    for fault in outcome.faults:
        print(f"study: error: {fault}", file=sys.stderr)
    return 1 if outcome.faults else 0


if __name__ == "__main__":
    sys.exit(main())
