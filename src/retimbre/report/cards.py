"""Cards of clips for a page: player, spectrogram, marks of time."""

from collections.abc import Sequence
from dataclasses import dataclass

from retimbre.report import spectrogram
from retimbre.report.axes import Mark, marks
from retimbre.sound.audio import Audio
from retimbre.sound.player import data_uri, mp3


@dataclass(frozen=True)
class ClipCard:
    """A clip as a template shows it.

    Args:
        name: Heading.
        caption: Line under the heading.
        file: Name of the clip's file beside the page; empty where there is none.
        seconds: Duration.
        sound: MP3 as a data address.
        picture: Spectrogram as a data address, PNG.
        times: Marks of the axis of time.
    """

    name: str
    caption: str
    file: str
    seconds: float
    sound: str
    picture: str
    times: list[Mark]


def cards(clips: Sequence[tuple[str, str, str, Audio]]) -> list[ClipCard]:
    """Encode clips that are shown side by side; one scale of colours for all.

    Args:
        clips: Name, caption, file and sound of each.
    """
    grids = [spectrogram.levels(audio) for *_, audio in clips]
    loudest = max(float(grid.max()) for grid in grids)
    return [
        ClipCard(
            name=name,
            caption=caption,
            file=file,
            seconds=audio.seconds,
            sound=data_uri("audio/mpeg", mp3(audio.samples, audio.sample_rate)),
            picture=data_uri("image/png", spectrogram.spectrogram_png(grid, loudest=loudest)),
            times=marks(audio.seconds),
        )
        for (name, caption, file, audio), grid in zip(clips, grids, strict=True)
    ]
