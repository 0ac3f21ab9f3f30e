"""Downloads that go on where they were cut off."""

from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from retimbre.errors import RetimbreError, WeightsError
from retimbre.networks.published import Weights, by_hand

if TYPE_CHECKING:
    import requests

OnProgress = Callable[[int, int | None], None]
"""Called with the bytes that are here and the bytes there will be, ``None`` where the server does not say."""

_TRIES = 5  # how often a download that is cut off goes on by itself
_TIMEOUT = (10.0, 30.0)  # seconds to connect, and of silence
_BLOCK = 1 << 16  # bytes that are read at a time; a cut loses less than that


def download(weights: Weights, url: str, part: Path, on_progress: OnProgress | None) -> None:
    """Receive a file, going on after what is there of it.

    Args:
        weights: What the file holds, for errors.
        url: Where it is, over HTTP.
        part: Where to write it. What is there is taken for its start, wrongly or not, if the server can
            send the rest alone.
        on_progress: Called while the bytes come in.

    Raises:
        WeightsError: it did not come, or not to its end.
        RetimbreError: it cannot be written.
    """
    import requests

    for _ in range(_TRIES):
        before = part.stat().st_size if part.exists() else 0
        try:
            headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={before}-"} if before else {})
            with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
                if response.status_code == requests.codes.range_not_satisfiable:
                    return  # nothing comes after what is here; the sum tells whether that is the file
                response.raise_for_status()
                resumed = response.status_code == requests.codes.partial_content
                with part.open("ab" if resumed else "wb") as file:
                    missing = _receive(response, file, before if resumed else 0, on_progress)
            if not missing:
                return
            reason = "the connection was cut"
        except requests.RequestException as error:
            reason = _reason(error)
        except OSError as error:
            raise RetimbreError(f"{part} cannot be written: {error.strerror or error}") from error
        if not part.exists() or part.stat().st_size <= before:
            break
    raise WeightsError(f"{url} cannot be fetched ({reason}): try again, or {by_hand(weights)}")


def _receive(
    response: "requests.Response", file: IO[bytes], done: int, on_progress: OnProgress | None
) -> int:
    """Write what comes; give how many of the announced bytes did not."""
    announced = response.headers.get("Content-Length", "")
    total = done + int(announced) if announced.isdecimal() else None
    for block in response.iter_content(_BLOCK):
        file.write(block)
        done += len(block)
        if on_progress is not None:
            on_progress(done, total)
    return 0 if total is None else total - done


def _reason(error: "requests.RequestException") -> str:
    import requests

    if error.response is not None:
        return f"it answers {error.response.status_code} {error.response.reason}"
    if isinstance(error, requests.exceptions.SSLError):
        return "its certificate is not trusted"
    if isinstance(error, requests.Timeout) or "timed out" in str(error):
        return "no answer in time"
    if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
        return "no connection"
    return str(error)
