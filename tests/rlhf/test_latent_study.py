"""The whole study in a little world: chosen by the rule, done once, gone on with, and told on when changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from tests.helpers.language import LITTLE, digest, little_cache
from tests.helpers.latent import write_plan
from vgf import cli
from vgf.rlhf import settings
from vgf.rlhf.latent import scene
from vgf.rlhf.latent.rows import ROWS, Setting
from vgf.rlhf.latent.study import choose, folder_of, read_latent
from vgf.rlhf.parts import prepare

torch.set_num_threads(1)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    little_cache(tmp_path, 200)
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    monkeypatch.setitem(settings.SIZES, "quick", LITTLE)
    monkeypatch.setattr(prepare, "prepare", lambda: ["ready"])
    return tmp_path


def test_the_best_setting_is_taken_near_texts_where_asked_and_the_least_of_equal_ones() -> None:
    lines = [("a", "still", 0.0, 1.0, 0.0, 4.0)]
    lines += [("a", "vgf", far, heat, 2.0, 5.0) for far, heat in ((4.0, 1.0), (2.0, 3.0), (2.0, 1.0))]
    lines += [("a", "vgf", 1.0, 1.0, 1.9, 4.6), ("a", "vgf", 0.5, 1.0, 1.0, 4.0)]
    lines += [("a", "constant", 1.0, 1.0, 1.0, 9.0), ("a", "constant", 2.0, 1.0, 2.0, 10.0)]
    names = ["testbed", "row", "displacement", "temperature", "chosen", "distance"]
    tuned = pd.DataFrame(lines, columns=names)
    found = choose(pd.concat([tuned.assign(seed=0), tuned.assign(seed=1)]), gate=1.15)["a"]
    assert found["free"] == {"still": Setting(0.0), "vgf": Setting(2.0), "constant": Setting(2.0)}
    assert found["near"] == {"still": Setting(0.0), "vgf": Setting(1.0), "constant": Setting(1.0)}


def test_a_study_is_done_once_and_goes_on_after_a_kill(world: Path, monkeypatch: Any, capsys: Any) -> None:
    file = write_plan(world)
    seen: list[str] = []
    whole = scene.Scene.measure

    def killed(self: Any, name: str, setting: Setting) -> pd.DataFrame:
        seen.append(name)
        if len(seen) > 90:
            raise KeyboardInterrupt
        return whole(self, name, setting)

    monkeypatch.setattr(scene.Scene, "measure", killed)
    assert cli.main(["rlhf", "latent", str(file)]) == 130
    monkeypatch.setattr(scene.Scene, "measure", whole)
    before = {path: digest(path) for path in (world / "results").rglob("*.csv")}
    assert before
    assert cli.main(["rlhf", "latent", str(file)]) == 0
    assert {path: digest(path) for path in before} == before
    said = capsys.readouterr().out
    for name in ("conditional", "target", "modes"):
        rows = read_latent(folder_of("quick", name))
        assert set(rows["row"]) == set(ROWS)
        assert set(rows["seed"]) == {0, 1}
        assert set(rows["regime"]) == {"free", "near"}
        assert f"{name}, near, quick: particle-specific benefit undecided" in said
    made = {path: digest(path) for path in (world / "results").rglob("*.csv")}
    monkeypatch.setattr(scene.Scene, "measure", pytest.fail)
    assert cli.main(["rlhf", "latent", str(file)]) == 0
    assert capsys.readouterr().out == said
    assert {path: digest(path) for path in made} == made
    assert set(read_latent(folder_of("quick", "space"))["space"]) == {"tokens", "latent"}
    path = folder_of("quick", "modes") / "seed0.csv"
    path.write_text(path.read_text().replace("review-", "review-1", 1))
    assert cli.main(["rlhf", "latent", str(file)]) == 2
    assert "changed since its run wrote it" in capsys.readouterr().err
