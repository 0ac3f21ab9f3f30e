"""Trained weights: servers that fail in many ways, and files that are not what they claim."""

import copy
import functools
import hashlib
import http.server
import io
import os
import pickle
import re
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from retimbre.errors import InputError, RetimbreError, WeightsError
from retimbre.networks import registry, weights

NAMES = ["vggish", "cnn14"]
State = dict[str, torch.Tensor]
network_spec = registry.network_spec


def network(name: str) -> nn.Module:
    """Make the network of a set at its full size, without numbers."""
    with torch.device("meta"):
        return network_spec(name).trained()


@functools.cache
def _small(name: str) -> nn.Module:
    made = network(name)
    for module in made.modules():
        tables: list[dict[str, Any]] = [module._parameters, module._buffers]
        for tensors in tables:
            for key, tensor in ((k, t) for k, t in tensors.items() if t is not None):
                small = torch.zeros([min(size, 3) for size in tensor.shape], dtype=tensor.dtype)
                tensors[key] = nn.Parameter(small) if isinstance(tensor, nn.Parameter) else small
    return made


def small(name: str) -> nn.Module:
    """Make a network with the names of a set's and small shapes."""
    return copy.deepcopy(_small(name))


def state_dict(name: str) -> State:
    generator = torch.Generator().manual_seed(0)
    return {
        key: torch.randn(own.shape, generator=generator)
        for key, own in small(name).state_dict().items()
        if not key.endswith("num_batches_tracked")
    }


def loaded(name: str) -> State:
    filled = small(name)
    weights.load(name, filled)
    return {k: v for k, v in filled.state_dict().items() if not k.endswith("num_batches_tracked")}


