"""TensorFlow's checkpoints: one of TensorFlow's own, those of a writer of our own, and those of nobody."""

import hashlib
import random
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from retimbre.errors import WeightsError
from retimbre.networks import published as registry
from retimbre.networks import state_dict, weights
from retimbre.networks.crc32c import crc32c

OFFICIAL_NAMES = [  # of the layers, and where each is in the port to torch
    *(("vggish/conv1", "features.0"), ("vggish/conv2", "features.3")),
    *(("vggish/conv3/conv3_1", "features.6"), ("vggish/conv3/conv3_2", "features.8")),
    *(("vggish/conv4/conv4_1", "features.11"), ("vggish/conv4/conv4_2", "features.13")),
    *(("vggish/fc1/fc1_1", "embeddings.0"), ("vggish/fc1/fc1_2", "embeddings.2")),
    ("vggish/fc2", "embeddings.4"),
]
TINY = Path(__file__).with_name("vggish_tiny.ckpt")
"""VGGish with three of everything, and a step counter. TensorFlow 2.21 wrote it: the variables of
:func:`theirs` by ``tf.compat.v1.get_variable``, saved by
``tf.compat.v1.train.Saver(write_version=tf.compat.v1.train.SaverDef.V1)``."""

Arrays = dict[str, NDArray[np.float32]]


def theirs() -> Arrays:
    """The variables of the small VGGish as TensorFlow has them, each number another."""
    found: Arrays = {}
    for layer, _ in OFFICIAL_NAMES:
        inputs = 1 if layer == "vggish/conv1" else 3
        shape = (3, 3, inputs, 3) if "conv" in layer else (3, 3)
        for name, size in (("weights", shape), ("biases", (3,))):
            numbers = np.arange(np.prod(size)) + 100 * len(found)
            found[f"{layer}/{name}"] = (numbers / 8).astype(np.float32).reshape(size)
    return found


def ours() -> dict[str, Tensor]:
    """The same numbers under the names and in the layout of torch, element by element."""
    arrays, found = theirs(), dict[str, Tensor]()
    for layer, place in OFFICIAL_NAMES:
        kernel = arrays[f"{layer}/weights"]
        turned = np.empty(
            [kernel.shape[k] for k in ((3, 2, 0, 1) if kernel.ndim == 4 else (1, 0))], np.float32
        )
        for index in np.ndindex(kernel.shape):
            *window, n_in, n_out = index
            turned[n_out, n_in, *window] = kernel[index]
        found[f"{place}.weight"] = torch.from_numpy(turned)
        found[f"{place}.bias"] = torch.from_numpy(arrays[f"{layer}/biases"])
    return found


@pytest.fixture(autouse=True)
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> registry.Weights:
    """Make the set small, and the cache empty."""
    monkeypatch.setenv("RETIMBRE_CACHE", str(tmp_path / "cache"))
    entry = registry.REGISTRY["vggish"]
    entry = replace(entry, shapes={k: tuple(min(n, 3) for n in shape) for k, shape in entry.shapes.items()})
    monkeypatch.setitem(registry.REGISTRY, "vggish", entry)
    return entry


# --- a writer, from what describes the format: table_format.md of LevelDB, saved_tensor_slice.proto ---


def bitwise_crc(data: bytes) -> int:
    state = 0xFFFFFFFF
    for byte in data:
        state ^= byte
        for _ in range(8):
            state = state >> 1 ^ 0x82F63B78 * (state & 1)
    return state ^ 0xFFFFFFFF


