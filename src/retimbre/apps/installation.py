"""The installation: versions, threads, formats, extras and weights that are here.

Everything is asked of the packages themselves, and a package that is missing or broken is said so.
"""

import os
import platform
import re
import shutil
import sys
import tempfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

from retimbre import __version__
from retimbre._threads import usable_cores

USER_EXTRAS = ("av", "dask", "demo", "measure", "report", "tags")
"""Extras that add something to the package, and nothing to its development."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[([a-z,]+)\])?[^;]*;.*extra\s*==\s*['\"]([a-z]+)['\"]")


class Line(NamedTuple):
    """A line of the list.

    Attributes:
        name: Name of the part.
        text: State that it is in.
        works: Whether it does what every transfer needs of it.
    """

    name: str
    text: str
    works: bool = True


def versions() -> str:
    """Give the versions of retimbre, torch and Python, and torch's threads, in two lines."""
    try:
        import torch

        computing = f"torch {torch.__version__}, threads {torch.get_num_threads()}"
    except Exception as error:  # of whatever a broken build raises
        computing = f"torch cannot be imported ({_fault(error)})"
    return f"retimbre {__version__}\n{computing}, {_python()}"


def lines() -> list[Line]:
    """Look at every part of the installation: ten lines."""
    parts: dict[str, Callable[[], str]] = {
        "torch": _torch,
        "threads": _threads,
        "GPU": _gpu,
        "libsndfile": _libsndfile,
        "writes": _writes,
        "PyAV": _pyav,
    }
    needed = ("torch", "threads", "libsndfile", "writes")
    found = [Line("retimbre", f"{__version__} in {Path(__file__).parents[1]}, {_python()}")]
    for name, look in parts.items():
        try:
            found.append(Line(name, look()))
        except Exception as error:  # of whatever a broken package raises
            found.append(Line(name, f"does not work: {_fault(error)}", name not in needed))
    return [*found, Line("extras", _extras()), Line("weights", _weights()), _space()]


def _python() -> str:
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def _fault(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _torch() -> str:
    import torch

    transform = torch.fft.rfft(torch.ones(8, requires_grad=True))
    gradient = torch.autograd.grad(transform.abs().sum(), transform)[0]
    works = "transforms and gradients work" if bool(gradient.isfinite().all()) else "gradients are no numbers"
    library = "MKL" if torch.backends.mkl.is_available() else "no MKL"  # type: ignore[no-untyped-call]
    return f"{torch.__version__}, {library}, {works}"


def _threads() -> str:
    import torch

    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    given = [f"{name}={os.environ[name]}" for name in names if name in os.environ]
    cores = f"{torch.get_num_threads()} on {usable_cores()} of {os.cpu_count()} cores"
    return f"{cores} ({', '.join(given)})" if given else cores


def _gpu() -> str:
    import torch

    if torch.cuda.is_available():
        return f"{torch.cuda.get_device_name()}; --device cuda uses it"
    return "none that torch can use; none is needed"


def _libsndfile() -> str:
    import soundfile

    formats = soundfile.available_formats()
    known = [name for name in ("WAV", "AIFF", "AU", "CAF", "FLAC", "OGG", "MP3") if name in formats]
    return f"{soundfile.__libsndfile_version__} reads {' '.join(known)}"


def _writes() -> str:
    """Write a second of silence with a click in every format, and read it again."""
    import numpy as np

    from retimbre.sound.audio import Audio
    from retimbre.sound.encoding import FORMATS
    from retimbre.sound.files import read, write

    clip = np.zeros((2, 48_000), np.float32)
    clip[:, 24_000] = 0.5
    works: list[str] = []
    fails: list[str] = []
    with tempfile.TemporaryDirectory(prefix="retimbre-") as folder:
        for name in FORMATS:
            path = Path(folder, f"click.{name}")
            try:
                write(path, Audio(clip, 48_000))
                (works if read(path).samples.shape == clip.shape else fails).append(f".{name}")
            except Exception:
                fails.append(f".{name}")
    if not fails:
        return f"{' '.join(works)} (each written and read again)"
    if ".wav" in fails:
        raise RuntimeError(f"{' '.join(fails)} cannot be written and read again")
    return f"{' '.join(works)}; not {' '.join(fails)}"


def _pyav() -> str:
    try:
        import av
    except ImportError:
        return "not here: M4A and films need pip install 'retimbre[av]'"
    return (
        f"{av.__version__} with FFmpeg's libavcodec {'.'.join(map(str, av.library_versions['libavcodec']))}"
    )


def _extras() -> str:
    from retimbre.metrics import transcriber

    here: list[str] = []
    lacking: list[str] = []
    for name in USER_EXTRAS:
        missing = missing_packages(name)
        if name == "measure" and not missing and transcriber.missing() is not None:
            missing = ["basic-pitch"]  # is installed apart, without what it asks for
        (lacking if missing else here).append(f"{name} ({', '.join(missing)})" if missing else name)
    text = f"{' '.join(here) or 'none'} here"
    return f"{text}; missing: {', '.join(lacking)}" if lacking else text


def missing_packages(extra: str) -> list[str]:
    """Name the packages of an extra that are not installed, those of extras in it included.

    Packages without metadata of retimbre itself, as in a folder of its source alone, are unknown: none.
    """
    try:
        requirements = metadata.requires("retimbre") or []
    except metadata.PackageNotFoundError:
        return []
    missing: list[str] = []
    for requirement in requirements:
        found = _REQUIREMENT.match(requirement)
        if not found or found[3] != extra:
            continue
        if found[1] == "retimbre":
            missing += [name for inner in found[2].split(",") for name in missing_packages(inner)]
            continue
        try:
            metadata.version(found[1])
        except metadata.PackageNotFoundError:
            missing.append(found[1])
    return list(dict.fromkeys(missing))


def _weights() -> str:
    from retimbre.networks import weights

    states = [f"{name} {'here' if weights.path(name).is_file() else 'not here'}" for name in weights.REGISTRY]
    return f"{', '.join(states)}, in {weights.cache_folder()}; the default network has none"


def _space() -> Line:
    folder = tempfile.gettempdir()
    try:
        with tempfile.TemporaryFile(dir=folder):
            free = shutil.disk_usage(folder).free
    except OSError as error:
        return Line("temporary", f"{folder} cannot be written to ({error.strerror})", works=False)
    return Line("temporary", f"{folder}, {free / 1e9:.1f} GB left; names are {sys.getfilesystemencoding()}")
