"""The whole transfer: what it keeps of the content, what it takes of the style, what it says."""

import gc
import importlib
import math
import weakref
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

import retimbre
from retimbre import Audio, DivergedError, InputError, Result, Settings, Step, Transfer, transfer
from retimbre._runner import Runner
from retimbre._spectrogram_domain import SpectrogramStyle
from retimbre.alignment import instrument as instruments
from retimbre.alignment import passage
from retimbre.alignment.passage import Passage
from retimbre.losses.kernel import Kernel, KernelTerms
from retimbre.losses.terms import Style, Terms, balanced_objective
from retimbre.sound.clips import as_sound, normalized
from retimbre.sound.loudness import loudness
from retimbre.sound.stereo import joint_magnitude
from retimbre.sound.stft import Window

QUICK = Settings(n_iter=15, n_iter_waveform=5)
RATE = 22050


def _pulses(seconds: float = 2.0, rate: int = RATE, channels: int = 1) -> Audio:
    """A content: a decaying tone of 440 Hz four times a second."""
    t = np.arange(round(seconds * rate)) / rate
    x = 0.3 * np.sin(2 * np.pi * 440 * t) * np.exp(-12 * (t % 0.25))
    return Audio(np.tile(x, (channels, 1)), rate)


def _hiss(seconds: float = 2.5, rate: int = RATE, low: float = 3000, high: float = 5000) -> Audio:
    """A style: noise of one band."""
    n = round(seconds * rate)
    spectrum = np.fft.rfft(np.random.default_rng(0).standard_normal(n))
    frequencies = np.fft.rfftfreq(n, 1 / rate)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    x = np.fft.irfft(spectrum, n)
    return Audio(0.1 * x / x.std(), rate)


def _band_share(audio: Audio, low: float, high: float) -> float:
    power = np.abs(np.fft.rfft(audio.samples.mean(0))) ** 2
    frequencies = np.fft.rfftfreq(audio.n_samples, 1 / audio.sample_rate)
    return float(power[(frequencies >= low) & (frequencies <= high)].sum() / power.sum())


