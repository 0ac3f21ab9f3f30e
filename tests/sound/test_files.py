import contextlib
import itertools
import os
import resource
import shutil
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from retimbre._output import atomic, check_writable
from retimbre.errors import AudioReadError, DependencyError, InputError, RetimbreError
from retimbre.settings import Settings
from retimbre.sound.audio import Audio, Samples
from retimbre.sound.files import Recording, check_output, read, write
from retimbre.sound.outputs import Output

Tone = Callable[..., Samples]
Sweeps = Callable[..., Samples]

RATES = (8_000, 16_000, 22_050, 44_100, 48_000, 96_000, 192_000)
MP3_RATES = (8_000, 16_000, 22_050, 44_100, 48_000)
OPUS_RATES = (8_000, 16_000, 24_000, 48_000)
ENCODINGS = {  # container, encoding: suffix, rates, channels, least correlation, largest error
    ("WAV", "PCM_16"): (".wav", RATES, (1, 2, 6), 1 - 1e-6, 2**-15),
    ("WAV", "PCM_24"): (".wav", RATES, (1, 2, 6), 1 - 1e-6, 2**-22),
    ("WAV", "PCM_32"): (".wav", RATES, (1, 2, 6), 1 - 1e-6, 1e-7),
    ("WAV", "FLOAT"): (".wav", RATES, (1, 2, 6), 1 - 1e-6, 0),
    ("FLAC", "PCM_16"): (".flac", RATES, (1, 2, 6), 1 - 1e-6, 2**-15),
    ("FLAC", "PCM_24"): (".flac", RATES, (1, 2, 6), 1 - 1e-6, 2**-22),
    ("OGG", "VORBIS"): (".ogg", RATES, (1, 2, 6), 0.99, 0.2),
    ("OGG", "OPUS"): (".opus", OPUS_RATES, (1, 2, 6), 0.98, 0.2),
    ("MP3", "MPEG_LAYER_III"): (".mp3", MP3_RATES, (1, 2), 0.99, 0.2),
}
WRITTEN = {
    ".wav": (RATES, (1, 2, 6)),
    ".flac": (RATES, (1, 2, 6)),
    ".ogg": (RATES, (1, 2, 6)),
    ".opus": (OPUS_RATES, (1, 2, 6)),
    ".mp3": (MP3_RATES, (1, 2)),
}


def same_sound(
    found: Samples, expected: Samples, *, correlation: float, error: float = np.inf, tail: int = 0
) -> None:
    """Check length, and channel by channel that nothing was moved, swapped or turned over.

    The last ``tail`` samples are only counted.
    """
    assert found.shape == expected.shape
    found, expected = (x[:, : x.shape[1] - tail] for x in (found, expected))
    for one, other in zip(found, expected, strict=True):
        assert np.corrcoef(one, other)[0, 1] > correlation
    assert np.abs(found - expected).max() <= error


def noise(n_samples: int) -> Samples:
    return np.random.default_rng(0).standard_normal((2, n_samples), dtype=np.float32) * np.float32(0.1)


# --- reading ---


@pytest.mark.parametrize(("container", "encoding"), ENCODINGS)
def test_formats_are_read(container: str, encoding: str, tmp_path: Path, sweeps: Sweeps) -> None:
    suffix, rates, channels, correlation, error = ENCODINGS[container, encoding]
    path = tmp_path / f"clip{suffix}"
    for rate, n_channels in itertools.product(rates, channels):
        samples = sweeps(0.2, rate, n_channels)
        soundfile.write(path, samples.T, rate, format=container, subtype=encoding)
        clip = read(path)
        assert clip.sample_rate == rate
        tail = rate // 40 if encoding == "OPUS" else 0  # libsndfile's encoder mars the last 20 ms
        same_sound(clip.samples, samples, correlation=correlation, error=error, tail=tail)


def test_the_content_says_the_format_and_not_the_suffix(tmp_path: Path, tone: Tone) -> None:
    path = tmp_path / "clip.mp3"
    soundfile.write(path, tone(440, 0.1).T, 22_050, format="WAV", subtype="FLOAT")
    np.testing.assert_array_equal(read(str(path)).samples, tone(440, 0.1))


