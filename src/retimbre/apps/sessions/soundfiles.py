"""Files of a session in the forms in which they are asked for."""

from pathlib import Path


def playable(path: Path, at: Path) -> None:
    """Write what a browser plays: a WAV of 16 bits, at most two channels, all of more in one."""
    import soundfile

    from retimbre.sound.files import Recording
    from retimbre.sound.quantisation import Quantiser, is_quantised

    sound = Recording(path)
    n_channels = sound.n_channels if sound.n_channels <= 2 else 1
    is_mixed = n_channels < sound.n_channels
    quantise = Quantiser(16, is_dithered=is_mixed or not is_quantised(sound, 16))
    with soundfile.SoundFile(at, "w", sound.sample_rate, n_channels, subtype="PCM_16", format="WAV") as file:
        for piece in sound.pieces(1 << 18):
            samples = piece.mean(axis=0, keepdims=True) if is_mixed else piece
            file.write(quantise(samples).T)


def as_flac(path: Path) -> Path:
    """Write a sound as FLAC beside its file, unless it is there."""
    from retimbre.sound.files import Recording, write

    made = path.with_suffix(".flac")
    if not made.exists():
        write(made, Recording(path))
    return made


def picture(path: Path) -> tuple[bytes, dict[str, float]]:
    """Draw the constant-Q picture of a file: its levels, and what the headers say of it."""
    from retimbre.report.constant_q import BINS_PER_OCTAVE, LOWEST_MIDI, constant_q
    from retimbre.sound.files import Recording

    sound = Recording(path)
    levels = constant_q(sound)
    facts = {"Bins": levels.shape[0], "Frames": levels.shape[1], "Lowest-Midi": LOWEST_MIDI}
    facts |= {"Bins-Per-Octave": BINS_PER_OCTAVE, "Seconds": sound.n_samples / sound.sample_rate}
    return levels.tobytes(), facts