def varint(value: int) -> bytes:
    return bytes([value]) if value < 128 else bytes([value % 128 + 128]) + varint(value >> 7)


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def block(entries: Iterable[tuple[bytes, bytes]], *, interval: int = 3) -> bytes:
    """Lay out entries; every few of them the key starts anew."""
    data, restarts, last = b"", [], b""
    for k, (key, value) in enumerate(entries):
        shared = 0
        if k % interval == 0:
            restarts.append(len(data))
        else:
            while shared < min(len(key), len(last)) and key[shared] == last[shared]:
                shared += 1
        data += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        last = key
    return data + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def summed(data: bytes, *, compression: int = 0) -> bytes:
    """Lay out a block with what stands behind it."""
    data += bytes([compression])
    crc = bitwise_crc(data)
    return data + struct.pack("<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32)


def table(entries: Sequence[tuple[bytes, bytes]], *, size: int = 4, compression: int = 0) -> bytes:
    data, index = b"", list[tuple[bytes, bytes]]()
    for at in range(0, len(entries), size):
        chunk = entries[at : at + size]
        content = block(chunk)
        index.append((chunk[-1][0], varint(len(data)) + varint(len(content))))
        data += summed(content, compression=compression)
    return closed(data, block(index, interval=1))


def closed(data: bytes, index: bytes) -> bytes:
    """Put the two last blocks and the footer behind blocks of data."""
    nothing = block([])
    footer = varint(len(data)) + varint(len(nothing))
    data += summed(nothing)
    footer += varint(len(data)) + varint(len(index))
    return data + summed(index) + footer.ljust(40, b"\0") + bytes.fromhex("57fb808b247547db")


def meta(name: str, shape: Sequence[int]) -> bytes:
    """A tensor in the list that the first value is."""
    axes = b"".join(field(2, b"\x08" + varint(size)) for size in shape)
    everything = b"".join(field(1, b"") for _ in shape)
    return field(1, field(1, name.encode()) + field(2, axes) + b"\x18\x01" + field(4, everything))


def saved(name: str, array: NDArray[np.float32], *, extents: bytes = b"") -> bytes:
    """A value that holds a tensor."""
    everything = extents or b"".join(field(1, b"") for _ in array.shape)
    numbers = field(5, array.astype("<f4").tobytes())
    return field(2, field(1, name.encode()) + field(2, everything) + field(3, numbers))


def values(arrays: Arrays) -> list[bytes]:
    listed = b"".join(meta(name, array.shape) for name, array in sorted(arrays.items()))
    return [field(1, listed), *(saved(name, array) for name, array in sorted(arrays.items()))]


def checkpoint(content: Sequence[bytes], **how: int) -> bytes:
    keys = [b"", *(b"\0\1vggish/conv%03d\0\1" % k for k in range(len(content)))]
    return table(list(zip(keys, content, strict=False)), **how)


def read(data: bytes, folder: Path, name: str = "file.ckpt") -> dict[str, Tensor]:
    (folder / name).write_bytes(data)
    return dict(state_dict.read(registry.REGISTRY["vggish"], folder / name))


def refused(call: Callable[[], object]) -> str:
    """Give the message of a call that must fail: one line that says what to do."""
    with pytest.raises(WeightsError) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    assert "retimbre weights fetch" in message
    return message


def attempted(data: bytes, folder: Path) -> tuple[dict[str, Tensor] | None, str]:
    """Read what may be damaged; give nothing and the message where it is refused."""
    try:
        return read(data, folder), ""
    except WeightsError as error:
        return None, str(error)


def same(found: dict[str, Tensor], expected: dict[str, Tensor]) -> bool:
    return found.keys() == expected.keys() and all(torch.equal(found[k], expected[k]) for k in expected)


# --- what is read ---


@pytest.mark.parametrize("length", [0, 1, 4159, 4160, 4161, 13_000])
def test_the_sum_is_that_of_its_definition(length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert crc32c(memoryview(data)) == bitwise_crc(data)


def test_the_sum_has_its_published_values() -> None:
    """RFC 3720, appendix B.4; and of more parts than are summed at once."""
    assert crc32c(memoryview(bytes(32))) == 0x8A9136AA
    assert crc32c(memoryview(bytes([255] * 32))) == 0x62A8AB43
    assert crc32c(memoryview(bytes(range(32)))) == 0x46DD794E
    data = bytearray(6_000_001)
    at_start = crc32c(memoryview(data))
    data[3_000_000] = 1
    assert crc32c(memoryview(data)) != at_start


def test_the_names_are_those_of_the_authors() -> None:
    pairs = {
        (f"{t}/{a}", f"{o}.{b}")
        for t, o in OFFICIAL_NAMES
        for a, b in (("weights", "weight"), ("biases", "bias"))
    }
    entry = registry.REGISTRY["vggish"]
    assert {(theirs, ours) for ours, theirs in entry.checkpoint.items()} == pairs
    assert entry.checkpoint.keys() == entry.shapes.keys()


def test_what_tensorflow_wrote_is_read(tmp_path: Path) -> None:
    assert same(dict(state_dict.read(registry.REGISTRY["vggish"], TINY)), ours())
    weights.import_file("vggish", TINY)
    assert same(weights.load("vggish"), ours())
    assert not weights.verify("vggish")


@pytest.mark.parametrize("size", [1, 4, 100])
def test_what_our_writer_wrote_is_read(size: int, tmp_path: Path) -> None:
    others = {"global_step": np.ones((), np.float32), "vggish/fc3/weights": np.ones((2, 2), np.float32)}
    assert same(read(checkpoint(values(theirs() | others), size=size), tmp_path), ours())


def test_the_published_checkpoint_is_known(small: registry.Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "md5:d1c7011e6366aa34176bb05c705e31a8" in small.also
    known = replace(small, also=(f"md5:{hashlib.md5(TINY.read_bytes()).hexdigest()}",))
    monkeypatch.setitem(registry.REGISTRY, "vggish", known)
    weights.import_file("vggish", TINY)
    assert weights.verify("vggish")


# --- what is refused ---


def test_other_tensors(tmp_path: Path) -> None:
    def importing(arrays: Arrays) -> str:
        (tmp_path / "file").write_bytes(checkpoint(values(arrays)))
        return refused(lambda: weights.import_file("vggish", tmp_path / "file"))

    arrays = theirs()
    fewer = {name: array for name, array in arrays.items() if name != "vggish/fc2/weights"}
    assert "embeddings.4.weight is missing" in importing(fewer)
    other = arrays | {"vggish/conv2/weights": np.ones((3, 3, 3, 4), np.float32)}
    assert "features.3.weight has the shape (4, 3, 3, 3) and not (3, 3, 3, 3)" in importing(other)
    assert "NaN" in importing(arrays | {"vggish/fc2/biases": np.full(3, np.nan, np.float32)})
    assert "and 15 more" in importing({"weights": np.ones(3, np.float32)})
    assert not weights.path("vggish").exists()


def test_format_v2_is_refused(tmp_path: Path) -> None:
    """Its index is a table too, whose first value is BundleHeaderProto (1: number of shards; 3: version)."""
    header = b"\x08\x01" + field(3, b"\x08\x01")
    index = checkpoint([header, field(2, field(2, b"\x08\x03")) + b"\x08\x01"])
    said = refused(lambda: read(index, tmp_path, "model.ckpt.index"))
    assert "format V2: expected a checkpoint of format V1, one file" in said
    said = refused(lambda: read(bytes(400), tmp_path, "model.ckpt.data-00000-of-00001"))
    assert "format V2: expected a checkpoint of format V1, one file" in said


def test_forms_that_are_not_read(tmp_path: Path) -> None:
    content = values(theirs())
    assert "compressed: expected" in refused(lambda: read(checkpoint(content, compression=1), tmp_path))
    half = saved("vggish/fc2/biases", np.ones(2, np.float32), extents=field(1, b"\x10\x02"))
    assert "vggish/fc2/biases in pieces: expected" in refused(
        lambda: read(checkpoint([*content, half]), tmp_path)
    )
    entry = registry.REGISTRY["cnn14"]
    assert "expected another file for cnn14" in refused(lambda: state_dict.read(entry, TINY))


def test_any_byte_that_is_changed_is_found(tmp_path: Path) -> None:
    """But for those of the block and the padding that nothing depends on."""
    data, unnoticed = TINY.read_bytes(), 0
    for at in range(0, len(data), 5):
        changed = bytearray(data)
        changed[at] ^= 1 << at % 8
        found, said = attempted(bytes(changed), tmp_path)
        if found is None:
            assert re.search("is damaged|is a checkpoint of TensorFlow", said)
        else:
            assert same(found, ours())
            unnoticed += 1
    assert unnoticed <= 48 // 5 + 2


@pytest.mark.parametrize("with_end", [False, True])
def test_files_that_are_cut(with_end: bool, tmp_path: Path) -> None:
    data = TINY.read_bytes()
    for length in (1, 7, 40, 48, 100, 1000, 3000, len(data) - 60, len(data) - 49):
        cut = data[:length] + (data[-48:] if with_end else b"")
        assert "is damaged" in refused(lambda cut=cut: read(cut, tmp_path))  # type: ignore[misc]
    assert "is damaged" in refused(lambda: read(data[-8:], tmp_path))


def handle(start: int, size: int) -> bytes:
    return varint(start) + varint(size)


HUGE = 2**62


BIASES = "vggish/fc2/biases"


def biases(n: int) -> bytes:
    return saved(BIASES, np.ones(n, np.float32))


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(data, id=name)
        for name, data in {
            "block too long": closed(b"", block([(b"", handle(0, HUGE))])),
            "block too far": closed(b"", block([(b"", handle(HUGE, 8))])),
            "block of nothing": closed(b"", block([(b"", handle(0, 0))])),
            "endless number": closed(b"", block([(b"", b"\xff" * 11)])),
            "no handle": closed(b"", block([(b"", b"")])),
            "block twice": closed(summed(block([])), block([(b"", handle(0, 4)), (b"a", handle(0, 4))])),
            "restarts": closed(summed(struct.pack("<I", 2**32 - 1)), block([(b"", handle(0, 4))])),
            "key": closed(b"", varint(0) + varint(HUGE) + varint(1) + struct.pack("<I", 0)),
            "value": closed(b"", varint(0) + varint(0) + varint(HUGE) + struct.pack("<I", 0)),
            "message": checkpoint([field(1, varint(1 << 3 | 2) + varint(HUGE))]),
            "kind of field": checkpoint([field(1, b"\x0b")]),
            "name": checkpoint([field(1, field(1, field(1, b"\xff\xfe")))]),
            "size": checkpoint([field(1, meta(BIASES, [HUGE])), biases(3)]),
            "sizes": checkpoint([field(1, meta(BIASES, [HUGE, 0])), biases(0)]),
            "rank": checkpoint([field(1, meta(BIASES, [1] * 5000)), biases(1)]),
            "numbers": checkpoint([field(1, meta(BIASES, [3])), biases(4)]),
        }.items()
    ],
)
def test_files_that_lie(data: bytes, tmp_path: Path) -> None:
    said = refused(lambda: read(data, tmp_path))
    assert "is damaged" in said
    assert len(said) < 1000


def test_nonsense_with_the_right_sums(tmp_path: Path) -> None:
    """Whatever the values are, either tensors come out or one line."""
    chance, content, n_refused = random.Random(0), values(theirs()), 0
    for _ in range(300):
        changed = [bytearray(value) for value in content]
        for _ in range(3):
            value = chance.choice(changed)
            value[chance.randrange(min(len(value), 80))] = chance.choice(
                (0, 1, 127, 128, 255, chance.randrange(256))
            )
        found, said = attempted(checkpoint([bytes(value) for value in changed], size=100), tmp_path)
        n_refused += found is None
        assert "\n" not in said
    assert n_refused > 30
