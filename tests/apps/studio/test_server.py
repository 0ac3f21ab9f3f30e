"""The studio's server, by its routes: what it makes, what it refuses, whom it lets in, how it ends."""

import contextlib
import http.client
import io
import json
import os
import queue
import re
import secrets
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from retimbre.settings import Settings

ROOT = Path(__file__).parents[3]
RATE = 22_050
SMALL = "bytes=1_000_000, seconds=4, clips=6, waiting=2, closed_seconds=1"
SERVE = f"""
from retimbre.apps.sessions.limits import Limits
from retimbre.apps.studio.server import serve
serve("127.0.0.1", 0, lambda address: print(address, flush=True), limits=Limits({SMALL}))
"""
LONG = {"optimizer": "adam", "n_iter": 1_000_000, "tolerance": 0, "strength": 0.5, "align": "none"}
"""Settings of a transfer that ends when it is stopped."""

Samples = npt.NDArray[np.float64]


@dataclass
class Client:
    """A program at a studio, with a session of its own."""

    address: str
    session: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        return urllib.parse.urlsplit(self.address).netloc

    def ask(
        self,
        method: str,
        route: str,
        body: Any = None,
        *,
        headers: dict[str, str] | None = None,
        **query: Any,
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        if isinstance(body, dict):
            body = json.dumps(body).encode()
        connection = http.client.HTTPConnection(self.host, timeout=60)
        with contextlib.closing(connection):
            connection.request(
                method,
                f"{route}?{urllib.parse.urlencode({'session': self.session, **query})}",
                body,
                self.headers | (headers or {}),
            )
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers

    def json(self, method: str, route: str, body: Any = None, **more: Any) -> Any:
        status, data, _ = self.ask(method, route, body, **more)
        assert status < 300, data
        return json.loads(data)

    def refused(self, method: str, route: str, body: Any = None, **more: Any) -> tuple[int, str]:
        status, data, _ = self.ask(method, route, body, **more)
        assert status >= 400
        (line,) = json.loads(data).values()
        assert "\n" not in line
        return status, line

    def open(self) -> "Client":
        return Client(self.address, self.json("POST", "/sessions")["session"])

    def clip(self, path: Path, name: str | None = None) -> Any:
        return self.json("POST", "/clips", path.read_bytes(), name=path.name if name is None else name)

    def begin(self, files: dict[str, Path], **more: Any) -> Any:
        content, style = (self.clip(files[name])["id"] for name in ("content", "style"))
        return self.json("POST", "/transfers", {"content": content, "styles": [{"clip": style}], **more})

    def wait(self, id: str, until: Callable[[Any], bool] | None = None) -> Any:
        deadline = time.monotonic() + 90
        while True:
            transfer = self.json("GET", f"/transfers/{id}")
            if until(transfer) if until else transfer["state"] not in ("queued", "running"):
                return transfer
            assert time.monotonic() < deadline, transfer["words"]
            time.sleep(0.05)

    def sound(self, id: str, **query: Any) -> Samples:
        status, data, _ = self.ask("GET", f"/transfers/{id}/sound", **query)
        assert status == 200, data
        return read(io.BytesIO(data))

    @contextlib.contextmanager
    def events(self) -> Iterator["queue.Queue[tuple[str, Any]]"]:
        """Read the events in a thread; the stream is closed at the end of the context."""
        found: queue.Queue[tuple[str, Any]] = queue.Queue()
        connection = http.client.HTTPConnection(self.host, timeout=60)
        connection.request("GET", f"/events?session={self.session}", headers=self.headers)
        answer = connection.getresponse()
        assert answer.status == 200
        assert answer.readline().startswith(b":")  # it is open

        def read_all() -> None:
            kind = ""
            with contextlib.suppress(OSError, ValueError):
                for line in iter(answer.readline, b""):
                    name, _, data = line.decode().rstrip("\n").partition(": ")
                    if name == "event":
                        kind = data
                    elif name == "data":
                        found.put((kind, json.loads(data)))

        thread = threading.Thread(target=read_all, daemon=True)
        thread.start()
        try:
            yield found
        finally:
            if connection.sock is not None:
                connection.sock.shutdown(socket.SHUT_RDWR)
            thread.join(5)
            answer.close()
            connection.close()


def read(file: Any) -> Samples:
    samples, _ = soundfile.read(file, always_2d=True)
    return np.asarray(samples.T)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, plucks: Callable[..., Samples]) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("clips")
    clips = {
        "content": plucks([60, 64, 67, 72], decay=4, partials=3, seconds=2),
        "style": plucks([57, 62, 65], decay=9, partials=9, seconds=1.5),
        "other": plucks([55, 59], decay=6, partials=5, seconds=1.2),
    }
    for name, samples in clips.items():
        soundfile.write(folder / f"{name}.wav", samples, RATE)
    return {path.stem: path for path in folder.iterdir()}


