"""The commands ``retimbre listening-test``: a test is made, and its ratings are read.

Everything heavy is imported when a command runs.
"""

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Optional

import typer

from retimbre.apps import standard_streams
from retimbre.apps.console import say
from retimbre.errors import InputError

app = typer.Typer(
    help="Make listening tests (MUSHRA) of the benchmark's sounds, and read their ratings.",
    invoke_without_command=True,
    rich_markup_mode=None,
)


@app.callback()
def _top(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


@app.command()
def make(
    sounds: Annotated[Path, typer.Argument(help="folder of python -m study, or PAIR/METHOD.flac in it")],
    directory: Annotated[Path, typer.Option("--output", "-o", help="new folder for the test")],
    methods: Annotated[
        Optional[str],  # noqa: UP045 - typer asks for this form
        typer.Option("--methods", help="names with commas; all without a strength if missing"),
    ] = None,
    n_trials: Annotated[int, typer.Option("--trials", min=1, help="pairs at most; the seed chooses")] = 10,
    n_listeners: Annotated[
        int, typer.Option("--listeners", min=1, max=999, help="configurations, each with an order of trials")
    ] = 20,
    seed: Annotated[int, typer.Option("--seed", min=0, help="seed of the choice and the orders")] = 0,
) -> None:
    """Write sounds and configurations for webMUSHRA or pymushra, and print their folder.

    The target is the reference, also hidden; it without what is over 3.5 and over 7 kHz are the anchors. All
    sounds have one loudness. The folder goes into webMUSHRA's 'configs', and a listener's address ends with
    '?config=FOLDER/listener-01.yaml'.
    """
    from retimbre.apps.listening import configuration, trials

    wanted = None if methods is None else [name.strip() for name in methods.split(",") if name.strip()]
    if wanted == []:
        raise InputError("methods is empty: expected names with commas")
    with standard_streams.without_notes():
        chosen = trials.find(sounds, wanted, n_trials, seed)
        level = configuration.make(directory, chosen, n_listeners=n_listeners, seed=seed)
    say(f"{len(chosen)} trials at {level:.1f} LUFS, {n_listeners} configurations")
    typer.echo(directory)


@app.command()
def read(
    directory: Annotated[Path, typer.Argument(help="folder of the test")],
    tables: Annotated[
        list[Path], typer.Argument(help="webMUSHRA's mushra.csv, pymushra's webmushra.json, or folders")
    ],
    everybody: Annotated[
        bool, typer.Option("--everybody", help="keep listeners who miss the hidden reference")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object to stdout")] = False,
) -> None:
    """Average ratings over listeners, with confidence intervals of 95 %.

    Who rates the hidden reference under 90 in more than 15 % of the trials is left out, by name.
    """
    from retimbre.apps.listening import configuration, ratings

    described = configuration.described(directory)
    files = [file for path in tables for file in (_in(path) if path.is_dir() else [path])]
    found = ratings.read(files, described)
    for listener, trial in ratings.untouched(found):
        say(f"{listener} left every sound of {trial} at 100, where the sliders start")
    left_out = {} if everybody else ratings.missed(found)
    for listener, share in left_out.items():
        say(f"left out: {listener}, with {share:.0%} of the hidden references under {ratings.LEAST:.0f}")
    kept = {listener: scores for listener, scores in found.items() if listener not in left_out}
    if not kept:
        raise InputError("every listener missed the hidden reference: expected others, or --everybody")
    rows = ratings.table(kept)
    if as_json:
        listed = [dataclasses.asdict(row) for row in rows]
        typer.echo(json.dumps({"listeners": len(kept), "left_out": left_out, "conditions": listed}))
        return
    width = max(len(row.condition) for row in rows)
    typer.echo(f"{'':{width}}  {'mean':>5}  {'95 %':>6}  listeners")
    for row in rows:
        half = "-" if row.half is None else f"± {row.half:.1f}"
        typer.echo(f"{row.condition:{width}}  {row.mean:5.1f}  {half:>6}  {row.n}")


def _in(folder: Path) -> list[Path]:
    return sorted(
        path for path in folder.rglob("*") if path.suffix == ".csv" or path.name == "webmushra.json"
    )
