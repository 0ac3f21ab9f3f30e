"""Which instrument plays: likelihoods of the orchestra's instruments, by a small network trained here.

The network hears one second at a time, 64 mel bands at 16 kHz in dB relative to their mean. It is trained on
random music (:mod:`study.exercises`) of both soundfonts, through random equalisers, reverberation and noise,
so that it hears the instrument and not the song, the room or the level. No method optimises it, and it takes
no part in the package.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn

from retimbre.errors import InputError
from retimbre.music.orchestra import PROGRAMS, Soundfont, render
from retimbre.sound.audio import Audio
from retimbre.sound.mel import slaney_mel
from study import exercises
from study.judge_networks import load_or_train, training_key

RATE = 16_000
"""Hz."""
WINDOW, STEP = 1.0, 0.5
"""Length of a window and the time from one to the next, in seconds."""

_N_FFT, _HOP, _N_MELS = 1024, 320, 64
_FRAMES = round(WINDOW * RATE / _HOP)
_BEFORE = 12  # frames before a window that still reverberate in it
_QUIET = 1e-3  # of the loudest window's power, from which a window counts
_FLOOR = 1e-6  # of the mean power: as quiet as a band can be
_BATCH = 32
_FILE = "recogniser.safetensors"


@dataclass(frozen=True)
class Training:
    """What the network is trained on.

    Args:
        instruments: Names of its classes.
        soundfonts: Soundfonts that play.
        n_songs: Number of songs of each instrument by each soundfont.
        seconds: Length of a song.
        n_steps: Number of steps of 32 windows.
        seed: Seed of songs, weights and draws.
    """

    instruments: Sequence[str] = tuple(PROGRAMS)
    soundfonts: Sequence[Soundfont] = get_args(Soundfont)
    n_songs: int = 24
    seconds: float = 6.0
    n_steps: int = 2000
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Recogniser:
    """Estimates which instrument plays.

    Args:
        instruments: Names of the classes.
        network: From levels (B, 1, 64, T) to logits (B, K).
    """

    instruments: Sequence[str]
    network: nn.Module

    @classmethod
    def load_or_train(
        cls, folder: Path, training: Training | None = None, on_step: Callable[[int, int], None] | None = None
    ) -> "Recogniser":
        """Load the network from a folder; train it and save it there where there is none, or an older one.

        Args:
            folder: Folder of the file; made if it is not there.
            training: What to train on; everything by default.
            on_step: Called with the steps done and all, now and then.

        Raises:
            DependencyError: a package that plays the songs is not installed.
            RetimbreError: the file cannot be written.
        """
        training = training or Training()
        with torch.random.fork_rng(devices=[]):  # layers draw weights from the global generator
            network = _network(len(training.instruments))
        key = training_key(training, __file__, training.soundfonts)
        load_or_train(folder / _FILE, key, network, lambda: _train(network, training, on_step))
        return cls(tuple(training.instruments), network)

    @torch.no_grad()
    def likelihoods(self, audio: Audio) -> dict[str, float]:
        """Estimate the likelihood of every instrument: the mean over the windows that are not silent.

        Args:
            audio: A clip of any rate and number of channels, a second or longer.

        Returns:
            Likelihoods by instrument, which sum to one.

        Raises:
            InputError: the clip is shorter than a second, or silent.
        """
        power = _mel_power(audio)
        if power.shape[1] < _FRAMES:
            raise InputError(f"the clip lasts {audio.seconds:.2f} s: expected {WINDOW:g} s or more")
        windows = power.unfold(1, _FRAMES, round(STEP * RATE / _HOP)).transpose(0, 1)
        loudness = windows.mean(dim=(1, 2))
        if not loudness.any():
            raise InputError("the clip is silent: expected sound")
        heard = self.network(_levels(windows[loudness > _QUIET * loudness.max()]))
        found: list[float] = heard.double().softmax(dim=1).mean(dim=0).tolist()
        return dict(zip(self.instruments, found, strict=True))


def _network(n_classes: int) -> nn.Module:
    """Make the network: four convolutions; bands stay apart, since formants do not move with the pitch."""
    widths, layers = (1, 16, 32, 64, 128), list[nn.Module]()
    for before, after in pairwise(widths):
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        layers += [nn.MaxPool2d(2)] if after < widths[-1] else []
    pooled = nn.AdaptiveAvgPool2d((_N_MELS // 8, 1))
    features = widths[-1] * (_N_MELS // 8)
    return nn.Sequential(*layers, pooled, nn.Flatten(), nn.Dropout(0.3), nn.Linear(features, n_classes))


@lru_cache(1)
def _bank() -> Tensor:
    return slaney_mel(_N_MELS, _N_FFT, RATE, 30, RATE / 2).float()


def _mel_power(audio: Audio) -> Tensor:
    """Compute the power in mel bands of the mix of the channels, (64, T), frames 20 ms apart."""
    samples = torch.from_numpy(audio.resampled(RATE).samples.mean(axis=0))
    window = torch.hann_window(_N_FFT)
    spectrum = torch.stft(samples, _N_FFT, _HOP, window=window, return_complex=True, pad_mode="constant")
    return _bank().T @ spectrum.abs().square()


def _levels(power: Tensor) -> Tensor:
    """Convert power (B, 64, T) to levels for the network, (B, 1, 64, T): 0 for the mean, 1 for 20 dB more."""
    relative = power / power.mean(dim=(1, 2), keepdim=True).clamp(min=1e-20)
    return ((relative + _FLOOR).log10() / 2)[:, None]


def _train(network: nn.Module, training: Training, on_step: Callable[[int, int], None] | None) -> None:
    generator = torch.Generator().manual_seed(training.seed)
    songs, labels = _songs(training, generator)
    _initialise(network, generator)
    network.train()
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=training.n_steps)
    with torch.random.fork_rng(devices=[]):  # dropout draws from the global generator alone
        torch.manual_seed(training.seed)
        for step in range(training.n_steps):
            chosen = torch.randint(len(songs), (_BATCH,), generator=generator)
            starts = torch.randint(songs.shape[2] - _FRAMES - _BEFORE, (_BATCH,), generator=generator)
            frames = starts[:, None] + torch.arange(_FRAMES + _BEFORE)
            power = songs[chosen[:, None], :, frames].transpose(1, 2)
            heard = network(_levels(_disguised(power, generator)))
            loss = nn.functional.cross_entropy(heard, labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if on_step is not None:
                on_step(step + 1, training.n_steps)


def _songs(training: Training, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Play songs: power in mel bands (S, 64, T), and numbers of the instruments (S,)."""
    powers, labels = [], []
    for number, instrument in enumerate(training.instruments):
        for soundfont in training.soundfonts:
            for _ in range(training.n_songs):
                piece = exercises.exercise(instrument, training.seconds, generator)
                power = _mel_power(render(piece, instrument, seconds=training.seconds, soundfont=soundfont))
                powers.append(power / power.mean())
                labels.append(number)
    return torch.stack(powers), torch.tensor(labels)


