"""The code of the tutorial, taken from the document and run; with the trained weights where they are."""

import os
import re
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor

from retimbre import transfer
from retimbre.errors import InputError
from retimbre.losses.terms import NetworkStyle, Objective, Style
from retimbre.music.orchestra import render
from retimbre.music.score import GREENSLEEVES, MINUET
from retimbre.optim.minimise import minimise
from retimbre.settings import Settings
from retimbre.sound.audio import Audio
from retimbre.sound.resampling import resample

TUTORIAL = Path(__file__).parents[2] / "docs" / "tutorial.md"
RATE, WEIGHTS = 16_000, "RETIMBRE_MTT_VGG"
INSTRUMENTS = {
    "guitar",
    "strings",
    "drums",
    "piano",
    "violin",
    "harpsichord",
    "flute",
    "sitar",
    "harp",
    "cello",
}
"""The tags that are instruments, without voices and synthesizers."""

Play = Callable[[str], Tensor]


def _code() -> str:
    (block,) = re.findall(r"```python\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    return str(block)


@pytest.fixture(scope="module")
def tutorial() -> Any:
    """The tutorial's code as a module."""
    module = ModuleType("mtt_vgg")
    exec(compile(_code(), str(TUTORIAL), "exec"), module.__dict__)
    return module


@pytest.fixture
def play() -> Play:
    """Six seconds of an instrument at 16 kHz, (1, N).

    The flute plays Greensleeves: in the Minuet the trained network takes it for strings.
    """

    def clip(instrument: str) -> Tensor:
        piece = GREENSLEEVES if instrument in ("strings", "guitar", "flute") else MINUET
        player = "nylon guitar" if instrument == "guitar" else instrument
        samples = render(piece, player, seconds=6.0).resampled(RATE).samples
        return torch.from_numpy(samples.mean(axis=0, keepdims=True))

    return clip


def test_is_short() -> None:
    assert len(_code().splitlines()) < 60


def test_layers(tutorial: Any) -> None:
    """Every layer has the shape that the pools leave of a patch, and of any other length."""
    network = tutorial.SPEC.make(
        Settings(random_weights=True, content_layers="conv5"), 0, torch.device("cpu")
    )
    sizes = [(187, 96), (92, 48), (46, 24), (23, 12), (11, 6)]  # of the README of the weights
    found = network(torch.zeros(1, 186 * 256))
    assert list(found) == list(tutorial.SPEC.layers)
    assert [tuple(layer.shape) for layer in found.values()] == [(128, h * w) for h, w in sizes]
    assert network(torch.zeros(2, 186 * 256))["conv5"].shape == (128, 2 * 11 * 6)
    assert len(network.tag(torch.zeros(1, 2 * 187 * 256))) == 50


@pytest.mark.usefixtures("librosa_compiled")
def test_front_end(tutorial: Any, play: Play) -> None:
    import librosa
    import numpy as np

    samples = play("piano")
    mel = librosa.feature.melspectrogram(
        y=samples[0].numpy(), sr=RATE, n_fft=512, hop_length=256, n_mels=96, pad_mode="constant"
    )
    found = tutorial.MTTVGG().log_mel(samples)[0]
    np.testing.assert_allclose(found.numpy().T, np.log10(1 + 10_000 * mel), rtol=0, atol=1e-4)


def test_only_layers_that_count_are_computed(tutorial: Any) -> None:
    settings = Settings(random_weights=True, content_layers="conv1", style_layers="conv2:0.5,conv1")
    network = tutorial.SPEC.make(settings, 0, torch.device("cpu"))
    assert list(network(torch.zeros(1, RATE))) == ["conv1", "conv2"]
    assert network.style_layers == {"conv2": 0.5, "conv1": 1.0}


def test_missing_weights(tutorial: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(WEIGHTS, str(tmp_path / "missing.safetensors"))
    with pytest.raises(InputError, match=WEIGHTS):
        tutorial.SPEC.build(Settings(), 0)


def test_loss_falls(tutorial: Any, play: Play) -> None:
    """With random weights, so anywhere: the objective descends over samples at another rate."""
    clips = [play(name)[:, RATE : 2 * RATE] for name in ("piano", "drums")]
    content, style = (torch.from_numpy(Audio(c.numpy(), RATE).resampled(22_050).samples) for c in clips)
    network = tutorial.SPEC.build(Settings(random_weights=True), 0).requires_grad_(False)
    terms = NetworkStyle(network, Style([(style, 1.0)]), lambda x: network(resample(x, 22_050, RATE))).terms(
        content
    )
    objective = Objective(terms)
    first = float(objective.total(objective.terms(content)))
    settings = Settings(tolerance=0)
    found = minimise(objective, content, settings, stage="waveform", n_iter=4, spectrogram_of=lambda x: x)
    assert found.best is not None
    assert found.best.loss < 0.9 * first


def test_found_by_its_entry_point(play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Installed as the tutorial says, the network is there by its name, and a transfer runs with it."""
    (declared,) = re.findall(r"```toml\n(.*?)```", TUTORIAL.read_text(encoding="utf-8"), re.DOTALL)
    entries = tomllib.loads(declared)["project"]["entry-points"]["retimbre.networks"]
    package, notes = tmp_path / "my_package", tmp_path / "my_package-1.dist-info"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "mtt_vgg.py").write_text(_code(), encoding="utf-8")
    notes.mkdir()
    (notes / "METADATA").write_text("Metadata-Version: 2.1\nName: my_package\nVersion: 1\n")
    lines = [f"{name} = {target}\n" for name, target in entries.items()]
    (notes / "entry_points.txt").write_text("[retimbre.networks]\n" + "".join(lines))
    monkeypatch.syspath_prepend(str(tmp_path))
    content, style = (Audio(play(name)[:, :RATE].numpy(), RATE) for name in ("piano", "drums"))
    settings = Settings(network="mtt_vgg", random_weights=True, n_iter=2)
    try:
        result = transfer(content, style, settings)
    finally:
        for name in [name for name in sys.modules if name.startswith("my_package")]:
            del sys.modules[name]
    assert not result.audio.is_silent
    assert result.steps[-1].loss < result.steps[0].loss


@pytest.mark.parametrize("instrument", ["piano", "strings", "drums", "guitar", "flute"])
def test_trained_network_knows_instruments(tutorial: Any, play: Play, instrument: str) -> None:
    """The instrument's own tag is among the first two of the ten that are instruments."""
    if not os.path.isfile(os.environ.get(WEIGHTS, "")):
        pytest.skip(f"{WEIGHTS} names no file: the trained weights are not there")
    with torch.no_grad():
        scores = tutorial.SPEC.build(Settings(), 0).tag(play(instrument))
    ranked = sorted(INSTRUMENTS, key=scores.__getitem__, reverse=True)
    assert instrument in ranked[:2], {name: round(scores[name], 3) for name in ranked}
