"""Building the fused core where something is wrong: one reason, no traceback, nothing half-written, no second try.

The compilers are shell scripts, so no test compiles; the one that works copies the library this machine has built.
"""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from vgf.agents import fused
from vgf.agents.fused import build

pytestmark = pytest.mark.skipif(fused.reason() is not None, reason=f"no fused core here: {fused.reason()}")

VERSION = '[ "$1" = --version ] && { echo made up; exit 0; }'
OUTPUT = 'for a; do [ "$p" = -o ] && o="$a"; p="$a"; done'


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Begin with an empty cache and nothing remembered; give back what there was."""
    monkeypatch.setenv("VGF_CACHE", str(tmp_path / "cache"))
    for remembered in (build._load, build._temporary):
        remembered.cache_clear()
    yield
    monkeypatch.undo()
    for remembered in (build._load, build._temporary):
        remembered.cache_clear()


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the library that this machine has built."""
    with monkeypatch.context() as patch:
        patch.delenv("VGF_CACHE")
        return build._built()


def compiler(folder: Path, monkeypatch: pytest.MonkeyPatch, *lines: str, version: str = VERSION) -> Path:
    """Make CXX a script that notes each compilation and then does `lines`; `$o` is the output. Return its notes."""
    script, notes = folder / "cxx", folder / "notes"
    script.write_text("\n".join(("#!/bin/sh", version, OUTPUT, f"echo compiled >> '{notes}'", *lines)) + "\n")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    notes.touch()
    return notes


def copies(real: Path) -> str:
    return f"cp '{real}' \"$o\""


def left(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob("update-*") if not path.name.endswith(".lock")]


def test_a_working_compiler_is_asked_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    notes = compiler(tmp_path, monkeypatch, copies(real))
    for _ in range(2):
        build._load.cache_clear()
        assert fused.reason() is None
    assert notes.read_text().count("compiled") == 1
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert len(left(tmp_path)) == 1


FAILURES = {
    "says an error": ("echo 'update.cpp:1: error: no such header' >&2", "exit 1"),
    "says nothing": ("exit 1",),
    "is killed half way": ('printf half > "$o"', "kill -9 $$"),
    "says no text": (r"printf '\351: error\377' >&2", "exit 1"),
    "makes nothing": ("exit 0",),
}


@pytest.mark.parametrize("fault", FAILURES)
def test_a_compiler_that_fails_is_a_reason_and_leaves_nothing(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler(tmp_path, monkeypatch, *FAILURES[fault])
    assert "build" in (fused.reason() or "")
    assert left(tmp_path) == []


def test_a_compiler_that_failed_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notes = compiler(tmp_path, monkeypatch, "exit 1")
    for _ in range(3):
        assert fused.reason() is not None
    assert notes.read_text().count("compiled") == 1


def test_a_compiler_that_hangs_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(tmp_path, monkeypatch, "exec sleep 30")
    monkeypatch.setattr(build, "BUILD_SECONDS", 0.2)
    assert "took more than" in (fused.reason() or "")


def test_what_a_compiler_has_started_ends_with_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """g++ starts other programs; one that goes on would keep a core for as long as it likes."""
    os.mkfifo(held := tmp_path / "held")
    reader = os.open(held, os.O_RDONLY | os.O_NONBLOCK)
    compiler(tmp_path, monkeypatch, f"exec 3> '{held}'", "echo started >&3", "sleep 30 & wait")
    monkeypatch.setattr(build, "BUILD_SECONDS", 1.0)
    try:
        assert "took more than" in (fused.reason() or "")
        assert os.read(reader, 100) == b"started\n"
        assert select.select([reader], [], [], 10)[0]  # the end, which comes when the last that holds the pipe is gone
        assert os.read(reader, 100) == b""
    finally:
        os.close(reader)


def test_a_compiler_that_hangs_at_its_version_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path
) -> None:
    compiler(tmp_path, monkeypatch, copies(real), version='[ "$1" = --version ] && exec sleep 1')
    monkeypatch.setattr(build, "BUILD_SECONDS", 0.2)
    assert "took more than" in (fused.reason() or "")


