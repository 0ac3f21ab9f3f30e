"""Songs in several voices, and all songs by name: excerpts of 7 to 12 seconds, written from memory.

The music is public domain; the voices below the melody are partly simplified or harmonised anew, as
the origin says. Upbeats are left out. The tempo counts quarter notes.
"""

from retimbre.music.score import GREENSLEEVES, MINUET, Piece, parse
from study.melodies import MELODIES


def _song(name: str, origin: str, key: str, tempo: float, bar: float, beat: float, *voices: str) -> Piece:
    """Read the voices, the melody first and a little louder than the others."""
    notes = (
        parse(text, bar=bar, beat=beat, velocity=80 if number else 96) for number, text in enumerate(voices)
    )
    return Piece(name, key, tempo, bar, beat, tuple(notes), origin)


POLYPHONY = (
    _song(
        "Ode to Joy",
        "Ludwig van Beethoven, op. 125; three voices, lower ones anew",
        *("D major", 110, 4, 1),
        "F#5:1 F#5 G5 A5 | A5 G5 F#5 E5 | D5 D5 E5 F#5 | F#5:1.5 E5:.5 E5:2",
        "D5:1 D5 E5 F#5 | F#5 E5 D5 C#5 | A4 A4 C#5 D5 | D5:1.5 C#5:.5 C#5:2",
        "D3:2 A3 | D3 A2 | D3 A2 | A3 A2",
    ),
    _song(
        "Invention 1",
        "J. S. Bach, BWV 772, without ornaments",
        *("C major", 96, 4, 1),
        """r:.25 C4 D4 E4 F4 D4 E4 C4 G4:.5 C5 B4 C5 | D5:.25 G4 A4 B4 C5 A4 B4 G4 D5:.5 G5 F5 G5
         | E5:.25 A5 G5 F5 E5 G5 F5 A5 G5 F5 E5 D5 C5 E5 D5 F5
         | E5 D5 C5 B4 A4 C5 B4 D5 C5 B4 A4 G4 F#4 A4 G4 B4""",
        """r:2 r:.25 C3 D3 E3 F3 D3 E3 C3 | G3:.5 G2 r:1 r:.25 G3 A3 B3 C4 A3 B3 G3
         | C4:.5 B3 C4 D4 E4 G3 A3 B3 | C4 E3 F#3 G3 A3 B3 C4:1""",
    ),
    _song(
        "Canon",
        "Johann Pachelbel; two voices of it over the bass",
        *("D major", 92, 4, 1),
        "F#5:1 E5 D5 C#5 | B4 A4 B4 C#5 | D5:.5 F#5 A5 G5 F#5 D5 F#5 E5 | D5 B4 D5 A5 G5 B5 A5 G5",
        "D5:1 C#5 B4 A4 | G4 F#4 G4 E4 | F#4 E4 D4 C#4 | B3 A3 B3 C#4",
        "D3:1 A2 B2 F#2 | G2 D3 G2 A2 | D3 A2 B2 F#2 | G2 D3 G2 A2",
    ),
    _song(
        "Fuer Elise",
        "Ludwig van Beethoven, WoO 59",
        *("A minor", 72, 1.5, 1.5),
        """E5:.25 D#5 E5 B4 D5 C5 | A4:.5 r:.25 C4 E4 A4 | B4:.5 r:.25 E4 G#4 B4
         | C5:.5 r:.25 E4 E5 D#5 | E5 D#5 E5 B4 D5 C5 | A4:.5 r:.25 C4 E4 A4
         | B4:.5 r:.25 E4 C5 B4 | A4:1.5""",
        """r:1.5 | A2:.25 E3 A3 r:.75 | E2:.25 E3 G#3 r:.75 | A2:.25 E3 A3 r:.75
         | r:1.5 | A2:.25 E3 A3 r:.75 | E2:.25 E3 G#3 r:.75 | A2:.25 E3 A3 r:.75""",
    ),
    _song(
        "Sonatina",
        "Muzio Clementi, op. 36 no. 1, transposed from C major; the left hand anew",
        *("G major", 126, 4, 1),
        """G4:1 B4:.5 G4 D4:1 D4 | G4 B4:.5 G4 D5:2 | C5:.5 B4 A4 G4 F#4 G4 F#4 G4
         | A4 G4 F#4 E4 D4:2""",
        "G2+D3:2 B2+D3 | G2+D3 B2+D3 | C3:1 A2 D3 B2 | C3 A2 D3:2",
    ),
    _song(
        "O Sacred Head",
        "Hans Leo Hassler, a chorale, transposed from A minor; four voices, lower ones anew",
        *("C minor", 100, 4, 1),
        "C5:1 Bb4 Ab4 G4 | F4:2 G4:1 D5 | Eb5 Eb5 D5 D5 | C5:4",
        "Eb4:1 Eb4 C4 C4 | C4:2 D4:1 G4 | G4 Ab4 F4 G4 | G4:4",
        "G3:1 G3 Ab3 G3 | Ab3:2 B3:1 B3 | C4 C4 Ab3 B3 | Eb4:4",
        "C3:1 Eb3 F3 Eb3 | F3:2 G2:1 G3 | C3 Ab2 F3 G2 | C3:4",
    ),
    _song(
        "Frere Jacques",
        "traditional, France; a canon in two voices",
        *("Bb major", 144, 4, 1),
        """Bb4:1 C5 D5 Bb4 | Bb4 C5 D5 Bb4 | D5 Eb5 F5:2 | D5:1 Eb5 F5:2
         | F5:.5 G5 F5 Eb5 D5:1 Bb4 | F5:.5 G5 F5 Eb5 D5:1 Bb4""",
        """r:4 | r:4 | Bb3:1 C4 D4 Bb3 | Bb3 C4 D4 Bb3 | D4 Eb4 F4:2 | D4:1 Eb4 F4:2""",
    ),
    _song(
        "La Folia",
        "traditional, the later Folia; chords anew",
        *("D minor", 132, 3, 1),
        """D5:1 D5:1.5 E5:.5 | C#5:2 C#5:1 | D5 D5:1.5 E5:.5 | E5:2 E5:1
         | F5 F5:1.5 G5:.5 | E5:2 E5:1 | D5 D5:1.5 E5:.5 | C#5:3""",
        "F4+A4:3 | E4+A4 | F4+A4 | E4+G4 | A4+C5 | G4+C5 | F4+A4 | E4+A4",
        "D3:3 | A2 | D3 | C3 | F3 | C3 | D3 | A2",
    ),
    _song(
        "Twinkle, Twinkle",
        "traditional, France; a broken-chord bass",
        *("G major", 104, 4, 1),
        "G4:1 G4 D5 D5 | E5 E5 D5:2 | C5:1 C5 B4 B4 | A4 A4 G4:2",
        """G3:.5 D4 B3 D4 G3 D4 B3 D4 | G3 E4 C4 E4 G3 D4 B3 D4
         | F#3 D4 C4 D4 G3 D4 B3 D4 | F#3 D4 C4 D4 G3:2""",
    ),
    _song(
        "Gymnopedie 1",
        "Erik Satie, from bar 5; the bass partly an octave higher",
        *("D major", 84, 3, 1),
        "r:1 F#5 A5 | G5 F#5 C#5 | B4 C#5 D5 | A4:3",
        "r:1 B3+D4+F#4:2 | r:1 A3+C#4+F#4:2 | r:1 B3+D4+F#4:2 | r:1 A3+C#4+F#4:2",
        "G2:3 | D3 | G2 | D3",
    ),
    _song(
        "Sonata in A",
        "W. A. Mozart, K. 331, without ornaments",
        *("A major", 80, 3, 1.5),
        """C#5:.75 D5:.25 C#5:.5 E5:1 E5:.5 | B4:.75 C#5:.25 B4:.5 D5:1 D5:.5
         | A4:1 A4:.5 B4:1 B4:.5 | C#5:1 E5:.25 D5 C#5:1 B4:.5""",
        "E4:1.5 E4 | E4 E4 | E4 E4 | E4 E4",
        """A3:.75 B3:.25 A3:.5 C#4:1 C#4:.5 | G#3:.75 A3:.25 G#3:.5 B3:1 B3:.5
         | F#3:1 F#3:.5 G#3:1 G#3:.5 | A3:1.5 E3""",
    ),
    _song(
        "Lullaby",
        "Johannes Brahms, op. 49 no. 4; the accompaniment anew",
        *("Eb major", 100, 3, 1),
        """Bb4:1.5 G4:.5 G4:1 | Bb4:2 G4:.5 Bb4 | Eb5:1 D5:1.5 C5:.5 | C5:1 Bb4 F4:.5 G4
         | Ab4:1 F4 F4:.5 G4 | Ab4:2 F4:.5 Ab4""",
        "r:1 G3+Bb3:2 | r:1 G3+Bb3:2 | r:1 Ab3+C4:2 | r:1 F3+Bb3:2 | r:1 D3+Ab3:2 | r:1 D3+Ab3:2",
        "Eb3:3 | Eb3 | Ab2 | Bb2 | Bb2 | Bb2",
    ),
    _song(
        "Silent Night",
        "Franz Xaver Gruber; a broken-chord bass",
        *("Bb major", 76, 3, 1.5),
        """F4:.75 G4:.25 F4:.5 D4:1.5 | F4:.75 G4:.25 F4:.5 D4:1.5 | C5:1 C5:.5 A4:1.5
         | Bb4:1 Bb4:.5 F4:1.5""",
        """Bb2:.5 F3 Bb3 F3 Bb3 F3 | Bb2 F3 Bb3 F3 Bb3 F3 | F3 C4 Eb4 C4 Eb4 C4
         | Bb2 F3 Bb3 D4 Bb3 D4""",
    ),
)
"""Thirteen songs in two to four voices."""

SONGS = {piece.name: piece for piece in (*MELODIES, *POLYPHONY, MINUET, GREENSLEEVES)}
"""All songs by name: :data:`MELODIES`, :data:`POLYPHONY` and the two of the demonstration."""
