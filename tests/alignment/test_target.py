"""What the objective aims at, for clips with pitches and without."""

import numpy as np
import pytest
import torch
from torch import Tensor

from retimbre.alignment.pitch import Alignment
from retimbre.alignment.spectrum import MATCHES
from retimbre.alignment.target import Aims
from retimbre.losses.terms import Style
from retimbre.settings import Settings
from retimbre.sound.stft import Window, log_magnitude

RATE, WINDOW = 22_050, Window(2048, 512)


def _frames(samples: Tensor) -> Tensor:
    return log_magnitude(WINDOW.stft(samples.float()[None]).abs()[0])


def _saw(hertz: float) -> Tensor:
    time = torch.arange(RATE, dtype=torch.float64) / RATE
    return _frames(
        torch.stack([0.2 * torch.sin(2 * np.pi * k * hertz * time) / k for k in range(1, 12)]).sum(0)
    )


def _hiss(seed: int) -> Tensor:
    return _frames(0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(seed)))


TONE, OTHER, HISS, MORE = _saw(220), _saw(311), _hiss(0), _hiss(1)


def _aims(style: Tensor, **settings: object) -> Aims:
    return Aims(Style([(style, 1.0)]), Settings(**settings), 2048, RATE)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("content", "style", "how"),
    [(TONE, OTHER, "aligned"), (TONE, HISS, "plain"), (HISS, TONE, "plain"), (HISS, MORE, "plain")],
)
def test_what_sounds_decides(content: Tensor, style: Tensor, how: str) -> None:
    assert _aims(style).of(content, Style([(style, 1.0)])).choice.how == how


def test_settings_decide_where_they_say_so() -> None:
    def how(content: Tensor, style: Tensor, **settings: object) -> str:
        return _aims(style, **settings).of(content, Style([(style, 1.0)])).choice.how

    assert how(TONE, OTHER, align="off") == "plain"
    assert how(TONE, OTHER, align="off", match="equalised") == "equalised"
    assert how(TONE, OTHER, match="equalised") == "aligned"
    assert how(TONE, HISS, match="equalised") == "equalised"
    assert how(HISS, MORE, match="quantile") == "quantile"
    assert how(HISS, MORE, align="on") == "aligned"


def test_nothing_is_transcribed_where_nothing_depends_on_it() -> None:
    aims = _aims(OTHER, align="off")
    assert aims.tonality is None
    aim = aims.of(TONE, Style([(OTHER, 1.0)]))
    assert (aim.choice.how, aim.choice.tonality) == ("plain", None)
    assert aim.content is TONE


@pytest.mark.parametrize("strength", [0.2, 0.9])
def test_the_content_moves_with_the_strength(strength: float) -> None:
    style = Style([(OTHER, 1.0)])
    aim = _aims(OTHER, strength=strength).of(TONE, style)
    (played, _), *_ = Alignment(style, 2048, RATE).play(TONE).clips
    assert torch.allclose(aim.style.clips[0][0], played)
    assert torch.allclose(aim.content, (1 - strength) * TONE + strength * played, atol=1e-5)
    aim = _aims(HISS, strength=strength, match="quantile").of(TONE, Style([(HISS, 1.0)]))
    matched = MATCHES["quantile"](TONE, Style([(HISS, 1.0)]), RATE / 2048)
    assert torch.allclose(aim.content, (1 - strength) * TONE + strength * matched, atol=1e-5)
    assert aim.style.clips[0][0] is HISS