def test_a_compiler_that_is_no_program_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cxx").write_text("no program")
    (tmp_path / "cxx").chmod(0o755)
    monkeypatch.setenv("CXX", str(tmp_path / "cxx"))
    assert fused.reason() is not None


def test_no_compiler_is_a_reason_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("CXX", raising=False)
    assert "install g++ or clang++, or set CXX" in (fused.reason() or "")


def test_a_compiler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nowhere/g++")
    monkeypatch.setattr(build, "_compile", lambda cxx, path: pytest.fail(f"built by {cxx}"))
    try:
        assert "/nowhere/g++" in (fused.reason() or "")
    except pytest.fail.Exception as error:
        raise AssertionError(str(error)) from None


@pytest.mark.parametrize("name", ["with a space and ü", "deep/er"])
def test_any_folder_serves_as_cache(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path) -> None:
    compiler(tmp_path, monkeypatch, copies(real))
    monkeypatch.setenv("VGF_CACHE", str(tmp_path / name))
    assert fused.reason() is None
    assert len(left(tmp_path / name)) == 1


@pytest.mark.parametrize(("folder", "place"), [(".", "here"), ("~/cores", "home/cores")])
def test_the_cache_may_be_here_or_at_home(
    folder: str, place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path
) -> None:
    for name in ("here", "home"):
        (tmp_path / name).mkdir()
    compiler(tmp_path, monkeypatch, copies(real))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VGF_CACHE", folder)
    monkeypatch.chdir(tmp_path / "here")
    assert fused.reason() is None
    assert len(left(tmp_path / place)) == 1


def test_a_cache_that_cannot_be_written_is_replaced_for_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path
) -> None:
    compiler(tmp_path, monkeypatch, copies(real))
    (tmp_path / "file").touch()
    monkeypatch.setenv("VGF_CACHE", str(tmp_path / "file"))
    assert fused.reason() is None


def test_a_cache_that_is_full_is_replaced_for_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path
) -> None:
    full = f'case "$o" in "{tmp_path}"/cache/*) echo "error: No space left on device" >&2; exit 1;; esac'
    compiler(tmp_path, monkeypatch, full, copies(real))
    assert fused.reason() is None


def test_a_user_without_a_home_has_a_core(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path) -> None:
    compiler(tmp_path, monkeypatch, copies(real))

    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("VGF_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", nobody)
    assert fused.reason() is None


@pytest.mark.parametrize("content", [b"", b"no library"])
def test_a_broken_file_in_the_cache_is_built_anew(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path
) -> None:
    compiler(tmp_path, monkeypatch, copies(real))
    path = build._built()
    path.write_bytes(content)
    assert fused.reason() is None


def test_a_library_without_the_core_is_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = next(Path(torch.__file__).parent.joinpath("lib").glob("libshm.so*"), None)
    if other is None:
        pytest.skip("torch ships no other small library here")
    compiler(tmp_path, monkeypatch, f"cp '{other}' \"$o\"")
    assert "cannot be loaded" in (fused.reason() or "")


def test_an_old_lock_does_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path) -> None:
    compiler(tmp_path, monkeypatch, copies(real))
    build._built().unlink()
    assert len(list((tmp_path / "cache").glob("*.lock"))) == 1
    assert fused.reason() is None


def test_two_at_once_build_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, real: Path) -> None:
    notes = compiler(tmp_path, monkeypatch, "sleep 0.3", copies(real))
    with ThreadPoolExecutor(2) as pool:
        found = [job.result() for job in [pool.submit(build._built) for _ in range(2)]]
    assert found[0] == found[1]
    assert notes.read_text().count("compiled") == 1


def test_another_torch_has_another_core(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for version in ("2.12.0", "2.13.0"):
        monkeypatch.setattr(torch, "__version__", version)
        names.add(build._fingerprint(build.compiler() or ""))
    assert len(names) == 2
