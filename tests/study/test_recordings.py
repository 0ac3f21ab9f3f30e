"""Recordings without an answer, on stand-ins for those that a machine may not have."""

from pathlib import Path

import numpy as np
import pytest

from retimbre import Settings
from retimbre.errors import InputError
from retimbre.sound.audio import Audio
from retimbre.sound.files import write
from study import recordings
from study.recordings import REPORT, TUNE, Recordings, measure, table

RATE = 22_050


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    time = np.arange(3 * RATE // 2) / RATE
    noise = np.random.default_rng(0).standard_normal(len(time))
    for name, samples in (
        ("tone", np.sin(2 * np.pi * 440 * time)),
        ("dark", noise.cumsum()),
        ("hiss", noise),
    ):
        write(tmp_path / f"{name}.ogg", Audio(0.3 * samples / np.abs(samples).max(), RATE))
    monkeypatch.setattr(recordings, "LMMS", tmp_path)
    monkeypatch.setattr(recordings, "ROCK_KIT", tmp_path)


@pytest.mark.usefixtures("installed")
def test_a_short_loop_is_repeated_whole() -> None:
    content, style = Recordings("tone", "dark").clips()
    assert content.n_samples == style.n_samples == 3 * (3 * RATE // 2)  # at least four seconds
    np.testing.assert_array_equal(content.samples[:, : 3 * RATE // 2], content.samples[:, -(3 * RATE // 2) :])


@pytest.mark.usefixtures("installed")
def test_what_is_measured_is_the_way_to_the_style() -> None:
    settings = Settings(n_iter=3, n_iter_waveform=1, n_iter_phase=4)
    found = measure(Recordings("hiss", "dark"), settings)
    assert found.how == "parts"
    assert 0 < found.figures["spectrum"] < 0.8
    same = measure(Recordings("hiss", "dark"), Settings(strength=0.0))
    assert same.figures["spectrum"] == pytest.approx(1, abs=0.01)
    assert same.figures["onsets"] == pytest.approx(1, abs=0.01)


@pytest.mark.usefixtures("installed")
def test_the_table_has_a_row_for_each_and_the_mean() -> None:
    lines = table([Recordings("hiss", "dark")], Settings(strength=0.0)).splitlines()
    assert lines[2].startswith("| hiss to dark |  | 1.00 | 1.00 |")
    assert lines[-1].startswith("| **mean** |")


def test_where_they_are_not_installed_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings, "LMMS", tmp_path / "nothing")
    with pytest.raises(InputError, match="lmms-common"):
        Recordings("tone", "noise").clips()


def test_no_recording_is_tuned_on_and_reported() -> None:
    report, tune = (
        {where for pair in pairs for where in (pair.content, pair.style)} for pairs in (REPORT, TUNE)
    )
    assert not report & tune
