"""Sources: local, download and recipe, in that order, each failing in one line that says what to do."""

from __future__ import annotations

import socket
import threading
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vgf.datasets import DataError, get_dataset
from vgf.datasets.files import write_npz
from vgf.datasets.tasks import DATASETS
from vgf.sources import get
from vgf.support.files import sha256

NOBODY = "http://127.0.0.1:9/nobody.npz"  # the discard port: nobody listens


class Server:
    """A file server that knows ranges and counts what it sends."""

    def __init__(
        self, content: bytes, kind: str = "application/octet-stream", most: int | None = None, tag: str = ""
    ) -> None:
        self.sent, self.ranges = 0, []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                self.do_GET()

            def do_GET(self) -> None:
                start = int((self.headers["Range"] or "bytes=0-").removeprefix("bytes=").split("-")[0])
                if tag and self.headers["If-Range"] not in (None, tag):
                    start = 0  # the part is of another version
                if self.command == "GET":
                    outer.ranges.append(start)
                if start >= len(content):
                    self.send_error(416)
                    return
                self.send_response(206 if start else 200)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content) - start))
                for name in ("ETag", "Last-Modified")[tag.startswith("W/") :] if tag else ():
                    self.send_header(name, tag)
                self.end_headers()
                if self.command == "GET":
                    body = content[start : start + most] if most else content[start:]
                    outer.sent += len(body)
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http.server_port}/file.npz"


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(content: bytes, **words: object) -> Server:
        servers.append(Server(content, **words))  # type: ignore[arg-type]
        return servers[-1]

    yield start
    for server in servers:
        server.http.shutdown()
        server.http.server_close()


@pytest.fixture
def content(tmp_path: Path) -> bytes:
    rng = np.random.default_rng(0)
    sizes = {"observations": 28, "actions": 5, "qpos": 21}
    arrays = {name: rng.uniform(-1, 1, (400, size)).astype(np.float32) for name, size in sizes.items()}
    write_npz(tmp_path / "original.npz", arrays | {"terminals": np.arange(400) % 100 == 99})
    return (tmp_path / "original.npz").read_bytes()


def test_a_download_appears_whole(serve: Callable[..., Server], content: bytes, tmp_path: Path) -> None:
    target = tmp_path / "new" / "set.npz"
    get.fetch([serve(content).url], target, get_dataset("cube-single-play"), sha256(tmp_path / "original.npz"))
    assert target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["set.npz"]


def test_a_broken_download_goes_on_where_it_was(serve: Callable[..., Server], content: bytes, tmp_path: Path) -> None:
    target = tmp_path / "set.npz"
    breaking, whole = serve(content, most=10_000), serve(content)
    with pytest.raises(DataError, match="could not be downloaded"):
        get.fetch([breaking.url], target)
    assert not target.exists()
    assert (tmp_path / ".set.npz.part").stat().st_size == 10_000
    get.fetch([whole.url], target)
    assert target.read_bytes() == content
    assert whole.ranges == [10_000]
    assert whole.sent == len(content) - 10_000


