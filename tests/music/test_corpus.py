import sys

import pytest

from retimbre.errors import DependencyError, InputError
from retimbre.music.corpus import excerpt


def test_a_chorale() -> None:
    pytest.importorskip("music21", reason="music21 is not installed")
    piece = excerpt("bach/bwv66.6", bars=3, tempo=90)
    assert len(piece.voices) == 4
    assert (piece.key, piece.bar, piece.beat) == ("F# minor", 4, 1)
    assert piece.quarters == 12
    assert piece.seconds == pytest.approx(8)
    # The upbeat C# B is left out: the melody begins with A B C# E in quarters.
    assert [(note.start, note.pitch) for note in piece.voices[0][:4]] == [(0, 69), (1, 71), (2, 73), (3, 76)]
    means = [sum(note.pitch for note in voice) / len(voice) for voice in piece.voices]
    assert means == sorted(means, reverse=True)


def test_a_score_that_is_not_there() -> None:
    pytest.importorskip("music21", reason="music21 is not installed")
    with pytest.raises(InputError, match="no score 'bach/bwv0'"):
        excerpt("bach/bwv0")


def test_no_bars() -> None:
    with pytest.raises(InputError, match="bars is 0: expected at least 1"):
        excerpt("bach/bwv66.6", bars=0)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "music21", None)
    with pytest.raises(DependencyError, match=r"music21.*retimbre\[corpus\]"):
        excerpt("bach/bwv66.6")
