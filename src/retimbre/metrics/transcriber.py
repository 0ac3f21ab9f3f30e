"""Piano rolls of clips, by a small trained transcriber.

The network is Basic Pitch (Bittner, Bosch, Rubinstein, Meseguer-Brocal and Ewert 2022, "A lightweight
instrument-agnostic model for polyphonic note transcription and multipitch estimation", ICASSP; Spotify,
Apache-2.0). Of its package only the file of weights is used, found in the installed package and never copied,
and run by onnxruntime. The package asks for an old TensorFlow that this does not need, hence ``--no-deps``.
"""

import importlib.util
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from retimbre.errors import DependencyError
from retimbre.sound.audio import Audio

RATE = 22_050
"""Sample rate of the network's input in Hz; one channel."""
HOP = 256
"""Samples from frame to frame: 86.1 frames a second."""
LOWEST, N_PITCHES = 21, 88
"""The keys of a piano: MIDI numbers from A0."""
THRESHOLD = 0.3
"""Likelihood from which a semitone sounds: upstream's default for frames.

Not tuned here. In eight seconds of two rendered songs, whose notes are known, it finds 98 and 95 % of what a
piano plays and 94 and 80 % of what strings play. Of its semitones 80, 79, 73 and 62 % are in the score; most
of the rest are notes that ring on.
"""

_WINDOW = 2 * RATE - HOP  # samples that the network takes at once
_FRAMES = 172  # that it gives for them
_MARGIN = 15  # frames at either end of a window that have too little around them, as upstream
_STEP = _FRAMES - 2 * _MARGIN
_BATCH = 16  # windows at once, 26 s: it bounds the memory and makes nothing slower
_FILE = "basic_pitch/saved_models/icassp_2022/nmp.onnx"
_LEVEL = 0.1  # root mean square, as music has it; the network adds a floor before it takes logarithms
_THEN = "pip install --no-deps basic-pitch"
_INPUT = "serving_default_input_2:0"  # names inside the file
_NOTES, _ONSETS = "StatefulPartitionedCall:1", "StatefulPartitionedCall:2"

Roll = npt.NDArray[np.bool_]


def missing() -> DependencyError | None:
    """Return the error that :func:`piano_roll` would raise; ``None`` where the transcriber is installed."""
    if importlib.util.find_spec("onnxruntime") is None:
        return DependencyError("onnxruntime", extra="measure", then=_THEN)
    if not _file().is_file():
        return DependencyError("basic-pitch", extra="measure", then=_THEN)
    return None


def piano_roll(clip: Audio) -> Roll:
    """Transcribe a clip: the semitones that sound in each frame.

    Upstream draws notes from frames and onsets; here a semitone sounds in a frame where its likelihood
    (:func:`likelihoods`) is at least :data:`THRESHOLD`. The measures compare frames, and notes would add
    rules of their own (a least length, a note for every onset).

    Args:
        clip: The clip, of any rate and number of channels.

    Returns:
        Booleans of shape (88, T), frame t at ``t HOP / RATE`` seconds, ``T = 1 + N // HOP`` for N samples at
        22 050 Hz.

    Raises:
        DependencyError: the transcriber is not installed.
    """
    return likelihoods(clip) >= THRESHOLD


def likelihoods(clip: Audio) -> npt.NDArray[np.float32]:
    """Estimate the likelihood of every semitone in every frame, 0 to 1; as for :func:`piano_roll`.

    Channels are mixed. Windows overlap by thirty frames, of which half is cut at either side. They advance by
    exactly as many frames as are left, 142, so that the frames of a whole clip are equally spaced. (Upstream
    advances by 188 samples less and mends the times of notes afterwards.)
    """
    return _outputs(clip, [_NOTES])[0]


def note_and_onset_likelihoods(clip: Audio) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Estimate :func:`likelihoods`, and the likelihood that a note of each semitone begins, both (88, T)."""
    notes, onsets = _outputs(clip, [_NOTES, _ONSETS])
    return notes, onsets


def _outputs(clip: Audio, names: list[str]) -> list[npt.NDArray[np.float32]]:
    session = _session()
    samples = clip.resampled(RATE).samples.mean(axis=0)
    level = float(np.sqrt(np.square(samples).mean()))
    if level > 0:
        samples = samples * np.float32(_LEVEL / level)
    n_frames = 1 + len(samples) // HOP
    n_windows = -(-n_frames // _STEP)
    needed = (n_windows - 1) * _STEP * HOP + _WINDOW
    before = _MARGIN * HOP
    # The end of a clip can lie beyond the last window: it is in the margin and would have been cut.
    padded = np.pad(samples, (before, max(0, needed - before - len(samples))))
    windows = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[:: _STEP * HOP][:n_windows]
    batches = [
        session.run(names, {_INPUT: np.ascontiguousarray(windows[k : k + _BATCH, :, None])})
        for k in range(0, n_windows, _BATCH)
    ]
    rolls = (
        np.concatenate(output)[:, _MARGIN:-_MARGIN].reshape(-1, N_PITCHES)
        for output in zip(*batches, strict=True)
    )
    return [roll[:n_frames].T for roll in rolls]


def _file() -> Path:
    """Locate the file of weights without importing the package, which would import its dependencies."""
    try:
        return Path(str(distribution("basic-pitch").locate_file(_FILE)))
    except PackageNotFoundError:
        return Path()


@cache
def _session() -> Any:
    """Load the network, once; on one thread, so that the same clip always gives the same answer."""
    error = missing()
    if error is not None:
        raise error
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(_file()), options, providers=["CPUExecutionProvider"])
