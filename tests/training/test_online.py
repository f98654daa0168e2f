"""Fine-tuning online: what is remembered is what happened, on schedule, and a kill changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.dataset_files import d4rl_arrays, write_hdf5
from tests.helpers.toy_runs import CPU, EXPERIMENT, TASK, a_run, do, toy_data, trained, write
from vgf import cli, records
from vgf.datasets import get_task, load
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.training.online import FineTuning, reward_rule
from vgf.training.sizes import Online
from vgf.training.vector_env import Workers

ONLINE = {"steps": 8, "test_steps": 1, "start_training_after": 2}  # six updates
SIZES = {"updates": 6, "online": ONLINE}


class Count(gymnasium.Env[Any, Any]):
    """Its observation counts steps since the start, from a seeded fraction; ends by itself after five."""

    observation_space = gymnasium.spaces.Box(-10, 10, (3,), dtype=np.float64)
    action_space = gymnasium.spaces.Box(-1, 1, (2,), dtype=np.float32)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.age, self.mark = 0, self.np_random.uniform()
        return self._look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.age += 1
        return self._look(), 10.0 * self.age, self.age == 5, False, {"success": self.age == 2}

    def _look(self) -> Any:
        return np.array([self.age, self.mark, 0.0])


class Actor:
    """Acts by its seed's number, and notes the budget."""

    device = CPU
    updates = 0

    def __init__(self, seeds: int) -> None:
        self.values = torch.arange(seeds, dtype=torch.float32).reshape(-1, 1, 1) / 10
        self.budgets: list[int] = []

    def budget(self, steps: int) -> Budget:
        return Budget(steps, 0.1)

    def act(self, observations: torch.Tensor, budget: Budget) -> torch.Tensor:
        self.budgets.append(budget.steps)
        return self.values.expand(-1, 1, 2)


def tuned(episode_steps: int = 99, **plan: Any) -> FineTuning:
    sizes = Online(**({"steps": 50, "test_steps": 3} | plan))
    task = replace(get_task(TASK), episode_steps=episode_steps)
    return FineTuning(sizes, (0, 4), 100, toy_data(), Workers(Count, 2, processes=1), task, (2.0, -1.0))


def advance(online: FineTuning, actor: Any, steps: int) -> None:
    actor.updates = 100 + steps - 1 - online.plan.start_training_after
    online.advance(actor)
    assert online.steps == steps


def test_what_is_remembered_is_what_happened() -> None:
    online, actor = tuned(), Actor(2)
    advance(online, actor, 7)
    assert actor.budgets == [3] * 7
    s, a, r, mask, s2 = (x.numpy() for x in online.rows[:, :7].split(online.widths, dim=-1))
    ages = [0, 1, 2, 3, 4, 0, 1]
    for k in (0, 1):
        assert s[k, :, 0].tolist() == ages
        assert s2[k, :, 0].tolist() == [age + 1 for age in ages]
        np.testing.assert_allclose(a[k], k / 10)
        np.testing.assert_allclose(r[k, :, 0], [20.0 * (age + 1) - 1 for age in ages])  # scaled and shifted
        assert mask[k, :, 0].tolist() == [1, 1, 1, 1, 0, 1, 1]
    marks = {*s[0, :, 1].tolist(), *s[1, :, 1].tolist()}
    assert len(marks) == 4  # every seed and episode starts from a place of its own


def test_a_time_limit_ends_the_episode_and_keeps_the_bootstrap() -> None:
    online = tuned(episode_steps=3)
    advance(online, Actor(2), 7)
    s, _, _, mask, _ = online.rows[0, :7].split(online.widths, dim=-1)
    assert s[:, 0].tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert mask.squeeze(-1).tolist() == [1] * 7


def test_batches_hold_rows_of_the_dataset_and_of_the_seeds_own_steps_alike() -> None:
    online, data = tuned(), toy_data()
    streams = SeedStreams((0, 4), "batches")
    before = online.batch(streams, 500)
    known = {tuple(row) for row in torch.cat([data.observations, data.next_observations], 1).tolist()}
    rows = torch.cat([before.observations, before.next_observations], -1)
    assert {tuple(row) for row in rows.flatten(0, 1).tolist()} == known
    advance(online, Actor(2), 20)
    batch = online.batch(streams, 3000)
    for k in (0, 1):
        mine = {tuple(row) for row in torch.cat([online.rows[k, :20, :3], online.rows[k, :20, -3:]], 1).tolist()}
        drawn = [tuple(r) for r in torch.cat([batch.observations[k], batch.next_observations[k]], 1).tolist()]
        assert set(drawn) == known | mine
        new = np.array([row in mine for row in drawn])
        assert abs(new.mean() - 20 / 60) < 0.04  # uniform over both
        np.testing.assert_allclose(batch.actions[k][new], k / 10)
        np.testing.assert_allclose(batch.rewards[k][new], 20 * batch.next_observations[k][new][:, 0] - 1)
        ended = batch.next_observations[k][new][:, 0] == 5
        assert torch.equal(batch.masks[k][new], 1 - ended.float())


def test_updates_follow_steps_as_planned() -> None:
    online, actor = tuned(updates_per_step=3, start_training_after=4), Actor(2)
    steps = []
    for update in range(7):
        actor.updates = 100 + update
        online.advance(actor)
        steps.append(online.steps)
    assert steps == [5, 5, 5, 6, 6, 6, 7]
    assert online.plan.updates == 3 * 46


