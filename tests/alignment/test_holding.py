"""Notes that die away, held until their voice goes on."""

import numpy as np
import pytest
import torch

from retimbre.alignment.events import NoteEvent
from retimbre.alignment.holding import held_notes
from retimbre.alignment.passage import Passage
from retimbre.sound.stft import Window

RATE = 22_050
Note = tuple[float, float, int]  # onset and end in seconds, pitch


def _passage(notes: list[Note], decay: float, heard: list[float], mirrored: int = 0) -> Passage:
    """Play notes whose level falls by ``decay`` dB per second, heard until the ends that are given."""
    time = np.arange(round(3.5 * RATE)) / RATE
    made = 1e-5 * np.random.default_rng(0).standard_normal(len(time))
    for onset, end, pitch in notes:
        phase = 2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time
        gate = np.clip((time - onset) / 0.005, 0, 1) * np.clip((end - time) / 0.02, 0, 1)
        gate *= 10 ** (-decay * (time - onset).clip(min=0) / 20)
        made += gate * sum(0.1 / k * np.sin(k * phase) for k in range(1, 9))
    samples = torch.from_numpy(made).float()[None]
    passage = Passage([samples], RATE, Window(2048, 512), mirrored=(0, mirrored))
    vars(passage)["events"] = [
        NoteEvent(onset, end, pitch, 1.0, 1.0) for (onset, _, pitch), end in zip(notes, heard, strict=True)
    ]
    return passage


MELODY: list[Note] = [(0.3, 1.1, 69), (1.1, 1.9, 72), (1.9, 2.7, 67)]


def test_a_pluck_is_held_until_its_voice_has_the_next_note() -> None:
    content = _passage(MELODY, 60, heard=[0.5, 1.3, 2.1])
    assert [event.end for event in held_notes(content)] == pytest.approx([1.1, 1.9, 2.6])


def test_a_note_takes_over_from_the_nearest_voice() -> None:
    bass: list[Note] = [(0.3, 0.7, 45), (0.7, 1.1, 48), (1.1, 1.5, 45)]
    notes = sorted([*MELODY, *bass])
    content = _passage(notes, 60, heard=[onset + 0.2 for onset, _, _ in notes])
    held = {(event.onset, event.pitch): event.end for event in held_notes(content)}
    assert held[0.3, 69] == pytest.approx(1.1)  # not at .7, where the bass moves
    assert held[0.3, 45] == pytest.approx(0.7)
    assert held[0.7, 48] == pytest.approx(1.1)


def test_a_note_that_sounds_on_is_another_voice() -> None:
    notes: list[Note] = [(0.3, 0.9, 60), (0.5, 1.0, 64), (1.5, 2.0, 64)]
    content = _passage(notes, 30, heard=[0.7, 0.75, 1.8])
    assert held_notes(content)[0].end > 0.7


def test_a_steady_instrument_ends_its_notes_itself() -> None:
    content = _passage(MELODY, 0, heard=[0.8, 1.6, 2.4])
    assert held_notes(content) == content.events


def test_no_note_is_held_beyond_the_clip() -> None:
    content = _passage([(0.5, 1.0, 69), (2.7, 2.9, 69)], 60, heard=[0.7, 2.8], mirrored=RATE // 2)
    assert held_notes(content)[1].end == pytest.approx(3.0)