def _envelope(audio: Audio, rate: int = 50) -> npt.NDArray[np.float64]:
    hop = audio.sample_rate // rate
    x = audio.samples.mean(0)
    levels = np.square(x[: len(x) // hop * hop], dtype=np.float64).reshape(-1, hop).mean(1)
    return np.asarray(np.sqrt(levels))


def test_takes_the_sound_of_the_style_and_keeps_the_rhythm_of_the_content() -> None:
    content, style = _pulses(), _hiss()
    result = transfer(content, style, Settings(filters=128, n_iter=40, strength=0.7))
    rise = _band_share(result.audio, 3000, 5000) / _band_share(content, 3000, 5000)
    assert 10 * math.log10(rise) > 30  # dB: the band of the style, empty in the content, is filled
    rhythm = _envelope(content)
    assert np.corrcoef(_envelope(result.audio), rhythm)[0, 1] > 0.7
    assert np.corrcoef(_envelope(style)[: len(rhythm)], rhythm)[0, 1] < 0.3


def test_more_strength_takes_more_style_and_leaves_less_content() -> None:
    results = [
        transfer(_pulses(), _hiss(), Settings(filters=128, n_iter=40, strength=s)) for s in (0.1, 0.5, 0.9)
    ]
    shares = [_band_share(r.audio, 3000, 5000) for r in results]
    terms = [(r.best.content, r.best.style) for r in results if r.best]
    assert shares == sorted(shares)
    assert terms == sorted(terms)  # content rises ...
    assert [s for _, s in terms] == sorted((s for _, s in terms), reverse=True)  # ... and style falls


def test_half_strength_is_balanced() -> None:
    """Of what there is to gain and to lose, neither side is given more than a few times the other's."""
    for content, style in ((_pulses(), _hiss()), (_hiss(), _pulses())):
        result = transfer(content, style, Settings(filters=256, n_iter=40))
        assert result.best is not None
        gain = result.steps[0].style  # what there is to gain; the content weight is gain / loss
        kept_from_style = result.best.style / gain
        lost_of_content = result.best.content * result.content_weight / gain
        assert kept_from_style < 0.5
        assert lost_of_content < 0.5
        assert 1 / 4 < kept_from_style / lost_of_content < 4


@pytest.mark.parametrize(
    ("rate", "channels", "style_rate", "style_channels"),
    [
        (8000, 1, 44100, 2),
        (22050, 2, 16000, 1),
        (44100, 1, 22050, 1),
        (48000, 6, 8000, 2),
        (96000, 2, 96000, 1),
    ],
)
def test_output_has_the_contents_rate_channels_and_exact_length(
    rate: int, channels: int, style_rate: int, style_channels: int
) -> None:
    content = Audio(_pulses(0.7, rate, channels).samples[:, :-3], rate)  # no round number of samples
    style = _hiss(0.5, style_rate, 1000, 3000)
    style = Audio(np.tile(style.samples, (style_channels, 1)), style_rate)
    audio = transfer(content, style, Settings(filters=16, n_iter=2)).audio
    assert (audio.sample_rate, audio.n_channels, audio.n_samples) == (rate, channels, content.n_samples)
    assert bool(np.isfinite(audio.samples).all())


@pytest.mark.parametrize("gain", [0.001, 0.1, 3.0])
def test_loudness_of_the_content_is_kept_and_the_peak_stays_below_1_dbfs(gain: float) -> None:
    content = Audio(_pulses().samples * np.float32(gain), RATE)
    audio = transfer(content, _hiss(), QUICK).audio
    assert float(np.abs(audio.samples).max()) < 10 ** (-1 / 20)
    assert loudness(audio) == pytest.approx(loudness(content), abs=0.2)


def test_the_level_of_the_inputs_does_not_matter() -> None:
    a = transfer(_pulses(), _hiss(), QUICK)
    b = transfer(
        Audio(_pulses().samples * np.float32(0.02), RATE),
        Audio(_hiss().samples * np.float32(0.1), RATE),
        QUICK,
    )
    assert b.steps[-1].loss == pytest.approx(a.steps[-1].loss, rel=0.05)
    ratio = np.abs(a.audio.samples).max() / np.abs(b.audio.samples).max()
    assert ratio == pytest.approx(50, rel=0.1)


def test_hard_panned_stays_hard_panned_and_the_centre_stays_centred() -> None:
    mono = _pulses().samples
    left = transfer(Audio(np.vstack([mono, 0 * mono]), RATE), _hiss(), QUICK).audio.samples
    assert not bool(left[1].any())
    centre = transfer(Audio(np.vstack([mono, mono]), RATE), _hiss(), QUICK).audio.samples
    assert float(np.abs(centre[0] - centre[1]).max()) < 1e-4 * float(np.abs(centre).max())


def test_strength_0_gives_back_the_content() -> None:
    content = _pulses(channels=2)
    result = transfer(content, _hiss(), Settings(strength=0))
    assert np.array_equal(result.audio.samples, content.samples)
    assert (result.steps, result.best, result.stopped) == ((), None, "untouched")


def test_a_content_weight_stands_instead_of_a_strength() -> None:
    """With an aligned style too, whose strength says where the content term is drawn to."""
    made = transfer(FLUTE, SAWS, replace(QUICK, content_weight=1.0))
    assert made.ignored == ()
    assert {choice.how for choice in made.choices} == {"notes"}
    assert made.content_weight == 1.0
    assert made.steps[0].content == pytest.approx(0, abs=1e-3)  # of the content itself
    with pytest.raises(InputError, match=r"strength is 0\.9 and content_weight is 1: expected one of them"):
        Transfer(SAWS, Settings(content_weight=1.0))(FLUTE, strength=0.9)


def test_content_weight_is_taken_as_it_is() -> None:
    result = transfer(_pulses(), _hiss(), Settings(filters=16, n_iter=3, content_weight=0.125))
    assert result.content_weight == 0.125
    for step in result.steps:
        assert step.loss == pytest.approx(0.125 * step.content + step.style, rel=1e-5)


@pytest.mark.parametrize("init", ["content", "noise", "style"])
def test_starting_points(init: str) -> None:
    first = transfer(_pulses(), _hiss(), Settings(filters=64, n_iter=20, init=init)).steps  # type: ignore[arg-type]
    if init == "content":
        assert first[0].content == pytest.approx(0, abs=1e-3)
    if init == "style":
        assert first[0].style < 0.2
    if init == "noise":
        assert first[0].content > 0.1
        assert first[0].style > 0.1
    assert min(s.loss for s in first) < first[0].loss


def test_adam_works_too() -> None:
    steps = transfer(
        _pulses(), _hiss(), Settings(filters=64, optimizer="adam", n_iter=100, tolerance=0, n_iter_waveform=0)
    ).steps
    assert len(steps) == 100
    reference = transfer(_pulses(), _hiss(), Settings(n_iter=60, tolerance=0, n_iter_waveform=0))
    assert reference.best is not None
    assert steps[-1].loss == pytest.approx(reference.best.loss, rel=0.1)


def test_same_seed_same_samples_other_seed_others() -> None:
    settings = [Settings(network="shallow", filters=32, n_iter=5, seed=seed) for seed in (7, 7, 8)]
    a, b, c = (transfer(_pulses(), _hiss(), s).audio.samples for s in settings)
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_spectral_convergence_is_that_of_the_clip() -> None:
    result = transfer(_pulses(), _hiss(), QUICK)
    assert -60 < result.spectral_convergence < -6


def test_paths_arrays_and_audio_are_all_clips(tmp_path: Path) -> None:
    content, style = _pulses(0.5), _hiss(0.5)
    retimbre.write(tmp_path / "content.wav", content)
    settings = Settings(filters=16, n_iter=2)
    by_path = transfer(tmp_path / "content.wav", (style.samples[0], RATE), settings)
    by_text = transfer(str(tmp_path / "content.wav"), style, settings)
    assert np.array_equal(by_path.audio.samples, by_text.audio.samples)
    by_path.save(tmp_path / "out.flac")
    assert retimbre.read(tmp_path / "out.flac").n_samples == content.n_samples
    tensor = transfer((torch.from_numpy(content.samples), RATE), style, settings)
    assert tensor.audio.n_samples == content.n_samples


def test_what_cannot_be_a_clip_is_named() -> None:
    style = _hiss(0.5)
    for bad, message in (
        (3, "the content is int"),
        ((np.zeros((44100, 2)), 44100), r"the content cannot be used: samples have shape \(44100, 2\)"),
        (([0.1, math.nan], RATE), "the content cannot be used: the clip holds NaN"),
        ((np.zeros(RATE), RATE), "the content is silent"),
        ((np.arange(100.0), RATE), "the content lasts 0.005 s: expected at least one window, 0.093 s"),
        ((np.ones(5000), 100), "the content cannot be used: the sample rate is 100 Hz"),
    ):
        with pytest.raises(InputError, match=message):
            transfer(bad, style)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="the style is silent"):
        transfer(style, Audio(np.zeros(RATE, np.float32), RATE))
    assert as_sound(style, "style") is style


def test_an_interrupt_gives_the_best_so_far() -> None:
    def interrupt(step: Step) -> None:
        if step.evaluation == 6:
            raise KeyboardInterrupt

    result = transfer(_pulses(), _hiss(), QUICK, on_step=interrupt)
    assert result.stopped == "interrupted"
    assert len(result.steps) == 6
    assert result.audio.n_samples == _pulses().n_samples


def _diverge(at: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Turn the loss of one evaluation with a gradient into NaN."""
    real, calls = KernelTerms.__call__, 0

    def terms(self: KernelTerms, spectrogram: torch.Tensor) -> Terms:
        nonlocal calls
        calls += spectrogram.requires_grad
        content, style = real(self, spectrogram)
        return Terms(content, style * float("nan") if calls == at else style)

    monkeypatch.setattr(KernelTerms, "__call__", terms)


def test_a_run_that_diverges_gives_the_best_before_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _diverge(5, monkeypatch)
    result = transfer(_pulses(), _hiss(), QUICK, output=tmp_path / "out.wav")
    assert result.stopped == result.blocks[0].stopped == "diverged"
    assert len(result.steps) == 4
    assert result.best is not None
    assert result.best.loss == min(step.loss for step in result.steps)
    assert result.audio.n_samples == _pulses().n_samples
    assert not np.allclose(result.audio.samples, _pulses().samples, atol=1e-3)


def test_divergence_with_nothing_to_keep_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _diverge(1, monkeypatch)
    with pytest.raises(DivergedError, match="at the first evaluation: nothing to keep"):
        transfer(_pulses(), _hiss(), QUICK, output=tmp_path / "out.wav")
    assert list(tmp_path.iterdir()) == []


def test_device_cuda_without_one_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(InputError, match="no CUDA device"):
        transfer(_pulses(0.5), _hiss(0.5), Settings(device="cuda"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_gives_the_same_result() -> None:
    a = transfer(_pulses(), _hiss(), Settings(filters=64, n_iter=5, device="cpu"))
    b = transfer(_pulses(), _hiss(), Settings(filters=64, n_iter=5, device="cuda"))
    assert b.steps[-1].loss == pytest.approx(a.steps[-1].loss, rel=1e-3)


def test_the_joint_spectrogram_of_a_result_is_near_the_one_asked_for_in_every_channel() -> None:
    mono = _pulses().samples
    content = Audio(np.vstack([mono, 0.5 * np.roll(mono, 400, axis=1)]), RATE)
    result = transfer(content, _hiss(), QUICK)
    bins = Window(2048, 512).stft(torch.from_numpy(result.audio.samples))
    assert float(joint_magnitude(bins).mean()) > 0
    levels = np.sqrt(np.square(result.audio.samples).mean(1))
    assert levels[1] / levels[0] == pytest.approx(0.5, rel=0.15)


def test_the_package_offers_what_it_announces() -> None:
    names = dir(retimbre)
    assert {"Transfer", "transfer", "texture", "Settings", "Result", "Step", "Audio", "__version__"} <= set(
        names
    )
    for name in names:
        assert getattr(retimbre, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = retimbre.nothing


def test_a_long_clip_goes_in_blocks_without_a_dip_at_the_joints() -> None:
    content = Audio(np.tile(0.2 * np.sin(2 * np.pi * 440 * np.arange(25 * 8000) / 8000), (1, 1)), 8000)
    style = Audio(_hiss(3, 8000, 1000, 2000).samples, 8000)
    result = transfer(content, style, Settings(n_iter=10, n_iter_waveform=5))
    assert {s.block for s in result.steps} == {1, 2, 3}
    assert {s.n_blocks for s in result.steps} == {3}
    assert [s.evaluation for s in result.steps] == list(range(1, len(result.steps) + 1))
    assert result.audio.n_samples == content.n_samples
    envelope = 20 * np.log10(_envelope(result.audio, rate=10))
    assert envelope.min() > np.median(envelope) - 1.5
    assert envelope.max() < np.median(envelope) + 4  # nor do the ends of the clip stand out


def test_quiet_passages_stay_quiet_and_silent_blocks_silent() -> None:
    loud = _pulses(30.0, 8000).samples
    level = np.repeat(np.array([1.0, 0.0, 0.03], np.float32), 80_000)
    result = transfer(Audio(loud * level, 8000), _hiss(2, 8000, 1000, 2000), Settings(n_iter=8))
    samples = result.audio.samples[0]
    assert np.abs(samples[100_000:140_000]).max() < 1e-3 * np.abs(samples).max()
    ratio = np.std(samples[180_000:]) / np.std(samples[:60_000])
    assert ratio == pytest.approx(0.03, rel=0.2)


def test_an_interrupt_in_a_later_block_keeps_what_is_done() -> None:
    content = _pulses(25.0, 8000)

    def interrupt(step: Step) -> None:
        if step.block == 2:
            raise KeyboardInterrupt

    settings = Settings(n_iter=10, n_iter_waveform=3)
    result = transfer(content, _hiss(2, 8000, 1000, 2000), settings, on_step=interrupt)
    assert result.stopped == "interrupted"
    assert result.audio.n_samples == content.n_samples
    last = result.audio.samples[0, -40_000:] / content.samples[0, -40_000:].std()
    kept = content.samples[0, -40_000:] / content.samples[0, -40_000:].std()
    assert np.corrcoef(last, kept)[0, 1] > 0.999  # the block that was not reached is the content's
    assert np.corrcoef(result.audio.samples[0, :40_000], content.samples[0, :40_000])[0, 1] < 0.999


def test_an_interrupt_between_evaluations_is_told_too(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0

    def interrupted(*arguments: object, **named: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:  # the second block, before its first evaluation
            raise KeyboardInterrupt
        return real(*arguments, **named)  # type: ignore[arg-type]

    real = SpectrogramStyle.descend
    monkeypatch.setattr(SpectrogramStyle, "descend", interrupted)
    content = _pulses(25.0, 8000)
    result = transfer(content, _hiss(2, 8000, 1000, 2000), Settings(n_iter=5, n_iter_waveform=2))
    assert result.stopped == "interrupted"
    assert {s.block for s in result.steps} == {1}
    last = result.audio.samples[0, -40_000:], content.samples[0, -40_000:]
    assert np.corrcoef(*last)[0, 1] > 0.999


class Impatient:
    """Listener that asks for the end in the analysis of the second block, between two evaluations."""

    def __init__(self) -> None:
        self.blocks: list[int] = []
        self.n_checks = 0

    def __call__(self, step: Step) -> None:
        self.blocks.append(step.block)
        self.n_checks = 0

    def check(self) -> None:
        self.n_checks += 1
        if self.blocks and self.n_checks == 2:  # one follows each step
            raise KeyboardInterrupt


def test_an_interrupt_in_an_analysis_ends_it() -> None:
    content, listener = _pulses(25.0, 8000), Impatient()
    result = transfer(
        content, _hiss(2, 8000, 1000, 2000), Settings(n_iter=3, n_iter_waveform=0), on_step=listener
    )
    assert (result.stopped, set(listener.blocks), len(result.blocks)) == ("interrupted", {1}, 1)
    last = result.audio.samples[0, -40_000:], content.samples[0, -40_000:]
    assert np.corrcoef(*last)[0, 1] > 0.999


def test_a_long_style_is_heard_in_pieces_from_all_of_it() -> None:
    low, high = _hiss(20, 8000, 500, 1000).samples, _hiss(20, 8000, 2000, 3000).samples
    style = Audio(np.concatenate([low, high], axis=1), 8000)
    content = _pulses(3, 8000)
    audio = transfer(content, style, Settings(strength=0.8)).audio
    for band in ((500, 1000), (2000, 3000)):  # neither half of the style is missing
        assert _band_share(audio, *band) > 5 * _band_share(content, *band)


def test_a_long_style_that_sounds_only_between_the_pieces_is_found() -> None:
    samples = np.zeros((1, 60 * 8000), np.float32)
    samples[:, 6 * 8000 : 7 * 8000] = _hiss(
        1, 8000, 1000, 2000
    ).samples  # pieces: 0 to 2.5 s, 8.2 to 10.7 s, ...
    content = _pulses(1, 8000)
    audio = transfer(content, Audio(samples, 8000), Settings(strength=0.8, n_iter=20)).audio
    assert _band_share(audio, 1000, 2000) > 5 * _band_share(content, 1000, 2000)


def test_styles_mix_and_weight_0_is_not_there() -> None:
    content, low, high = _pulses(), _hiss(low=1000, high=2000), _hiss(low=4000, high=6000)
    settings = Settings(strength=0.7, n_iter=20, n_iter_waveform=3)
    only = transfer(content, low, settings).audio.samples
    assert np.array_equal(transfer(content, [(low, 1.0), (high, 0.0)], settings).audio.samples, only)
    mixed = transfer(content, [(low, 0.5), (high, 0.5)], settings).audio
    alone = transfer(content, low, settings).audio
    assert _band_share(mixed, 4000, 6000) > 10 * _band_share(alone, 4000, 6000)
    both = ((low, 0.5), (high, 0.5))
    assert np.array_equal(transfer(content, both, settings).audio.samples, mixed.samples)
    three = transfer(content, ((low, 1.0), (high, 1.0), (low, 2.0)), QUICK)
    assert three.audio.n_samples == content.n_samples
    with pytest.raises(InputError, match="the styles hold Audio: expected pairs of a clip and its weight"):
        transfer(content, [low, high], settings)  # type: ignore[list-item]
    for weights in ([], [(low, -1.0)], [(low, 0.0)], [(low, math.nan)]):
        with pytest.raises(InputError, match="weights of the styles"):
            transfer(content, weights, settings)


def test_three_windows_are_nearer_under_the_short_and_the_long_one() -> None:
    content, style = _pulses(3.0), _hiss(3.0)
    totals: dict[str, list[float]] = {}
    for name in ("one", "three"):
        settings = Settings(resolutions=name, n_iter_waveform=40, tolerance=1e-3)
        made = transfer(content, style, settings).audio
        totals[name] = []
        for window in Window(2048, 512).resolutions():
            clips = (Passage([normalized(x, RATE)], RATE, window) for x in (content, style, made))
            frames, other, found = (clip.frames for clip in clips)
            mix = Style([(other, 1.0)]).cut(frames.shape[1])
            objective = balanced_objective(Kernel(2, 11).statistics(mix), frames, mix, strength=0.5)
            totals[name].append(objective.total(objective.terms(found)).item())
    (_, short, long), (_, short_3, long_3) = totals["one"], totals["three"]
    assert short_3 < short
    assert long_3 < long


SHORT = Settings(n_iter=8, n_iter_phase=8, n_iter_waveform=3)


def _long() -> tuple[Audio, Audio]:
    return _pulses(35.0, 8000, channels=2), _hiss(2, 8000, 1000, 2000)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Result]:
    """A folder with a content of four blocks and a style, and their transfer, one block after the other."""
    folder = tmp_path_factory.mktemp("long")
    for name, clip in zip(("c.wav", "s.wav"), _long(), strict=True):
        retimbre.write(folder / name, clip)
    return folder, transfer(folder / "c.wav", folder / "s.wav", SHORT)


def test_into_a_file_it_is_the_same_and_leaves_nothing_else(
    alone: tuple[Path, Result], tmp_path: Path
) -> None:
    folder, kept = alone
    (tmp_path / "out").mkdir()
    path = tmp_path / "out" / "o.wav"
    written = transfer(folder / "c.wav", folder / "s.wav", SHORT, output=path)
    assert written.clip == path
    np.testing.assert_allclose(written.audio.samples, kept.audio.samples, rtol=0, atol=2**-22)
    assert [p.name for p in (tmp_path / "out").iterdir()] == ["o.wav"]
    with pytest.raises(InputError, match="one of the inputs"):
        transfer(folder / "c.wav", folder / "s.wav", SHORT, output=folder / "s.wav")


def test_several_jobs_give_the_same_clip_and_tell_steps_one_at_a_time(alone: tuple[Path, Result]) -> None:
    folder, kept = alone
    told: list[Step] = []
    together = transfer(folder / "c.wav", folder / "s.wav", replace(SHORT, jobs=3), on_step=told.append)
    np.testing.assert_allclose(together.audio.samples, kept.audio.samples, rtol=0, atol=1e-3)
    assert tuple(told) == together.steps
    assert [s.evaluation for s in told] == list(range(1, len(told) + 1))
    assert {s.block for s in told} == {1, 2, 3, 4}
    for number in (1, 2, 3, 4):
        share = [s.done for s in told if s.block == number]
        assert share == sorted(share)
    assert together.loss == pytest.approx(kept.loss, rel=1e-3)


def test_several_jobs_have_a_thread_each_and_the_callers_come_back() -> None:
    torch.set_num_threads(2)
    try:
        runner = Runner(3, jobs=2)
        found: list[int] = []
        for _ in runner.run(range(3), lambda number, report: found.append(torch.get_num_threads())):
            pass
        assert found == [1, 1, 1]
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)


@pytest.mark.parametrize("at", [1, 12])
def test_several_jobs_stop_at_an_interrupt_with_what_they_have(at: int) -> None:
    content, style = _long()

    def interrupt(step: Step) -> None:
        if step.evaluation == at:
            raise KeyboardInterrupt

    result = transfer(content, style, Settings(n_iter=20, jobs=2), on_step=interrupt)
    assert result.stopped == "interrupted"
    assert result.audio.n_samples == content.n_samples
    assert len(result.steps) <= at + 2
    last = result.audio.samples[0, -40_000:], content.samples[0, -40_000:]
    assert np.corrcoef(*last)[0, 1] > 0.999


@pytest.mark.parametrize("number", range(4))
def test_what_is_written_is_what_was_optimised_on_the_demonstrations_pairs(number: int) -> None:
    from retimbre.apps.demo import PAIRS
    from retimbre.music.orchestra import render

    pair = PAIRS[number]
    clips = []
    for instrument, piece in (pair.content, pair.style):
        clip = render(piece, instrument, seconds=6.0)
        clips.append(Audio(clip.samples.mean(axis=0), clip.sample_rate).resampled(RATE))
    result = transfer(clips[0], clips[1], Settings(align="none"))
    assert result.best is not None
    assert result.loss <= 1.05 * result.best.loss


@pytest.mark.parametrize("network", ["kernel", "shallow"])
def test_what_is_written_is_what_was_optimised(network: str) -> None:
    settings = Settings(network=network, filters=128)
    result = transfer(_pulses(), _hiss(), settings)
    assert result.best is not None
    assert result.loss < 1.25 * result.best.loss
    without = transfer(_pulses(), _hiss(), Settings(network=network, filters=128, n_iter_waveform=0))
    assert result.loss < without.loss


def _melody(pitches: list[int], falls: float, rate: int = RATE) -> Audio:
    """Half a second for each pitch, whose partials fall like ``k ** -falls``."""
    t = np.arange(rate // 2) / rate
    notes = []
    for pitch in pitches:
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        ks = [k for k in range(1, 16) if k * hertz < 0.45 * rate]
        note = sum(k**-falls * np.sin(2 * np.pi * k * hertz * t) for k in ks)
        notes.append(0.2 * note * np.minimum(1, t / 0.01) * np.minimum(1, (0.5 - t) / 0.03))
    return Audio(np.concatenate(notes), rate)


FLUTE, SAWS = _melody([69, 72, 76, 72, 69], 3), _melody([58, 61, 66, 63, 58], 1)


def _strongest(audio: Audio, second: float) -> float:
    """Frequency in Hz of the strongest partial, and of its likely fundamental the lowest within 20 dB."""
    n = audio.sample_rate // 4
    start = round(second * audio.sample_rate)
    x = audio.samples.mean(axis=0)[start : start + n] * np.hanning(n)
    power = np.abs(np.fft.rfft(x, 8 * n))
    lowest = int(np.flatnonzero(power > 0.1 * power.max())[0])
    return float((lowest + int(power[lowest : lowest + 60].argmax())) * audio.sample_rate / (8 * n))


@pytest.mark.parametrize("settings", [Settings(), Settings(resolutions="three"), Settings(strength=0.9)])
def test_where_both_have_pitches_the_melody_stays_and_the_partials_come(settings: Settings) -> None:
    result = transfer(FLUTE, SAWS, settings)
    assert [choice.how for choice in result.choices] == ["notes"]
    for n, pitch in enumerate((69, 72, 76, 72, 69)):
        cents = 1200 * math.log2(_strongest(result.audio, 0.125 + 0.5 * n) / (440 * 2 ** ((pitch - 69) / 12)))
        assert abs(cents) < 20
    treble = 10 * math.log10(_band_share(result.audio, 3000, 9000) / _band_share(FLUTE, 3000, 9000))
    assert treble > 20  # dB: a flute of these partials has hardly any


def test_without_alignment_the_styles_notes_come_along() -> None:
    own = 440 * 2 ** ((58 - 69) / 12)  # the style's first note, which the content does not have
    aligned, plain = (transfer(FLUTE, SAWS, Settings(align=a, strength=0.9)).audio for a in ("auto", "none"))
    shares = [_band_share(audio, own - 12, own + 12) for audio in (aligned, plain)]
    assert shares[1] > 30 * shares[0]


def test_level_does_not_matter_to_an_aligned_style_either() -> None:
    a = transfer(FLUTE, SAWS, QUICK).audio.samples
    quiet = Audio(FLUTE.samples * np.float32(0.05), RATE), Audio(SAWS.samples * np.float32(0.3), RATE)
    b = transfer(*quiet, QUICK).audio.samples
    assert np.corrcoef(a[0], b[0])[0, 1] > 0.99
    assert a.std() / b.std() == pytest.approx(20, rel=0.05)


def test_an_aligned_style_in_stereo_at_another_rate_and_in_blocks() -> None:
    left = _melody([69, 72, 76, 72, 69, 74, 77, 76, 72, 69, 65, 69] * 2, 3, 16_000).samples
    content = Audio(np.vstack([left, 0 * left]), 16_000)
    whole = transfer(content, SAWS, SHORT)
    assert {step.n_blocks for step in whole.steps} == {2}
    assert whole.audio.samples.shape == content.samples.shape
    assert not bool(whole.audio.samples[1].any())
    assert [choice.how for choice in whole.choices] == ["notes", "notes"]
    together = transfer(content, SAWS, replace(SHORT, jobs=2))
    assert np.corrcoef(whole.audio.samples[0], together.audio.samples[0])[0, 1] > 0.999


def test_a_rest_stays_silent_although_the_style_has_noise() -> None:
    rest = FLUTE.samples.copy()
    rest[:, RATE : 2 * RATE] = 0
    hiss = 0.003 * np.random.default_rng(0).standard_normal(SAWS.samples.shape).astype(np.float32)
    made = transfer(Audio(rest, RATE), Audio(SAWS.samples + hiss, RATE)).audio.samples[0]
    inside = made[5 * RATE // 4 : 7 * RATE // 4]
    assert 20 * math.log10(inside.std() / made[:RATE].std()) < -65


def test_several_styles_are_played_each_on_its_instrument() -> None:
    hollow = _melody([60, 64, 67, 64], 2)
    mixed = transfer(FLUTE, [(SAWS, 0.5), (hollow, 0.5)], QUICK)
    shares = [
        _band_share(audio, 3000, 9000)
        for audio in (transfer(FLUTE, hollow, QUICK).audio, mixed.audio, transfer(FLUTE, SAWS, QUICK).audio)
    ]
    assert shares == sorted(shares)


@pytest.mark.parametrize("at", [0, 1])
def test_a_click_can_be_aligned_if_that_is_asked(at: int) -> None:
    click = np.zeros((1, RATE), np.float32)
    click[0, 5000] = 1
    clips = [Audio(click, RATE), FLUTE][:: 1 if at == 0 else -1]
    result = transfer(clips[0], clips[1], replace(QUICK, align="pitch"))
    assert bool(np.isfinite(result.audio.samples).all())
    assert result.audio.samples.any()


def test_a_vibrato_is_the_contents_own() -> None:
    time = np.arange(3 * RATE) / RATE
    cents = 40 * np.sin(2 * np.pi * 3 * time)
    phase = 2 * np.pi * np.cumsum(440 * 2 ** (cents / 1200)) / RATE
    content = Audio((0.3 * np.sin(phase) + 0.03 * np.sin(2 * phase)).astype(np.float32), RATE)
    made = transfer(content, SAWS, Settings(strength=0.9)).audio.samples[0]
    steps = []
    for at in range(RATE // 2, 5 * RATE // 2, RATE // 24):  # eight times a period
        n = 2048
        power = np.abs(np.fft.rfft(made[at - n // 2 : at + n // 2] * np.hanning(n), 16 * n))
        band = slice(round(400 * 16 * n / RATE), round(480 * 16 * n / RATE))
        hertz = (band.start + int(power[band].argmax())) * RATE / (16 * n)
        steps.append((1200 * math.log2(hertz / 440), cents[at]))
    found, wanted = np.array(steps).T
    assert np.corrcoef(found, wanted)[0, 1] > 0.98
    assert np.abs(found).max() > 25


# --- prepared once ---


@pytest.fixture
def analyses(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Count transcriptions and fits of an instrument; the sampler, which fits one too, is not counted."""
    importlib.import_module("retimbre.alignment.sampler")
    counts = dict.fromkeys(("transcribe", "fit_source_filter"), 0)
    for home, name in ((passage, "transcribe"), (instruments, "fit_source_filter")):
        real = getattr(home, name)

        def counted(*arguments: Any, real: Any = real, name: str = name) -> Any:
            counts[name] += 1
            return real(*arguments)

        monkeypatch.setattr(home, name, counted)
    return counts


def test_a_prepared_style_is_analysed_once_for_all_contents(analyses: dict[str, int]) -> None:
    contents = [FLUTE, _melody([60, 64, 67, 72, 60], 3), _melody([62, 65, 69, 74, 62], 3)]
    alone = [transfer(content, SAWS, QUICK).audio.samples for content in contents]
    analyses.update(dict.fromkeys(analyses, 0))
    restyle = Transfer(SAWS, QUICK)
    assert not any(analyses.values())  # at the first content
    made = [restyle(content).audio.samples for content in contents]
    assert analyses["fit_source_filter"] == 1
    assert analyses["transcribe"] == 1 + 3  # of the style, and of each content
    for one, other in zip(alone, made, strict=True):
        assert np.array_equal(one, other)


def test_a_prepared_content_is_analysed_once_for_all_strengths(analyses: dict[str, int]) -> None:
    strengths = (0.2, 0.5, 0.9)
    alone = [transfer(FLUTE, SAWS, replace(QUICK, strength=s)) for s in strengths]
    analyses.update(dict.fromkeys(analyses, 0))
    restyle = Transfer(SAWS, QUICK)
    content = restyle.prepare(FLUTE)
    made = [restyle(content, strength=strength) for strength in strengths]
    assert analyses["transcribe"] == 2  # the style and the content
    assert analyses["fit_source_filter"] == 1
    for one, other in zip(alone, made, strict=True):
        assert np.array_equal(one.audio.samples, other.audio.samples)
        assert one.settings == other.settings
    again = Transfer(_hiss(), QUICK)(content)  # to another style
    assert analyses["transcribe"] == 3  # the other style alone
    assert again.choices[0].how == "none"


def test_a_prepared_style_serves_every_rate() -> None:
    restyle = Transfer(_hiss(), QUICK)
    for rate in (8000, 22_050, 8000):
        content = _pulses(1.0, rate)
        made = restyle(content)
        assert made.audio.sample_rate == rate
        assert np.array_equal(made.audio.samples, transfer(content, _hiss(), QUICK).audio.samples)


def test_a_prepared_content_in_blocks_and_in_a_file(tmp_path: Path) -> None:
    content, style = _long()
    retimbre.write(tmp_path / "c.wav", content)
    settings = Settings(n_iter=4, n_iter_waveform=2)
    restyle = Transfer(style, settings)
    prepared = restyle.prepare(tmp_path / "c.wav")
    first, second = restyle(prepared), restyle(prepared)
    assert len(first.blocks) == 4
    assert np.array_equal(first.audio.samples, second.audio.samples)
    assert np.array_equal(first.audio.samples, restyle(tmp_path / "c.wav").audio.samples)
    with pytest.raises(InputError, match="one of the inputs"):
        restyle(prepared, output=tmp_path / "c.wav")


def test_a_content_that_was_prepared_for_another_window_is_refused() -> None:
    content = Transfer(_hiss(), replace(QUICK, n_fft=1024, hop_length=256)).prepare(_pulses())
    with pytest.raises(InputError, match="prepared for windows of 1024 samples: expected 2048"):
        Transfer(_hiss(), QUICK)(content)


def test_nothing_of_a_style_is_kept_when_its_transfer_is_gone() -> None:
    restyle = Transfer(SAWS, QUICK)
    content = restyle.prepare(FLUTE)
    restyle(content)
    (prepared,) = restyle._prepared.values()
    gone = weakref.ref(prepared)
    del restyle, prepared
    gc.collect()
    assert gone() is None


# --- records ---


def test_a_result_has_a_record_for_each_block() -> None:
    content, style = _long()
    result = transfer(content, style, Settings(n_iter=6, n_iter_waveform=2))
    assert len(result.blocks) == 4
    assert all(block.samples is None for block in result.blocks)
    assert result.loss == pytest.approx(np.mean([block.loss for block in result.blocks]))
    bests = [block.best for block in result.blocks if block.best is not None]
    assert [best.block for best in bests] == [1, 2, 3, 4]
    for best in bests:
        assert best == result.steps[best.evaluation - 1]
        ours = [s.loss for s in result.steps if s.block == best.block and s.stage == "spectrogram"]
        assert best.loss == min(ours)
    assert result.best is not None
    assert result.best.loss == pytest.approx(np.mean([best.loss for best in bests]))
    assert {block.choice for block in result.blocks} == set(result.choices)


@pytest.mark.parametrize("network", ["kernel", "vggish"])
def test_a_step_gives_the_sound_so_far(network: str) -> None:
    content = _pulses(0.9, channels=2)
    sounds: list[Audio] = []

    def listen(step: Step) -> None:
        if step.iteration in (0, step.n_iter - 1) and len(sounds) < 8:
            sounds.append(step.audio())

    settings = Settings(network=network, random_weights=network == "vggish", n_iter=8, n_iter_waveform=3)
    result = transfer(content, _hiss(), settings, on_step=listen)
    assert len(sounds) > 1
    for sound in sounds:
        assert (sound.sample_rate, sound.samples.shape) == (RATE, content.samples.shape)
        assert loudness(sound) == pytest.approx(loudness(content), abs=0.5)
    near = np.corrcoef(sounds[0].samples[0], content.samples[0])[0, 1]  # the start is the content
    assert near > 0.95
    last = np.corrcoef(sounds[-1].samples[0], result.audio.samples[0])[0, 1]
    assert last > np.corrcoef(sounds[0].samples[0], result.audio.samples[0])[0, 1] - 1e-6
    with pytest.raises(InputError, match="no sound any more"):
        result.steps[-1].audio()
