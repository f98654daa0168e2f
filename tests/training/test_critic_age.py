"""The critic's age: the formula against the recursion it stands for, and against what real curves came to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.helpers.site import ROOT
from tests.helpers.toy_runs import a_run, do
from vgf import records
from vgf.training import critic_age

TAU, DISCOUNT = 0.005, 0.99
RESULTS = ROOT / "data" / "results"


def settings(**config: Any) -> dict[str, Any]:
    fixed = {"task": "t", "dataset": "d", "updates": 1, "batch_size": 2}
    return fixed | {"config": {"tau": TAU, "discount": DISCOUNT, **config}}


def exact_curve(asymptote: float, pretrain: int = 0, rate: float = TAU) -> pd.DataFrame:
    """Rows of 100 updates each, means of a value that goes to its asymptote as the formula says."""
    rows = []
    for update in range(100, 3001, 100):
        inside = np.arange(max(update - 100, pretrain), update) - pretrain
        value = asymptote * np.mean(1 - np.exp(-(inside + 0.5) * rate * (1 - DISCOUNT))) if len(inside) else math.nan
        rows.append({"seed": 3, "update": update, critic_age.VALUE: value})
    return pd.DataFrame(rows)


@pytest.mark.parametrize(("tau", "discount"), [(0.005, 0.99), (0.005, 0.995), (0.02, 0.9)])
def test_the_share_is_that_of_a_target_that_follows_a_critic_which_fits_at_once(tau: float, discount: float) -> None:
    """For q = r + gamma t, t += tau (q - t): t / (r / (1 - gamma)) after U updates, to the order of tau (1 - gamma)."""
    target, reward = 0.0, 2.0
    for update in range(1, 2001):
        target += tau * (reward + discount * target - target)
        reached = target / (reward / (1 - discount))
        if update in (1, 10, 100, 1000, 2000):
            assert critic_age.share(update, tau, discount) == pytest.approx(reached, rel=tau * (1 - discount))
    assert critic_age.share(0, tau, discount) == 0
    assert critic_age.share(10, 0.0, discount) == critic_age.share(10, tau, 1.0) == 0


def test_published_ages() -> None:
    """What the formula gives at sizes in use: 39 % after 10,000 updates, 99 % after 100,000; 22 and 92 at 0.995."""
    found = [round(critic_age.share(u, TAU, g), 2) for g in (0.99, 0.995) for u in (10_000, 100_000)]
    assert found == [0.39, 0.99, 0.22, 0.92]


def test_a_row_is_the_mean_over_its_stretch() -> None:
    inside = np.linspace(300, 800, 100_001)
    expected = np.mean([critic_age.share(u, TAU, DISCOUNT) for u in inside])
    assert critic_age.mean_share(300, 800, TAU, DISCOUNT) == pytest.approx(expected, rel=1e-6)
    assert critic_age.mean_share(0, 5, 0.0, DISCOUNT) == 0
    with pytest.raises(ValueError, match="a later one, got 5 to 5"):
        critic_age.mean_share(5, 5, TAU, DISCOUNT)


@pytest.mark.parametrize("asymptote", [90.0, -120.0])
@pytest.mark.parametrize(("pretrain", "delay"), [(0, 1), (250, 1), (0, 2)])
def test_the_asymptote_is_read_off_any_row(asymptote: float, pretrain: int, delay: int) -> None:
    given = settings(pretrain=pretrain) if delay == 1 else settings(policy_delay=delay)
    table = critic_age.ages(given, exact_curve(asymptote, pretrain, TAU / delay))
    assert table["critic_updates"].iloc[-1] == 3000 - pretrain
    assert len(table) == 30 - pretrain // 100
    np.testing.assert_allclose(table["asymptote"], asymptote, rtol=1e-4)


def test_a_method_without_such_a_critic_has_no_age() -> None:
    assert critic_age.ages(settings(), pd.DataFrame({"seed": [0], "update": [1]})).empty
    assert critic_age.ages({"config": {"hidden": [8]}}, exact_curve(1.0)).empty


def test_the_index_is_a_ratio_and_more_is_always_higher() -> None:
    assert critic_age.overestimation(114.0, 100.0) == pytest.approx(1.14)
    assert critic_age.overestimation(-50.0, -100.0) == pytest.approx(1.5)
    assert critic_age.overestimation(-100.0, -50.0) == pytest.approx(0.0)
    assert critic_age.overestimation(7.0, 7.0) == 1
    assert math.isnan(critic_age.overestimation(1.0, 0.0))
    behaviour = pd.Series({0: 10.0, 1: 20.0})
    assert critic_age.index(pd.Series({0: 11.0, 5: 30.0}), behaviour).tolist() == pytest.approx([1.1, 2.0])


def write(folder: Path, given: dict[str, Any], asymptote: float) -> Path:
    folder.mkdir(parents=True)
    exact_curve(asymptote).drop(columns="seed").to_csv(folder / "seed3.curve.csv", index=False)
    records.merge_run(folder, {"id": "x", "seeds": [3], "settings": given, "evaluated": False})
    return folder


def test_a_record_is_held_against_the_one_that_differs_in_its_flow_alone(tmp_path: Path) -> None:
    own = settings(train_steps=3, step_size=0.1, hidden=[8])
    mine = write(tmp_path / "task" / "vgf", own, 110.0)
    write(tmp_path / "task" / "a_wider_one", settings(train_steps=0, step_size=0.1, hidden=[9]), 10.0)
    write(tmp_path / "task" / "another_tau", settings(train_steps=0, step_size=0.1, hidden=[8]) | {"updates": 2}, 10.0)
    assert "overestimation" not in critic_age.facts(mine, own, [3])["critic"]
    write(tmp_path / "task" / "best", settings(train_steps=0, step_size=0.2, hidden=[8]), 100.0)
    found = critic_age.facts(mine, own, [3])["critic"]
    assert found["against"] == "best"
    assert found["overestimation"] == {"3": pytest.approx(1.1, rel=1e-3)}
    assert found["asymptote"] == {"3": pytest.approx(110.0, rel=1e-3)}
    assert found["updates"] == 3000
    assert found["share"] == pytest.approx(critic_age.share(3000, TAU, DISCOUNT), abs=1e-6)


@pytest.mark.parametrize("content", ['{"tool": "another one"}', '{"schema": 1, "runs": [], "sha256": {}}', "[]", "{"])
def test_a_file_of_somebody_else_beside_a_run_does_not_stop_its_record(content: str, tmp_path: Path) -> None:
    """It is read when all updates are done: a fault of a neighbour must not cost them."""
    theirs = tmp_path / "runs" / "theirs" / "run.json"
    theirs.parent.mkdir(parents=True)
    theirs.write_text(content)
    run = a_run(tmp_path / "runs" / "mine")
    assert do(run)
    assert "overestimation" not in records.read_runs(run.folder)[0]["critic"]


def test_run_json_says_how_old_the_critic_is(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    do(run)
    (entry,) = records.read_runs(run.folder)
    assert entry["critic"]["updates"] == 7  # of 10, after 3 of the reference alone
    assert entry["critic"]["share"] == pytest.approx(critic_age.share(7, TAU, DISCOUNT), abs=1e-6)
    assert set(entry["critic"]["asymptote"]) == {"0", "3"}
    plain = a_run(tmp_path / "bc", "bc")
    do(plain)
    assert "critic" not in records.read_runs(plain.folder)[0]


def test_on_committed_curves_the_behaviour_s_value_comes_out_and_rises_with_the_training_budget() -> None:
    """On halfcheetah the data's own discounted return is 87.8; more flow steps in the target give higher asymptotes."""
    index = []
    for name in ("train_0", "train_1", "vgf", "train_5"):  # 0, 1, 3 and 5 steps
        record = records.read_record(RESULTS / "ablations.cpu" / "halfcheetah-medium-v2" / name)
        last = critic_age.ages(record.runs[-1]["settings"], record.curve).groupby("seed").tail(1)
        index.append(float(last["asymptote"].mean()))
    assert index[0] == pytest.approx(87.8, rel=0.03)
    assert index == sorted(index)