def test_the_oldest_give_way_where_the_buffer_is_full() -> None:
    online = tuned(capacity=4)
    advance(online, Actor(2), 10)
    assert online.rows.shape[1] == 4
    assert sorted(online.rows[0, :, 0].tolist()) == [1, 2, 3, 4]  # steps 6 to 9, of the second episode
    drawn = online.batch(SeedStreams((0, 4), "batches"), 500).observations[0]
    assert set(drawn[drawn[:, 2] == 0][:, 0].tolist()) == {1, 2, 3, 4}


def test_a_report_has_the_means_of_the_episodes_that_ended() -> None:
    online, actor = tuned(), Actor(2)
    rows = pd.DataFrame({"seed": [0, 4], "update": 100})
    none = online.report(rows)
    assert none["environment_steps"].tolist() == [0, 0]
    assert none["online/return"].isna().all()
    advance(online, actor, 11)
    found = online.report(rows)
    assert found["environment_steps"].tolist() == [11, 11]
    assert found["online/return"].tolist() == [150, 150]  # the environment's own reward
    assert found["online/success"].tolist() == [1, 1]
    assert found["online/length"].tolist() == [5, 5]
    assert online.report(rows)["online/length"].isna().all()
    assert found.dtypes["online/return"] == none.dtypes["online/return"]


def test_a_record_goes_on_with_environment_steps(tmp_path: Path) -> None:
    run = a_run(tmp_path, sizes=SIZES)
    assert do(run)
    record = records.read_record(run.folder)
    own = record.curve[record.curve["seed"] == 3].set_index("update")
    assert own["environment_steps"].to_dict() == {2: 0, 4: 0, 6: 0, 8: 4, 10: 6, 12: 8}
    assert own["online/length"].dropna().to_dict() == {8: 3.0, 12: 3.0}  # a checkpoint breaks off the one under way
    steps = record.episodes.groupby("update")["environment_steps"].unique().map(list).to_dict()
    assert steps == {0: [0], 6: [0], 12: [8]}
    assert record.runs[0]["settings"]["online"]["steps"] == 8


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return trained(a_run(tmp_path_factory.mktemp("whole"), sizes=SIZES))


@pytest.mark.parametrize("stops", [[5], [6], [7], [8, 9], [6, 11], [12]])
def test_a_run_that_stopped_online_goes_on_bit_for_bit(
    stops: list[int], tmp_path: Path, whole: dict[str, bytes]
) -> None:
    assert trained(a_run(tmp_path, sizes=SIZES), stops) == whole


def test_vgf_and_fql_are_fine_tuned_from_the_command_line_and_others_refused(
    toy: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scales = {"quick": EXPERIMENT["scales"]["quick"] | SIZES}
    assert cli.main(["train", str(write(toy, scales=scales, methods={"vgf": {}, "fql": {}}))]) == 0
    capsys.readouterr()
    assert cli.main(["train", str(write(toy, scales=scales, methods={"bc": {}}))]) == 2
    err = capsys.readouterr().err
    assert "methods.bc: bc cannot be fine-tuned online, only fql and vgf can" in err
    assert err.count("\n") == 1


def test_a_bank_serves_offline_and_a_run_that_stopped_online_goes_on_without_it(tmp_path: Path) -> None:
    whole, stopped = (a_run(tmp_path / name, sizes=SIZES, bank=4) for name in ("whole", "stopped"))
    assert trained(stopped, [5, 8, 11]) == trained(whole)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({"steps": 0}, "start_training_after must be >= 0 and < steps 0"),
        ({"start_training_after": 8}, "start_training_after must be >= 0 and < steps 8"),
        ({"updates_per_step": 0}, "updates_per_step and capacity must be >= 1"),
        ({"stps": 0}, "scales.quick.online has no 'stps'; nearest: steps"),
    ],
)
def test_sizes_without_meaning_are_refused(
    plan: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scales = {"quick": EXPERIMENT["scales"]["quick"] | {"online": ONLINE | plan}}
    assert cli.main(["train", str(write(tmp_path, scales=scales, methods={"vgf": {}}))]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("task", ["hopper-medium-v2", "antmaze-umaze-v2"])
def test_new_rewards_are_treated_as_the_files_are(task: str, tmp_path: Path) -> None:
    arrays = d4rl_arrays()
    row = get_task(task)
    rng = np.random.default_rng(0)
    for name, size in (("observations", row.observation_size), ("actions", row.action_size)):
        arrays[name] = rng.uniform(-1, 1, (len(arrays["rewards"]), size)).astype(np.float32)
    write_hdf5(tmp_path / "x.hdf5", arrays)
    scale, offset = reward_rule(row, tmp_path / "x.hdf5")
    loaded = load(task, tmp_path / "x.hdf5")
    raw = {tuple(s): r for s, r in zip(arrays["observations"].tolist(), arrays["rewards"], strict=True)}
    expected = [scale * raw[tuple(s)] + offset for s in loaded.observations.tolist()]
    np.testing.assert_allclose(loaded.rewards, expected, rtol=1e-5)
    assert (scale == 1) == (row.reward_scale == "none")
