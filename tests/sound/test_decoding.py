"""Files whose headers lie, do not know, or are of something else; PyAV's decoder is the judge of lengths."""

import os
import struct
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from retimbre.errors import AudioReadError
from retimbre.sound.audio import Samples
from retimbre.sound.files import read

Sweeps = Callable[..., Samples]
av: Any = pytest.importorskip("av")


def encode(path: Path, codec: str, samples: Samples, rate: int, container: str | None = None) -> None:
    """Write a file of one channel with FFmpeg's encoders."""
    with av.open(str(path), "w", format=container) as file:
        stream = file.add_stream(codec, rate=rate, layout="mono")
        context = stream.codec_context
        plain = av.AudioFrame.from_ndarray(samples[:1], format="fltp", layout="mono")
        plain.sample_rate, plain.pts = rate, 0
        resampler = av.AudioResampler(
            format=context.codec.audio_formats[0].name,
            layout="mono",
            rate=rate,
            frame_size=context.frame_size or 1024,
        )
        for part in [*resampler.resample(plain), *resampler.resample(None), None]:
            file.mux(stream.encode(part))


def decoded_length(path: Path) -> int:
    """Count the samples that FFmpeg's decoder finds."""
    with av.open(str(path)) as container:
        return sum(frame.samples for frame in container.decode(container.streams.audio[0]))


def chunk(name: bytes, data: bytes, *, padded: bool = True) -> bytes:
    return name + struct.pack("<I", len(data)) + data + b"\0" * (padded and len(data) % 2)


def riff(*chunks: bytes) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


FORMAT = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 22_050, 44_100, 2, 16))
NUMBERS = np.random.default_rng(0).integers(-(1 << 15), 1 << 15, 5_000).astype("<i2")
DATA = chunk(b"data", NUMBERS.tobytes())
ODD = [chunk(b"LIST", b"INFOx", padded=False), chunk(b"bext", bytes(603), padded=False)]


