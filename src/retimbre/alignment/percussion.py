"""The style's own strokes at the content's: a kit is exchanged for another.

Both clips are split into strokes of six kinds (:mod:`retimbre.alignment.kit`). At each stroke of the content
one of the style's of the same kind is played, with its own ring, as hard as the content's is over its median;
a kind that the style lacks is played by the next one to it. Between two kits half of the sound is the
content's own in the style's levels (:mod:`retimbre.alignment.parts`), which has the strokes that are not
found, and each one's own accent.
"""

from collections.abc import Collection, Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch

from retimbre.alignment.kit import Kit, Samples, StrokeSample
from retimbre.alignment.parts import PartsAlignment
from retimbre.alignment.passage import Passage
from retimbre.alignment.pitch import TONAL
from retimbre.alignment.registry import Played
from retimbre.alignment.spectrum import APART, distance_from_style
from retimbre.alignment.strokes import KINDS
from retimbre.errors import InputError
from retimbre.settings import STRUCK

_NEXT = {
    "kick": ("tom", "snare", "click", "cymbal", "hat"),
    "snare": ("click", "tom", "cymbal", "hat", "kick"),
    "tom": ("snare", "kick", "click", "cymbal", "hat"),
    "hat": ("cymbal", "click", "snare", "tom", "kick"),
    "cymbal": ("hat", "click", "snare", "tom", "kick"),
    "click": ("snare", "hat", "tom", "cymbal", "kick"),
}
"""Kinds in whose place another is played, the first one first."""

_SOFTER, _LOUDER = 0.25, 3.0
"""Limits of a stroke's level over the median of its kind."""
_BALANCE, _BALANCE_LIMITS = 0.3, (0.2, 4.0)
"""Share of the content's own balance between its kinds that is kept, and limits of its change. The style's
balance is part of its sound: with 1 LSD on the grooves for tuning is .64 of the content's, with 0 and .3 .55,
and with .3 the single strokes are nearer. A kind that the style strikes once is an accent, and has the
content's balance: one crash in place of eight open hats would cover all else."""
_OTHER_LIMITS = (0.1, 2.0)  # of an accent, and of a kind that stands for another
_UNEQUAL, _UNCLEAR, _RECENT = 0.15, 0.1, 0.1
"""Costs of a style's stroke: per octave of its level, for one that others cover, and for the one played last
(less by a factor e for each half second since). None is sharp: twice each changes LSD by .01."""
_ONSETS_PER_SECOND, _REPEATED, _EXPLAINED = 0.5, 3, 0.75
"""Least of a clip that is made of strokes: onsets, strokes of a kind in the mean (one alone would explain
anything), and the share of the levels that they explain. Of twelve grooves on five kits .83 to .91 is
explained by their strokes, of hiss, rain, crackle and surf .49 to .59."""
_FALL_AT, _FALLEN = 0.2, -5.0
"""Seconds after which strokes have fallen, and by how many dB: five kits for tuning and eight loops of drums
by 7 to 26, applause, which strokes explain as well, by 3."""
_RISE_AT, _RISEN = 0.05, -2.0
"""Seconds within which notes that can be struck have risen, and how far: pianos are there (-.3 dB), electric
pianos (-1.1), pads and bowed strings are not (-3.4 to -20)."""
_PITCHED = 0.6
"""Tonality from which on a clip has notes, however well strokes explain it: a harp has .76 and is explained
as drums are. A long bass drum has a pitch, and its groove .53."""
_IN_PARTS = 0.5
"""Share of the parts in the exchange of two kits. Of 15 exchanges of five kits of a soundfont and two
recorded ones, with known targets, LSD is .78 of the content's with it, .87 with strokes alone, .79 with parts
alone; timbre .57, .56, .65; single strokes .85, .90, .90; onset F1 .96, .89, .99. With .25 and .65 the sums
are as good. Where notes strike drums the parts make single strokes worse (.64 to 1.27)."""
_PLACE = 0.1  # s after an onset in which its place among the channels is measured


class StrokeAlignment:
    """Alignment that replays a style's strokes at a content's."""

    def fit(self, style: Sequence[tuple[Passage, float]]) -> None:
        """Keep the clips of a style and their shares; their strokes are sought at first use."""
        self._style = list(style)
        self._parts = PartsAlignment()
        self._parts.fit(style)

    @cached_property
    def _kits(self) -> list[tuple[Kit, float]]:
        return [(passage.kit, share) for passage, share in self._style]

    @cached_property
    def _is_kit(self) -> bool:
        return all(is_percussive(passage) for passage, _ in self._style)

    def suits(self, content: Passage) -> float:
        """Rate it 0.5 where a clip is made of strokes and every other one of strokes or of notes that begin.

        The notes of a piano strike the drums so, and drums play a piano's notes, each by what it is taken to
        be. Where a style is of neither kind, nothing is sought in the content. Between kits that sound alike
        an exchange costs more than it gains.
        """
        passages = [*(passage for passage, _ in self._style), content]
        if not any(map(_may_be_percussive, passages)):
            return 0.0  # what most melodies end with, before any stroke is sought
        if not all(is_percussive(passage) or _has_notes(passage) for passage in passages):
            return 0.0
        if not any(map(is_percussive, passages)):
            return 0.0
        return 0.5 if distance_from_style(content, self._style) >= APART else 0.0

    def play(self, content: Passage) -> Played:
        """Play the strokes of a content on the kits, with the content's power; without any it stays as it is.

        Raises:
            InputError: nothing is struck in a style.
        """
        own = content.kit
        if not all(kit.loudness for kit, _ in self._kits):
            raise InputError("no stroke was found in the style: expected drums, or another alignment")
        if not own.loudness:
            return Played([(content.frames, 1.0)], replaces_style=False)
        sounds = [
            (torch.from_numpy(play_strokes(own, kit, content)).to(content.pieces[0]), share)
            for kit, share in self._kits
        ]
        in_parts = self._parts.play(content).samples if self._is_kit and is_percussive(content) else None
        if in_parts is not None:
            sounds = [(in_parts, _IN_PARTS), *((sound, share * (1 - _IN_PARTS)) for sound, share in sounds)]
        return Played.mix(content, sounds, STRUCK)