@functools.cache  # torch writes other bytes each time
def published(name: str) -> bytes:
    """Give a file laid out as the authors' one: of torch's old format, with what lies beside the tensors."""
    state: dict[str, Any] = {**state_dict(name)}
    if name == "cnn14":
        counters = {k: torch.tensor(5) for k in small(name).state_dict() if k.endswith("num_batches_tracked")}
        state |= {"logmel_extractor.melW": torch.ones(3), **counters}
        sampler = {"indexes": np.arange(9), "pointer": np.int64(3)}
        state = {"iteration": 600_000, "model": state, "sampler": sampler}
    else:
        state["pproc.pca_means"] = torch.ones(3)
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make an empty cache, and sets of the same names and small shapes whose files are known."""
    monkeypatch.setenv("RETIMBRE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        registry,
        "network_spec",
        lambda name: replace(network_spec(name), trained=lambda: small(name).to("meta")),
    )
    for name, entry in list(weights.REGISTRY.items()):
        digits = hashlib.sha256(published(name)).hexdigest()[: 8 if name == "vggish" else 64]
        monkeypatch.setitem(weights.REGISTRY, name, entry._replace(sha256=digits))
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


def test_the_shapes_are_those_of_the_reference_network() -> None:
    vggish = pytest.importorskip("torchvggish.torchvggish")
    with torch.device("meta"):
        reference = vggish.VGG(vggish.make_layers(), postprocess=False)
    shapes = {key: own.shape for key, own in network("vggish").state_dict().items()}
    assert {key: own.shape for key, own in reference.state_dict().items()} == shapes


def test_the_networks_have_their_known_sizes() -> None:
    sizes = {name: sum(own.numel() for own in network(name).parameters()) for name in NAMES}
    assert sizes == {"vggish": 72_141_184, "cnn14": 80_753_615}  # the "72 M" and "81 M" of their authors


def test_every_network_with_weights_names_them() -> None:
    for name in ("kernel", "shallow", "harmonic"):
        assert network_spec(name).trained is nn.Identity
        assert name not in weights.REGISTRY


def test_an_unknown_name(tmp_path: Path) -> None:
    calls = (weights.path, weights.verify, weights.fetch, lambda name: weights.load(name, nn.Identity()))
    for call in (*calls, lambda name: weights.import_file(name, tmp_path)):
        assert "vgish: expected one of vggish, cnn14" in refused(functools.partial(call, "vgish"), InputError)


def test_the_folder_is_the_users_unless_named(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    assert weights.path("cnn14") == cache / "cnn14.safetensors"
    monkeypatch.setenv("RETIMBRE_CACHE", "~/somewhere")
    assert weights.cache_folder() == Path.home() / "somewhere"
    monkeypatch.delenv("RETIMBRE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    monkeypatch.setenv("LOCALAPPDATA", "/local")
    for platform, folder in (("linux", "/xdg"), ("darwin", "~/Library/Caches"), ("win32", "/local")):
        monkeypatch.setattr("sys.platform", platform)
        assert weights.cache_folder() == Path(folder).expanduser() / "retimbre"
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert weights.cache_folder() == Path.home() / ".cache" / "retimbre"


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
        assert opened.metadata()["licence"] == weights.REGISTRY[name].licence
        assert opened.metadata()["source"].startswith(f"sha256:{weights.REGISTRY[name].sha256}")
    assert loaded(name).keys() == state_dict(name).keys()


def test_the_published_file_may_name_functions_as_numpy_1_does(tmp_path: Path) -> None:
    data = published("cnn14")
    assert re.search(rb"numpy\._?core\.multiarray", data)  # without the line where numpy is 1 here, too
    (tmp_path / "file.pth").write_bytes(data.replace(b"numpy._core.multiarray", b"numpy.core.multiarray"))
    weights.import_file("cnn14", tmp_path / "file.pth")
    state = state_dict("cnn14")
    assert all(torch.equal(value, state[key]) for key, value in loaded("cnn14").items())


def test_a_network_without_some_layers_is_loaded_too(tmp_path: Path) -> None:
    state = state_dict("vggish")
    weights.import_file("vggish", saved(state, tmp_path / "file", "zip"))
    part = small("vggish")
    part.embeddings = nn.Sequential()
    weights.load("vggish", part)
    assert all(torch.equal(value, state[key]) for key, value in part.state_dict().items())
    other = nn.Module()
    other.features = nn.Sequential(nn.Conv2d(1, 5, 3))
    assert "size mismatch for features.0.weight" in refused(lambda: weights.load("vggish", other))


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
    found = loaded(name)
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)
    assert not weights.verify(name)


def test_other_forms_of_the_same_numbers(tmp_path: Path) -> None:
    state: dict[str, Any] = {**state_dict("vggish")}
    shared = torch.randn(3)
    state |= {"features.0.bias": shared, "features.3.bias": shared}
    state["features.6.bias"] = torch.nn.Parameter(state["features.6.bias"])
    state["features.8.bias"] = state["features.8.bias"].half()
    state["embeddings.2.weight"] = state["embeddings.2.weight"].double().T.contiguous().T
    weights.import_file("vggish", saved(state, tmp_path / "file", "zip"))
    for key, tensor in loaded("vggish").items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, state[key].detach().float())


def without(key: str) -> Callable[[State], Any]:
    return lambda state: {k: v for k, v in state.items() if k != key}


def instead(key: Any, value: Any) -> Callable[[State], Any]:
    return lambda state: state | {key: value}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("features.0.weight"), r'Missing key.* "features.0.weight"'),
        (lambda state: {}, r'Missing key.* "features.0.weight", .* \.\.\.\): run'),
        (instead("classifier", torch.ones(1)), r'Unexpected key.* "classifier"'),
        (instead("features.0.bias", torch.ones(4)), r"mismatch for features.0.bias: .*\[4\].*\[3\]"),
        (instead("features.0.bias", torch.ones(3, dtype=torch.int64)), "features.0.bias"),
        (instead("features.0.bias", torch.ones(3, dtype=torch.complex64)), "no real numbers in features.0"),
        (instead("features.0.bias", torch.ones(3).to_sparse()), "no real numbers in features.0.bias"),
        (instead("features.0.bias", torch.ones(3, device="meta")), "no real numbers in features.0.bias"),
        (instead("features.0.bias", "text"), "features.0.bias.* received <class 'str'>"),
        (instead(3, torch.ones(4)), r'Unexpected key.* "3"'),
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
        (
            bytes(100) + bytes.fromhex("57fb808b247547db"),
            "is a checkpoint of TensorFlow and not the published",
        ),
    ],
)
def test_other_files(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "file.pth").write_bytes(data)
    said = refused(lambda: weights.import_file("vggish", tmp_path / "file.pth"))
    assert message in said
    assert weights.REGISTRY["vggish"].url in said


def test_the_shard_of_a_checkpoint_is_named_too(tmp_path: Path) -> None:
    file = tmp_path / "vggish.ckpt.data-00000-of-00001"
    file.write_bytes(bytes(1000))
    assert "is a checkpoint of TensorFlow" in refused(lambda: weights.import_file("vggish", file))


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
    for call in (loaded, weights.verify):
        said = refused(functools.partial(call, "cnn14"))
        assert "cnn14.safetensors is missing" in said
        assert "retimbre weights fetch cnn14" in said
        assert weights.REGISTRY["cnn14"].url in said
        assert "retimbre weights import cnn14 FILE" in said


def test_damage_in_the_cache_is_seen(tmp_path: Path) -> None:
    file = weights.import_file("vggish", saved(state_dict("vggish"), tmp_path / "file", "zip"))
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    for call in (loaded, weights.verify):
        assert "is damaged (other numbers" in refused(functools.partial(call, "vggish"))
    file.write_bytes(data[:-4])
    assert "is damaged" in refused(lambda: loaded("vggish"))


# --- downloads ---


class Server(http.server.ThreadingHTTPServer):
    """A server of one file.

    Attributes:
        data: The file.
        cut: How many bytes it sends; all of them if ``None``.
        silence: Set when it may send the second half.
        n_requests: How many requests there were.
    """

    daemon_threads = True
    data = b""
    cut: int | None = None
    n_requests = 0

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.silence = threading.Event()
        self.silence.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/file.pth"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients hang up here on purpose."""


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.n_requests += 1
        if self.path != "/file.pth":
            self.send_error(404)
            return
        data = self.server.data
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        half = len(data) // 2
        self.wfile.write(data[:half][: self.server.cut])
        self.server.silence.wait()
        if self.server.cut is None:
            self.wfile.write(data[half:])

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("NO_PROXY", "*")
    with Server() as server:
        server.data = published("cnn14")
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.silence.set()
        server.shutdown()
        thread.join()


