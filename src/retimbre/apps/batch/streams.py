"""Lines of standard input as they come, kept in a temporary file to be read again."""

import queue
import tempfile
import threading
from collections.abc import Iterator

_AHEAD = 1024  # lines that are read before they are asked for


class Stream:
    """The lines of standard input; iterating gives them from the first one, again and again.

    A thread reads them, so that waiting for one keeps nobody from what else there is to do.
    """

    def __init__(self) -> None:
        self._copy = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the stream
        self._size = 0
        self._incoming: queue.Queue[bytes] = queue.Queue(_AHEAD)
        self._has_ended = False
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        # Not sys.stdin, whose lock Python asks for as it ends.
        with open(0, "rb", closefd=False) as stdin:
            for line in stdin:
                self._incoming.put(line)
        self._incoming.put(b"")

    @property
    def has_more(self) -> bool:
        """Whether the next line, or the end, is there."""
        return self._has_ended or not self._incoming.empty()

    def __iter__(self) -> Iterator[bytes]:
        place = 0
        while True:
            if place < self._size:
                self._copy.seek(place)
                line = self._copy.readline()
            elif self._has_ended or not (line := self._incoming.get()):
                self._has_ended = True
                return
            else:
                self._copy.seek(self._size)
                self._copy.write(line)
                self._size += len(line)
            place += len(line)
            yield line

    def end(self) -> None:
        """Take what has been read for everything."""
        self._has_ended = True
