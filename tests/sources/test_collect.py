"""Where what a collector needs and makes lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.site import ROOT
from vgf.sources.collect import policy_path

SHIPPED = "ant-expert.safetensors"


def test_a_moved_data_folder_needs_no_copy_of_the_shipped_policies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    assert policy_path(SHIPPED) == ROOT / "data" / "policies" / SHIPPED
    own = tmp_path / "policies" / SHIPPED
    own.parent.mkdir()
    own.touch()
    assert policy_path(SHIPPED) == own  # a policy of the user's own comes first
    assert policy_path("none.safetensors") == own.with_name("none.safetensors")  # named where the user would put it
