"""The command ``retimbre transfer``: clips and settings to transfers, their end to lines and an exit code.

Everything heavy is imported when the command runs.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from retimbre.apps import arguments, interrupts, places, standard_streams
from retimbre.apps.console import progress, say, summary, tracing
from retimbre.apps.endings import exit_code
from retimbre.apps.flags import with_settings
from retimbre.apps.help import GROUPS
from retimbre.errors import InputError, RetimbreError
from retimbre.settings import Settings

if TYPE_CHECKING:
    from retimbre._transfer import Transfer
    from retimbre.apps.contents import Pair
    from retimbre.result import Result

Mix = list[tuple[Path, float]]


@with_settings()
def transfer(
    clips: Annotated[list[str], arguments.CONTENTS],
    settings: Settings,
    styles: Annotated[Optional[list[str]], arguments.STYLES] = None,  # noqa: UP045 - typer asks for this form
    output: Annotated[Path | None, arguments.OUTPUTS] = None,
    force: Annotated[bool, arguments.FORCE] = False,
    output_format: Annotated[str | None, arguments.FORMAT] = None,
    trace: Annotated[
        Path | None,
        typer.Option(
            "--trace",
            help="write every evaluation to this file (JSON lines)",
            metavar="FILE",
            rich_help_panel=GROUPS["messages"],
        ),
    ] = None,
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="say what was chosen from the clips, and why",
            rich_help_panel=GROUPS["messages"],
        ),
    ] = False,
    quiet: Annotated[bool, arguments.QUIET] = False,
    as_json: Annotated[bool, arguments.JSON] = False,
) -> None:
    """Transfer the style of one clip, or of several, onto others.

    The output has the content's length, rate, channels, bits and loudness. Ctrl-C writes the best result so
    far, a second one stops at once; SIGTERM writes it beside the output. With -o - all but the sound goes to
    stderr. 'retimbre batch' does many clips on all cores.
    """
    from retimbre import _output

    contents, mix = _roles([places.clip(clip) for clip in clips], styles or [])
    from retimbre.apps.contents import pairs

    made = pairs(contents, mix, output, output_format, settings, force=force)
    clips_once = [*(pair.content for pair in made), *(path for path, _ in mix)]
    places.check_once(clips_once)
    if trace is not None:
        if len(made) > 1:
            raise InputError(f"--trace follows one transfer, and there are {len(made)}: expected one content")
        _output.check_writable(trace)
        if any(trace.resolve() == path.resolve() for path in (made[0].output, *clips_once)):
            raise InputError(f"{trace} is the content, the style or the output: expected a file of its own")
    run = _Run(mix, settings, _Options(output_format, force, trace, explain, quiet, as_json), len(made))
    if code := run(made):
        raise typer.Exit(code)


def _roles(clips: Sequence[Path], styles: Sequence[str]) -> tuple[list[Path], Mix]:
    """Tell the contents from the styles: the last clip is a style where no other is given."""
    if styles:
        return list(clips), [_weighted(text) for text in styles]
    if len(clips) == 1:
        raise InputError("no style is given: expected STYLE after CONTENT, or --style FILE:WEIGHT")
    if len(clips) > 2:
        raise InputError(
            f"{len(clips)} clips are given and no --style: expected CONTENT STYLE, or CONTENT... --style FILE"
        )
    return [clips[0]], [(clips[1], 1.0)]


def _weighted(text: str) -> tuple[Path, float]:
    """Read ``FILE`` or ``FILE:WEIGHT``; the weight is 1 where none is given."""
    path, _, weight = text.rpartition(":")
    try:
        return (places.clip(path), float(weight)) if path else (places.clip(text), 1.0)
    except ValueError:  # the colon belongs to the name
        return places.clip(text), 1.0


@dataclass(frozen=True)
class _Options:
    output_format: str | None
    force: bool
    trace: Path | None
    explain: bool
    quiet: bool
    as_json: bool


class _Run:
    """Transfers of several contents to one style, which is prepared once.

    Args:
        mix: The styles.
        settings: Settings of all.
        options: How the outcome is told.
        n: Number of contents.
    """

    def __init__(self, mix: Mix, settings: Settings, options: _Options, n: int) -> None:
        self._mix, self._settings, self._options, self._n = mix, settings, options, n
        self._restyle: Transfer | None = None
        self._n_done = 0

    def __call__(self, pairs: "Sequence[Pair]") -> int:
        """Make the outputs one after the other, also after one that fails; give the exit code."""
        worst = 0
        for number, pair in enumerate(pairs, start=1):
            try:
                code = self._made(pair)
            except RetimbreError as error:
                if self._n == 1 or self._restyle is None:
                    raise
                say(f"error: {places.shown(pair.content)}: {error}")
                code = 2
            self._n_done += code == 0
            worst = max(worst, code)
            if code == interrupts.CODE:
                if number < self._n:
                    say(f"{self._n - number} of {self._n} contents are left")
                break
        if worst and worst != interrupts.CODE and self._n > 1:
            say(f"{self._n_done} of {self._n} contents are done")
        return worst

    def _made(self, pair: "Pair") -> int:
        from retimbre import _output
        from retimbre._transfer import Transfer

        options = self._options
        pair.check_free(force=options.force)
        if not pair.is_named:
            _output.make_folder(pair.output.parent)
        with places.Destination(pair.output, options.output_format) as place:
            done, lost, folders = place.outcomes
            if self._n > 1:
                lost = f"{self._n_done} of {self._n} contents are done"
                done = f"{lost}, and {done}"
            with (
                interrupts.after_evaluation(done, lost, folders) as stop,
                standard_streams.without_notes(),
                progress(options.quiet) as show,
                tracing(options.trace) as record,
            ):
                self._restyle = self._restyle or Transfer(self._mix, self._settings)
                result = self._restyle(
                    pair.content,
                    output=place.path,
                    output_format=place.format,
                    on_step=interrupts.Listener(stop, record, show),
                )
            is_there = place.reached(result.path)
        self._tell(result, pair, place, is_there=is_there)
        at = "" if result.best is None else f" (evaluation {result.best.evaluation})"
        code = exit_code(result, stop, place, at)
        if not code and sys.stderr.isatty() and not options.quiet:
            say(f"{place.name}: made in {result.seconds:.1f} s ({result.stopped})")
        return code

    def _tell(self, result: "Result", pair: "Pair", place: places.Destination, *, is_there: bool) -> None:
        """Say what a user should know of a result, and what the options ask for."""
        from retimbre.apps import explanation
        from retimbre.networks.weights import REGISTRY

        settings, mix = self._settings, self._mix
        if settings.random_weights and settings.network in REGISTRY:
            say(f"{place.name}: made with random weights; nothing in the network was trained")
        for line in explanation.notices(result, [path for path, weight in mix if weight > 0], place.name):
            say(line)
        name = f"{place.name}: " if self._n > 1 else ""
        for line in explanation.explain(result) if self._options.explain else ():
            say(f"{name}{line}")
        if self._options.as_json:
            found = summary(result, pair.content, mix, place.name if is_there else str(result.path))
            typer.echo(json.dumps(found), err=place.is_stdout)
