"""`vgf rlhf latent` turns bad input into one line, and `make reproduce` knows which file is whose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.helpers.latent import write_plan
from vgf import cli


def test_bad_input_is_one_line(tmp_path: Path, capsys: Any) -> None:
    assert cli.main(["rlhf", "latent", str(tmp_path / "nothing.yaml")]) == 2
    assert cli.main(["rlhf", "latent", str(write_plan(tmp_path, topics=[]))]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "no such file" in said[0]
    assert "topics" in said[1]