@pytest.mark.parametrize(
    "chunks",
    [
        [FORMAT, ODD[0], DATA],
        [ODD[1], FORMAT, DATA],
        [ODD[0], FORMAT, ODD[1], DATA, ODD[0]],
        [DATA, FORMAT],
        [chunk(b"note", b"hello"), FORMAT, DATA],
        [FORMAT, DATA, ODD[0]],
        [FORMAT, chunk(b"junk", bytes(7), padded=False), chunk(b"\x20\x20\x20\x20", b"a"), DATA],
    ],
)
def test_chunks_in_any_order_and_without_padding_are_read(chunks: list[bytes], tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(riff(*chunks))
    np.testing.assert_array_equal(read(path).samples[0] * (1 << 15), NUMBERS)


def test_a_wav_that_is_out_of_order_and_truncated_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(riff(ODD[0], FORMAT, DATA)[:-100])
    with pytest.raises(AudioReadError, match=r"clip\.wav is truncated: 9900 of 10000 bytes of samples"):
        read(path)


@pytest.mark.parametrize("claim", [0, 0x7FFF_F000, 0x7FFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF - 36])
def test_an_unknown_length_of_samples_is_that_of_the_file(claim: int, tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    path.write_bytes(riff(FORMAT, b"data" + struct.pack("<I", claim) + NUMBERS.tobytes()))
    np.testing.assert_array_equal(read(path).samples[0] * (1 << 15), NUMBERS)


@pytest.mark.parametrize(
    ("codec", "rate", "frame"),
    [
        ("libmp3lame", 22_050, 576),
        ("libmp3lame", 44_100, 1152),
        ("adpcm_ms", 22_050, 1012),
        ("adpcm_ima_wav", 22_050, 1017),
        ("pcm_mulaw", 8_000, 0),
        ("mp2", 44_100, 0),
        ("flac", 44_100, 0),
        ("adpcm_yamaha", 22_050, 0),
    ],
)
def test_what_is_inside_a_wav_is_decoded(
    codec: str, rate: int, frame: int, tmp_path: Path, sweeps: Sweeps
) -> None:
    path, samples = tmp_path / "clip.wav", sweeps(1.0, rate)
    encode(path, codec, samples, rate)
    found = read(path)
    assert abs(found.n_samples - decoded_length(path)) <= frame
    lags = [
        found.samples[0, lag : lag + rate // 2] for lag in range(2000)
    ]  # encoders delay what they are given
    assert max(np.corrcoef(part, samples[0, : rate // 2])[0, 1] for part in lags) > 0.97


@pytest.mark.parametrize(
    "subtype", ["GSM610", "G721_32", "IMA_ADPCM", "MS_ADPCM", "NMS_ADPCM_16", "ULAW", "ALAW"]
)
def test_encodings_of_speech_inside_a_wav_are_read(subtype: str, tmp_path: Path, sweeps: Sweeps) -> None:
    path, samples = tmp_path / "clip.wav", sweeps(1.0, 8_000)
    soundfile.write(path, samples.T, 8_000, subtype=subtype)
    found = read(path)
    assert 8_000 <= found.n_samples < 8_000 + 1_024
    assert np.corrcoef(found.samples[0, :8_000], samples[0])[0, 1] > 0.9


def test_an_encoding_that_nobody_reads_is_named(tmp_path: Path) -> None:
    path = tmp_path / "clip.wav"
    for number, name in ((0x270, "ATRAC"), (0x4321, "an encoding of number 0x4321")):
        layout = struct.pack("<HHIIHHH", number, 1, 44_100, 10_000, 1, 0, 0)
        path.write_bytes(riff(chunk(b"fmt ", layout), chunk(b"data", bytes(range(256)) * 40)))
        with pytest.raises(AudioReadError, match=f"clip.wav holds {name} inside WAV, which cannot be read"):
            read(path)


@pytest.mark.parametrize(
    ("codec", "container", "rate"),
    [
        ("aac", "adts", 44_100),
        ("libopus", "matroska", 48_000),
        ("mp2", "mp2", 44_100),
    ],
)
def test_other_files_that_ffmpeg_reads_are_read(
    codec: str, container: str, rate: int, tmp_path: Path, sweeps: Sweeps
) -> None:
    path = tmp_path / "clip.mp3"  # the name says nothing
    encode(path, codec, sweeps(0.5, rate), rate, container)
    assert read(path).n_samples == decoded_length(path) > 0.5 * rate - 1


def test_an_ogg_with_a_page_twice_is_refused(tmp_path: Path, sweeps: Sweeps) -> None:
    """A decoder passes over the second, whatever is in it, where another one plays it."""
    path = tmp_path / "clip.ogg"
    soundfile.write(path, sweeps(20.0, 22_050).T, 22_050)
    data = path.read_bytes()
    places = [at for at in range(len(data)) if data[at : at + 4] == b"OggS"]
    assert len(places) > 4
    page = data[places[3] : places[4]]
    path.write_bytes(data[: places[4]] + page + data[places[4] :])
    with pytest.raises(AudioReadError, match=r"clip\.ogg is damaged: page 3 of its stream is there twice"):
        read(path)


def test_zeros_before_and_behind_are_no_sound(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp3"
    path.touch()
    os.truncate(path, 1 << 40)  # sparse: a search through all of it would take an hour
    began = time.monotonic()
    with pytest.raises(AudioReadError, match="it is nothing but zeros"):
        read(path)
    assert time.monotonic() - began < 2


@pytest.mark.parametrize("container", ["WAV", "WAVEX", "RF64", "W64", "AIFF", "AU", "CAF"])
def test_a_truncated_file_of_plain_numbers_is_refused(container: str, tmp_path: Path, sweeps: Sweeps) -> None:
    path = tmp_path / "clip"
    soundfile.write(path, sweeps(0.5, 44_100, 2).T, 44_100, format=container, subtype="PCM_16")
    data = path.read_bytes()
    assert read(path).n_samples == 22_050
    for share in (0.5, 0.9, 0.999):
        path.write_bytes(data[: int(share * len(data))])
        with pytest.raises(AudioReadError, match=r"clip (is truncated|cannot be read as sound)"):
            read(path)


OTHERS = {
    "a web page": b"\xef\xbb\xbf\n <!DOCTYPE html>\n<html><title>404 Not Found</title></html>",
    "XML": b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>',
    "text": '{"error": "zu gro\u00df"}'.encode(),
    "text ": "Hallo".encode("utf-16"),
    "nothing but zeros": bytes(10_000),
    "a ZIP archive": b"PK\x03\x04" + zlib.compress(bytes(range(256))),
    "a PDF document": b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n",
    "a file packed by gzip": b"\x1f\x8b\x08" + zlib.compress(b"some bytes"),
    "a picture": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "MIDI": b"MThd\0\0\0\6\0\1\0\1\0\x60",
}


@pytest.mark.parametrize("suffix", [".mp3", ".wav", ".ogg"])
@pytest.mark.parametrize("kind", OTHERS)
def test_what_is_no_sound_says_what_it_is(
    kind: str, suffix: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(OTHERS[kind])
    with pytest.raises(AudioReadError, match=rf"clip{suffix} cannot be read as sound \(it is {kind.strip()}"):
        read(path)
    assert capfd.readouterr().err == ""  # no decoder was asked


def test_mp3_files_in_a_row_are_read_one_after_the_other(tmp_path: Path, sweeps: Sweeps) -> None:
    one, both = tmp_path / "one.mp3", tmp_path / "both.mp3"
    encode(one, "libmp3lame", sweeps(1.0, 44_100), 44_100)
    tag = b"ID3\x03\0\0\0\0\x0f\x50" + bytes(2_000)
    for between in (b"", b"TAG" + bytes(125), tag):
        both.write_bytes(one.read_bytes() + between + one.read_bytes())
        found = read(both).samples[0]
        assert len(found) == pytest.approx(2 * 44_100, abs=2 * 1152)
        # The second is whole.
        ends = [found[len(found) - 44_100 - lag :][:8_000] for lag in range(2 * 1152)]
        assert max(np.corrcoef(end, sweeps(1.0, 44_100)[0, :8_000])[0, 1] for end in ends) > 0.99


def test_flac_files_in_a_row_are_read_one_after_the_other(tmp_path: Path, sweeps: Sweeps) -> None:
    one, both = tmp_path / "one.flac", tmp_path / "both.flac"
    soundfile.write(one, sweeps(0.5, 44_100).T, 44_100)
    both.write_bytes(2 * one.read_bytes())
    np.testing.assert_array_equal(read(both).samples, np.tile(read(one).samples, 2))


def test_a_flac_behind_a_tag_is_read(tmp_path: Path, sweeps: Sweeps) -> None:
    path = tmp_path / "clip.flac"
    soundfile.write(path, sweeps(0.5, 44_100).T, 44_100)
    before = read(path).samples
    path.write_bytes(b"ID3\x03\0\0\0\0\x0f\x50" + bytes(2_000) + path.read_bytes())
    np.testing.assert_array_equal(read(path).samples, before)


def test_an_mp3_that_announces_fewer_frames_than_it_has_is_read_to_its_end(
    tmp_path: Path, sweeps: Sweeps
) -> None:
    path = tmp_path / "clip.mp3"
    encode(path, "libmp3lame", sweeps(2.0, 44_100), 44_100)
    data = bytearray(path.read_bytes())
    at = max(data.find(b"Xing"), data.find(b"Info")) + 8
    data[at : at + 8] = struct.pack(">II", 10, 2_000)
    path.write_bytes(data)
    assert read(path).n_samples == pytest.approx(2 * 44_100, abs=3 * 1152)


PLAIN_KINDS = [
    *(("AIFF", "PCM_16"), ("AIFF", "ULAW"), ("AU", "PCM_16"), ("AU", "ULAW"), ("CAF", "PCM_16")),
    *(("CAF", "ALAC_16"), ("W64", "PCM_16"), ("RF64", "PCM_16"), ("VOC", "PCM_16"), ("NIST", "PCM_16")),
    *(("SVX", "PCM_16"), ("WAV", "PCM_16"), ("WAV", "IMA_ADPCM")),
]


@pytest.mark.parametrize(("container", "subtype"), PLAIN_KINDS)
def test_no_wrong_length_makes_a_file_shorter(
    container: str, subtype: str, tmp_path: Path, sweeps: Sweeps
) -> None:
    """Wherever a smaller number is written into the header, the rest is read, or the file refused."""
    path, samples = tmp_path / "clip", sweeps(0.4, 22_050)
    soundfile.write(path, samples.T, 22_050, format=container, subtype=subtype)
    whole, n_whole = path.read_bytes(), read(path).n_samples
    assert n_whole >= samples.shape[1]
    n_read = 0
    for at in range(4, 72):
        for number in (b"\0\0\x10\0", b"\0\x10\0\0"):
            path.write_bytes(whole[:at] + number + whole[at + 4 :])
            try:
                found = read(path)
            except AudioReadError:
                continue
            n_read += 1
            if found.n_samples < n_whole - 1024:  # PyAV, too, takes it for another layout or rate
                assert found.n_samples >= decoded_length(path) - 1024
    assert n_read or container == "NIST"  # whose header is a text


def test_an_au_that_announces_less_than_it_has_is_read_to_its_end(tmp_path: Path, sweeps: Sweeps) -> None:
    path, samples = tmp_path / "clip.au", sweeps(0.5, 44_100, 2)
    for endian, order in (("BIG", ">I"), ("LITTLE", "<I")):
        soundfile.write(path, samples.T, 44_100, format="AU", subtype="PCM_16", endian=endian)
        before, data = read(path).samples, bytearray(path.read_bytes())
        for announced in (0, 1000, 0xFFFF_FFFF):
            data[8:12] = struct.pack(order, announced)
            path.write_bytes(data)
            np.testing.assert_array_equal(read(path).samples, before)
        path.write_bytes(data[:4] + struct.pack(order, 7) + data[8:])
        with pytest.raises(AudioReadError, match=r"damaged: its samples begin in its header, at byte 7"):
            read(path)


def test_a_caf_whose_packets_and_samples_differ_is_refused(tmp_path: Path, sweeps: Sweeps) -> None:
    path = tmp_path / "clip.caf"
    soundfile.write(path, sweeps(0.5, 44_100).T, 44_100, format="CAF", subtype="ALAC_16")
    assert read(path).n_samples == 22_050
    data = bytearray(path.read_bytes())
    at = data.index(b"pakt") + 20
    assert data[at : at + 8] == (22_050).to_bytes(8, "big")
    data[at : at + 8] = (3_000).to_bytes(8, "big")
    path.write_bytes(data)
    with pytest.raises(AudioReadError, match=r"damaged: 6 packets of 4096 samples do not make up 3000"):
        read(path)


def test_a_caf_by_another_encoder_is_read(tmp_path: Path, sweeps: Sweeps) -> None:
    path = tmp_path / "clip.caf"
    for codec in ("alac", "pcm_s16le"):
        encode(path, codec, sweeps(0.5, 44_100), 44_100)
        assert read(path).n_samples == decoded_length(path) >= 22_050
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(AudioReadError, match=r"clip\.caf (is truncated|cannot be read)"):
            read(path)


def test_an_encoding_inside_a_caf_that_nobody_reads_is_named(tmp_path: Path, sweeps: Sweeps) -> None:
    path = tmp_path / "clip.caf"
    soundfile.write(path, sweeps(0.5, 44_100).T, 44_100, format="CAF", subtype="PCM_16")
    path.write_bytes(path.read_bytes().replace(b"lpcm", b"XYZ9"))
    with pytest.raises(
        AudioReadError, match=r"clip\.caf holds XYZ9 inside CAF, which cannot be read; convert"
    ):
        read(path)


@pytest.mark.parametrize("n_channels", [1, 2, 3, 8, 12, 64])
def test_channels_that_ffmpeg_decodes_stay_apart(n_channels: int, tmp_path: Path) -> None:
    """Of more than 8 in planes PyAV loses the memory, which once ended the process."""
    path = tmp_path / "clip"
    samples = np.arange(1, n_channels + 1, dtype=np.int32)[:, None] * np.full((1, 4_800), 1 << 20, np.int32)
    with av.open(str(path), "w", format="matroska") as file:
        layout = (
            f"{n_channels} channels"
            if n_channels > 8
            else {1: "mono", 2: "stereo", 3: "2.1", 8: "7.1"}[n_channels]
        )
        stream = file.add_stream("pcm_s32le", rate=48_000, layout=layout)
        frame = av.AudioFrame.from_ndarray(samples.T.reshape(1, -1), format="s32", layout=layout)
        frame.sample_rate, frame.pts = 48_000, 0
        for part in (frame, None):
            file.mux(stream.encode(part))
    np.testing.assert_allclose(read(path).samples, samples / 2**31)
