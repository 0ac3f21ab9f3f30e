"""The choice of an alignment and the target of a block, for clips with pitches and without."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre import Audio, Settings, transfer
from retimbre.alignment import registry
from retimbre.alignment.passage import Passage
from retimbre.alignment.registry import Played, find_alignments
from retimbre.alignment.target import Choice, choose_alignment
from retimbre.sound.stft import Window

RATE, WINDOW = 22_050, Window(2048, 512)


def _saw(hertz: float) -> Tensor:
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    return (
        torch.stack([0.2 * torch.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 12)]).sum(0).float()
    )


def _hiss(seed: int) -> Tensor:
    return 0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(seed))


TONE, OTHER, HISS, MORE = _saw(220), _saw(311), _hiss(0), _hiss(1)


def _passage(samples: Tensor) -> Passage:
    return Passage([samples[None]], RATE, WINDOW)


def _choose(content: Passage, style: Tensor, align: str = "auto") -> str:
    alignments = find_alignments(align)
    for alignment in alignments.values():
        alignment.fit([(_passage(style), 1.0)])
    return choose_alignment(alignments, align, content)


@pytest.mark.parametrize(
    ("content", "style", "how"),
    [
        (TONE, OTHER, "notes"),
        (TONE, HISS, "none"),
        (HISS, TONE, "none"),
        (HISS, MORE, "none"),
        (HISS, MORE.cumsum(0), "parts"),  # as loud in every octave, instead of louder in the treble
    ],
)
def test_the_clips_decide(content: Tensor, style: Tensor, how: str) -> None:
    assert _choose(_passage(content), style) == how


@pytest.mark.parametrize("align", ["none", "notes", "pitch", "equalised", "quantile"])
def test_settings_decide_where_they_say_so(align: str) -> None:
    for content in (TONE, HISS):
        assert _choose(_passage(content), OTHER, align) == align


def test_nothing_is_transcribed_where_nothing_depends_on_it() -> None:
    content = _passage(TONE)
    _choose(content, OTHER, "none")
    assert content.tonality is None
    _choose(content, HISS)  # the style has no pitches: the content is not asked
    assert content.tonality is None
    _choose(content, OTHER)
    assert content.tonality is not None


def _choices(content: Tensor, style: Tensor, **settings: object) -> Choice:
    quick = Settings(n_iter=2, n_iter_phase=1, n_iter_waveform=0, **settings)  # type: ignore[arg-type]
    one, other = (Audio(samples.numpy(), RATE) for samples in (content, style))
    (choice,) = transfer(one, other, quick).choices
    return choice


def test_the_choice_is_a_record() -> None:
    choice = _choices(TONE, OTHER)
    assert (choice.how, choice.strength) == ("notes", 0.95)
    assert choice.tonality is not None
    assert 0.45 < choice.tonality <= 1
    assert len(choice.style_tonality) == 1
    assert _choices(TONE, OTHER, align="none", strength=0.3) == Choice("none", 0.3)
    assert _choices(TONE, HISS).strength == 0.5
    assert _choices(TONE, OTHER, align="quantile").strength == 0.5
    assert _choices(TONE, OTHER, content_weight=0.5).strength is None


class _Recorded:
    """An alignment that plays a real sound, whatever the content."""

    sound: Tensor

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        self.style = style

    def suits(self, content: Passage) -> float:
        return 1.0

    def play(self, content: Passage) -> Played:
        made = Passage([type(self).sound], content.sample_rate, content.window)
        return Played([(made.frames, 1.0)], samples=type(self).sound)


def test_an_alignment_is_found_by_name_and_its_sound_keeps_its_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    class Entry:
        name = "recorded"

        @staticmethod
        def load() -> type[_Recorded]:
            return _Recorded

    class Entries(list[type[Entry]]):
        names = ("recorded",)

    monkeypatch.setattr(registry, "entry_points", lambda group: Entries([Entry]))
    margin = RATE // 2
    _Recorded.sound = torch.nn.functional.pad(0.5 * HISS, (margin, margin))[None]
    content, style = Audio(TONE.numpy(), RATE), Audio(MORE.numpy(), RATE)
    settings = Settings(strength=1.0, n_iter=5, n_iter_waveform=0)
    result = transfer(content, style, settings)
    assert [choice.how for choice in result.choices] == ["recorded"]
    made = result.audio.samples[0]
    assert np.corrcoef(made[1000:-1000], HISS.numpy()[1000:-1000])[0, 1] > 0.97
    without = _Recorded.play
    monkeypatch.setattr(
        _Recorded, "play", lambda self, content: Played(without(self, content).clips), raising=True
    )
    lost = transfer(content, style, settings).audio.samples[0]
    assert abs(np.corrcoef(lost[1000:-1000], HISS.numpy()[1000:-1000])[0, 1]) < 0.3
