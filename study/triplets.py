"""Distances to the target as Cifka et al. 2021 define them.

"Self-supervised VQ-VAE for one-shot music style transfer", ICASSP, and ``experiments/paper_eval.ipynb`` of
the authors' repository ``cifkao/ss-vq-vae``:

- *LSD*: of mel spectra at 16 kHz, 128 bands, both clips at the same power, in dB; the root mean square over
  time, then the mean over the bands.
- *timbre*: one less the cosine of two embeddings of MFCC 2 to 13 by a network of four convolutions, which is
  trained on triplets: two pieces of one source are nearer than a piece of another, by a margin of .1.
  Nothing is downloaded, so that it is trained here, on random music (:mod:`study.exercises`) that both
  soundfonts play, in as many steps of as many triplets as theirs. Of 4000 triplets of other random music it
  tells .95 (with 6 songs of each instead of 24: .89); the authors have .98 of theirs.
- *pitch* is :func:`retimbre.metrics.content.pitch_distance`, whose transcriber is another one.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
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
SHORTEST = 4.5
"""Seconds of a clip at least: the network's poolings take 128 frames together."""
MARGIN = 0.1
"""Cosine by which two pieces of one source have to be nearer than a piece of another."""

_N_FFT, _N_MELS, _N_MFCC = 2048, 128, 13
_HOP, _HOP_LSD = 500, 512
_RANGE = 80.0  # dB below the loudest at which levels are cut
_WIDTH, _LENGTHS = 64, (4, 4, 4, 2)  # channels; taps and pooling of each layer
_FILE = "triplets.safetensors"


@dataclass(frozen=True)
class TripletTraining:
    """What the network is trained on.

    Args:
        n_songs: Number of songs of each instrument by each soundfont, at least 2.
        seconds: Length of a song.
        n_steps: Number of steps; two passes over 7381 triplets by the authors.
        batch: Triplets of a step.
        seed: Seed of songs, weights and draws.
    """

    n_songs: int = 24
    seconds: float = 6.0
    n_steps: int = 922
    batch: int = 16
    seed: int = 0


