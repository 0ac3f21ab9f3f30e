"""A style's notes at a content's, and the frames beside them."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

import retimbre
from retimbre.alignment.events import NoteEvent
from retimbre.alignment.passage import Passage
from retimbre.alignment.replay import NoteAlignment
from retimbre.errors import InputError
from retimbre.sound.stft import Window

RATE = 22_050
Wave = npt.NDArray[np.float32]
Note = tuple[float, float, int]  # onset and end in seconds, pitch


def _play(notes: list[Note], decay: float, seconds: float = 4.0) -> Wave:
    """Play notes of ten partials whose level falls by ``decay`` dB per second."""
    time = np.arange(round(seconds * RATE)) / RATE
    made = np.zeros(len(time))
    for onset, end, pitch in notes:
        phase = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time
        gate = np.clip((time - onset) / 0.005, 0, 1) * np.clip((end - time) / 0.02, 0, 1)
        gate *= 10 ** (-decay * (time - onset).clip(min=0) / 20)
        made += gate * sum(0.1 / k * np.sin(k * phase) for k in range(1, 11))
    return made.astype(np.float32)


STRING: list[Note] = [(0.2, 1.2, 62), (1.3, 2.3, 64), (2.4, 3.4, 66)]


def _level(samples: Wave, first: float, last: float) -> float:
    part = samples[round(first * RATE) : round(last * RATE)].astype(np.float64)
    return 10 * float(np.log10(np.square(part).mean() + 1e-12))


def _passage(samples: Wave, mirrored: tuple[int, int] = (0, 0)) -> Passage:
    return Passage([torch.from_numpy(samples)[None]], RATE, Window(2048, 512), mirrored=mirrored)


def test_what_is_no_note_falls_as_the_styles_notes_do() -> None:
    held = (0.5, 3.5, 69)
    falls = {}
    for decay in (0.0, 30.0):
        content = _passage(_play([held], 0))
        # Two short notes are all that was found, so that frames play the held one.
        vars(content)["events"] = [NoteEvent(at, at + 0.1, 93, 1e-3, 1.0) for at in (0.5, 0.6)]
        alignment = NoteAlignment()
        alignment.fit([(_passage(_play(STRING, decay)), 1.0)])
        samples = alignment.play(content).samples
        assert samples is not None
        falls[decay] = _level(samples[0].numpy(), 1.0, 1.2) - _level(samples[0].numpy(), 2.0, 2.2)
    assert abs(falls[0.0]) < 2
    assert 24 < falls[30.0] < 36


def test_a_style_without_notes_is_told_in_one_line() -> None:
    style, alignment = _passage(_play(STRING, 0)), NoteAlignment()
    vars(style)["events"] = []
    alignment.fit([(style, 1.0)])
    with pytest.raises(InputError, match="no note was found in the style: expected a clip with pitches"):
        alignment.play(_passage(_play(STRING, 0)))


def test_a_thump_beside_the_notes_is_not_played() -> None:
    levels = {}
    for length in (0.08, 1.0):
        content = _passage(_play([(0.5, 3.5, 69), (2.0, 2.0 + length, 45)], 0))
        vars(content)["events"] = [NoteEvent(0.5, 3.5, 69, 1e-3, 1.0)]
        alignment = NoteAlignment()
        alignment.fit([(_passage(_play(STRING, 0)), 1.0)])
        samples = alignment.play(content).samples
        assert samples is not None
        low = np.abs(np.fft.rfft(samples[0].numpy()))[400:500]  # around 110 Hz
        levels[length] = 20 * float(np.log10(low.max()))
    assert levels[0.08] < levels[1.0] - 40  # its length alone makes 22 dB


def test_no_note_is_found_in_a_mirror_image_and_the_first_one_keeps_its_onset() -> None:
    notes: list[Note] = [(0.0, 0.8, 69), (0.8, 1.5, 72)]
    own, margin = _play(notes, 20, seconds=1.5), RATE // 2
    padded = np.pad(own, margin, mode="reflect")
    found = _passage(padded, mirrored=(margin, margin)).events
    assert [event.pitch for event in found] == [69, 72]
    np.testing.assert_allclose([event.onset - 0.5 for event in found], [0.0, 0.8], atol=0.02)


def test_silence_before_the_first_note_stays_silent() -> None:
    # The margin before the start is the mirror image of it: no note of it may ring on into the clip.
    content, style = _play([(0.2, 0.5, 69), (0.5, 1.5, 72)], 10, seconds=2.0), _play(STRING, 30)
    made = retimbre.transfer((content, RATE), (style, RATE)).audio.samples[0]
    assert _level(made, 0.0, 0.12) < _level(made, 0.2, 0.5) - 50