@pytest.mark.parametrize(("first", "then", "resumed"), [("a", "a", True), ("a", "b", False), ("W/a", "W/a", True)])
def test_a_part_of_another_version_of_the_file_is_not_gone_on_with(
    first: str, then: str, resumed: bool, serve: Callable[..., Server], content: bytes, tmp_path: Path
) -> None:
    other = bytes(byte ^ 1 for byte in content) if first != then else content
    with pytest.raises(DataError, match="could not be downloaded"):
        get.fetch([serve(other, most=10_000, tag=first).url], tmp_path / "set.npz")
    whole = serve(content, tag=then)
    get.fetch([whole.url], tmp_path / "set.npz")
    assert (tmp_path / "set.npz").read_bytes() == content
    assert whole.ranges == [10_000 if resumed else 0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["original.npz", "set.npz"]


def test_a_part_that_is_whole_already_is_taken(serve: Callable[..., Server], content: bytes, tmp_path: Path) -> None:
    (tmp_path / ".set.npz.part").write_bytes(content)
    get.fetch([serve(content).url], tmp_path / "set.npz")
    assert (tmp_path / "set.npz").read_bytes() == content


def test_the_first_good_address_is_taken(serve: Callable[..., Server], content: bytes, tmp_path: Path) -> None:
    page = serve(b"<html>moved</html>", kind="text/html")
    other = serve(content[: len(content) // 2])
    good = serve(content)
    checksum = sha256(tmp_path / "original.npz")
    get.fetch([NOBODY, page.url, other.url, good.url], tmp_path / "set.npz", None, checksum)
    assert (tmp_path / "set.npz").read_bytes() == content


def test_no_good_address_is_one_line_and_leaves_nothing(
    serve: Callable[..., Server], content: bytes, tmp_path: Path
) -> None:
    page, other = serve(b"<html>moved</html>", kind="text/html"), serve(b"something else")
    with pytest.raises(DataError, match=r"answers with a web page.*something else than the dataset") as caught:
        get.fetch([page.url, other.url], tmp_path / "set.npz")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="expected 000000000000"):
        get.fetch([serve(content).url], tmp_path / "set.npz", None, "0" * 64)
    assert [path.name for path in tmp_path.iterdir()] == ["original.npz"]


def test_no_network_is_one_line_after_one_short_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits, opens = set[float](), urllib.request.urlopen

    def counted(request: urllib.request.Request, timeout: float) -> Any:
        waits.add(timeout)
        return opens(request, timeout=timeout)

    monkeypatch.setattr(urllib.request, "urlopen", counted)
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes the connection and never answers
        quiet = f"http://127.0.0.1:{silent.getsockname()[1]}/x.npz"
        with pytest.raises(DataError, match=r"no answer from .*--source regenerate") as caught:
            get.fetch(
                [NOBODY, "https://nobody.invalid/x.npz", quiet, quiet],
                tmp_path / "set.npz",
                get_dataset("cube-single-play"),
            )
    assert waits == {get.PROBE_SECONDS}, "no download was begun, which may stand still for longer"
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty home and data folder, and no network."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("D4RL_DATASET_DIR", raising=False)
    monkeypatch.setattr(get, "_answering", lambda urls: [])
    return tmp_path


def test_auto_takes_the_local_file_first(home: Path, content: bytes) -> None:
    place = home / ".ogbench" / "data" / "cube-single-play-v0.npz"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert get.get("cube-single-play-task2") == (place, "local")


def test_auto_says_why_it_passed_on_and_ends_with_the_recipe(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    monkeypatch.setattr("vgf.sources.recipes.regenerate", lambda *words: asked.append(words) or home / "made.npz")
    assert get.get("cube-single-play", episodes=4, seed=1, workers=2) == (home / "made.npz", "regenerate")
    assert asked == [("cube-single-play-v0", 4, 1, 2, None)]
    local, download = capsys.readouterr().err.splitlines()
    assert local.startswith("local: no cube-single-play-v0.npz in ~/.ogbench/data")
    assert download.startswith("download: cube-single-play-v0.npz: no answer from rail.eecs.berkeley.edu")


def test_a_damaged_local_file_is_said_and_not_taken(home: Path, content: bytes) -> None:
    place = home / ".ogbench" / "data" / "cube-single-play-v0.npz"
    place.parent.mkdir(parents=True)
    place.write_bytes(content[:-100])
    with pytest.raises(DataError, match="not a readable npz file"):
        get.get("cube-single-play", "local")
    with pytest.raises(DataError, match="not a readable npz file"):
        get.get("cube-single-play", path=place)
    with pytest.raises(DataError, match=r"typo\.npz: no such file; give the cube-single-play-v0\.npz .* --path"):
        get.get("cube-single-play", path=place.with_name("typo.npz"))


def test_each_suite_has_its_own_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert get.local_places(get_dataset("hopper-medium"))[0] == home / ".d4rl/datasets/hopper_medium-v2.hdf5"
    monkeypatch.setenv("D4RL_DATASET_DIR", str(home / "elsewhere"))
    assert get.local_places(get_dataset("hopper-medium"))[0] == home / "elsewhere/hopper_medium-v2.hdf5"


def test_a_source_a_dataset_has_not_is_one_line() -> None:
    for dataset in DATASETS.values():
        for source in {"local", "download", "regenerate"} - set(dataset.sources):
            with pytest.raises(DataError, match=f"cannot come from '{source}', only from local or download"):
                get.get(dataset.name, source)  # type: ignore[arg-type]


def test_every_maker_is_a_function_that_knows_its_datasets() -> None:
    for dataset in DATASETS.values():
        assert ("regenerate" in dataset.sources) == (dataset.maker is not None)
        if dataset.maker is not None:
            module, function = dataset.maker.split(":")
            maker = getattr(import_module(module), function)
            assert list(signature(maker).parameters)[1:5] == ["episodes", "seed", "workers", "out"]
            with pytest.raises(DataError, match=r"episodes must be >= 1|no such policy|holds no training"):
                maker(dataset.name, 0)


def test_the_packages_agree_on_folders_and_addresses() -> None:
    import ogbench.utils

    for dataset in DATASETS.values():
        if dataset.suite == "ogbench":
            assert dataset.folder == ogbench.utils.DEFAULT_DATASET_DIR
            assert dataset.url == f"{ogbench.utils.DATASET_URL}/{dataset.name}.npz"