@dataclass(frozen=True, eq=False)
class TripletNetwork:
    """Measures distances of timbre.

    Args:
        network: From MFCC (B, 12, T) to embeddings (B, 64).
    """

    network: nn.Module

    @classmethod
    def load_or_train(
        cls,
        folder: Path,
        training: TripletTraining | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> "TripletNetwork":
        """Load the network from a folder; train it and save it there where there is none, or an older one.

        Args:
            folder: Folder of the file; made if it is not there.
            training: What to train on; the default if ``None``.
            on_step: Called with the steps done and all, now and then.

        Raises:
            DependencyError: a package that plays the songs is not installed.
            RetimbreError: the file cannot be written.
        """
        training = training or TripletTraining()
        with torch.random.fork_rng(devices=[]):  # layers draw weights from the global generator
            network = _network()
        key = training_key(training, __file__, get_args(Soundfont))
        load_or_train(folder / _FILE, key, network, lambda: _train(network, training, on_step))
        return cls(network)

    @torch.no_grad()
    def distance(self, one: Audio, other: Audio) -> float:
        """Compute one less the cosine of the embeddings of two clips, 0 to 2.

        Raises:
            InputError: a clip is shorter than :data:`SHORTEST`.
        """
        for clip in (one, other):
            if clip.seconds < SHORTEST:
                raise InputError(f"the clip lasts {clip.seconds:.2f} s: expected {SHORTEST:g} s or more")
        ours, theirs = (self.network(mfcc(clip)[None])[0].double() for clip in (one, other))
        return max(0.0, float(1 - nn.functional.cosine_similarity(ours, theirs, dim=0)))


def log_spectral_distance(output: Audio, target: Audio) -> float:
    """Compute the log-spectral distance in dB over the time that both clips last, 0 and up."""
    mono = [clip.resampled(RATE).samples.mean(axis=0) for clip in (output, target)]
    n = min(map(len, mono))
    levels = []
    for samples in mono:
        own = torch.from_numpy(samples[:n])
        levels.append(_levels(own / own.square().mean().sqrt().clamp(min=1e-7), _HOP_LSD))
    return float((levels[0] - levels[1]).square().mean(dim=1).sqrt().mean())


def mfcc(clip: Audio) -> Tensor:
    """Compute MFCC 2 to 13 of the mix of the channels, (12, T), frames 31 ms apart."""
    levels = _levels(torch.from_numpy(clip.resampled(RATE).samples.mean(axis=0)), _HOP)
    k, n = torch.arange(1, _N_MFCC)[:, None], torch.arange(_N_MELS)
    return math.sqrt(2 / _N_MELS) * torch.cos(math.pi / _N_MELS * k * (n + 0.5)) @ levels


def _levels(samples: Tensor, hop: int) -> Tensor:
    """Compute the levels of mel bands in dB, (128, T), none more than 80 below the loudest."""
    window = torch.hann_window(_N_FFT)
    spectrum = torch.stft(samples, _N_FFT, hop, window=window, return_complex=True, pad_mode="constant")
    levels = 10 * torch.log10((_bank().T @ spectrum.abs().square()).clamp(min=1e-10))
    return levels.clamp(min=levels.max() - _RANGE)


@lru_cache(1)
def _bank() -> Tensor:
    return slaney_mel(_N_MELS, _N_FFT, RATE, 0, RATE / 2).float()


def _network() -> nn.Module:
    layers: list[nn.Module] = []
    for number, length in enumerate(_LENGTHS):
        width = _WIDTH if number else _N_MFCC - 1
        layers += [nn.ConstantPad1d(((length - 1) // 2, length // 2), 0.0), nn.Conv1d(width, _WIDTH, length)]
        layers += [nn.BatchNorm1d(_WIDTH), nn.ReLU(), nn.MaxPool1d(length)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool1d(1), nn.Flatten())


def _train(network: nn.Module, training: TripletTraining, on_step: Callable[[int, int], None] | None) -> None:
    generator = torch.Generator().manual_seed(training.seed)
    songs = _songs(training, generator)
    for layer in network.modules():
        if isinstance(layer, nn.Conv1d):  # uniform weights by He et al. (2015), as the authors'
            bound = math.sqrt(6 / layer.weight[0].numel())
            nn.init.uniform_(layer.weight, -bound, bound, generator)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
    network.train()
    optimiser = torch.optim.Adam(network.parameters(), lr=1e-3)
    n_sources, n_songs = songs.shape[:2]
    for step in range(training.n_steps):
        source = torch.randint(n_sources, (training.batch,), generator=generator)
        other = (source + torch.randint(1, n_sources, source.shape, generator=generator)) % n_sources
        first = torch.randint(n_songs, source.shape, generator=generator)
        second = (first + torch.randint(1, n_songs, source.shape, generator=generator)) % n_songs
        third = torch.randint(n_songs, source.shape, generator=generator)
        triplets = torch.cat([songs[source, first], songs[source, second], songs[other, third]])
        anchor, positive, negative = network(triplets).chunk(3)
        near, far = (nn.functional.cosine_similarity(anchor, each) for each in (positive, negative))
        loss = (MARGIN + far - near).clamp(min=0).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        if on_step is not None:
            on_step(step + 1, training.n_steps)


def _songs(training: TripletTraining, generator: torch.Generator) -> Tensor:
    """Play songs: MFCC (sources, songs, 12, T); a source is an instrument of a soundfont."""
    sources = []
    for instrument in PROGRAMS:
        for soundfont in get_args(Soundfont):
            played = []
            for _ in range(training.n_songs):
                piece = exercises.exercise(instrument, training.seconds, generator)
                clip = render(piece, instrument, seconds=training.seconds, soundfont=soundfont)
                played.append(mfcc(Audio(clip.samples.mean(axis=0), clip.sample_rate)))
            sources.append(torch.stack(played))
    return torch.stack(sources)
