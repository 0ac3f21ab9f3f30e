"""Places of clips on the command line: files, pipes, and ``-`` for stdin and stdout.

A result for a pipe is made as a temporary file and copied at the end, so that its header is right and nothing
half is ever sent.
"""

import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import typer

from retimbre._output import is_stream, partial_path, remove_stale, temporary_path
from retimbre.errors import InputError, RetimbreError
from retimbre.sound.pipes import STDIN

STDOUT = Path("/dev/stdout")
"""Path that stands for standard output."""


def clip(text: str) -> Path:
    """Read the name of a clip; ``-`` is stdin."""
    return STDIN if text == "-" else _path(text)


def output(text: str) -> Path:
    """Read the name of an output; ``-`` is stdout."""
    return STDOUT if text == "-" else _path(text)


def _path(text: str) -> Path:
    if not text:
        raise typer.BadParameter("the name is empty: expected the name of a file")
    return Path(text)


def shown(path: Path) -> str:
    """Give the name of a clip as it was typed."""
    return "-" if path in (STDIN, STDOUT) else str(path)


def check_once(clips: Sequence[Path]) -> None:
    """Raise an InputError where stdin or a pipe is named twice, which can be read only once."""
    streams = [path for path in clips if path == STDIN or is_stream(path)]
    for number, path in enumerate(streams):
        if any(path == other or _same(path, other) for other in streams[:number]):
            raise InputError(f"{shown(path)} is named twice: expected it once, as it can be read only once")


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


class Destination(contextlib.AbstractContextManager["Destination"]):
    """Place of a result; a context manager.

    Args:
        path: Name of the output.
        format: Format, where the suffix does not say it.

    Attributes:
        name: Name in messages.
        path: File that the result is written to.
        format: Format, such as ``"wav"``; ``None`` where the suffix says it.
        is_stdout: Whether it is standard output, which nothing else may then be written to.

    Raises:
        InputError: a terminal, or a pipe without a format.
    """

    def __init__(self, path: Path, format: str | None) -> None:
        self.name, self.path, self.format, self.is_stdout = shown(path), path, format, path == STDOUT
        self._stream = path if self.is_stdout or is_stream(path) else None
        if self._stream is None:
            return
        if self.is_stdout and sys.stdout.isatty():
            raise InputError("stdout is a terminal: expected a pipe or a file, such as -o - > out.wav")
        if format is None and not path.suffix:
            raise InputError(f"the format of {self.name} is not given: expected --format, such as wav")
        self.format = format or path.suffix[1:].lower()
        folder = Path(tempfile.gettempdir())
        remove_stale(folder)
        self.path = temporary_path(folder)

    @property
    def outcomes(self) -> tuple[str, str, list[Path]]:
        """What has become of the output after the run and in it, and the folders of temporary files."""
        done = f"{self.name} was written" if self._stream is None else f"{self.name} was not written whole"
        folders = [self.path.absolute().parent, Path(tempfile.gettempdir())]
        return done, "nothing was written", folders

    def left(self, written: Path, size: str) -> str:
        """Say where a partial result is."""
        if self._stream is not None:
            return "nothing was written"
        return f"{self.name} is as it was; the best result so far{size} is in {written}"

    def reached(self, written: Path) -> bool:
        """Bring a result to its place, from the file that it was written to; say whether it came there.

        Raises:
            RetimbreError: the pipe cannot be written.
            BrokenPipeError: nobody reads it any more.
        """
        if written != self.path:
            return False
        if self._stream is None:
            return True
        try:
            with self.path.open("rb") as file, self._opened(self._stream) as stream:
                while piece := file.read(1 << 20):
                    rest = memoryview(piece)
                    while rest:
                        rest = rest[stream.write(rest) :]
        except BrokenPipeError as error:
            raise BrokenPipeError(error.errno, error.strerror) from None
        except OSError as error:
            raise RetimbreError(f"{self.name} cannot be written: {error.strerror}") from error
        return True

    def _opened(self, stream: Path) -> io.FileIO:
        if self.is_stdout:
            sys.stdout.flush()
            return io.FileIO(os.dup(1), "w")
        return io.FileIO(stream, "w")

    def __exit__(self, *error: object) -> None:
        if self._stream is not None:
            for path in (self.path, partial_path(self.path)):
                with contextlib.suppress(OSError):
                    path.unlink(missing_ok=True)
