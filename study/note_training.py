"""Training of the network of notes (:mod:`retimbre.alignment.note_network`) on random music.

``python -m study.note_training`` makes the weights again, in about twenty minutes on one core. The music is
:mod:`study.etudes`'s.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from retimbre._output import atomic
from retimbre.alignment import note_network
from retimbre.alignment.attacks import Attacks, find_attacks
from retimbre.alignment.grid import LOWEST
from retimbre.alignment.note_network import NoteNetwork, describe_pitches
from retimbre.sound.audio import Audio
from study.etudes import etude
from study.events import passage_of
from study.kits import Wave
from study.pairs import RATE, Sounding

SECONDS = 6.0
N_CLIPS, N_STEPS = 400, 1800

_BATCH, _CROP, _RATE = 6, 400, 4e-3  # clips, frames of each, learning rate
_NOISE = 0.12  # added to whole rows, against learning instruments by heart
_EARLY, _LATE = 1, 3  # frames about an onset in which a note starts
_SOUNDS = 5  # the row that says whether the notes have the pitch
_UNSURE = 5, 8  # frames about it in which neither is right
_STARTS, _END = 4.0, 0.3  # weights of the starts' loss, and of the frames at a note's end


class Example(NamedTuple):
    """Clip as the network takes it, in half precision.

    Attributes:
        described: Rows of its pitches, (R, N_ROWS, T).
        wanted: Whether a note starts, the weight of that, whether it sounds, the weight of that, (R, 4, T).
    """

    described: Tensor
    wanted: Tensor


def attacks_of(samples: Wave) -> Attacks:
    """Measure the attacks of a clip, as for its events."""
    passage = passage_of(Audio(samples[None].astype(np.float32), RATE))
    transcription = passage.transcription
    return find_attacks(passage.pieces[0], RATE, passage.window, transcription.notes, transcription.grid)


def make_example(attacks: Attacks, notes: Sequence[Sounding]) -> Example:
    """Describe a clip, and say which of its pitches start and sound where."""
    described, pitches = describe_pitches(attacks)
    wanted = torch.zeros(len(pitches), 4, described.shape[2])
    wanted[:, 1::2] = 1
    places = {int(pitch) + LOWEST: n for n, pitch in enumerate(pitches)}
    found = [
        (places[note.pitch], round(note.onset / attacks.frame), round(note.end / attacks.frame))
        for note in notes
        if note.pitch in places
    ]
    for n, begin, end in found:
        wanted[n, 2, begin:end] = 1
        wanted[n, 3, max(0, end - 2) : end + 2] = _END
        wanted[n, 1, max(0, begin - _UNSURE[0]) : begin + _UNSURE[1]] = 0
    for n, begin, _ in found:
        wanted[n, :2, max(0, begin - _EARLY) : begin + _LATE + 1] = 1
    return Example(described.half(), wanted.half())


def make_examples(n_clips: int, seed: int = 0) -> list[Example]:
    """Make examples of random clips."""
    clips = (etude(np.random.default_rng([seed, n]), SECONDS) for n in range(n_clips))
    return [make_example(attacks_of(clip.samples), clip.notes) for clip in clips]


def train(examples: Sequence[Example], n_steps: int, seed: int = 0) -> NoteNetwork:
    """Train the network by cross-entropy."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NoteNetwork()
        optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=0.03)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=n_steps + 1)
        for step in range(n_steps):
            described, clips, wanted = _batch(examples)
            odds = network(described + _NOISE * torch.randn(*described.shape[:2], 1), clips)
            starts, sounds = (
                functional.binary_cross_entropy_with_logits(
                    odds[:, n], wanted[:, 2 * n], wanted[:, 2 * n + 1], reduction="sum"
                )
                / wanted[:, 2 * n + 1].sum()
                for n in (0, 1)
            )
            loss = _STARTS * starts + sounds
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            if step % 100 == 99:
                print(f"{step + 1} of {n_steps}: {starts.item():.4f} {sounds.item():.4f}", flush=True)
    return network.eval()


def _batch(examples: Sequence[Example]) -> tuple[Tensor, Tensor, Tensor]:
    """Draw excerpts of clips, of each the pitches that sound in it: rows, their clips, what is wanted."""
    described, clips, wanted = [], [], []
    for n in range(_BATCH):
        example = examples[int(torch.randint(len(examples), ()))]
        begin = int(torch.randint(max(1, example.described.shape[2] - _CROP + 1), ()))
        rows, wants = (part[..., begin : begin + _CROP].float() for part in example)
        kept = rows[:, _SOUNDS].any(dim=1)
        described.append(rows[kept])
        wanted.append(wants[kept])
        clips += [n] * int(kept.sum())
    return torch.cat(described), torch.tensor(clips), torch.cat(wanted)


def save(network: NoteNetwork, path: Path) -> None:
    """Save the weights in half precision."""
    from safetensors.torch import save_file

    with atomic(path) as temporary:
        save_file({name: w.half().contiguous() for name, w in network.state_dict().items()}, temporary)


def main() -> None:
    """Train the network of notes and write its weights."""
    parser = argparse.ArgumentParser(prog="python -m study.note_training", description=main.__doc__)
    parser.add_argument("--clips", type=int, default=N_CLIPS, help=f"random clips, {N_CLIPS} by default")
    beside = Path(note_network.__file__).with_name(note_network.WEIGHTS)
    parser.add_argument("-o", "--output", type=Path, default=beside, help="file of the weights")
    options = parser.parse_args()
    save(train(make_examples(options.clips), N_STEPS), options.output)


if __name__ == "__main__":
    main()
