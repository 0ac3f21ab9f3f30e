"""Ranges of instruments: the lowest and the highest note of each, as MIDI numbers.

As books of instrumentation give them. The soundfonts play beyond them, by samples of other notes; the songs
of the study stay inside.
"""

RANGES = {
    "piano": (21, 108),
    "strings": (28, 96),
    "electric piano": (28, 103),
    "harpsichord": (29, 89),
    "vibraphone": (53, 89),
    "marimba": (36, 96),
    "organ": (36, 96),
    "reed organ": (29, 89),
    "nylon guitar": (40, 83),
    "steel guitar": (40, 86),
    "violin": (55, 100),
    "viola": (48, 88),
    "cello": (36, 76),
    "harp": (24, 103),
    "choir": (43, 84),
    "trumpet": (52, 84),
    "horn": (34, 77),
    "brass": (34, 84),
    "oboe": (58, 91),
    "bassoon": (34, 76),
    "clarinet": (50, 91),
    "flute": (60, 96),
}