def encode_with_av(
    path: Path, codec: str, samples: Samples, rate: int, quality: int | None = None, **options: str
) -> None:
    """Write a file with FFmpeg's encoders; with a quality (0 the best) at a bit rate that varies."""
    av = pytest.importorskip("av")
    layout = "mono" if len(samples) == 1 else "stereo"
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=rate, layout=layout)
        if quality is not None:
            stream.codec_context.global_quality = 118 * quality  # FF_QP2LAMBDA
            stream.codec_context.flags |= 2  # AV_CODEC_FLAG_QSCALE
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate, 0
        for part in (frame, None):
            container.mux(stream.encode(part))


@pytest.mark.parametrize("rate", [16_000, 44_100])
@pytest.mark.parametrize("channels", [1, 2])
def test_m4a_is_read(rate: int, channels: int, tmp_path: Path, sweeps: Sweeps) -> None:
    samples = sweeps(0.5, rate, channels)
    path = tmp_path / "clip.m4a"
    encode_with_av(path, "aac", samples, rate)
    clip = read(path)
    assert clip.sample_rate == rate
    n_samples = samples.shape[1]
    assert n_samples <= clip.n_samples < n_samples + 1024  # AAC comes in frames; the last is filled up
    same_sound(clip.samples[:, :n_samples], samples, correlation=0.98)


def test_m4a_without_its_package(tmp_path: Path, sweeps: Sweeps, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "clip.m4a"
    encode_with_av(path, "aac", sweeps(0.1, 44_100), 44_100)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DependencyError, match=r"pip install 'retimbre\[av\]'") as caught:
        read(path)
    assert caught.value.extra == "av"


def test_an_mp3_by_another_encoder_is_read(tmp_path: Path, sweeps: Sweeps) -> None:
    samples = sweeps(1.0, 44_100, 2)
    encode_with_av(tmp_path / "clip.mp3", "libmp3lame", samples, 44_100)
    same_sound(read(tmp_path / "clip.mp3").samples, samples, correlation=0.99)


def test_an_mp3_without_a_header_of_its_own_is_read(tmp_path: Path, sweeps: Sweeps) -> None:
    """Streams and old encoders have no Xing frame, so that the length can only be estimated."""
    samples = sweeps(1.0, 44_100, 2)
    encode_with_av(tmp_path / "clip.mp3", "libmp3lame", samples, 44_100, write_xing="0")
    found = read(tmp_path / "clip.mp3").samples
    # Nothing says how much of the first and last frames (of 1152) is filling.
    assert samples.shape[1] <= found.shape[1] < samples.shape[1] + 4 * 1152


def decoded_length(path: Path) -> int:
    """Count the samples that FFmpeg's decoder finds."""
    av = pytest.importorskip("av")
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(container.streams.audio[0]))


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("rate", [16_000, 22_050, 32_000, 44_100, 48_000])
def test_an_mp3_of_any_bit_rate_without_a_header_is_read_to_its_end(
    rate: int, channels: int, tmp_path: Path
) -> None:
    # Noise, then hardly any: by the length of the first frames the file would be a fraction as long.
    sound = np.repeat([1.0, 1e-4], rate)[None] * noise(2 * rate)[:channels]
    path = tmp_path / "clip.mp3"
    encode_with_av(path, "libmp3lame", sound.astype(np.float32), rate, quality=2, write_xing="0")
    assert "Xing" not in path.read_bytes()[:200].decode("latin-1")
    frame = 1152 if rate >= 32_000 else 576
    for picture in (b"", b"ID3\x03\0\0\0\0\x02\x01" + b"\xff\xfb" * 128 + b"\0"):  # 257 bytes of a tag
        path.write_bytes(picture + path.read_bytes())
        assert abs(read(path).n_samples - decoded_length(path)) <= frame


