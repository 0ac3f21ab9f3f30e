"""Example pairs, played from installed sounds as the demonstration plays its clips."""

import io
from dataclasses import dataclass

SECONDS = 8.0


@dataclass(frozen=True)
class Example:
    """Pair of clips to try.

    Attributes:
        title: Heading.
        content: Instrument and piece of the content.
        style: Instrument and piece of the style.
    """

    title: str
    content: tuple[str, str]
    style: tuple[str, str]

    def played(self) -> list[tuple[str, bytes]]:
        """Play content and style; give a name and a WAV file of each.

        Raises:
            DependencyError: the packages of the extra ``demo`` are not installed.
        """
        import soundfile

        from retimbre.music import orchestra, score

        clips = []
        for instrument, piece in (self.content, self.style):
            name = f"{piece.lower()}-{instrument.replace(' ', '-')}.wav"
            audio = orchestra.render(getattr(score, piece), instrument, seconds=SECONDS)
            file = io.BytesIO()
            soundfile.write(file, audio.samples.T, audio.sample_rate, "PCM_24", format="WAV")
            clips.append((name, file.getvalue()))
        return clips


EXAMPLES = {
    "guitar-violin": Example("A guitar as a violin", ("nylon guitar", "MINUET"), ("violin", "GREENSLEEVES")),
    "piano-vibraphone": Example(
        "A piano as a vibraphone", ("piano", "GREENSLEEVES"), ("vibraphone", "MINUET")
    ),
    "drums-tr-808": Example("A drum kit as a TR-808", ("drums", "MINUET"), ("tr-808", "GREENSLEEVES")),
}
"""Examples by name."""


def missing() -> str:
    """Say what has to be installed for the examples; nothing where all is there."""
    from importlib.util import find_spec

    if all(find_spec(package) for package in ("midirenderer", "pretty_midi")):
        return ""
    return "examples are played from installed sounds: pip install 'retimbre[demo]'"
