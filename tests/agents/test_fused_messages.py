"""What the fused core says where a processor has no product of a precision: one line, with the remedy."""

from __future__ import annotations

import pytest

from tests.helpers.fused_agents import make
from vgf.agents import fused
from vgf.agents.fused import build
from vgf.agents.fused.job import PRECISIONS

TOLD = """bfloat16 format is only supported where a unit (`amx`) is there
Exception raised from product at file.cpp:1 (most recent call first):
frame #0: something + 0x1 (0x7f in /usr/lib/some.so)
"""


@pytest.mark.parametrize(
    ("said", "line"),
    [
        (TOLD, "bfloat16 format is only supported where a unit (`amx`) is there"),
        (
            "format is only supported on X64 when (a and `b\nException raised",
            "format is only supported on X64 when (a and `b)",
        ),
        ("", "no reason given"),
        ("  \n", "no reason given"),
    ],
)
def test_only_the_first_line_of_what_torch_says_is_kept(said: str, line: str) -> None:
    assert build.first_line(said) == line


@pytest.mark.parametrize(("float32", "remedy"), [(None, "; precision: float32 has one ("), ("none at all", " (")])
def test_a_precision_without_a_product_is_one_line_with_the_remedy(
    float32: str | None, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said = {PRECISIONS["float32"]: float32, PRECISIONS["bfloat16"]: build.first_line(TOLD)}
    monkeypatch.delenv("VGF_FUSED", raising=False)
    monkeypatch.setattr(fused, "fault", said.__getitem__)
    fused.forget()
    agent = make("bc", precision="bfloat16")
    assert not agent.is_fused
    (line,) = capsys.readouterr().err.splitlines()
    assert f"precision bfloat16 has no product on this processor{remedy}bfloat16 format" in line
    assert line.endswith("updates take the slower path")