@contextlib.contextmanager
def started(*arguments: str, temporary: Path) -> Iterator[tuple[subprocess.Popen[str], Client]]:
    """Start a studio and give it with a client that has no session; kill it if the test does not end it."""
    temporary.mkdir(exist_ok=True)
    with subprocess.Popen(
        [sys.executable, *arguments],
        env=os.environ | {"TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            address = process.stdout.readline().strip()
            assert address, process.stderr.read()
            yield process, Client(address.partition("?")[0])
        finally:
            process.kill()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Start a studio with small limits."""
    with started("-W", "error", "-c", SERVE, temporary=tmp_path_factory.mktemp("server")) as (
        process,
        client,
    ):
        yield client
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=10)
        assert stderr == ""
        assert process.returncode == 0


@pytest.fixture
def client(server: Client) -> Iterator[Client]:
    opened = server.open()
    yield opened
    opened.ask("DELETE", "/sessions")


# --- what it makes ---


def test_a_transfer_from_two_files_to_a_sound_that_command_and_python_make_again(
    client: Client, files: dict[str, Path], tmp_path: Path
) -> None:
    with client.events() as events:
        begun = client.begin(files, strengths=[0, 1])
        assert begun["state"] in ("queued", "running")
        told: list[Any] = []
        while (
            not told
            or any(s["state"] != "done" for s in told[-1]["strengths"].values())
            or not told[-1]["figures"]
        ):
            kind, data = events.get(timeout=60)
            assert kind == "transfer"
            told.append(data)
        transfer = told[-1]
        assert transfer["id"] == begun["id"]
        assert any("evaluation 1" in data["words"] for data in told)
        assert [data["done"] for data in told] == sorted(data["done"] for data in told)
        assert transfer["state"] == "done"
        assert transfer["steps"]
        assert re.search(r"the content's \d+ notes play the style's \d+", transfer["explanation"][0])
        assert {"onsets kept", "timbre reached"} <= {figure["label"] for figure in transfer["figures"]}
        assert set(transfer["strengths"]) == {"0", "0.95", "1"}
        assert transfer["strength"] == 0.95
        client.json("POST", f"/transfers/{begun['id']}/strength", {"strength": 0.37})
        transfer = client.wait(begun["id"], lambda t: t["strengths"].get("0.37", {}).get("state") == "done")
        for name in ("content", "style"):
            shutil.copy(files[name], tmp_path)
        for key, told_of in ((None, transfer), ("0.37", transfer["strengths"]["0.37"])):
            query = {} if key is None else {"strength": key}
            made = client.sound(begun["id"], **query)
            assert np.array_equal(client.sound(begun["id"], format="flac", **query), made)
            assert made.shape == read(files["content"]).shape
            words = shlex.split(told_of["command"])
            assert words[0] == "retimbre"
            subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, check=True)
            assert np.array_equal(read(tmp_path / "out.wav"), made)
            subprocess.run([sys.executable, "-c", told_of["python"]], cwd=tmp_path, check=True)
            assert np.array_equal(read(tmp_path / "out.wav"), made)
        assert np.array_equal(client.sound(begun["id"], strength="0"), read(files["content"]))
        assert not np.array_equal(
            client.sound(begun["id"], strength="1"), client.sound(begun["id"], strength=".37")
        )


def test_several_styles_by_their_weights(client: Client, files: dict[str, Path], tmp_path: Path) -> None:
    ids = {name: client.clip(files[name])["id"] for name in files}
    styles = [{"clip": ids["style"], "weight": 0.7}, {"clip": ids["other"], "weight": 0.3}]
    begun = client.json(
        "POST", "/transfers", {"content": ids["content"], "styles": styles, "settings": {"seed": 3}}
    )
    transfer = client.wait(begun["id"])
    assert "--style style.wav:0.7 --style other.wav:0.3" in transfer["command"]
    assert "--seed 3" in transfer["command"]
    for path in files.values():
        shutil.copy(path, tmp_path)
    subprocess.run([sys.executable, "-c", transfer["python"]], cwd=tmp_path, check=True)
    assert np.array_equal(read(tmp_path / "out.wav"), client.sound(begun["id"]))


def test_a_texture(client: Client, files: dict[str, Path], tmp_path: Path) -> None:
    style = client.clip(files["style"])["id"]
    wanted = {"kind": "texture", "styles": [{"clip": style}], "seconds": 1.25, "loop": True}
    begun = client.json("POST", "/transfers", wanted)
    transfer = client.wait(begun["id"])
    made = client.sound(begun["id"])
    assert made.shape == (1, round(1.25 * RATE))
    shutil.copy(files["style"], tmp_path)
    subprocess.run([sys.executable, "-m", *shlex.split(transfer["command"])], cwd=tmp_path, check=True)
    assert np.array_equal(read(tmp_path / "out.wav"), made)
    assert client.refused("POST", f"/transfers/{begun['id']}/strength", {"strength": 0.5})[0] == 400


def test_a_form_with_files(client: Client, files: dict[str, Path]) -> None:
    boundary = secrets.token_hex(8)
    parts: list[tuple[str, str | None, bytes]] = [("settings", None, b'{"strength": 0.4}')]
    parts += [(name, f"{name}.wav", files[name].read_bytes()) for name in ("content", "style")]
    body = b""
    for name, file, data in parts:
        told = f'; filename="{file}"' if file else ""
        body += (
            f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{told}\r\n\r\n'.encode()
            + data
            + b"\r\n"
        )
    body += f"--{boundary}--\r\n".encode()
    headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    begun = client.json("POST", "/transfers", body, headers=headers)
    transfer = client.wait(begun["id"])
    assert transfer["strength"] == 0.4
    assert client.sound(begun["id"]).shape == read(files["content"]).shape


def test_a_stop_keeps_the_best_so_far_and_the_sound_so_far_is_there_before(
    client: Client, files: dict[str, Path]
) -> None:
    begun = client.begin(files, settings=LONG)
    running = client.wait(begun["id"], lambda t: t["preview"] >= 2)
    status, data, _ = client.ask("GET", f"/transfers/{begun['id']}/preview")
    assert status == 200
    assert read(io.BytesIO(data)).shape == read(files["content"]).shape
    client.json("POST", f"/transfers/{begun['id']}/stop")
    transfer = client.wait(begun["id"])
    assert transfer["state"] == "stopped"
    assert len(transfer["steps"]) >= len(running["steps"])
    assert transfer["command"] is None
    made = client.sound(begun["id"])
    assert made.shape == read(files["content"]).shape
    assert np.abs(made).max() > 0.01


def test_an_exact_strength_comes_before_those_in_the_background(
    client: Client, files: dict[str, Path]
) -> None:
    """All of them are there in the end, also the one that made way."""
    begun = client.begin(files, strengths=[0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8])
    order: list[str] = []

    def is_done(transfer: Any) -> bool:
        done = [key for key, value in transfer["strengths"].items() if value["state"] == "done"]
        order.extend(sorted(set(done) - set(order)))
        if "0.1" in order and "0.55" not in transfer["strengths"]:
            client.json("POST", f"/transfers/{begun['id']}/strength", {"strength": 0.55})
        return len(done) == 9

    client.wait(begun["id"], is_done)
    assert order.index("0.55") < order.index("0.8")
    transfer = client.json("POST", f"/transfers/{begun['id']}/strength", {"strength": 0.55})
    assert transfer["strengths"]["0.55"]["state"] == "done"


def test_after_the_clips_were_prepared_the_first_evaluation_comes_at_once(
    client: Client, files: dict[str, Path]
) -> None:
    ids = [client.clip(files[name])["id"] for name in ("content", "other")]
    wanted = {"content": ids[0], "styles": [{"clip": ids[1]}]}
    client.json("POST", "/prepare", wanted)
    cold = client.wait(client.begin(files)["id"])  # it waits for the preparation, and is not prepared itself
    warm = client.wait(client.json("POST", "/transfers", wanted)["id"])
    assert warm["steps"][0][0] < cold["steps"][0][0] / 2


def test_an_example_is_a_pair_of_clips(client: Client) -> None:
    pytest.importorskip("midirenderer")
    name = client.json("GET", "/settings")["examples"][0]["name"]
    status, line = client.refused("POST", "/clips/example", name=name)
    assert status in (400, 413)
    assert "longer than 4 s" in line  # by this server's limits


def test_clips_as_they_are_shown_played_and_pictured(client: Client, files: dict[str, Path]) -> None:
    shown = client.clip(files["content"])
    assert shown["seconds"] == 2
    assert (shown["sample_rate"], shown["n_channels"]) == (RATE, 1)
    own = read(files["content"])
    peaks = np.array(shown["peaks"])
    assert peaks.shape == (800, 3)
    assert peaks[:, :2].min() == pytest.approx(own.min(), abs=1e-3)
    assert peaks[:, 1].max() == pytest.approx(own.max(), abs=1e-3)
    assert np.sqrt(np.square(peaks[:, 2]).mean()) == pytest.approx(np.sqrt(np.square(own).mean()), rel=0.01)
    _, data, _ = client.ask("GET", f"/clips/{shown['id']}/sound")
    assert np.abs(read(io.BytesIO(data)) - own).max() < 4 / 32768
    _, data, headers = client.ask("GET", f"/clips/{shown['id']}/file")
    assert data == files["content"].read_bytes()
    _, data, headers = client.ask("GET", f"/clips/{shown['id']}/picture")
    assert len(data) == int(headers["Retimbre-Bins"]) * int(headers["Retimbre-Frames"])
    assert float(headers["Retimbre-Seconds"]) == 2
    assert client.refused("GET", f"/clips/{shown['id']}/nothing")[0] == 404
    client.json("DELETE", f"/clips/{shown['id']}")
    assert client.refused("GET", f"/clips/{shown['id']}/sound")[0] == 404


def test_six_channels_are_played_as_one(client: Client, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    soundfile.write(tmp_path / "six.wav", 0.1 * rng.standard_normal((RATE, 6)), RATE)
    shown = client.clip(tmp_path / "six.wav")
    _, data, _ = client.ask("GET", f"/clips/{shown['id']}/sound")
    expected = read(tmp_path / "six.wav").mean(axis=0, keepdims=True)
    assert np.abs(read(io.BytesIO(data)) - expected).max() < 4 / 32768


def test_the_settings_are_listed_with_their_defaults(server: Client) -> None:
    told = server.json("GET", "/settings")
    listed = {setting["name"]: setting for setting in told["settings"]}
    for each in fields(Settings):
        if each.name not in ("jobs", "device", "bits", "quality", "tags"):
            assert listed[each.name]["default"] == each.default
            assert listed[each.name]["help"] == each.metadata["help"]
    assert listed["strength"]["most"] == 1
    assert listed["optimizer"]["choices"] == ["lbfgs", "adam"]
    assert {"auto", "none", "notes"} <= set(listed["align"]["choices"])
    assert {"kernel", "vggish"} <= {network["name"] for network in told["networks"]}
    assert told["limits"]["bytes"] == 1_000_000


# --- what it refuses ---


def test_a_bad_file_gets_the_line_of_the_command_and_the_studio_lives(
    client: Client, files: dict[str, Path], tmp_path: Path, run: Callable[..., Any]
) -> None:
    (tmp_path / "words.wav").write_text("These are words.\n" * 99)
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "silent.wav", np.zeros(RATE), RATE)
    for name in ("words.wav", "empty.wav", "silent.wav"):
        status, line = client.refused("POST", "/clips", (tmp_path / name).read_bytes(), name=name)
        assert status == 400
        told = run("transfer", name, files["style"], "-o", "out.wav", cwd=tmp_path).stderr
        assert told.strip().removeprefix("retimbre: error: ").replace("the content (", "the clip (") == line
    assert client.clip(files["style"])["id"]


def test_settings_that_cannot_be_used_get_their_own_line(client: Client, files: dict[str, Path]) -> None:
    content, style = (client.clip(files[name])["id"] for name in ("content", "style"))

    def line(**wanted: Any) -> str:
        body = {"content": content, "styles": [{"clip": style}], **wanted}
        return client.refused("POST", "/transfers", body)[1]

    assert line(settings={"strength": 3}) == "strength is 3: expected a number from 0 to 1"
    assert "settings has jobs" in line(settings={"jobs": 9})
    assert "settings is" in line(settings=[])
    assert "no style" in line(styles=[])
    assert "the clip nobody is not there" in line(content="nobody")
    assert "kind is dance" in line(kind="dance")
    assert "strengths is" in line(strengths=[0.1] * 9)
    assert "strength is 2" in line(strengths=[2])
    for body in (b"{", b"[]", b"[" * 50_000, b"\xff"):
        assert client.refused("POST", "/transfers", body)[0] == 400
    assert client.refused("POST", "/transfers", b" " * 100_000)[0] == 413


def test_an_error_in_a_transfer_is_its_line(client: Client, files: dict[str, Path]) -> None:
    begun = client.begin(files, settings={"n_fft": 65_536, "hop_length": 512})
    transfer = client.wait(begun["id"])
    assert transfer["state"] == "failed"
    assert "lasts 1.500 s: expected at least one window" in transfer["error"]
    assert client.refused("GET", f"/transfers/{begun['id']}/sound")[0] == 404
    assert client.wait(client.begin(files)["id"])["state"] == "done"


def test_names_of_files_are_shown_and_no_paths(client: Client, files: dict[str, Path]) -> None:
    for name, shown in (
        ("../../etc/passwd", "passwd"),
        ("<img src=x>.wav", "<img src=x>.wav"),
        ("-o.wav", "-o.wav"),
    ):
        assert client.clip(files["other"], name)["name"] == shown
    id = client.clip(files["content"], 'a"b\r\nSet-Cookie: c=d.wav')["id"]
    _, _, headers = client.ask("GET", f"/clips/{id}/file")
    assert headers["Set-Cookie"] is None
    assert "attachment" in headers["Content-Disposition"]
    style = client.clip(files["style"], "-rf $(x).wav")["id"]
    begun = client.json("POST", "/transfers", {"content": id, "styles": [{"clip": style}]})
    words = shlex.split(client.wait(begun["id"])["command"])
    assert words[3] == "./-rf $(x).wav"
    for route in (
        "/page/../application.py",
        "/page/..%2fapplication.py",
        "/page/%2e%2e/server.py",
        "/page/server.py",
    ):
        assert client.ask("GET", route)[0] == 404


def answer_before_the_end(client: Client, head: str, pieces: Iterator[bytes]) -> tuple[str, int]:
    """Send a request piece by piece until an answer comes; give it and the bytes sent by then."""
    host, _, port = client.host.partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"{head}\r\nHost: {client.host}\r\n".encode())
        n_sent, answer = 0, b""
        for piece in pieces:
            connection.sendall(piece)
            n_sent += len(piece)
            if select.select([connection], [], [], 0.3)[0]:
                break
        while not answer.endswith(b"}"):
            part = connection.recv(1 << 16)
            assert part, answer
            answer += part
        return answer.decode(), n_sent


def test_what_is_too_large_is_refused_before_it_is_sent(client: Client) -> None:
    head = f"POST /clips?session={client.session}&name=large.wav HTTP/1.1"
    answer, _ = answer_before_the_end(client, head, iter([b"Content-Length: 2000000\r\n\r\n"]))
    assert answer.startswith("HTTP/1.1 413")
    assert "more than 1 MB" in answer

    def chunks() -> Iterator[bytes]:
        yield b"Transfer-Encoding: chunked\r\n\r\n"
        while True:
            yield b"40000\r\n" + bytes(0x40000) + b"\r\n"

    answer, n_sent = answer_before_the_end(client, head, chunks())
    assert answer.startswith("HTTP/1.1 413")
    assert n_sent < 2_000_000


def test_what_is_too_long_is_refused_by_its_first_bytes(client: Client, tmp_path: Path) -> None:
    """Five seconds of WAV and FLAC, of which a kilobyte is sent; and an Ogg of a minute as it is decoded."""
    noise = 0.1 * np.random.default_rng(0).standard_normal(60 * 8000)
    for suffix, seconds in (("wav", 5), ("flac", 5)):
        path = tmp_path / f"long.{suffix}"
        soundfile.write(path, noise[: seconds * 8000], 8000)
        size = path.stat().st_size
        pieces = [f"Content-Length: {size}\r\n\r\n".encode() + path.read_bytes()[:1024]]
        head = f"POST /clips?session={client.session}&name=long.{suffix} HTTP/1.1"
        answer, _ = answer_before_the_end(client, head, iter(pieces))
        assert answer.startswith("HTTP/1.1 413"), answer
        assert "longer than 4 s" in answer
    soundfile.write(tmp_path / "long.ogg", noise, 8000)
    status, line = client.refused("POST", "/clips", (tmp_path / "long.ogg").read_bytes(), name="long.ogg")
    assert (status, line) == (400, "long.ogg lasts longer than 4 s: expected a part of it")


def test_numbers_are_limited(server: Client, client: Client, files: dict[str, Path]) -> None:
    running = client.begin(files, settings=LONG)
    client.wait(running["id"], lambda t: t["state"] == "running")
    wanted = {"content": running["content"], "styles": running["styles"], "settings": LONG}
    other = server.open()
    for n in range(2):
        assert client.json("POST", "/transfers", wanted)["words"] == f"waiting, {n + 1} before it"
    status, line = client.refused("POST", "/transfers", wanted)
    assert (status, line) == (429, "2 transfers wait already: expected fewer, try again in a moment")
    assert len(client.json("GET", "/transfers")) == 3
    for _ in range(4):
        client.clip(files["style"])
    assert client.refused("POST", "/clips", files["style"].read_bytes())[0] == 429
    assert client.refused("DELETE", f"/clips/{running['content']}")[0] == 409
    other.clip(files["style"])
    other.ask("DELETE", "/sessions")


# --- whom it lets in ---


def test_nobody_sees_anothers_clips_and_results(
    server: Client, client: Client, files: dict[str, Path]
) -> None:
    begun = client.begin(files)
    client.wait(begun["id"])
    stranger = server.open()
    routes = [f"/clips/{begun['content']}/{what}" for what in ("sound", "file", "picture")]
    routes += [f"/transfers/{begun['id']}{what}" for what in ("", "/sound", "/picture", "/preview")]
    for route in routes:
        assert client.ask("GET", route)[0] == 200
        assert stranger.refused("GET", route)[0] == 404
        assert server.refused("GET", route)[0] == 404  # without a session
    assert stranger.json("GET", "/transfers") == []
    wanted = {"content": begun["content"], "styles": begun["styles"]}
    assert stranger.refused("POST", "/transfers", wanted)[0] == 400
    for route in ("stop", "strength"):
        assert stranger.refused("POST", f"/transfers/{begun['id']}/{route}", {"strength": 0.1})[0] == 404
    assert stranger.refused("DELETE", f"/transfers/{begun['id']}")[0] == 404
    headers = {"Authorization": f"Bearer {client.session}"}
    assert len(json.loads(Client(client.address).ask("GET", "/transfers", headers=headers)[1] or "[]")) in (
        0,
        1,
    )
    stranger.ask("DELETE", "/sessions")


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8731", "127.0.0.1", "127.0.0.1.evil.example"])
def test_another_name_of_the_host_is_refused(server: Client, host: str) -> None:
    status, line = server.refused("POST", "/sessions", headers={"Host": host})
    assert status == 403
    assert "host" in line


def test_requests_of_other_pages_are_refused(server: Client) -> None:
    for headers in (
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": server.address.rstrip("/") + "1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        assert server.refused("POST", "/sessions", headers=headers)[0] == 403
    assert server.ask("GET", "/", headers={"Sec-Fetch-Site": "cross-site"})[0] == 200  # a link
    own = {"Origin": server.address.rstrip("/"), "Sec-Fetch-Site": "same-origin"}
    session = Client(server.address, server.json("POST", "/sessions", headers=own)["session"])
    assert session.json("POST", "/sessions/end", b"", headers=own) == {}
    assert session.refused("GET", "/transfers")[0] == 404


def test_every_answer_forbids_the_page_everything_from_elsewhere(server: Client) -> None:
    for method, route in (("GET", "/"), ("GET", "/nothing"), ("POST", "/"), ("GET", "/transfers")):
        _, _, headers = server.ask(method, route)
        policy = dict(rule.split(" ", 1) for rule in headers["Content-Security-Policy"].split("; "))
        assert policy.pop("default-src") == "'none'"
        assert set(policy.values()) <= {"'self'", "'none'"}
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Access-Control-Allow-Origin"] is None
    _, _, headers = server.ask("GET", "/", headers={"Host": "evil.example"})
    assert headers["Content-Security-Policy"]


def test_on_a_network_a_token_is_needed(tmp_path: Path, run: Callable[..., Any]) -> None:
    refused = run("studio", "--no-browser", "--host", "0.0.0.0", cwd=tmp_path)
    assert refused.returncode == 2
    assert "--share-on-network" in refused.stderr
    arguments = ("-m", "retimbre", "studio", "--no-browser", "--port", "0", "--host", "0.0.0.0")
    with subprocess.Popen(
        [sys.executable, *arguments, "--share-on-network"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        address = urllib.parse.urlsplit(process.stdout.readline().strip())
        assert "others on the network" in process.stderr.readline()
        access = urllib.parse.parse_qs(address.query)["access"][0]
        client = Client(f"http://127.0.0.1:{address.port}/")
        for query in ({}, {"access": access[:-1]}, {"access": "\xe9"}):
            assert client.refused("GET", "/", **query)[0] == 403
        status, _, headers = client.ask("GET", "/", access=access)
        assert status == 200
        assert {"HttpOnly", "SameSite=Strict"} <= set(headers["Set-Cookie"].split("; "))
        cookie = {"Cookie": headers["Set-Cookie"].partition(";")[0]}
        assert client.json("POST", "/sessions", headers=cookie)["session"]
        assert client.refused("POST", "/sessions", headers=cookie | {"Host": "evil.example"})[0] == 403
        process.terminate()
        assert process.wait(10) == 0
        process.stdout.close()
        process.stderr.close()


# --- how it ends ---


def folders(temporary: Path) -> list[Path]:
    return list(temporary.glob("retimbre-studio-*"))


def test_a_session_ends_with_its_page_and_its_work_with_it(server: Client, files: dict[str, Path]) -> None:
    closed, other = server.open(), server.open()
    with closed.events():
        running = closed.begin(files, settings=LONG)
        closed.wait(running["id"], lambda t: t["steps"])
        time.sleep(2)  # it lives as long as they are read
        waiting = other.begin(files)
    began = time.monotonic()
    assert other.wait(waiting["id"])["state"] == "done"
    assert time.monotonic() - began < 10
    assert closed.refused("GET", f"/transfers/{running['id']}")[0] == 404
    other.ask("DELETE", "/sessions")


def test_files_go_with_the_session(tmp_path: Path, files: dict[str, Path]) -> None:
    with started("-c", SERVE, temporary=tmp_path / "temporary") as (process, server):
        client = server.open()
        client.wait(client.begin(files, strengths=[0])["id"])
        (folder,) = folders(tmp_path / "temporary")
        assert len([path for path in folder.rglob("*") if path.is_file()]) > 3
        assert folder.stat().st_mode & 0o077 == 0
        client.json("DELETE", "/sessions")
        assert [path.name for path in folder.iterdir()] == ["lock"]
        process.terminate()
        assert process.wait(10) == 0
    assert not folders(tmp_path / "temporary")


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_streams_and_work_and_files(
    signum: signal.Signals, tmp_path: Path, files: dict[str, Path]
) -> None:
    arguments = ("-W", "error", "-m", "retimbre", "studio", "--no-browser", "--port", "0")
    with started(*arguments, temporary=tmp_path / "temporary") as (process, server):
        client = server.open()
        with client.events() as events:
            client.wait(client.begin(files, settings=LONG)["id"], lambda t: t["steps"])
            began = time.monotonic()
            process.send_signal(signum)
            _, stderr = process.communicate(timeout=10)
            assert time.monotonic() - began < 2
            kinds = [events.get(timeout=5)[0]]
            while kinds[-1] != "bye":
                kinds.append(events.get(timeout=5)[0])
    assert (process.returncode, stderr) == (0, "")
    assert not list((tmp_path / "temporary").iterdir())


def test_what_a_killed_studio_left_is_removed_at_the_next_start(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    with started("-c", SERVE, temporary=tmp_path / "temporary") as (process, server):
        server.open().clip(files["content"])
        process.kill()
        process.wait(10)
    (left,) = folders(tmp_path / "temporary")
    with started("-c", SERVE, temporary=tmp_path / "temporary") as (_, server):
        (first,) = folders(tmp_path / "temporary")
        assert first != left
        with started("-c", SERVE, temporary=tmp_path / "temporary"):
            assert first in folders(tmp_path / "temporary")  # it is at work
        assert server.open().clip(files["content"])


def test_of_a_long_content_nothing_is_kept_nor_made_in_the_background(
    tmp_path: Path, files: dict[str, Path]
) -> None:
    code = SERVE.replace("seconds=4", "seconds=4, kept_seconds=1")
    with started("-c", code, temporary=tmp_path / "temporary") as (_, server):
        client = server.open()
        begun = client.begin(files, strengths=[0.1, 0.9], settings={"strength": 0.5})
        assert set(client.wait(begun["id"])["strengths"]) == {"0.5"}
        client.json("POST", f"/transfers/{begun['id']}/strength", {"strength": 0.3})
        client.wait(begun["id"], lambda t: t["strengths"]["0.3"]["state"] == "done")
        assert set(client.json("GET", f"/transfers/{begun['id']}")["strengths"]) == {"0.5", "0.3"}


def test_a_port_that_is_taken_is_a_line(tmp_path: Path, run: Callable[..., Any]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("studio", "--no-browser", "--port", str(port), cwd=tmp_path)
    assert done.returncode == 2
    assert re.fullmatch(
        rf"retimbre: error: 127.0.0.1:{port} cannot be .* expected a free port .*\n", done.stderr
    )


def test_the_example_of_the_page_runs(
    server: Client, files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = re.findall(
        r"```python\n(.*?)```", (ROOT / "docs/studio.md").read_text(encoding="utf-8"), re.DOTALL
    )
    assert code.count("\n") <= 14
    (tmp_path / "example.py").write_text(code.replace("127.0.0.1:8731", server.host))
    for name, file in (("a.wav", "content"), ("b.wav", "style")):
        shutil.copy(files[file], tmp_path / name)
    done = subprocess.run(
        [sys.executable, "example.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "out.wav").shape == read(files["content"]).shape


def test_the_server_answers_before_torch_is_there() -> None:
    code = "import sys, retimbre.apps.studio.server; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
