"""The command ``retimbre batch``: arguments to rows to an engine, and its end as an exit code.

Everything heavy is imported when the command runs.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from retimbre.apps import interrupts, standard_streams
from retimbre.apps.console import say
from retimbre.apps.flags import with_settings
from retimbre.apps.help import GROUPS
from retimbre.errors import InputError
from retimbre.settings import Settings

if TYPE_CHECKING:
    from retimbre.apps.batch.run import Tally
    from retimbre.apps.batch.sources import Source
    from retimbre.apps.engines.job import Engine

_SOME_FAILED, _NOTHING_STARTED = 1, 2


@with_settings()
def batch(
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="folder of the outputs; made if missing", rich_help_panel=GROUPS["output"]
        ),
    ],
    settings: Settings,
    contents: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer asks for this form
        typer.Argument(help="files, folders and patterns, such as 'drums/**/*.wav'", show_default=False),
    ] = None,
    styles: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option("--style", "-s", help="FILE or FILE:WEIGHT, several times: their statistics are mixed"),
    ] = None,
    each_style: Annotated[
        bool, typer.Option("--each-style", help="every content with each of the styles, instead of a mixture")
    ] = False,
    manifest: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--manifest", help="rows in .csv or .jsonl: content, style, output and settings; - is stdin"
        ),
    ] = None,
    name: Annotated[
        str,
        typer.Option("--name", help="names of the outputs: {content} {style} {suffix} {row} {seed} ..."),
    ] = "{content}_as_{style}.wav",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="check every row, list all faults, make nothing")
    ] = False,
    again: Annotated[bool, typer.Option("--again", help="do what is done already, too")] = False,
    measures: Annotated[
        bool, typer.Option("--measure", help="measure every output, for results.jsonl")
    ] = False,
    workers: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--workers", help="processes of one thread; as many as cores", min=1, max=1024, show_default=False
        ),
    ] = None,
    shard: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--shard", help="I/N: only part I of N, for arrays of jobs that share the folder"),
    ] = None,
    dask: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--dask",
            help="address of the scheduler of a Dask cluster, such as tcp://head:8786, or its .json file",
            show_default=False,
        ),
    ] = None,
    ship: Annotated[
        bool,
        typer.Option("--ship", help="with --dask: send the clips and bring the sounds back, as bytes"),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="show no progress", rich_help_panel=GROUPS["messages"])
    ] = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            help="print events to stdout, one JSON object a line",
            rich_help_panel=GROUPS["messages"],
        ),
    ] = False,
) -> None:
    """Transfer many clips: files, folders, or the rows of a manifest, in several processes.

    Beside the outputs it writes results.jsonl, with a record of each, and failed.csv, a manifest of those
    that failed. What is done is not done again, unless a clip or a setting has changed. Ctrl-C finishes the
    rows at work, a second one stops at once; the same command goes on. Exit code 0 if all is done, 1 if some
    rows failed.
    """
    from retimbre.apps.batch import run as runs
    from retimbre.apps.batch.display import display, numbers
    from retimbre.apps.engines.shards import Shard

    out = Path(os.path.abspath(output))
    part = None if shard is None else Shard.parse(shard)
    source = _source(contents or [], styles or [], each_style, manifest, name, settings, out)
    engine = _engine(workers, dask, ship, settings, out)
    with (
        interrupts.after_evaluation(
            f"what is done is in {output}",
            f"what is done is in {output}; the same command goes on",
            note="finishing the rows at work",
            can_keep=True,
        ) as stop,
        standard_streams.without_notes(),
        display(quiet=quiet, as_json=as_json) as shown,
    ):

        def is_stopped() -> bool:
            return stop.requested

        if dry_run:
            tally = runs.check_rows(source, out, engine, shown, is_stopped)
        else:
            tally = runs.run_batch(
                source, out, engine, shown, is_stopped, shard=part, again=again, measures=measures
            )
        shown.end()
        shown.event("end", halted=tally.halted or None, interrupted=stop.requested, **numbers(tally))
    _end(tally, output, stop.requested, dry_run=dry_run, quiet=quiet or as_json)


def _source(
    contents: list[str],
    styles: list[str],
    each_style: bool,
    manifest: str | None,
    name: str,
    settings: Settings,
    out: Path,
) -> "Source":
    from retimbre.apps.batch.manifest import Manifest
    from retimbre.apps.batch.names import OutputNames
    from retimbre.apps.batch.rows import weighted
    from retimbre.apps.batch.sources import Product

    mix = tuple((os.path.abspath(path), weight) for path, weight in map(weighted, styles))
    if mix and not sum(weight for _, weight in mix):
        raise InputError("the weights of the styles are all 0: expected one that is not")
    names = OutputNames(str(out), name)
    if manifest is not None:
        if contents or each_style:
            what = "--each-style" if each_style else contents[0]
            raise InputError(
                f"{what} and --manifest are both given: expected one of them, as a manifest has all rows"
            )
        return Manifest(manifest, mix, settings, names)
    if not contents:
        raise InputError("no content is given: expected files, folders or patterns, or --manifest")
    if not mix:
        raise InputError("no style is given: expected --style FILE")
    return Product(contents, mix, settings, names, each_style=each_style)


def _engine(workers: int | None, dask: str | None, ship: bool, settings: Settings, out: Path) -> "Engine":
    if dask is not None:
        from retimbre.apps.engines.cluster import DaskEngine

        if workers is not None:
            raise InputError("--workers and --dask are both given: expected one, as the cluster has its own")
        cluster = DaskEngine(dask, on_note=say)
        if not ship:
            return cluster
        from retimbre.apps.batch.shipping import ShippingEngine

        return ShippingEngine(cluster, out)
    if ship:
        raise InputError("--ship is given without --dask: expected both, as local workers see the files")
    from retimbre.apps.batch.folder import BatchFolder
    from retimbre.apps.engines.local import LocalEngine, gpus

    devices = [] if settings.device == "cpu" else gpus()
    return LocalEngine(workers, devices=devices, on_end=BatchFolder(out).clear)


def _end(tally: "Tally", output: Path, was_interrupted: bool, *, dry_run: bool, quiet: bool) -> None:
    """Say what became of the rows, and end with the exit code for it."""
    from retimbre.apps.batch.display import clock, whys

    verb = "fine" if dry_run else "done"
    counts = f"{tally.done} rows {verb}" + (f" ({whys(tally)})" if tally.done and not dry_run else "")
    counts += f", {tally.failed} {'with a fault' if dry_run else 'failed'}" if tally.failed else ""
    counts += f", {tally.same} as they were" if tally.same else ""
    counts += f", {tally.left} left" if tally.left else ""
    if tally.halted:
        say(f"error: {tally.halted}")
    if was_interrupted:
        say(f"interrupted: {counts}; the same command goes on")
        raise typer.Exit(interrupts.CODE)
    if not quiet or tally.failed or tally.halted:
        at = (
            ""
            if dry_run or not tally.failed
            else f"; {Path(output, 'failed.csv')} is a manifest of those that failed"
        )
        say(f"{counts} in {clock(tally.seconds)}{at}")
    if tally.halted:
        raise typer.Exit(_SOME_FAILED if tally.done + tally.same else _NOTHING_STARTED)
    if tally.failed:
        raise typer.Exit(_SOME_FAILED)