def test_the_streams_of_a_chained_ogg_are_read_one_after_the_other(tmp_path: Path, tone: Tone) -> None:
    for suffix, subtype in ((".ogg", "VORBIS"), (".opus", "OPUS")):
        whole, pitches = tmp_path / f"radio{suffix}", (300, 500, 700)
        for hertz in pitches:
            part = tmp_path / f"{hertz}{suffix}"
            samples = 0.3 * np.sin(2 * np.pi * hertz * np.arange(48_000) / 48_000)
            soundfile.write(part, samples, 48_000, format="OGG", subtype=subtype)
            with whole.open("ab") as file:
                file.write(part.read_bytes())
        clip = read(whole)
        assert clip.n_samples == 3 * 48_000
        for n, hertz in enumerate(pitches):
            spectrum = np.abs(np.fft.rfft(clip.samples[0, n * 48_000 : (n + 1) * 48_000]))
            assert abs(int(spectrum.argmax()) - hertz) <= 1


def test_a_chained_ogg_that_changes_its_rate_is_told_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "radio.ogg"
    parts = []
    for rate, n_channels in ((44_100, 1), (22_050, 1), (44_100, 2)):
        soundfile.write(tmp_path / "part.ogg", np.zeros((rate, n_channels)), rate)
        parts.append((tmp_path / "part.ogg").read_bytes())
    for second, expected in ((1, "22050 Hz and 1 channels"), (2, "44100 Hz and 2 channels")):
        path.write_bytes(parts[0] + parts[second])
        with pytest.raises(
            AudioReadError, match=f"changes after 44100 samples to {expected}: split it there"
        ):
            read(path)


@contextlib.contextmanager
def changed(path: Path) -> Iterator[bytearray]:
    data = bytearray(path.read_bytes())
    yield data
    path.write_bytes(data)


@pytest.mark.parametrize("claim", [0xFFFF_FFFF, 0xFFFF_FFFF - 36])
def test_a_wav_from_a_pipe_is_read(claim: int, tmp_path: Path, sweeps: Sweeps) -> None:
    path, samples = tmp_path / "clip.wav", sweeps(0.3, 22_050, 2)
    soundfile.write(path, samples.T, 22_050, subtype="FLOAT")
    with changed(path) as data:
        data[4:8] = struct.pack("<I", 0xFFFF_FFFF)
        at = data.index(b"data") + 4
        data[at : at + 4] = struct.pack("<I", claim)
    np.testing.assert_array_equal(read(path).samples, samples)


def set_flac_length(path: Path, n_samples: int) -> None:
    """Set the 36 bits of STREAMINFO that count the samples."""
    with changed(path) as data:
        data[21] = data[21] & 0xF0 | n_samples >> 32
        data[22:26] = struct.pack(">I", n_samples & 0xFFFF_FFFF)


