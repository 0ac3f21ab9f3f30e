"""Recordings of instruments, drums and loops without an answer, from what a machine has installed.

``python -m study.recordings`` measures them: the output's distance to the style as a ratio to the content's
own, and what is kept of the content. The samples are those of Debian's ``lmms-common`` and the rock kit of
``hydrogen-data``; they are read where they are installed and never copied. A loop is repeated to four
seconds.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retimbre import Settings, transfer
from retimbre.errors import InputError
from retimbre.metrics.features import ClipFeatures
from retimbre.metrics.measures import content_preservation, style_gain
from retimbre.sound.audio import Audio
from retimbre.sound.files import read
from study.grooves import DRUMS, GROOVES
from study.pictures import save_constant_q

LMMS = Path("/usr/share/lmms/samples")
"""Folder of the loops and single notes of ``lmms-common``."""
ROCK_KIT = Path("/usr/share/hydrogen/data/drumkits/GMRockKit")
"""Folder of the drums of ``hydrogen-data``."""

SHORTEST, LONGEST = 4.0, 8.0
"""Seconds to which a loop is repeated, and after which a clip is cut."""

_ROCK = {
    "kick": "Kick",
    "stick": "SideStick",
    "snare": "Snare",
    "low tom": "Tom1",
    "closed hat": "HatClosed",
    "pedal hat": "HatPedal",
    "open hat": "HatOpen",
    "high tom": "Tom2",
    "crash": "Crash",
    "ride": "Ride",
    "cowbell": "Cowbell",
}
"""File of each drum, before how hard it is struck."""


@dataclass(frozen=True)
class Recordings:
    """A content and a style, each the path of a sample below ``LMMS``, or ``kit:`` and the name of a groove.

    Args:
        content: The content.
        style: The style.
    """

    content: str
    style: str

    @property
    def name(self) -> str:
        """Name for tables."""
        return f"{_name(self.content)} to {_name(self.style)}"

    def clips(self) -> tuple[Audio, Audio]:
        """Read content and style.

        Raises:
            InputError: the samples are not installed.
        """
        return _clip(self.content), _clip(self.style)


REPORT = (
    Recordings("latin/latin_guitar03", "stringsnpads/strings01"),
    Recordings("bassloops/techno_synth04", "instruments/church_organ01"),
    Recordings("beats/break01", "kit:Rock"),
    Recordings("stringsnpads/chorus02", "instruments/steel_guitar01"),
    Recordings("beats/house_loop01", "beats/jungle01"),
    Recordings("beats/909beat01", "misc/applause01"),
    Recordings("instruments/piano02", "stringsnpads/bell_choir01"),
    Recordings("beats/electro_beat01", "stringsnpads/juno_pad01"),
)
"""Recordings to report on: guitar, synthesiser, drums, choir, mixes and noise."""

TUNE = (
    Recordings("latin/latin_guitar02", "stringsnpads/heaven_strings01"),
    Recordings("bassloops/techno_synth02", "instruments/e_organ01"),
    Recordings("beats/break02", "kit:March"),
    Recordings("stringsnpads/bell_choir02", "instruments/e_piano_accord02"),
    Recordings("beats/electro_beat02", "bassloops/techno_synth03"),
    Recordings("beats/break03", "misc/raving_crowd01"),
    Recordings("instruments/flute01", "instruments/trumpet01"),
    Recordings("kit:House", "stringsnpads/space_strings01"),
)
"""Others to tune on."""


def missing() -> str | None:
    """Say which samples are not installed; ``None`` where all are."""
    for folder, package in ((LMMS, "lmms-common"), (ROCK_KIT, "hydrogen-data")):
        if not folder.is_dir():
            return f"{folder} is missing: the recordings are those of Debian's {package}"
    return None


def _name(where: str) -> str:
    return where.rsplit("/", 1)[-1].replace("_", " ").replace("kit:", "rock kit, ")


def _clip(where: str) -> Audio:
    why = missing()
    if why is not None:
        raise InputError(why)
    clip = _play(where.removeprefix("kit:")) if where.startswith("kit:") else read(LMMS / f"{where}.ogg")
    times = max(1, int(np.ceil(SHORTEST / clip.seconds)))
    samples = np.tile(clip.samples, times)[:, : round(LONGEST * clip.sample_rate)]
    return Audio(samples, clip.sample_rate)


def _play(groove: str) -> Audio:
    """Play a groove on the rock kit."""
    piece = next(piece for piece in GROOVES if piece.name == groove)
    drums, quarter = {pitch: name for name, pitch in DRUMS.items()}, 60 / piece.tempo
    notes = [note for voice in piece.voices for note in voice]
    made, rate = np.zeros((2, round(LONGEST * 44_100)), np.float32), 44_100
    for note in notes:
        hard = "Hard" if note.velocity > 100 else "Med" if note.velocity > 70 else "Soft"
        name = _ROCK.get(drums[note.pitch])
        drum = read(ROCK_KIT / ("HandClap.wav" if name is None else f"{name}-{hard}.wav"))
        at = round(note.start * quarter * rate)
        samples = drum.resampled(rate).samples[:, : max(0, made.shape[1] - at)]
        made[:, at : at + samples.shape[1]] += samples
    return Audio(made / np.abs(made).max(), rate)


@dataclass(frozen=True)
class Measured:
    """A transfer of recordings.

    Attributes:
        output: The output.
        how: The alignment that was chosen.
        figures: ``timbre`` and ``spectrum``, distances to the style as ratios to the content's own;
            ``onsets`` and ``chroma``, correlation of the onset envelopes and cosine of the chroma with the
            content's.
    """

    output: Audio
    how: str
    figures: dict[str, float]


def measure(pair: Recordings, settings: Settings) -> Measured:
    """Transfer a pair and measure it."""
    content, style = (ClipFeatures(clip) for clip in pair.clips())
    result = transfer(content.audio, style.audio, settings)
    output = ClipFeatures(result.audio)
    gain = style_gain(output, style, content, names=("timbre", "spectrum"))
    kept = content_preservation(output, content, names=("onsets", "chroma"))
    figures = {name: 1 - value for name, value in gain.items()} | kept
    return Measured(result.audio, "/".join(sorted({choice.how for choice in result.choices})), figures)


def table(pairs: Sequence[Recordings], settings: Settings, pictures: Path | None = None) -> str:
    """Measure pairs, and draw content, style and output of each into a folder: a table, the mean last."""
    columns = ("timbre", "spectrum", "onsets", "chroma")
    rows, all_figures = [f"| pair | way | {' | '.join(columns)} |", "|---" * (2 + len(columns)) + "|"], []
    for n, pair in enumerate(pairs):
        found = measure(pair, settings)
        all_figures.append([found.figures[name] for name in columns])
        rows.append(_row(pair.name, found.how, all_figures[-1]))
        if pictures is not None:
            clips = zip(("content", "style", "output"), (*pair.clips(), found.output), strict=True)
            save_constant_q(pictures / f"recording-{n}.jpg", list(clips))
    return "\n".join([*rows, _row("**mean**", "", np.mean(all_figures, axis=0).tolist())])


def _row(name: str, how: str, values: Sequence[float]) -> str:
    return (
        f"| {name} | {how} | " + " | ".join(f"{value:.2f}".replace("0.", ".", 1) for value in values) + " |"
    )


def main() -> None:
    """Measure transfers between recordings, which have no answer."""
    parser = argparse.ArgumentParser(prog="python -m study.recordings", description=main.__doc__)
    parser.add_argument("--pairs", choices=("report", "tune"), default="report")
    parser.add_argument("--align", default="auto", help="alignment, as of retimbre transfer")
    parser.add_argument("--strength", type=float, help="strength, 0 to 1")
    parser.add_argument("--pictures", type=Path, help="folder for constant-Q pictures of each")
    options = parser.parse_args()
    why = missing()
    if why is not None:
        parser.error(why)
    settings = Settings(align=options.align, strength=options.strength)
    print(table({"report": REPORT, "tune": TUNE}[options.pairs], settings, options.pictures))


if __name__ == "__main__":
    main()
