"""Thousands of damaged files: never a traceback, never a wrong array where the format can tell."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.dataset_files import d4rl_arrays, fuzz, ogbench_arrays, write_hdf5
from tests.helpers.site import ROOT


@pytest.mark.parametrize("compressed", [True, False])
def test_mutated_npz_files_give_the_right_arrays_or_one_line(compressed: bool, tmp_path: Path) -> None:
    good = ogbench_arrays()
    whole = tmp_path / "whole.npz"
    (np.savez_compressed if compressed else np.savez)(whole, **good)
    refusals = fuzz(whole, good, 1500, np.random.default_rng(1))
    assert refusals > 1000


def test_mutated_hdf5_structure_gives_one_line_or_sound_arrays(tmp_path: Path) -> None:
    good = d4rl_arrays()
    whole = tmp_path / "whole.hdf5"
    write_hdf5(whole, good)
    program = tmp_path / "fuzz.py"  # in a process of its own: the hdf5 library is C
    program.write_text(
        "import sys; sys.path.insert(0, sys.argv[1])\nfrom pathlib import Path\nimport numpy as np\n"
        "from tests.helpers import dataset_files as t\n"
        "print(t.fuzz(Path(sys.argv[2]), None, 1500, np.random.default_rng(2)))\n",
        encoding="utf-8",
    )
    done = subprocess.run([sys.executable, program, str(ROOT), str(whole)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(done.stdout) > 100
