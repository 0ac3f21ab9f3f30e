"""Distances by Cifka et al.: against librosa, and a network that learns on music that is not the study's."""

from pathlib import Path

import numpy as np
import pytest
import torch

from retimbre.errors import InputError
from retimbre.music import orchestra
from retimbre.music.orchestra import render
from retimbre.sound.audio import Audio
from study.exercises import exercise
from study.triplets import RATE, TripletNetwork, TripletTraining, _network, log_spectral_distance, mfcc


def _noise(seed: int, seconds: float = 5.0) -> Audio:
    samples = 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    samples[: RATE // 2] *= 1e-3
    return Audio(samples.astype(np.float32), RATE)


def test_the_features_are_librosa_s() -> None:
    librosa = pytest.importorskip("librosa")
    clip = _noise(0)
    expected = librosa.feature.mfcc(y=clip.samples[0], sr=RATE, n_mfcc=13, hop_length=500)[1:]
    assert mfcc(clip).numpy() == pytest.approx(expected, abs=0.02)


def test_the_log_spectral_distance_is_their_formula_s() -> None:
    librosa = pytest.importorskip("librosa")
    clips = [_noise(0), Audio(np.cumsum(_noise(1).samples, axis=1) * 0.1, RATE)]
    levels = []
    for clip in clips:
        samples = clip.samples[0] / np.sqrt(np.mean(np.square(clip.samples[0])))
        levels.append(librosa.power_to_db(librosa.feature.melspectrogram(y=samples, sr=RATE)))
    expected = np.mean(np.sqrt(np.mean((levels[0] - levels[1]) ** 2, axis=1)))
    assert log_spectral_distance(*clips) == pytest.approx(expected, rel=1e-3)
    assert log_spectral_distance(clips[0], Audio(0.1 * clips[0].samples, RATE)) < 0.01


def test_a_clip_is_at_0_from_itself_and_short_ones_are_refused() -> None:
    network = TripletNetwork(_network().eval())
    assert network.distance(_noise(0), _noise(0)) == pytest.approx(0, abs=1e-6)
    with pytest.raises(InputError, match=r"lasts 3\.00 s: expected 4\.5 s"):
        network.distance(_noise(0), _noise(1, 3.0))


@pytest.mark.slow
@pytest.mark.skipif(orchestra.missing("merlin") is not None, reason="the second soundfont is not installed")
def test_other_music_of_the_same_instrument_is_nearer_than_another_instrument(tmp_path: Path) -> None:
    pytest.importorskip("midirenderer")
    pytest.importorskip("pretty_midi")
    training = TripletTraining(n_songs=8, seconds=6.0, n_steps=500)
    network = TripletNetwork.load_or_train(tmp_path, training)
    generator = torch.Generator().manual_seed(99)

    def played(instrument: str) -> Audio:
        return render(exercise(instrument, 5.0, generator), instrument, seconds=5.0)

    names = ("flute", "piano", "marimba", "violin", "trumpet", "harpsichord")
    clips = {name: (played(name), played(name)) for name in names}
    own = {name: network.distance(*clips[name]) for name in names}
    nearer = [own[a] < network.distance(clips[a][0], clips[b][1]) for a in names for b in names if a != b]
    assert np.mean(nearer) > 0.7  # by chance it would be .5
    again = TripletNetwork.load_or_train(tmp_path, training)
    assert again.distance(*clips["flute"]) == own["flute"]
