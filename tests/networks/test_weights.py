"""Trained weights: servers that fail in many ways, and files that are not what they claim."""

import functools
import hashlib
import http.server
import io
import os
import pickle
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from retimbre.errors import InputError, RetimbreError, WeightsError
from retimbre.networks import download, weights
from retimbre.networks import published as registry

NAMES = ["vggish", "cnn14"]
SHAPES = {name: dict(entry.shapes) for name, entry in registry.REGISTRY.items()}
State = dict[str, torch.Tensor]


def state_dict(name: str) -> State:
    generator = torch.Generator().manual_seed(0)
    return {key: torch.randn(s, generator=generator) for key, s in registry.REGISTRY[name].shapes.items()}


@functools.cache  # torch writes other bytes each time
def published(name: str) -> bytes:
    """Give a file laid out as the authors' one: of torch's old format, with what lies beside the tensors."""
    state: dict[str, Any] = {**state_dict(name)}
    if name == "cnn14":
        state |= {"logmel_extractor.melW": torch.ones(3), "bn0.num_batches_tracked": torch.tensor(5)}
        sampler = {"indexes": np.arange(9), "pointer": np.int64(3)}
        state = {"iteration": 600_000, "model": state, "sampler": sampler}
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty cache, and sets of the same names and small shapes whose files are known."""
    monkeypatch.setenv("RETIMBRE_CACHE", str(tmp_path / "cache"))
    for name, entry in list(registry.REGISTRY.items()):
        shapes = {key: tuple(min(size, 3) for size in shape) for key, shape in entry.shapes.items()}
        monkeypatch.setitem(registry.REGISTRY, name, replace(entry, shapes=shapes))
        data = published(name)
        digits = 8 if name == "vggish" else 64
        known = replace(
            registry.REGISTRY[name],
            checksum=f"sha256:{hashlib.sha256(data).hexdigest()[:digits]}",
            size=None if entry.size is None else len(data),
        )
        monkeypatch.setitem(registry.REGISTRY, name, known)
    return tmp_path / "cache"


def files(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.exists() else []


def refused(call: Callable[[], object], kind: type[RetimbreError] = WeightsError) -> str:
    """Give the message of a call that must fail: one line that says what to do."""
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- the registry ---


def test_the_shapes_are_those_of_the_reference_networks() -> None:
    vggish = pytest.importorskip("torchvggish.torchvggish")
    with torch.device("meta"):
        reference = vggish.VGG(vggish.make_layers(), postprocess=False)
    assert {k: tuple(v.shape) for k, v in reference.state_dict().items()} == SHAPES["vggish"]


def test_the_sets_have_their_known_sizes() -> None:
    sizes = {name: sum(np.prod(shape) for shape in shapes.values()) for name, shapes in SHAPES.items()}
    assert sizes["vggish"] == 72_141_184  # the "72 M" of its authors
    assert sizes["cnn14"] == 80_753_615 + 2 * (64 + 2 * (64 + 128 + 256 + 512 + 1024 + 2048))


def test_an_unknown_name() -> None:
    for call in (weights.path, weights.load, weights.verify, weights.fetch):
        assert "vgish: expected one of vggish, cnn14" in refused(functools.partial(call, "vgish"), InputError)


def test_the_folder_is_the_systems_unless_named(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert weights.path("cnn14") == cache / "cnn14.safetensors"
    monkeypatch.setenv("RETIMBRE_CACHE", "~/somewhere")
    assert weights.cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("RETIMBRE_CACHE")
    assert "retimbre" in weights.cache_folder().parts


# --- files that lie here ---


def saved(state: Any, file: Path, kind: str) -> Path:
    if kind == "safetensors":
        save_file(state, file)
    else:
        torch.save(state, file, _use_new_zipfile_serialization=kind == "zip")
    return file


@pytest.mark.parametrize("name", NAMES)
def test_the_published_file_is_known(name: str, tmp_path: Path, cache: Path) -> None:
    (tmp_path / "file.pth").write_bytes(published(name))
    assert weights.import_file(name, tmp_path / "file.pth") == weights.path(name)
    assert weights.verify(name)
    assert files(cache) == [f"{name}.safetensors"]
    with safe_open(weights.path(name), framework="pt") as opened:
        assert opened.metadata()["licence"] == registry.REGISTRY[name].licence
        assert opened.metadata()["source"].startswith(registry.REGISTRY[name].checksum)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("kind", "nested"),
    [
        ("safetensors", ""),
        *((kind, key) for kind in ("zip", "legacy") for key in ("", "model", "state_dict")),
    ],
)
def test_any_state_dict_of_the_same_tensors(name: str, kind: str, nested: str, tmp_path: Path) -> None:
    state = state_dict(name)
    weights.import_file(name, saved({nested: state} if nested else state, tmp_path / "file", kind))
    loaded = weights.load(name)
    assert loaded.keys() == state.keys()
    assert all(torch.equal(loaded[key], state[key]) for key in state)
    assert not weights.verify(name)


def test_other_forms_of_the_same_numbers(tmp_path: Path) -> None:
    state: dict[str, Any] = {**state_dict("vggish")}
    shared = torch.randn(3)
    state |= {"features.0.bias": shared, "features.3.bias": shared}
    state["features.6.bias"] = torch.nn.Parameter(state["features.6.bias"])
    state["features.8.bias"] = state["features.8.bias"].half()
    state["embeddings.2.weight"] = state["embeddings.2.weight"].double().T.contiguous().T
    weights.import_file("vggish", saved(state, tmp_path / "file", "zip"))
    for key, tensor in weights.load("vggish").items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, state[key].detach().float())


def without(key: str) -> Callable[[State], Any]:
    return lambda state: {k: v for k, v in state.items() if k != key}


def instead(key: str, value: Any) -> Callable[[State], Any]:
    return lambda state: state | {key: value}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("features.0.weight"), "features.0.weight is missing"),
        (lambda state: {}, "features.0.weight is missing, .* and 15 more"),
        (instead("classifier", torch.ones(1)), "classifier is unknown"),
        (instead("features.0.bias", torch.ones(4)), r"features.0.bias has the shape \(4,\) and not \(3,\)"),
        (instead("features.0.bias", torch.ones(3, dtype=torch.int64)), "features.0.bias is not an array"),
        (instead("features.0.bias", torch.ones(3).to_sparse()), "features.0.bias is not an array"),
        (instead("features.0.bias", torch.ones(3, device="meta")), "features.0.bias is not an array"),
        (instead("features.0.bias", "text"), "features.0.bias is missing"),
        (
            instead("features.0.bias", torch.tensor([0, np.nan, 0])),
            "NaN or infinite numbers in features.0.bias",
        ),
        (
            instead("features.0.bias", torch.tensor([0, np.inf, 0])),
            "NaN or infinite numbers in features.0.bias",
        ),
        (lambda state: list(state.values()), "holds no tensors by name"),
        (lambda state: state["features.0.bias"], "holds no tensors by name"),
    ],
)
def test_other_tensors(change: Callable[[State], Any], message: str, tmp_path: Path, cache: Path) -> None:
    file = saved(change(state_dict("vggish")), tmp_path / "file.pth", "zip")
    said = refused(lambda: weights.import_file("vggish", file))
    assert re.search(message, said)
    assert str(file) in said
    assert "retimbre weights fetch vggish" in said
    assert files(cache) == []


class Exploit:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> Any:
        return os.system, (f"touch '{self.file}'",)


@pytest.mark.parametrize("kind", ["zip", "legacy", "pickle"])
@pytest.mark.parametrize("place", ["bare", "beside", "inside"])
def test_a_file_that_would_run_a_program(kind: str, place: str, tmp_path: Path, cache: Path) -> None:
    trap = Exploit(tmp_path / "ran")
    state: dict[str, Any] = {**state_dict("vggish")}
    content = {"bare": trap, "beside": {"model": state, "note": trap}, "inside": state | {"note": trap}}[
        place
    ]
    file = tmp_path / "file.pth"
    if kind == "pickle":
        file.write_bytes(pickle.dumps(content, protocol=2))
    else:
        saved(content, file, kind)
    said = refused(lambda: weights.import_file("vggish", file))
    assert "nothing in it was run" in said
    if kind != "pickle":
        assert re.search(r"asks to run (posix|nt)\.system", said)
    assert not (tmp_path / "ran").exists()
    assert files(cache) == []
    pickle.loads(pickle.dumps(trap))  # the trap works
    assert (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is damaged"),
        (b"<!DOCTYPE html><title>Sign in</title>" * 9, "is damaged"),
        (b"\0" * 1000, "is damaged"),
        (b"\x10\0\0\0\0\0\0\0{not json}      ", "is damaged"),
        (b"PK\3\4" + b"\0" * 1000, "is damaged"),
        (bytes(100) + bytes.fromhex("57fb808b247547db"), "is damaged"),
    ],
)
def test_other_files(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file.pth").write_bytes(data)
    said = refused(lambda: weights.import_file("vggish", tmp_path / "file.pth"))
    assert message in said
    assert registry.REGISTRY["vggish"].url in said


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["safetensors", "zip", "legacy"])
def test_files_that_are_cut(share: float, kind: str, tmp_path: Path) -> None:
    file = saved(state_dict("vggish"), tmp_path / "file", kind)
    file.write_bytes(file.read_bytes()[: int(share * file.stat().st_size)])
    assert "is damaged" in refused(lambda: weights.import_file("vggish", file))


def test_files_that_cannot_be_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "No such file" in refused(lambda: weights.import_file("vggish", tmp_path / "missing.pth"))
    assert "cannot be read" in refused(lambda: weights.import_file("vggish", tmp_path))
    file = saved(state_dict("vggish"), tmp_path / "file", "zip")
    monkeypatch.setenv("RETIMBRE_CACHE", str(file / "cache"))
    said = refused(lambda: weights.import_file("vggish", file), RetimbreError)
    assert "set RETIMBRE_CACHE" in said


def test_weights_that_are_not_here() -> None:
    for call in (weights.load, weights.verify):
        said = refused(functools.partial(call, "cnn14"))
        assert "retimbre weights fetch cnn14" in said
        assert registry.REGISTRY["cnn14"].url in said
        assert "retimbre weights import cnn14 FILE" in said


def test_damage_in_the_cache_is_seen(tmp_path: Path) -> None:
    file = weights.import_file("vggish", saved(state_dict("vggish"), tmp_path / "file", "zip"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert "is damaged" in refused(lambda: weights.verify("vggish"))
    file.write_bytes(data[:-4])
    assert "is damaged" in refused(lambda: weights.load("vggish"))


# --- downloads ---


class Server(http.server.ThreadingHTTPServer):
    """A server of one file.

    Attributes:
        data: The file.
        ranges: Whether it can send a part.
        cuts: How many bytes each answer has at most, one number an answer; then all of them.
        silence: Seconds before a file's second half.
        asked: The range that each request asked for.
    """

    daemon_threads = True
    data = b""
    ranges = True
    silence = 0.0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.cuts: list[int] = []
        self.asked: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.pth"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up here on purpose."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, wanted = self.server, self.headers["Range"]
        server.asked.append(wanted)
        if self.path != "/file.pth":
            self.send_error(404)
            return
        start = int(wanted[6:-1]) if wanted and server.ranges else 0
        if start >= len(server.data):
            self.send_error(416)
            return
        body = server.data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        body = body[: server.cuts.pop(0)] if server.cuts else body
        half = len(body) // 2
        self.wfile.write(body[:half])
        time.sleep(server.silence)
        self.wfile.write(body[half:])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(download, "_BLOCK", 50)
    with Server() as server:
        server.data = published("cnn14")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def fetched(server: Server, cache: Path) -> list[tuple[int, int | None]]:
    """Fetch weights, which must work; give the progress."""
    progress: list[tuple[int, int | None]] = []
    file = weights.fetch("cnn14", url=server.url, on_progress=lambda *pair: progress.append(pair))
    assert file == weights.path("cnn14")
    assert weights.verify("cnn14")
    assert files(cache) == ["cnn14.safetensors"]
    assert progress[-1] == (len(server.data), len(server.data))
    return progress


def test_a_download(server: Server, cache: Path) -> None:
    fetched(server, cache)
    assert weights.fetch("cnn14", url=server.url) == weights.path("cnn14")
    assert server.asked == [None]  # what is here is not fetched again
    weights.path("cnn14").write_bytes(b"damaged")
    fetched(server, cache)


def test_a_download_that_is_cut_goes_on_by_itself(server: Server, cache: Path) -> None:
    server.cuts = [1000, 500]
    fetched(server, cache)
    assert server.asked == [None, "bytes=1000-", "bytes=1500-"]


def test_a_download_goes_on_in_the_next_call(server: Server, cache: Path) -> None:
    server.cuts = [100] * 5
    said = refused(lambda: weights.fetch("cnn14", url=server.url))
    assert "try again" in said
    assert [file.stat().st_size for file in cache.iterdir()] == [500]
    fetched(server, cache)
    assert server.asked[-1] == "bytes=500-"


def test_a_server_that_cannot_send_a_part(server: Server, cache: Path) -> None:
    server.cuts, server.ranges = [1000], False
    fetched(server, cache)
    assert server.asked == [None, "bytes=1000-"]


@pytest.mark.parametrize("size", [500, None, 10**6])
def test_a_part_of_another_file(size: int | None, server: Server, cache: Path) -> None:
    """It is found out by the sum, and the download starts over."""
    cache.mkdir()
    (cache / f"{registry.REGISTRY['cnn14'].file}.part").write_bytes(b"x" * (size or len(server.data)))
    fetched(server, cache)
    assert server.asked[-1] is None


def test_a_part_that_is_whole(server: Server, cache: Path) -> None:
    cache.mkdir()
    (cache / f"{registry.REGISTRY['cnn14'].file}.part").write_bytes(server.data)
    assert weights.fetch("cnn14", url=server.url) == weights.path("cnn14")
    assert weights.verify("cnn14")


def test_another_file(server: Server, cache: Path) -> None:
    server.data = server.data[:-1] + b"!"
    said = refused(lambda: weights.fetch("cnn14", url=server.url))
    assert hashlib.sha256(server.data).hexdigest() in said
    assert "expected sha256:" in said
    assert files(cache) == []


def test_the_old_file_stays_where_a_download_fails(server: Server, tmp_path: Path) -> None:
    file = weights.import_file("cnn14", saved(state_dict("cnn14"), tmp_path / "file", "zip"))
    before = file.read_bytes()
    server.data = b"another file"
    refused(lambda: weights.fetch("cnn14", url=server.url))
    assert file.read_bytes() == before


def test_a_server_without_the_file(server: Server, cache: Path) -> None:
    said = refused(lambda: weights.fetch("cnn14", url=server.url.replace("file", "other")))
    assert "it answers 404 Not Found" in said
    assert "retimbre weights import cnn14 FILE" in said
    assert files(cache) == []


def test_a_slow_server(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server.silence = 0.2
    fetched(server, cache)
    weights.path("cnn14").unlink()
    monkeypatch.setattr(download, "_TIMEOUT", (0.1, 0.02))
    monkeypatch.setattr(download, "_TRIES", 1)
    assert "no answer in time" in refused(lambda: weights.fetch("cnn14", url=server.url))


def test_no_server(cache: Path) -> None:
    with Server() as closed:
        url = closed.url
    said = refused(lambda: weights.fetch("cnn14", url=url))
    assert "cannot be fetched (no connection)" in said
    assert registry.REGISTRY["cnn14"].url in said
    assert files(cache) == []


def test_no_url(cache: Path) -> None:
    assert "cannot be fetched" in refused(lambda: weights.fetch("cnn14", url="somewhere"))
    assert files(cache) == []
