"""Contents of a transfer: the clips that its arguments mean, each with its output."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from retimbre._output import is_stream
from retimbre.apps.batch.names import OutputNames
from retimbre.apps.batch.rows import Mix
from retimbre.apps.batch.sources import find_sounds
from retimbre.apps.console import say
from retimbre.apps.places import STDOUT, shown
from retimbre.errors import InputError
from retimbre.settings import Settings
from retimbre.sound.encoding import FORMATS
from retimbre.sound.pipes import STDIN


@dataclass(frozen=True)
class Pair:
    """A content and its output.

    Attributes:
        content: The clip.
        output: The file.
        is_named: Whether the command line names the output, which is then overwritten.
    """

    content: Path
    output: Path
    is_named: bool = False

    def check_free(self, *, force: bool) -> None:
        """Raise an InputError where a file would be lost that nobody named."""
        if not self.is_named and not force and os.path.lexists(self.output):
            raise InputError(f"{self.output} is there: expected another name by -o, or -f to overwrite it")


def pairs(
    given: Sequence[Path],
    styles: Sequence[tuple[Path, float]],
    output: Path | None,
    format: str | None,
    settings: Settings,
    *,
    force: bool = False,
) -> list[Pair]:
    """Find the contents that are given, and name their outputs as a batch does.

    Args:
        given: Files, folders and patterns.
        styles: The styles, for the names.
        output: A file for one content, a folder for several, or ``None`` for places beside the contents.
        format: Format of the outputs that are not named; ``"wav"`` if ``None``.
        settings: Settings of the run.
        force: Whether files may be overwritten that ``output`` does not name.

    Raises:
        InputError: nothing is found, two contents have one output, or a file would be overwritten.
    """
    is_folder = output is not None and output != STDOUT and os.path.isdir(output)
    out = os.path.abspath(output) if output is not None and is_folder else ""
    found = [each for path in given for each in _found(path, out)]
    if output is not None and not is_folder and len(found) == 1:
        return [Pair(found[0][0], output, is_named=True)]
    if output is not None and not is_folder and _is_one(output):
        raise InputError(f"{shown(output)} is one output of {len(found)} contents: expected a folder")
    mix: Mix = tuple((str(path), weight) for path, weight in styles)
    made = []
    for number, (content, folder) in enumerate(found, start=1):
        if output is None and (content == STDIN or is_stream(content)):
            raise InputError(
                f"the content is {shown(content)}, beside which nothing can be: expected -o FILE"
            )
        root = content.parent if output is None else output
        names = OutputNames(os.path.abspath(root), f"{{content}}_as_{{style}}.{format or 'wav'}")
        name = names.filled(number, str(content), "" if output is None else folder, mix, settings)
        made.append(Pair(content, root / name))
    made = _without_outputs(made, [path for path in given if not os.path.isdir(path)])
    _check_once(made)
    for pair in made:
        pair.check_free(force=force)
    return made


def _is_one(output: Path) -> bool:
    """Tell whether a name is that of one sound: stdout, a pipe, or a name that ends as a sound's."""
    return output == STDOUT or is_stream(output) or output.suffix[1:].lower() in FORMATS


def _found(given: Path, out: str) -> list[tuple[Path, str]]:
    """Find the files that an argument means, named as it is: from here, or from the root."""
    if given == STDIN or is_stream(given):
        return [(given, "")]
    found = find_sounds(str(given), out)
    if [path for path, _ in found] == [os.path.abspath(given)]:
        return [(given, "")]
    return [(Path(path if given.is_absolute() else os.path.relpath(path)), folder) for path, folder in found]


def _without_outputs(made: list[Pair], named: Sequence[Path]) -> list[Pair]:
    """Leave out what an earlier run of the same command wrote among the contents."""
    outputs = {os.path.abspath(pair.output) for pair in made}
    kept = [p for p in made if os.path.abspath(p.content) not in outputs or p.content in named]
    if len(kept) < len(made):
        say(f"{len(made) - len(kept)} files are outputs of this command: they are not taken as contents")
    return kept


def _check_once(made: Sequence[Pair]) -> None:
    contents = {os.path.abspath(pair.content) for pair in made}
    first: dict[str, Path] = {}
    for pair in made:
        key = os.path.normcase(os.path.abspath(pair.output))
        if key in contents:
            raise InputError(f"{pair.output} is a content and an output: expected another name by -o")
        if key in first:
            both = f"{first[key]} and {pair.content}"
            raise InputError(f"{both} have one output, {pair.output}: expected a run with -o for each")
        first[key] = pair.content
