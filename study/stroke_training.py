"""Training of the network of strokes (:mod:`retimbre.alignment.strokes`) on random grooves.

``python -m study.stroke_training`` makes the weights again, in about ten minutes on one core. The drums are
:mod:`study.kits`'s, and those of the kits of the pairs for tuning in both soundfonts.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from torch import nn

from retimbre._output import atomic
from retimbre.alignment import strokes
from retimbre.alignment.strokes import KINDS, StrokeFrames
from retimbre.music.orchestra import Soundfont, render
from retimbre.music.score import Note, Piece
from study.grooves import DRUMS
from study.kits import RATE, Recorded, Wave, groove

SECONDS = 7.0
N_GROOVES, N_EPOCHS = 2400, 25

_KITS: tuple[tuple[str, Soundfont], ...] = (
    *(("tr-808", "timgm"), ("power kit", "timgm")),
    *(("tr-808", "merlin"), ("power kit", "merlin")),
)
KIND_OF = {
    "kick": "kick",
    "stick": "click",
    "snare": "snare",
    "clap": "snare",
    "low tom": "tom",
    "closed hat": "hat",
    "pedal hat": "hat",
    "open hat": "cymbal",
    "high tom": "tom",
    "crash": "cymbal",
    "ride": "cymbal",
    "cowbell": "click",
}
"""Kind of every drum of :data:`study.grooves.DRUMS`."""

_NEAR = 0.03  # s between an onset found and a stroke
_HIDDEN, _BATCH, _RATE = 48, 512, 4e-3
_NOISE, _DROP, _DROP_INPUT = 0.15, 0.3, 0.1  # against learning the kits by heart


def recorded_drums() -> Recorded:
    """Render each drum of the kits for tuning alone."""
    drums: dict[str, list[Wave]] = {kind: [] for kind in KINDS}
    for kit, soundfont in _KITS:
        for name, pitch in DRUMS.items():
            piece = Piece("One stroke", "", 60, 4, 1, ((Note(0, 3, pitch, 100),),), percussive=True)
            samples = render(piece, kit, seconds=2.5, soundfont=soundfont).resampled(RATE).samples
            drums[KIND_OF[name]].append(samples.mean(axis=0, dtype=np.float64))
    return drums


def make_examples(n_grooves: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Describe the onsets found in random grooves, (N, features), and say what is struck, (N, kinds)."""
    recorded, described, struck = recorded_drums(), [], []
    for n in range(n_grooves):
        samples, played = groove(np.random.default_rng([seed, n]), SECONDS, recorded if n % 2 else None)
        frames = StrokeFrames.of(samples, RATE)
        onsets = strokes.find_onsets(frames.levels)
        if not len(onsets):
            continue
        labels, seconds = np.zeros((len(onsets), len(KINDS)), np.float32), onsets * frames.hop_length / RATE
        for stroke in played:
            nearest = int(np.abs(seconds - stroke.onset).argmin())
            if abs(seconds[nearest] - stroke.onset) < _NEAR:
                labels[nearest, KINDS.index(stroke.kind)] = 1
        described.append(strokes.describe_onsets(frames.levels, onsets))
        struck.append(labels)
    return torch.from_numpy(np.concatenate(described)), torch.from_numpy(np.concatenate(struck))


def train(described: torch.Tensor, struck: torch.Tensor, n_epochs: int, seed: int = 0) -> nn.Sequential:
    """Train the network by cross-entropy, kind by kind."""
    torch.manual_seed(seed)
    network = nn.Sequential(
        nn.Dropout(_DROP_INPUT),
        nn.Linear(described.shape[1], _HIDDEN),
        *(nn.ReLU(), nn.Dropout(_DROP), nn.Linear(_HIDDEN, _HIDDEN)),
        *(nn.ReLU(), nn.Dropout(_DROP), nn.Linear(_HIDDEN, len(KINDS))),
    )
    n_steps = max(1, n_epochs * len(described) // _BATCH)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=1e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=n_steps + 1)
    for _ in range(n_steps):
        drawn = torch.randint(len(described), (_BATCH,))
        given = described[drawn] + _NOISE * torch.randn(_BATCH, described.shape[1])
        loss = nn.functional.binary_cross_entropy_with_logits(network(given), struck[drawn])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


def save(network: nn.Sequential, path: Path) -> None:
    """Save the weights in half precision, of which the likelihoods are within .001."""
    from safetensors.torch import save_file

    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    tensors = {
        f"{n}.{part}": getattr(layer, part).detach().half().contiguous()
        for n, layer in enumerate(linear)
        for part in ("weight", "bias")
    }
    with atomic(path) as temporary:
        save_file(tensors, temporary)


def main() -> None:
    """Train the network of strokes and write its weights."""
    parser = argparse.ArgumentParser(prog="python -m study.stroke_training", description=main.__doc__)
    parser.add_argument(
        "--grooves", type=int, default=N_GROOVES, help=f"random grooves, {N_GROOVES} by default"
    )
    beside = Path(strokes.__file__).with_name(strokes.WEIGHTS)
    parser.add_argument("-o", "--output", type=Path, default=beside, help="file of the weights")
    options = parser.parse_args()
    described, struck = make_examples(options.grooves)
    print(f"{len(described)} onsets; shares of the kinds: {struck.mean(dim=0).tolist()}")
    save(train(described, struck, N_EPOCHS), options.output)


if __name__ == "__main__":
    main()
