"""What is chosen on some start states is not reported on them, and old records are read as what they are."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.helpers.line_world import Stepper, line_envs
from tests.helpers.site import ROOT
from tests.helpers.toy_runs import EXPERIMENT, a_run, do, write
from vgf import records
from vgf.support.provenance import fingerprint
from vgf.support.scales import SCALES
from vgf.support.strict import recorded_fields
from vgf.training import starts
from vgf.training.evaluate import evaluate
from vgf.training.experiments import read_experiment
from vgf.training.runs import settings
from vgf.training.sizes import Scale

EXPERIMENTS = sorted((ROOT / "data" / "experiments").glob("*.yaml"))


def test_no_two_purposes_can_meet() -> None:
    firsts = sorted(starts.FIRST_SEEDS.values())
    assert all(b - a >= starts.ROOM for a, b in pairwise(firsts))
    assert set(starts.PURPOSES) < set(starts.FIRST_SEEDS)
    assert starts.FIRST_SEEDS["shared"] == 100_000, "records of before were made from there"


@pytest.mark.parametrize("purpose", starts.FIRST_SEEDS)
def test_episodes_count_up_from_their_purpose_s_seed(purpose: starts.Starts) -> None:
    how = {"test_steps": (0,), "episodes": 4, "episode_steps": 2, "starts": purpose}
    rows = evaluate(Stepper({0: 1.0, 1: 1.0}), line_envs(4), **how)  # type: ignore[arg-type]
    assert (rows["env_seed"] == starts.FIRST_SEEDS[purpose] + rows["episode"]).all()


def test_a_record_says_its_purpose_and_starts_there(tmp_path: Path) -> None:
    found = {}
    for purpose in ("tuning", "reporting", "shared"):
        run = a_run(tmp_path / purpose, sizes={"starts": purpose})
        do(run)
        record = records.read_record(run.folder)
        found[purpose] = record.episodes[record.episodes["update"] == 10]
        assert record.runs[0]["settings"].get("starts", "shared") == purpose
        assert set(found[purpose]["env_seed"]) == {starts.FIRST_SEEDS[purpose], starts.FIRST_SEEDS[purpose] + 1}
    assert not np.array_equal(found["tuning"]["return"], found["reporting"]["return"])


def test_a_scale_that_does_not_say_reports(tmp_path: Path) -> None:
    def scale(**sizes: object) -> Scale:
        return read_experiment(write(tmp_path, scales={"quick": EXPERIMENT["scales"]["quick"] | sizes})).scale

    assert scale().starts == "reporting"
    assert scale(starts="choosing").starts == "choosing"
    with pytest.raises(ValueError, match=r"scales\.quick\.starts must be one of tuning, .*got 'tunning'"):
        scale(starts="tunning")
    with pytest.raises(ValueError, match="episodes and ranking_episodes must be <= 100000"):
        scale(episodes=100_001)


def test_a_later_field_is_told_only_where_it_departs_from_before() -> None:
    @dataclass(frozen=True)
    class Config:
        old: int = 1
        new: str = field(default="better", metadata={"before": "as it was"})

    assert recorded_fields(Config()) == {"old": 1, "new": "better"}
    assert recorded_fields(Config(new="as it was")) == {"old": 1}


def test_settings_of_old_records_keep_their_fingerprint() -> None:
    """Every record whose config had the fields of today, `later` ones aside, is recognised as made with its file."""
    checked = 0
    for path in EXPERIMENTS:
        scales = yaml.safe_load(path.read_text())["scales"]
        for scale in set(SCALES[1:]).intersection(scales) if "language" not in path.read_text() else ():
            experiment = read_experiment(path, scale)
            for plan in experiment.tasks:
                for method in plan.methods:
                    place = records.record_folder(path.stem, scale, plan.name, method.name, ROOT / "data" / "results")
                    for entry in records.read_runs(place) if (place / "run.json").exists() else ():
                        dataset = {"sha256": entry["settings"]["dataset"]}
                        now = settings(experiment, plan, method, dataset)
                        if now["config"].keys() == entry["settings"]["config"].keys():
                            assert json.loads(json.dumps(now)) == entry["settings"], place
                            assert fingerprint(now) == entry["fingerprint"], place
                            checked += 1
    assert checked >= 40
