"""Levels and peaks: one promise for every strength, format and input, of the file as it is decoded again."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

import retimbre
from retimbre.apps.explanation import notices
from retimbre.errors import InputError
from retimbre.sound.audio import Audio, Samples
from retimbre.sound.files import read
from retimbre.sound.loudness import loudness

Tone = Callable[..., Samples]
QUICK = {"n_iter": 2, "n_iter_waveform": 1, "n_iter_phase": 4, "align": "none"}
RATE = 22_050
LIMIT = 10 ** (-1 / 20)


def noise(amplitude: float, seed: int = 0) -> Samples:
    return (amplitude * np.random.default_rng(seed).standard_normal((1, RATE))).astype(np.float32)


INPUTS = {
    "quiet": noise(0.003),
    "usual": noise(0.1),
    "loud": np.tanh(5 * noise(1.0)),
    "over full scale": noise(0.77),
    "clicks": np.where(np.arange(RATE) % 2205 < 3, 1.0, noise(0.001)).astype(np.float32),
}
STYLE = (noise(0.1, seed=1), RATE)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("kind", INPUTS)
def test_no_sample_of_a_file_decoded_again_is_over_minus_1_dbfs(
    kind: str, suffix: str, tmp_path: Path
) -> None:
    content, path = Audio(INPUTS[kind], RATE), tmp_path / f"out.{suffix}"
    for strength in (0.5, 1.0):
        settings = retimbre.Settings(strength=strength, **QUICK)  # type: ignore[arg-type]
        result = retimbre.transfer(content, STYLE, settings, output=path)
        found = read(path)
        assert np.abs(found.samples).max() <= LIMIT
        # As loud as the content, or it says by how much it is quieter.
        assert loudness(found) + result.quieter == pytest.approx(loudness(content), abs=1.0)
        if kind in ("quiet", "usual") and suffix != "opus":
            assert result.quieter < 0.5
            assert not any("quieter" in line for line in notices(result, [], "out"))
        assert result.quieter <= 0.5 or "LU quieter than the content" in notices(result, [], "out")[-1]


def test_what_is_saved_later_keeps_the_promise(tmp_path: Path) -> None:
    settings = retimbre.Settings(strength=1.0, **QUICK)  # type: ignore[arg-type]
    result = retimbre.transfer((INPUTS["loud"], RATE), STYLE, settings)
    assert np.abs(result.audio.samples).max() <= LIMIT
    for suffix in ("mp3", "ogg"):
        result.save(tmp_path / f"out.{suffix}")
        assert np.abs(read(tmp_path / f"out.{suffix}").samples).max() <= LIMIT


@pytest.mark.parametrize("kind", INPUTS)
def test_strength_0_gives_the_samples_of_the_content(kind: str, tmp_path: Path) -> None:
    samples = INPUTS[kind]
    settings = retimbre.Settings(strength=0)
    result = retimbre.transfer((samples, RATE), STYLE, settings)
    np.testing.assert_array_equal(result.audio.samples, samples)
    assert notices(result, [], "out") == []
    for suffix in ("wav", "flac"):
        path = tmp_path / f"out.{suffix}"
        result = retimbre.transfer((samples, RATE), STYLE, settings, output=path)
        np.testing.assert_allclose(read(path).samples, samples.clip(-1, 1), rtol=0, atol=2**-23)
        n_over = int(np.count_nonzero(np.abs(samples) > 1))
        assert result.delivery is not None
        assert result.delivery.n_clipped == n_over
        said = [f"out: {n_over} samples of the content over full scale were clipped"] if n_over else []
        assert notices(result, [], "out") == said


@pytest.mark.parametrize("subtype", ["PCM_16", "PCM_24", "FLOAT"])
def test_a_file_of_strength_0_has_the_numbers_of_the_content(subtype: str, tmp_path: Path) -> None:
    content, path = tmp_path / "content.wav", tmp_path / "out.wav"
    soundfile.write(content, noise(0.2).T, RATE, subtype=subtype)
    for write in (
        lambda: retimbre.transfer(content, STYLE, retimbre.Settings(strength=0), output=path),
        lambda: retimbre.transfer(content, STYLE, retimbre.Settings(strength=0)).save(path),
    ):
        write()
        assert soundfile.info(path).subtype == subtype
        np.testing.assert_array_equal(read(path).samples, read(content).samples)
        path.unlink()


@pytest.mark.parametrize("suffix", ["wav", "flac", "mp3"])
def test_settings_that_mean_nothing_for_the_format_are_named(suffix: str, tmp_path: Path) -> None:
    settings = retimbre.Settings(strength=0, bits="16", quality=3)
    result = retimbre.transfer((noise(0.1), RATE), STYLE, settings, output=tmp_path / f"out.{suffix}")
    name = "bits" if suffix == "mp3" else "quality"
    assert result.ignored == (name,)
    assert f"{name} means nothing in out: left aside" in notices(result, [], "out")


@pytest.mark.parametrize("constant", [0.5, -1.0, 1e-40, 0.0])
def test_a_clip_in_which_nothing_moves_is_silent_and_named(constant: float, tmp_path: Path) -> None:
    path = tmp_path / "steady.wav"
    samples = np.full((RATE, 2), constant, np.float32)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    for pair, role in (((path, STYLE), "content"), ((STYLE, path), "style")):
        with pytest.raises(InputError, match=rf"the {role} \(.*steady.wav\) is silent") as caught:
            retimbre.transfer(*pair)
        assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="the content is silent"):
        retimbre.transfer((samples.T, RATE), STYLE)


def test_subnormal_numbers_are_silent_and_no_warning(tmp_path: Path) -> None:
    path = tmp_path / "faint.wav"
    soundfile.write(path, (1e-42 * np.sin(np.arange(RATE))).astype(np.float32), RATE, subtype="FLOAT")
    with pytest.raises(InputError, match=r"the style \(.*faint.wav\) is silent"):
        retimbre.Transfer(path)


def test_opus_at_a_rate_that_it_has_not_says_so(tmp_path: Path) -> None:
    settings = retimbre.Settings(strength=0.5, **QUICK)  # type: ignore[arg-type]
    result = retimbre.transfer((INPUTS["usual"], RATE), STYLE, settings, output=tmp_path / "out.opus")
    assert read(tmp_path / "out.opus").sample_rate == 24_000
    assert "out.opus: written at 24000 Hz, the nearest rate of its format" in notices(result, [], "out.opus")
