"""Melodies in one voice: excerpts of public-domain music of 7 to 12 seconds, written from memory.

Where a melody begins with an upbeat, it starts here with the first full bar. The tempo counts
quarter notes.
"""

from retimbre.music.score import Piece, parse


def _melody(name: str, origin: str, key: str, tempo: float, bar: float, beat: float, text: str) -> Piece:
    return Piece(name, key, tempo, bar, beat, (parse(text, bar=bar, beat=beat, velocity=100),), origin)


MELODIES = (
    _melody(
        "Amazing Grace",
        "traditional, New Britain (1829)",
        *("F major", 112, 3, 1),
        "F4:2 A4:.5 F4 | A4:2 G4:1 | F4:2 D4:1 | C4:2 C4:1 | F4:2 A4:.5 F4 | A4:2 G4:1 | C5:3",
    ),
    _melody(
        "Scarborough Fair",
        "traditional, England",
        *("E dorian", 138, 3, 1),
        """E4:2 E4:1 | B4 B4 B4 | F#4:1.5 G4:.5 F#4:1 | E4:3
         | B4:1 B4 D5 | E5:2 D5:1 | B4 C#5 A4 | B4:3""",
    ),
    _melody(
        "Londonderry Air",
        "traditional, Ireland",
        *("Eb major", 96, 4, 1),
        """G4:1.5 F4:.5 G4:1 C5:.5 Bb4 | G4:1 F4:.5 Eb4 C4:1 Eb4:.5 G4
         | Ab4:1.5 Bb4:.5 C5 Bb4 G4 Eb4 | F4:4""",
    ),
    _melody(
        "Auld Lang Syne",
        "traditional, Scotland",
        *("A major", 120, 4, 1),
        """A4:1.5 A4:.5 A4:1 C#5 | B4:1.5 A4:.5 B4:1 C#5 | A4:1.5 A4:.5 C#5:1 E5 | F#5:3 F#5:1
         | E5:1.5 C#5:.5 C#5:1 A4""",
    ),
    _melody(
        "Jesu, Joy of Man's Desiring",
        "J. S. Bach, BWV 147, the upper voice",
        *("G major", 126, 4.5, 1.5),
        """r:.5 G4 A4 B4 D5 C5 C5 E5 D5 | D5 G5 F#5 G5 D5 B4 G4 A4 B4
         | C5 D5 E5 D5 C5 B4 A4 B4 G4 | F#4 G4 A4 D4 F#4 A4 C5 B4 A4""",
    ),
    _melody(
        "Au clair de la lune",
        "traditional, France",
        *("E major", 168, 4, 1),
        """E4:1 E4 E4 F#4 | G#4:2 F#4 | E4:1 G#4 F#4 F#4 | E4:4
         | F#4:1 F#4 F#4 F#4 | C#4:2 C#4 | F#4:1 E4 D#4 C#4 | B3:4""",
    ),
    _melody(
        "Sakura",
        "traditional, Japan",
        *("A minor", 138, 4, 1),
        """A4:1 A4 B4:2 | A4:1 A4 B4:2 | A4:1 B4 C5 B4 | A4 B4:.5 A4 F4:2
         | E4:1 C4 E4 F4 | E4 E4:.5 C4 B3:2""",
    ),
    _melody(
        "Drunken Sailor",
        "traditional, a sea shanty",
        *("E dorian", 104, 2, 1),
        """B4:.5 B4:.25 B4 B4:.5 B4:.25 B4 | B4:.5 E4 G4 B4
         | A4 A4:.25 A4 A4:.5 A4:.25 A4 | A4:.5 D4 F#4 A4
         | B4 B4:.25 B4 B4:.5 B4:.25 B4 | B4:.5 C#5 D5 E5 | D5 B4 A4 F#4 | E4:1 E4""",
    ),
    _melody(
        "Prelude in C",
        "J. S. Bach, BWV 846, as one line",
        *("C major", 84, 4, 1),
        """C4:.25 E4 G4 C5 E5 G4 C5 E5 C4 E4 G4 C5 E5 G4 C5 E5
         | C4 D4 A4 D5 F5 A4 D5 F5 C4 D4 A4 D5 F5 A4 D5 F5
         | B3 D4 G4 D5 F5 G4 D5 F5 B3 D4 G4 D5 F5 G4 D5 F5
         | C4 E4 G4 C5 E5 G4 C5 E5 C4 E4 G4 C5 E5 G4 C5 E5""",
    ),
)
"""Nine melodies."""