@pytest.mark.parametrize("n_samples", [2, 4096, 4097, 20_000, 400_000])
@pytest.mark.parametrize("announced", ["unknown", "too few"])
def test_a_flac_is_read_to_its_end_whatever_its_header_says(
    announced: str, n_samples: int, tmp_path: Path
) -> None:
    """Zero stands for "unknown" in a FLAC header, as an encoder leaves it that writes to a pipe."""
    path, samples = tmp_path / "clip.flac", noise(n_samples)
    for subtype in ("PCM_16", "PCM_24"):
        soundfile.write(path, samples.T, 44_100, subtype=subtype)
        set_flac_length(path, 0 if announced == "unknown" else n_samples // 2)
        np.testing.assert_allclose(read(path).samples, samples, rtol=0, atol=2**-15)


@pytest.mark.parametrize("rate", [8_000, 22_050, 44_100, 48_000, 96_000])
def test_a_flac_of_unknown_length_by_another_encoder_is_read(rate: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.flac"
    encode_with_av(path, "flac", noise(30_001), rate, sample_fmt="s16")
    set_flac_length(path, 0)
    assert read(path).n_samples == decoded_length(path) == 30_001


def test_a_truncated_flac_of_unknown_length_is_refused(noisy: Callable[[str], Path]) -> None:
    path = noisy(".flac")
    set_flac_length(path, 0)
    with changed(path) as data:
        del data[int(0.7 * len(data)) :]
    with pytest.raises(AudioReadError, match=r"noise\.flac (is truncated|cannot be read)"):
        read(path)


@pytest.fixture
def noisy(tmp_path: Path) -> Callable[[str], Path]:
    """Make a file of a second of noise, which no format makes much smaller."""

    def make(suffix: str) -> Path:
        path = tmp_path / f"noise{suffix}"
        if suffix == ".m4a":
            encode_with_av(path, "aac", noise(48_000), 48_000)
        else:
            write(path, Audio(noise(48_000), 48_000))
        assert read(path).n_samples >= 48_000
        return path

    return make


@pytest.mark.parametrize(
    ("suffix", "share"),
    [
        *itertools.product([".wav", ".flac", ".ogg", ".opus", ".mp3"], [0.5, 0.9, 0.995]),
        *itertools.product([".m4a"], [0.5, 0.9]),  # what comes last is about the author, not the sound
    ],
)
def test_a_truncated_file_is_refused(suffix: str, share: float, noisy: Callable[[str], Path]) -> None:
    path = noisy(suffix)
    with changed(path) as data:
        del data[int(share * len(data)) :]
    with pytest.raises(AudioReadError, match=r"noise.*(truncated|cannot be read)") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_truncated_mp3_with_a_picture_is_refused(noisy: Callable[[str], Path]) -> None:
    """The tag with the picture comes first and is longer than what a look at the head reads."""
    path = noisy(".mp3")
    with changed(path) as data:
        size = 50_000
        tag = b"ID3\3\0\0" + bytes(size >> shift & 127 for shift in (21, 14, 7, 0)) + bytes(size)
        data[:0] = tag
    assert read(path).n_samples == 48_000
    with changed(path) as data:
        del data[len(data) - 12_000 :]
    with pytest.raises(AudioReadError, match="truncated"):
        read(path)


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a"])
def test_a_file_cut_inside_its_header_is_refused(suffix: str, noisy: Callable[[str], Path]) -> None:
    path = noisy(suffix)
    whole = path.read_bytes()
    for length in range(1, 100):
        path.write_bytes(whole[:length])
        with pytest.raises(AudioReadError):
            read(path)


def test_a_flac_whose_length_is_damaged_is_refused(noisy: Callable[[str], Path]) -> None:
    path = noisy(".flac")
    set_flac_length(path, 2**36 - 1)
    with pytest.raises(AudioReadError):
        read(path)


def test_an_mp3_whose_length_is_damaged_is_refused(noisy: Callable[[str], Path]) -> None:
    path = noisy(".mp3")
    with changed(path) as data:
        at = max(data.find(b"Xing"), data.find(b"Info"))
        assert at > 0
        assert data[at + 7] & 1  # the number of frames comes first
        data[at + 8 : at + 12] = struct.pack(">I", 0x7FFF_FFFF)
    with pytest.raises(AudioReadError):
        read(path)


@pytest.mark.parametrize(
    "content",
    [
        b"This is a shopping list: eggs, milk, bread.\n" * 100,
        bytes(20_000),
        b"\xff" * 20_000,
        b"RIFF",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"fLaC" + bytes(1000),
        b"OggS" + bytes(1000),
        b"ID3" + bytes(1000),
        b"\0\0\0\x18ftypM4A " + bytes(1000),
    ],
    ids=["text", "zeros", "ones", "RIFF", "WAVE", "fLaC", "OggS", "ID3", "ftyp"],
)
def test_what_is_no_sound_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(content)
    if b"ftyp" in content:
        pytest.importorskip("av")
    with pytest.raises(AudioReadError, match=r"clip\.wav cannot be (read|used)") as caught:
        read(path)
    assert "\n" not in str(caught.value)


def test_a_film_without_sound_is_refused(tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / "film.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=24)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        image = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), dtype=np.uint8))
        for frame in (image, None):
            container.mux(stream.encode(frame))
    with pytest.raises(AudioReadError, match=r"film\.mp4 cannot be read as sound"):
        read(path)


def test_paths_that_hold_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty.wav").touch()
    for path, reason in (
        (tmp_path / "nothing.wav", "does not exist"),
        (tmp_path / "empty.wav" / "inside.wav", "cannot be read|does not exist"),
        (tmp_path, "is a folder"),
        (tmp_path / "empty.wav", "is empty"),
        (tmp_path / ("n" * 300 + ".wav"), "cannot be read|does not exist"),
    ):
        with pytest.raises(AudioReadError, match=reason) as caught:
            read(path)
        assert str(path) in str(caught.value)


@contextlib.contextmanager
def closed(folder: Path) -> Iterator[None]:
    """Keep this process out of a folder; root goes everywhere, and so becomes nobody."""
    user, mode = os.geteuid(), folder.stat().st_mode
    folder.chmod(0)
    try:
        if user == 0:
            os.seteuid(65_534)
        yield
    finally:
        os.seteuid(user)
        folder.chmod(mode)


def test_a_folder_that_may_not_be_entered(tmp_path: Path, tone: Tone) -> None:
    folder = tmp_path / "closed"
    folder.mkdir()
    write(folder / "clip.wav", Audio(tone(440, 0.1), 22_050))
    with closed(folder):
        with pytest.raises(AudioReadError, match=r"clip\.wav cannot be read"):
            read(folder / "clip.wav")
        with pytest.raises(InputError, match=r"(?i)cannot be written|permission"):
            check_output(folder / "clip.wav", sample_rate=22_050, n_channels=1)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (np.zeros((0, 1)), "no samples"),
        (np.array([0.0, np.nan, 0.0]), "NaN or infinite"),
        (np.array([0.0, np.inf, 0.0]), "NaN or infinite"),
    ],
)
def test_files_with_samples_that_cannot_be_used(samples: Any, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    soundfile.write(path, samples, 22_050, subtype="FLOAT")
    with pytest.raises(AudioReadError, match=rf"clip\.wav cannot be used: .*{reason}"):
        read(path)


@pytest.mark.parametrize("rate", [4_000, 384_000])
def test_a_file_of_a_rate_out_of_range(rate: int, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "clip.wav", np.zeros(100), rate)
    with pytest.raises(AudioReadError, match=rf"clip\.wav .*{rate} Hz: expected 8000 to 192000 Hz"):
        read(tmp_path / "clip.wav")


# --- writing ---


@pytest.mark.parametrize("suffix", WRITTEN)
def test_what_is_written_comes_back(suffix: str, tmp_path: Path, sweeps: Sweeps) -> None:
    rates, channels = WRITTEN[suffix]
    lossless = suffix in {".wav", ".flac"}
    for rate, n_channels in itertools.product(rates, channels):
        samples = sweeps(0.2, rate, n_channels)
        path = tmp_path / f"clip{suffix}"
        write(path, Audio(samples, rate))
        clip = read(path)
        assert clip.sample_rate == rate
        if lossless:
            same_sound(clip.samples, samples, correlation=1 - 1e-6, error=2**-22)
        else:
            tail = rate // 40 if suffix == ".opus" else 0  # libsndfile's encoder mars the last 20 ms
            same_sound(clip.samples, samples, correlation=0.98, error=0.2, tail=tail)
    assert os.listdir(tmp_path) == [path.name]


@pytest.mark.parametrize("n_samples", [10, 575, 576, 1151, 1152, 1153, 20_000, 65_536, 65_537])
@pytest.mark.parametrize("suffix", WRITTEN)
def test_lengths_come_back_exactly(suffix: str, n_samples: int, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    samples = noise(n_samples)
    for rate in (8_000, 48_000) if suffix == ".opus" else (8_000, 22_050, 44_100):
        write(path, Audio(samples, rate))
        assert read(path).samples.shape == samples.shape


@pytest.mark.parametrize("suffix", WRITTEN)
def test_nothing_happens_where_blocks_join(suffix: str, tmp_path: Path, tone: Tone) -> None:
    """Files are written in blocks of 65 536 samples; a tone has no click there."""
    path = tmp_path / f"clip{suffix}"
    samples = tone(1_000, 3.0, 48_000, channels=2)
    write(path, Audio(samples, 48_000))
    error = np.abs(read(path).samples - samples)[:, 5_000:-5_000]
    assert error.max() < 0.05


def test_wav_and_flac_get_24_bits(tmp_path: Path, tone: Tone) -> None:
    for suffix in (".wav", ".FLAC"):
        path = tmp_path / f"clip{suffix}"
        write(path, Audio(tone(440, 0.1), 22_050))
        info = soundfile.info(path)
        assert (info.format, info.subtype) == (suffix[1:].upper(), "PCM_24")


OF_BITS = {"16": "PCM_16", "24": "PCM_24", "float": "FLOAT"}


@pytest.mark.parametrize(
    ("subtype", "kept"),
    [
        ("PCM_U8", "16"),
        ("PCM_16", "16"),
        ("PCM_24", "24"),
        ("PCM_32", "float"),
        ("FLOAT", "float"),
        ("ULAW", "24"),
    ],
)
def test_a_file_keeps_the_bits_and_the_samples_of_another(subtype: str, kept: str, tmp_path: Path) -> None:
    """Samples that need no rounding are the same numbers afterwards, the lowest and the highest included."""
    samples = np.random.default_rng(0).uniform(-1, 1, (4_000, 2)).astype(np.float32)
    samples[:2] = -1.0, 1.0
    soundfile.write(tmp_path / "one.wav", samples, 44_100, subtype=subtype)
    write(tmp_path / "other.wav", Recording(tmp_path / "one.wav"))
    assert soundfile.info(tmp_path / "other.wav").subtype == OF_BITS[kept]
    np.testing.assert_array_equal(read(tmp_path / "other.wav").samples, read(tmp_path / "one.wav").samples)
    write(tmp_path / "other.flac", Recording(tmp_path / "one.wav"))
    assert soundfile.info(tmp_path / "other.flac").subtype == OF_BITS["24" if kept == "float" else kept]


@pytest.mark.parametrize("bits", ["16", "24", "float"])
def test_bits_that_are_asked_for_are_written(bits: Any, tmp_path: Path, tone: Tone) -> None:
    write(tmp_path / "clip.wav", Audio(tone(440, 0.1), 22_050), settings=Settings(bits=bits))
    assert soundfile.info(tmp_path / "clip.wav").subtype == OF_BITS[bits]
    if bits == "float":
        with pytest.raises(InputError, match=r"bits is float: expected 16 or 24 for \.flac"):
            write(tmp_path / "clip.flac", Audio(tone(440, 0.1), 22_050), settings=Settings(bits=bits))


@pytest.mark.parametrize("suffix", ["mp3", "opus", "ogg"])
def test_more_quality_is_larger_and_nearer(suffix: str, tmp_path: Path) -> None:
    samples = 0.1 * np.random.default_rng(0).standard_normal((1, 48_000)).astype(np.float32)
    found = []
    for quality in (0, 5, 10):
        path = tmp_path / f"{quality}.{suffix}"
        write(path, Audio(samples, 48_000), settings=Settings(quality=quality))
        found.append((path.stat().st_size, -np.abs(read(path).samples - samples).mean()))
    assert found == sorted(found)
    assert found[0][0] < 0.7 * found[2][0]


@pytest.mark.parametrize("suffix", [".wav", ".flac"])
def test_samples_beyond_full_scale_are_clipped(suffix: str, tmp_path: Path, tone: Tone) -> None:
    samples = tone(100, 0.1, amplitude=2.0)
    write(tmp_path / f"clip{suffix}", Audio(samples, 22_050))
    found = read(tmp_path / f"clip{suffix}").samples
    np.testing.assert_allclose(found, samples.clip(-1, 1), atol=2**-22)


@pytest.mark.parametrize("suffix", WRITTEN)
@pytest.mark.parametrize("room", ["nothing", "half", "all but a byte"])
def test_on_a_full_disk_there_is_an_error_and_the_old_file(suffix: str, room: str, tmp_path: Path) -> None:
    path = tmp_path / f"clip{suffix}"
    samples = noise(48_000)
    write(path, Audio(samples, 48_000))
    size = path.stat().st_size
    path.write_bytes(b"what was there before")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    allowed = {"nothing": 10, "half": size // 2, "all but a byte": size - 1}[room]
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (allowed, limits[1]))
        with pytest.raises(RetimbreError, match="cannot be written"):
            write(path, Audio(samples, 48_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"what was there before"
    assert os.listdir(tmp_path) == [path.name]


def test_a_name_holds_the_old_file_until_the_new_one_is_whole(
    tmp_path: Path, tone: Tone, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(b"old")
    seen = []
    original = soundfile.SoundFile.write

    def spy(self: Any, *arguments: Any) -> Any:
        seen.append(path.read_bytes())
        return original(self, *arguments)

    monkeypatch.setattr(soundfile.SoundFile, "write", spy)
    write(path, Audio(tone(440, 10.0), 22_050))
    assert len(seen) > 2
    assert set(seen) == {b"old"}
    assert read(path).seconds == 10


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
@pytest.mark.parametrize("old", [None, "old"])
def test_atomic_leaves_nothing_behind(error: type[BaseException], old: str | None, tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    if old:
        path.write_text(old)

    def write_half() -> None:
        with atomic(path) as temporary:
            temporary.write_text("half")
            assert path.exists() == bool(old)
            raise error

    with pytest.raises(error):
        write_half()
    assert os.listdir(tmp_path) == (["file.txt"] if old else [])
    assert not old or path.read_text() == old


def test_atomic_gives_the_name_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")
    with path.open() as reader:
        with atomic(str(path)) as temporary:
            temporary.write_text("new")
            assert temporary.parent == path.parent
            assert temporary.suffix not in (".wav", ".flac", ".ogg", ".opus", ".mp3", path.suffix)
            assert path.read_text() == "old"
        assert reader.read() == "old"  # whoever reads the old file is not disturbed
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_a_link_stays_one_and_permissions_stay(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "clip.wav", tmp_path / "link.wav"
    target.write_text("old")
    target.chmod(0o640)
    link.symlink_to(target)
    write(link, Audio(np.full(100, 0.5, np.float32), 8000))
    assert link.is_symlink()
    assert read(target).n_samples == 100
    assert target.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path / "elsewhere") == ["clip.wav"]


def test_a_read_only_file_is_refused_beforehand(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(InputError, match=r"clip\.wav is read-only: expected another name"):
        check_output(path, sample_rate=44_100, n_channels=1)
    assert path.read_text() == "old"


def test_what_the_system_refuses_is_one_of_our_errors(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with pytest.raises(RetimbreError, match=r"file\.txt cannot be written: No space left"), atomic(path):
        raise OSError(28, "No space left on device")
    with pytest.raises(RetimbreError, match="cannot be written"), atomic(path):
        pass  # nothing was made that could take the name
    assert os.listdir(tmp_path) == []


# --- finding out beforehand ---


@pytest.mark.parametrize("name", ["clip", "clip.", "clip.txt", "clip.m4a", "clip.wav.part", ".wav"])
def test_an_unknown_suffix(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected one of \.wav, \.flac, \.ogg, \.opus, \.mp3"):
        check_output(tmp_path / name, sample_rate=44_100, n_channels=1)
    with pytest.raises(InputError, match="suffix"):
        write(tmp_path / name, Audio(np.zeros(10, dtype=np.float32), 44_100))


@pytest.mark.parametrize(
    ("name", "rate", "channels"),
    [
        ("clip.mp3", 44_100, 6),
        ("clip.mp3", 8_000, 3),
        ("clip.flac", 44_100, 9),
    ],
)
def test_what_a_format_cannot_hold(name: str, rate: int, channels: int, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"cannot hold {channels} channels at {rate} Hz.*write \.wav"):
        check_output(tmp_path / name, sample_rate=rate, n_channels=channels)
    with pytest.raises(InputError, match="cannot hold"):
        write(tmp_path / name, Audio(np.zeros((channels, 100), dtype=np.float32), rate))
    assert os.listdir(tmp_path) == []
    check_output(tmp_path / "clip.wav", sample_rate=rate, n_channels=channels)


@pytest.mark.parametrize(
    ("name", "rate", "written"),
    [
        ("clip.opus", 22_050, 24_000),
        ("clip.opus", 44_100, 48_000),
        ("clip.opus", 96_000, 48_000),
        ("clip.mp3", 96_000, 48_000),
        ("clip.mp3", 9_000, 11_025),
    ],
)
def test_a_rate_that_a_format_has_not_is_the_next_one(
    name: str, rate: int, written: int, tmp_path: Path, tone: Tone
) -> None:
    path, samples = tmp_path / name, tone(440, 3.0, rate, channels=2)
    write(path, Audio(samples, rate))
    found = read(path)
    assert (found.sample_rate, found.samples.shape) == (written, (2, 3 * written))
    expected = tone(440, 3.0, written, channels=2)
    same_sound(found.samples, expected, correlation=0.999, tail=written // 40)


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "clip.wav").mkdir()
    for path, reason in (
        (tmp_path / "missing" / "clip.wav", "missing is not a folder.*make it first"),
        (tmp_path / "file" / "clip.wav", "file is not a folder"),
        (tmp_path / "clip.wav", "is a folder"),
        (tmp_path / ("n" * 300) / "clip.wav", "cannot be written"),
    ):
        with pytest.raises(InputError, match=reason):
            check_output(path, sample_rate=44_100, n_channels=1)
        with pytest.raises(InputError, match=reason):
            check_writable(path)


def test_a_folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    folder = tmp_path
    if os.geteuid() == 0:  # whom permissions do not bind
        folder = Path("/sys")
    else:
        folder.chmod(0o555)
    try:
        with pytest.raises(InputError, match=rf"{folder} cannot be written to \(.+\)"):
            check_output(folder / "clip.wav", sample_rate=44_100, n_channels=1)
    finally:
        if folder == tmp_path:
            folder.chmod(0o755)


@pytest.mark.parametrize("length", [251, 255, 256, 1000])
def test_a_long_name_can_be_written_or_is_refused_beforehand(length: int, tmp_path: Path) -> None:
    """Most file systems allow 255 bytes; the temporary name has to fit too."""
    path = tmp_path / ("n" * (length - 4) + ".wav")
    clip = Audio(np.zeros(100, dtype=np.float32), 8000)
    try:
        check_output(path, sample_rate=8000, n_channels=1)
    except InputError:
        assert length > 255
    else:
        write(path, clip)
        assert read(path).n_samples == 100


def test_an_output_is_not_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, style = tmp_path / "content.wav", tmp_path / "style.wav"
    for path in (content, style):
        write(path, Audio(np.zeros(100, dtype=np.float32), 8000))
    (tmp_path / "link.wav").symlink_to(style)
    os.link(style, tmp_path / "hard.wav")
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    for same in (
        content,
        style,
        tmp_path / "link.wav",
        tmp_path / "hard.wav",
        Path("../style.wav"),
        tmp_path / "folder" / ".." / "content.wav",
    ):
        with pytest.raises(InputError, match="is one of the inputs"):
            check_output(same, sample_rate=8000, n_channels=1, inputs=(content, str(style)))
    check_output("../other.wav", sample_rate=8000, n_channels=1, inputs=(content, style))
    check_output(style, sample_rate=8000, n_channels=1, inputs=(content,))


def test_a_disk_without_room_is_found_out_beforehand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sound = Audio(np.full(1_000_000, 0.1, np.float32), 44_100)
    usage = type(shutil.disk_usage(tmp_path))
    for free, fits in ((1 << 30, True), (10_000_000, False)):
        monkeypatch.setattr(shutil, "disk_usage", lambda folder, free=free: usage(1 << 40, 0, free))
        refusal = pytest.raises(RetimbreError, match=rf"{tmp_path} has 0\.01 GB left: expected 0\.08 GB")
        with contextlib.nullcontext() if fits else refusal:
            Output.checked(tmp_path / "clip.wav", None, sound, Settings(), inputs=())


def test_finding_out_writes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    check_output(path, sample_rate=44_100, n_channels=2)
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"old")
    check_output(path, sample_rate=44_100, n_channels=2)
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["clip.wav"]
