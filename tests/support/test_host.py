"""What the host is: its cores, its processor's kind, and no torch to say so."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from vgf.support.host import cores, processor_kind


@pytest.mark.parametrize(
    ("quota", "expected"),
    [("max 100000", 8), ("200000 100000", 2), ("150000 100000", 2), ("50000 100000", 1), ("nonsense", 8), (None, 8)],
)
def test_a_containers_share_limits_the_cores(
    quota: str | None, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    path = tmp_path / "cpu.max"
    if quota is not None:
        path.write_text(quota)
    assert cores(path) == expected


def test_the_kind_of_a_processor_is_its_best_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds = {
        "avx2 avx512f avx512_bf16 amx_bf16": "amx",
        "avx2 avx512f avx512_bf16": "avx512-bf16",
        "avx2 avx512f": "avx512",
        "sse avx2": "avx2",
        "sse": platform.machine(),
    }
    monkeypatch.setattr(Path, "exists", lambda self: True)
    for flags, kind in kinds.items():
        text = f"processor : 0\nflags\t\t: fpu {flags} sse2\n"
        monkeypatch.setattr(Path, "read_text", lambda self, text=text: text)
        assert processor_kind() == kind


def test_the_host_is_told_without_torch() -> None:
    code = "import sys; from vgf.support.host import host; host(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