def is_percussive(passage: Passage) -> bool:
    """Judge whether a clip is made of strokes: it has some, they explain it, and few have pitches."""
    if not _may_be_percussive(passage):
        return False
    kit = passage.kit
    if not kit.loudness:
        return False
    again = (kit.levels > 0).sum() >= _REPEATED * len(kit.loudness)
    falls = kit.course[kit.frame_after(_FALL_AT)] <= _FALLEN
    return bool(_begins(kit, passage) and again and falls and kit.explained >= _EXPLAINED)


def _may_be_percussive(passage: Passage) -> bool:
    return passage.transcription.notes.tonality < _PITCHED


def _has_notes(passage: Passage) -> bool:
    """Judge whether a clip has notes that are there at once."""
    if passage.transcription.notes.tonality < TONAL or not _begins(passage.kit, passage):
        return False
    kit = passage.kit
    return bool(kit.loudness and kit.course[: kit.frame_after(_RISE_AT)].max() >= _RISEN)


def _begins(kit: Kit, passage: Passage) -> bool:
    return len(kit.onsets) >= _ONSETS_PER_SECOND * passage.n_samples / passage.sample_rate


def play_strokes(own: Kit, kit: Kit, content: Passage) -> Samples:
    """Play the strokes of a content on the kit of a style: samples (C, N) of the content's shape."""
    made = np.zeros((len(content.pieces[0]), content.n_samples), np.float32)
    pieces = torch.cat(content.pieces, dim=1).cpu().numpy()
    both = own.loudness.keys() & kit.loudness.keys()
    gaps = [np.log(kit.loudness[kind] / own.loudness[kind]) for kind in both]
    gap = float(np.mean(gaps)) if gaps else np.log(sum(kit.loudness.values()) / sum(own.loudness.values()))
    for kind, loudness in own.loudness.items():
        other = choose_kind(kind, kit.loudness.keys())
        balance = loudness * np.exp(gap) / kit.loudness[other]
        if other == kind and len(kit.samples[other]) > 1:
            balance = np.clip(balance, *_BALANCE_LIMITS) ** _BALANCE
        else:
            balance = np.clip(balance, *_OTHER_LIMITS)
        struck = np.flatnonzero(own.levels[:, kind])
        levels = own.levels[struck, kind]
        levels = (levels / np.median(levels)).clip(_SOFTER, _LOUDER)
        times = own.onsets[struck] * own.frames.hop_length
        samples = kit.samples[other]
        median = float(np.median([sample.level for sample in samples]))
        chosen = choose_samples(samples, levels * median, times / content.sample_rate)
        for time, level, index in zip(times, levels * median, chosen, strict=True):
            sample = samples[index]
            gain = np.float32(balance * np.clip(level / sample.level, _SOFTER, _LOUDER))
            at = int(time) - sample.onset
            first = min(max(0, at), made.shape[1])
            last = min(made.shape[1], at + len(sample.samples))
            place = _place(pieces[:, int(time) : int(time) + round(_PLACE * content.sample_rate)])
            made[:, first:last] += gain * place[:, None] * sample.samples[first - at : last - at]
    return made


def choose_kind(kind: int, there: Collection[int]) -> int:
    """Choose the kind of a style that is played for one of a content: the same, or the next that is there."""
    names = (KINDS[kind], *_NEXT[KINDS[kind]])
    return next(index for index in map(KINDS.index, names) if index in there)


def choose_samples(
    samples: Sequence[StrokeSample], levels: npt.NDArray[np.float64], times: npt.NDArray[np.float64]
) -> list[int]:
    """Choose a stroke of the style for each of the content, of one kind: the one that costs least.

    Where there is another, none is played twice in a row, as a machine gun is heard.

    Args:
        samples: Strokes of the style.
        levels: Levels wanted, (N,).
        times: Onsets in seconds, (N,), ascending.
    """
    have, clarity = (np.array([getattr(sample, name) for sample in samples]) for name in ("level", "clarity"))
    played = np.full(len(samples), -np.inf)
    chosen: list[int] = []
    for level, time in zip(levels, times, strict=True):
        cost = (
            _UNEQUAL * np.abs(np.log2(level / have))
            - _UNCLEAR * clarity
            + _RECENT * np.exp(played - 2 * time)
        )
        if chosen and len(samples) > 1:
            cost[chosen[-1]] = np.inf
        chosen.append(int(np.argmin(cost)))
        played[chosen[-1]] = 2 * time
    return chosen


def _place(samples: Samples) -> Samples:
    """Measure the level of each channel, (C,), of mean square one."""
    power = np.square(samples).mean(axis=1, dtype=np.float64) if samples.size else np.ones(len(samples))
    places: Samples = np.sqrt(power / max(power.mean(), 1e-30)).astype(np.float32)
    return places
