"""Any mixture of types and values either works or raises a RetimbreError of one line."""

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import retimbre
from retimbre.errors import RetimbreError

api: Any = retimbre  # whose types are what is not kept here
CLIP = (0.1 * np.random.default_rng(0).standard_normal(2500, np.float32), 8000)
QUICK = retimbre.Settings(n_iter=1, n_iter_waveform=0, n_iter_phase=0, align="none", n_fft=256, hop_length=64)
FIELDS = [field.name for field in dataclasses.fields(retimbre.Settings)]


class Named:
    """An object with a path that cannot be one."""

    def __fspath__(self) -> str:
        return "no\0name"


numbers = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300_000),
    st.integers(),
    st.floats(),
    st.sampled_from([np.int64(3), np.float32(0.5), np.uint8(7), np.bool_(True), np.nan, Fraction(1, 2), 1j]),
    st.sampled_from([np.array(0.5), np.array([1, 2]), torch.tensor(0.5), torch.tensor([1.0])]),
)
texts = st.one_of(
    st.text(max_size=20), st.binary(max_size=20), st.sampled_from(["", ".", "/", "a\0b", "\udcff"])
)
arrays = st.one_of(
    st.builds(
        lambda shape, dtype, value: np.full(shape, value).astype(dtype),
        st.sampled_from([(), (0,), (1,), (3000,), (2, 3000), (3000, 2), (0, 5), (2, 2, 9)]),
        st.sampled_from([np.float32, np.float64, np.int16, np.int64, np.uint8, bool, complex, str, object]),
        st.sampled_from([0, 1, 0.5]),
    ),
    st.sampled_from(
        [
            CLIP[0],
            np.array([0.0, np.nan] * 2000),
            np.full(3000, 1e300),
            torch.randn(2, 3000, requires_grad=True),
            torch.zeros(3000, dtype=torch.int16),
            [0.1, 0.2],
            [[0.1], [0.2, 0.3]],
            "samples",
        ]
    ),
)
others = st.one_of(
    numbers,
    texts,
    arrays,
    st.sampled_from([Path("missing.wav"), Path(), Named(), object(), {}, set(), [], (), [1], print, int]),
)
rates = st.one_of(st.sampled_from([8000, 22_050, np.int32(16_000), 8000.0, "8000"]), numbers)
clips = st.one_of(st.just(CLIP), others, st.tuples(arrays, rates), st.tuples(rates, arrays))
mixes = st.one_of(clips, st.lists(st.tuples(clips, numbers), max_size=3), st.lists(clips, max_size=2))


@contextlib.contextmanager
def one_line() -> Iterator[None]:
    """Let RetimbreErrors of one short line pass, and nothing else."""
    message = "none"
    try:
        yield
    except RetimbreError as error:
        message = str(error)
    assert message.isprintable() or "\udcff" in message
    assert 0 < len(message) < 400


fuzz = settings(max_examples=150, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@fuzz
@given(st.dictionaries(st.sampled_from(FIELDS), others, max_size=3))
def test_settings(values: dict[str, Any]) -> None:
    with one_line():
        made = api.Settings(**values)
        assert dataclasses.replace(made) == made


@fuzz
@given(others, st.one_of(rates, others))
def test_audio(samples: Any, rate: Any) -> None:
    with one_line():
        audio = api.Audio(samples, rate)
        assert audio.samples.dtype == np.float32
        assert np.isfinite(audio.samples).all()
        assert audio.resampled(8000).n_samples > 0


@fuzz
@given(others)
def test_read(path: Any) -> None:
    with one_line():
        api.read(path)


@fuzz
@given(others, st.one_of(st.just(api.Audio(*CLIP)), others), st.one_of(st.none(), st.just("wav"), others))
def test_write(name: Any, sound: Any, format_: Any) -> None:
    with tempfile.TemporaryDirectory() as folder, one_line():
        path = Path(folder) / name.replace("/", "_") if isinstance(name, str) else name
        api.write(path, sound, format=format_)


@fuzz
@given(clips, mixes, st.one_of(st.just(QUICK), others), numbers, st.one_of(st.none(), others))
def test_transfer(content: Any, style: Any, options: Any, strength: Any, output: Any) -> None:
    with one_line():
        restyle = api.Transfer(style, QUICK if options is None else options)
        restyle(content, strength=strength, output=output if output is not None else None)


@fuzz
@given(st.one_of(st.none(), others), st.one_of(st.none(), others), st.one_of(st.none(), others))
def test_transfer_with_other_arguments(network: Any, on_step: Any, format_: Any) -> None:
    on_step = None if callable(on_step) else on_step  # whose errors are not ours
    with one_line():
        api.transfer(CLIP, CLIP, QUICK, network=network, on_step=on_step, output_format=format_)


@fuzz
@given(clips, numbers, st.one_of(st.just(QUICK), others), st.booleans())
def test_texture(style: Any, seconds: Any, options: Any, loop: bool) -> None:
    if isinstance(seconds, (int, float)) and seconds > 2:
        seconds = 0.5
    with one_line():
        api.texture(style, seconds, QUICK if options is None else options, loop=loop)