def _initialise(network: nn.Module, generator: torch.Generator) -> None:
    """Draw the weights by He et al. (2015), from this generator."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            nn.init.normal_(layer.weight, 0, math.sqrt(2 / layer.weight[0].numel()), generator)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)


def _disguised(power: Tensor, generator: torch.Generator) -> Tensor:
    """Pass windows through random rooms, equalisers and noise, in the power of the bands.

    Decaying noise convolved with a sound gives, in the mean, its power convolved with the noise's: an
    exponential. From (B, 64, T + 12) to the last T frames, (B, 64, T).
    """
    n, n_bands, n_frames = power.shape

    def draw(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(n, *(shape or (1, 1)), generator=generator)

    decay = 6 * math.log(10) * _HOP / RATE / draw(0.1, 0.8)  # per frame, of power, to -60 dB
    response = decay * (-decay * torch.arange(n_frames)).exp()
    wet = 10 ** draw(-2.0, 0.0) * (draw(0, 1) < 0.5)
    transfer = torch.fft.rfft(response, 2 * n_frames)
    late = torch.fft.irfft(torch.fft.rfft(power, 2 * n_frames) * transfer, 2 * n_frames)[..., :n_frames]
    power = (power + wet * late.clamp(min=0))[..., _BEFORE:]

    bands = torch.linspace(0, 1, n_bands)[:, None]
    curve = draw(-8, 8) * (bands - 0.5)  # dB
    for k in range(1, 5):
        curve = curve + draw(-3, 3) * (math.pi * k * bands + draw(0, 2 * math.pi)).cos()
    power = power * 10 ** (curve / 10)

    colour = 10 ** (draw(-30, 10) * bands / 10)
    grain = -draw(1e-6, 1, n_bands, power.shape[2]).log()  # the power of noise is exponential
    noise = colour * grain / colour.mean(dim=1, keepdim=True)
    return power + 10 ** draw(-6, -1) * power.mean(dim=(1, 2), keepdim=True) * noise
