"""Files written whole: what a killed writer leaves is removed by the next one, and what others write is not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.site import ROOT
from vgf.support import files
from vgf.support.files import write_bytes, written_whole

DIES = """
import os, signal, sys
from pathlib import Path
from vgf.support.files import written_whole
with written_whole(Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("name", ["mine.json", "mine[1].csv", "both.cpu.csv", ".hidden"])
def test_what_a_killed_writer_left_is_removed_by_the_next_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", DIES, path], cwd=ROOT, timeout=60)
        assert done.returncode == -9
    assert len(list(tmp_path.iterdir())) == 1  # the second had removed that of the first
    write_bytes(path, b"whole")
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_what_others_write_stays(tmp_path: Path) -> None:
    path, dead = (
        tmp_path / "mine.json",
        subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], stdout=-1),
    )
    number = int(dead.stdout)
    kept = [
        f".mine.json.{files._machine()}.{os.getppid()}.tmp",  # of a process that lives
        f".mine.json.00000000.{number}.tmp",  # of another machine, where the number may be alive
        f".mine.jsonl.{files._machine()}.{number}.tmp",  # of another file
        f".mine.json.{files._machine()}.tmp",
    ]
    for name in kept:
        (tmp_path / name).write_bytes(b"half")
    write_bytes(path, b"whole")
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*kept, "mine.json"])


def test_two_writers_of_one_file_end_with_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    with written_whole(path) as stream:
        stream.write(b"first")
        write_bytes(tmp_path / "other.json", b"second")
    assert path.read_bytes() == b"first"