def fetched(server: Server, cache: Path) -> None:
    """Fetch weights, which must work."""
    assert weights.fetch("cnn14", url=server.url) == weights.path("cnn14")
    assert weights.verify("cnn14")
    assert files(cache) == ["cnn14.safetensors"]


def test_a_download(server: Server, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fetched(server, cache)
    fetched(server, cache)
    assert server.n_requests == 1  # what is here is not fetched again
    weights.path("cnn14").write_bytes(b"damaged")
    fetched(server, cache)
    assert capfd.readouterr() == ("", "")


def test_a_download_shows_a_bar_if_asked(
    server: Server, cache: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    weights.fetch("cnn14", url=server.url, progress=True)
    out, err = capfd.readouterr()
    assert out == ""
    assert "100" in err


def test_a_download_in_place_of_another_file(server: Server, cache: Path, tmp_path: Path) -> None:
    weights.import_file("cnn14", saved(state_dict("cnn14"), tmp_path / "file", "zip"))
    assert not weights.verify("cnn14")
    fetched(server, cache)


@pytest.mark.parametrize("cut", [0, 1000])
def test_a_download_that_is_cut(cut: int, server: Server, cache: Path) -> None:
    server.cut = cut
    said = refused(lambda: weights.fetch("cnn14", url=server.url))
    assert f"{server.url} cannot be fetched" in said
    assert files(cache) == []


def test_another_file(server: Server, cache: Path) -> None:
    server.data = server.data[:-1] + b"!"
    said = refused(lambda: weights.fetch("cnn14", url=server.url))
    assert "invalid hash value" in said
    assert hashlib.sha256(server.data).hexdigest() in said
    assert weights.REGISTRY["cnn14"].sha256 in said
    assert files(cache) == []


def test_the_old_file_stays_where_a_download_fails(server: Server, tmp_path: Path) -> None:
    file = weights.import_file("cnn14", saved(state_dict("cnn14"), tmp_path / "file", "zip"))
    before = file.read_bytes()
    server.data = b"another file"
    refused(lambda: weights.fetch("cnn14", url=server.url))
    assert file.read_bytes() == before


def test_a_server_without_the_file(server: Server, cache: Path) -> None:
    said = refused(lambda: weights.fetch("cnn14", url=server.url.replace("file", "other")))
    assert "404" in said
    assert "Not Found" in said
    assert "retimbre weights import cnn14 FILE" in said
    assert files(cache) == []


def test_a_silent_server(server: Server, cache: Path) -> None:
    server.silence.clear()
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(0.2)  # that of the caller counts
    try:
        assert "cannot be fetched (timed out)" in refused(lambda: weights.fetch("cnn14", url=server.url))
        assert socket.getdefaulttimeout() == 0.2
    finally:
        socket.setdefaulttimeout(before)
    assert files(cache) == []


def test_no_server(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "*")
    with Server() as closed:
        url = closed.url
    said = refused(lambda: weights.fetch("cnn14", url=url))
    assert "Connection refused" in said
    assert weights.REGISTRY["cnn14"].url in said
    assert files(cache) == []


def test_no_url(cache: Path) -> None:
    assert "cannot be fetched" in refused(lambda: weights.fetch("cnn14", url="somewhere"))
    assert files(cache) == []


def test_no_folder_for_a_download(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("RETIMBRE_CACHE", str(tmp_path / "file" / "cache"))
    said = refused(lambda: weights.fetch("cnn14", url=server.url), RetimbreError)
    assert "set RETIMBRE_CACHE" in said
    assert server.n_requests == 0
