"""How `make test` comes by a browser: which way is tried on which machine, with stand-ins for all programs."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tests.helpers.site import ROOT

CHROME = "#!/bin/sh\necho 'Chromium 1.0'\n"


class Machine:
    """A folder as the whole PATH, and a note of what was called."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, root: bool = True) -> None:
        specification = importlib.util.spec_from_file_location("browser_under_test", ROOT / ".ci" / "browser.py")
        assert specification
        assert specification.loader
        self.browser: types.ModuleType = importlib.util.module_from_spec(specification)
        specification.loader.exec_module(self.browser)
        self.programs, self.kept, self.notes = folder / "bin", folder / "kept" / "chrome", folder / "notes"
        self.programs.mkdir()
        self.kept.parent.mkdir()
        for name in ("sh", "cat", "chmod"):
            (self.programs / name).symlink_to(f"/bin/{name}")
        monkeypatch.setenv("PATH", str(self.programs))
        monkeypatch.delenv("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", raising=False)
        monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
        monkeypatch.setattr(self.browser, "ASK", f"print({str(self.kept)!r})")
        self.program("playwright", "exit 1")
        monkeypatch.setattr(self.browser, "PLAYWRIGHT", (str(self.programs / "playwright"),))

    def program(self, name: str, does: str) -> None:
        """Put a program on the PATH, which notes its call first."""
        path = self.programs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.notes}\n{does}\n')
        path.chmod(0o755)

    def brings(self, path: Path, code: str = CHROME) -> str:
        """Return the line of a program that puts a browser there."""
        return f"cat >{path} <<'END'\n{code}END\nchmod 755 {path}"

    def called(self) -> list[str]:
        """Return what was called, in order."""
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def apt(self) -> None:
        """Add an apt-get that installs a browser."""
        package = self.brings(self.programs / "chromium")
        self.program("apt-get", f'case "$*" in *install*chromium)\n{package}\n;; esac')


def test_a_browser_that_is_there_is_taken_and_nothing_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.program("google-chrome", "true")
    machine.apt()
    machine.browser.main()
    assert machine.browser.find() == str(machine.programs / "google-chrome")
    assert machine.called() == []
    assert capfd.readouterr() == ("", "")


def test_playwrights_own_is_downloaded_first_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.program("playwright", machine.brings(machine.kept))
    machine.apt()
    for _ in range(2):
        machine.browser.main()
    assert machine.called() == ["playwright install --no-shell chromium"]
    assert machine.browser.find() == str(machine.kept)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("playwright", "forbidden"),
    [("exit 1", ""), ("broken", ""), ("works", "1")],
    ids=["no network", "lacks libraries", "forbidden"],
)
def test_else_the_systems_package_is_installed(
    playwright: str, forbidden: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    brought = {"broken": machine.brings(machine.kept, "#!/bin/sh\nexit 127\n"), "works": machine.brings(machine.kept)}
    machine.program("playwright", brought.get(playwright, playwright))
    monkeypatch.setenv("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", forbidden)
    machine.apt()
    machine.browser.main()
    called = [line for line in machine.called() if line.startswith("apt-get")]
    assert [line.split()[-1] for line in called] == ["update", "chromium"]
    assert any(line.startswith("playwright") for line in machine.called()) is not bool(forbidden)
    assert machine.browser.find() == str(machine.programs / "chromium")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("asks", [False, True])
def test_without_root_sudo_is_used_where_it_asks_no_password(
    asks: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch, root=False)
    machine.program("sudo", "exit 1" if asks else 'shift; exec "$@"')
    machine.program("true", "exit 0")
    machine.apt()
    machine.browser.main()
    assert "sudo -n true" in machine.called()
    assert any(line.startswith("apt-get") for line in machine.called()) is not asks
    assert (machine.browser.find() is None) is asks
    assert capfd.readouterr().err.count("\n") == asks


def test_where_nothing_is_allowed_one_line_says_so_and_it_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.browser.main()
    (line,) = capfd.readouterr().err.splitlines()
    assert "skipped" in line
    assert "apt-get install chromium" in line
    assert machine.browser.find() is None


def test_an_apt_that_fails_is_no_failure_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path, monkeypatch)
    machine.program("apt-get", "exit 100")
    machine.browser.main()
    assert machine.browser.find() is None


TESTS = """
def test_with(browser):
    raise AssertionError("there is none")
def test_without():
    pass
"""


def test_tests_that_need_one_are_counted_as_skipped(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\nfrom tests.helpers import site\n"
        "site.chromium = lambda: None\nfrom tests.book.conftest import browser\n"
    )
    (tmp_path / "test_it.py").write_text(TESTS)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True)
    assert "1 passed, 1 skipped" in done.stdout, done.stdout


def test_make_and_ci_need_no_step_of_their_own() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in ("test", "test-all", "pdf"):
        (line,) = [line for line in makefile.splitlines() if line.startswith(f"{target}:")]
        assert "browser" in line.partition("##")[0].split()
    for path in (ROOT / ".ci" / "run", *(ROOT / ".github" / "workflows").glob("*.yml")):
        assert "chromium" not in path.read_text().lower(), path.name
