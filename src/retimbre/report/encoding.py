"""Sound and pictures as data addresses, so that a page is a single file."""

import base64
import io

from retimbre.sound.audio import Audio

_MP3_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
_BLOCK = 1 << 16  # frames per write: some encoders of libsndfile take their work space from the stack


def mp3(audio: Audio) -> bytes:
    """Encode a clip for listening, at a rate that MP3 has; more than two channels become one."""
    import soundfile

    rate = min((rate for rate in _MP3_RATES if rate >= audio.sample_rate), default=48000)
    frames = audio.resampled(rate).samples.T
    if frames.shape[1] > 2:
        frames = frames.mean(axis=1, keepdims=True)
    buffer = io.BytesIO()
    with soundfile.SoundFile(
        buffer, "w", rate, frames.shape[1], format="MP3", subtype="MPEG_LAYER_III"
    ) as file:
        for start in range(0, len(frames), _BLOCK):
            file.write(frames[start : start + _BLOCK])
    return buffer.getvalue()


def data_uri(mime: str, data: bytes) -> str:
    """Put data into an address.

    Args:
        mime: Media type, such as ``"image/png"``.
        data: The data.

    >>> data_uri("text/plain", b"tone")
    'data:text/plain;base64,dG9uZQ=='
    """
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
