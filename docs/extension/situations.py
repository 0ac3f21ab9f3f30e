"""Ten situations: two clips that the build makes, the answer where there is one, and figures."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from docs.extension import sounds
from retimbre import Audio, Choice, transfer
from retimbre.metrics.features import ClipFeatures
from retimbre.metrics.measures import content_preservation, style_gain, target_distance
from retimbre.music.orchestra import render
from retimbre.music.score import MINUET, Piece
from study.grooves import GROOVES
from study.songs import SONGS

SECONDS = 6.0
"""Length of every clip."""

_PIECES = SONGS | {piece.name: piece for piece in GROOVES}


@dataclass(frozen=True)
class Situation:
    """Clips of a situation.

    Attributes:
        content: Description and maker of the content.
        style: Description and maker of the style.
        target: Description and maker of the answer; ``None`` where nobody can say what it is.
    """

    content: tuple[str, Callable[[], Audio]]
    style: tuple[str, Callable[[], Audio]]
    target: tuple[str, Callable[[], Audio]] | None = None


@dataclass(frozen=True)
class Outcome:
    """What a transfer with default settings made of a situation.

    Attributes:
        clips: Role, description and sound of each, in the order in which they are shown.
        choice: What was chosen from the clips.
        kept: ``onsets`` and ``chroma`` of the content preservation.
        gained: ``timbre`` and ``spectrum`` of the style gain.
        off: ``lsd`` and ``timbre``, distances to the answer as ratios to those of the content copied; empty
            where there is no answer.
    """

    clips: list[tuple[str, str, Audio]]
    choice: Choice
    kept: dict[str, float]
    gained: dict[str, float]
    off: dict[str, float]


def make(situation: Situation) -> Outcome:
    """Make the clips of a situation, transfer, and measure."""
    made = {
        role: (about, maker())
        for role, about_maker in (
            ("content", situation.content),
            ("style", situation.style),
            ("target", situation.target),
        )
        if about_maker is not None
        for about, maker in [about_maker]
    }
    content, style = (ClipFeatures(made[role][1]) for role in ("content", "style"))
    result = transfer(content.audio, style.audio)
    output = ClipFeatures(result.audio)
    off = {}
    if "target" in made:
        target = ClipFeatures(made["target"][1])
        before = target_distance(content, target)
        off = {k: v / before[k] for k, v in target_distance(output, target).items() if k in ("lsd", "timbre")}
    clips = [(role, *made[role]) for role in ("content", "style")]
    clips.append(("output", "what comes out", result.audio))
    clips += [("target", *made["target"])] if "target" in made else []
    return Outcome(
        clips,
        result.choices[0],
        content_preservation(output, content, names=("onsets", "chroma")),
        style_gain(output, style, content, names=("timbre", "spectrum")),
        off,
    )


def _play(piece: str | Piece, instrument: str) -> Callable[[], Audio]:
    """Give a maker of a piece on one instrument, in one channel."""

    def play() -> Audio:
        audio = render(_PIECES[piece] if isinstance(piece, str) else piece, instrument, seconds=SECONDS)
        return Audio(audio.samples.mean(axis=0), audio.sample_rate)

    return play


def _band(song: str, melody: str, chords: str, kit: str, groove: str) -> Callable[[], Audio]:
    """Give a maker of a band: the first voice, the others, and a groove in the song's tempo."""

    def play() -> Audio:
        piece = _PIECES[song]
        first, *others = piece.voices
        parts = [
            _play(replace(piece, voices=(first,)), melody)(),
            _play(replace(piece, voices=tuple(others)), chords)(),
            _play(replace(_PIECES[groove], tempo=piece.tempo), kit)(),
        ]
        mix = sum(part.samples for part in parts)
        return Audio(mix * (0.7 / np.abs(mix).max()), parts[0].sample_rate)

    return play


SITUATIONS = {
    "melody": Situation(
        ("Scarborough Fair on a guitar", _play("Scarborough Fair", "nylon guitar")),
        ("Auld Lang Syne on a violin", _play("Auld Lang Syne", "violin")),
        ("Scarborough Fair on that violin", _play("Scarborough Fair", "violin")),
    ),
    "chords": Situation(
        ("O Sacred Head, four voices on a piano", _play("O Sacred Head", "piano")),
        ("Pachelbel's Canon on strings", _play("Canon", "strings")),
        ("O Sacred Head on those strings", _play("O Sacred Head", "strings")),
    ),
    "kits": Situation(
        ("a breakbeat on a drum kit", _play("Breakbeat", "drums")),
        ("a house groove on a TR-808", _play("House", "tr-808")),
        ("the breakbeat on that TR-808", _play("Breakbeat", "tr-808")),
    ),
    "piano-to-drums": Situation(
        ("Minuet in G on a piano", _play(MINUET, "piano")),
        ("a rock groove on a drum kit", _play("Rock", "drums")),
    ),
    "drums-to-piano": Situation(
        ("a bossa nova on a drum kit", _play("Bossa", "drums")),
        ("Minuet in G on a piano", _play(MINUET, "piano")),
    ),
    "bands": Situation(
        (
            "La Folia: trumpet, harpsichord, drums",
            _band("La Folia", "trumpet", "harpsichord", "drums", "Waltz"),
        ),
        ("Sonatina: clarinet, piano, drums", _band("Sonatina", "clarinet", "piano", "drums", "Rock")),
        ("La Folia by the style's players", _band("La Folia", "clarinet", "piano", "drums", "Waltz")),
    ),
    "band-to-solo": Situation(
        ("Ode to Joy: flute, piano, drums", _band("Ode to Joy", "flute", "piano", "drums", "Rock")),
        ("Minuet in G on a vibraphone", _play(MINUET, "vibraphone")),
        ("Ode to Joy on that vibraphone", _play("Ode to Joy", "vibraphone")),
    ),
    "song-to-cello": Situation(
        ("Amazing Grace, sung on vowels", lambda: sounds.sing(_PIECES["Amazing Grace"], SECONDS)),
        ("Londonderry Air on a cello", _play("Londonderry Air", "cello")),
        ("Amazing Grace on that cello", _play(_PIECES["Amazing Grace"].transposed(-1), "cello")),
    ),
    "speech": Situation(
        ("syllables of a low voice", lambda: sounds.speak(SECONDS, hertz=105, seed=1)),
        ("other syllables of a high voice", lambda: sounds.speak(SECONDS, hertz=205, tract=1.17, seed=2)),
        (
            "the low voice's syllables by the high voice",
            lambda: sounds.speak(SECONDS, hertz=205, tract=1.17, seed=1),
        ),
    ),
    "beat-to-wind": Situation(
        ("a shuffle on a drum kit", _play("Shuffle", "drums")),
        ("wind", lambda: sounds.wind(SECONDS)),
    ),
}
"""The ten by name, in the order of the page."""
