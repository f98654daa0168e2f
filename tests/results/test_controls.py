"""Controls acted on: the same particles and starts for every kind, starts of no table, a file only from policies."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor

from vgf.agents import VGF, Dims
from vgf.agents.best_of_n import BestOfN
from vgf.agents.vgf_config import PRESETS
from vgf.datasets import get_task
from vgf.networks import SeedStreams
from vgf.results import controls, policy_tables, trained_policies
from vgf.results.control_actor import Setting, StepActor, settings
from vgf.results.control_steps import KINDS, MOVING, STEPS, UNREACHED
from vgf.support.files import sha256
from vgf.training.checkpoints import save_policy
from vgf.training.starts import FIRST_SEEDS

CONFIG = replace(PRESETS["release"], hidden=(16, 16), particles=6, flow_steps=3)
SEEDS, DIMS = (0, 3), Dims(11, 3)
HOPPER = "hopper-medium-v2"


def states(count: int = 7) -> Tensor:
    return torch.randn(count, 11, generator=torch.Generator().manual_seed(0))


def actions(agent: VGF, kind: str, step_size: float = 0.0, seeds: tuple[int, ...] = SEEDS) -> Tensor:
    size = torch.full((len(seeds),), step_size)
    setting = Setting(KINDS[kind], 0.5, size, size, size, torch.ones(len(seeds)))
    own = states().expand(len(seeds), -1, -1)
    return StepActor(agent, setting).act(own, agent.budget(0), SeedStreams(seeds, "evaluation"))


def test_not_moved_it_is_best_of_n_and_along_phi_by_its_own_step_the_policy_itself() -> None:
    agent, own = VGF.create(CONFIG, DIMS, SEEDS), states().expand(2, -1, -1)
    for kind, steps in (("best_of_n", 0), ("phi", STEPS)):
        expected = agent.act(own, agent.budget(steps), SeedStreams(SEEDS, "evaluation"))
        assert torch.equal(actions(agent, kind, CONFIG.step_size), expected), kind


def test_any_one_is_the_first_of_the_particles_that_all_kinds_see() -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    noise = SeedStreams(SEEDS, "evaluation").normal(7, CONFIG.particles, 3)
    assert torch.equal(actions(agent, "any"), agent.reference.sample(states().expand(2, -1, -1), noise)[..., 0, :])
    still = actions(agent, "best_of_n")
    for kind in MOVING:  # by no length each is where it started, so none has shifted the noise
        assert torch.equal(actions(agent, kind.name, 0.0), still), kind.name
        assert not torch.equal(actions(agent, kind.name, 0.1), still), kind.name


def test_one_particle_leaves_nothing_to_choose() -> None:
    agent = VGF.create(replace(CONFIG, particles=1), DIMS, SEEDS)
    assert torch.equal(actions(agent, "best_of_n"), actions(agent, "any"))
    assert not torch.equal(actions(agent, "phi", 0.1), actions(agent, "any"))


def test_directions_are_new_in_each_round_and_those_of_a_seed_are_its_own() -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    size = torch.full((2,), 0.3)
    mover = StepActor(agent, Setting(KINDS["random"], 0.5, size, size, size, torch.ones(2)))
    own = states().expand(2, -1, -1)
    first, second = (mover.act(own, agent.budget(0), SeedStreams(SEEDS, "evaluation")) for _ in range(2))
    assert not torch.equal(first, second)
    alone = actions(VGF.create(CONFIG, DIMS, (3,)), "random", 0.3, (3,))
    torch.testing.assert_close(actions(agent, "random", 0.3)[1], alone[0], atol=1e-5, rtol=0)


def test_settings_reach_their_rungs_and_tell_what_the_critic_promises() -> None:
    agent = VGF.create(CONFIG, DIMS, SEEDS)
    found = list(settings(agent, states(64), MOVING, (0.1, 0.5)))
    assert [(s.kind.name, s.rung) for s in found[:2]] == [("any", 0.0), ("best_of_n", 0.0)]
    assert [s.kind.name for s in found[2:]] == [kind.name for kind in MOVING for _ in range(2)]
    for setting in found[2:]:
        assert ((setting.displacement - setting.rung).abs() <= UNREACHED * setting.rung).all(), setting
    promised = {(s.kind.name, s.rung): s.promised for s in found}
    assert (promised["attraction", 0.5] > 0).all()
    assert (promised["minus_phi", 0.5] < promised["phi", 0.5]).all()
    assert all((promised[kind, 0.0] == 0).all() for kind in ("any", "best_of_n"))
    (alone,) = [s for s in settings(VGF.create(CONFIG, DIMS, (3,)), states(64), MOVING[:1], (0.5,)) if s.rung]
    (both,) = [s for s in found if (s.kind.name, s.rung) == ("phi", 0.5)]
    for column in ("step_size", "displacement", "promised", "sigma"):
        torch.testing.assert_close(getattr(alone, column)[0], getattr(both, column)[1], rtol=1e-3, atol=1e-6)


def test_every_setting_is_played_from_starts_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    played: list[tuple[str, float]] = []

    def evaluated(actor: StepActor, envs: Any, **how: Any) -> pd.DataFrame:
        assert how["starts"] == "diagnosis"
        assert (envs.num_envs, how["episodes"]) == (2 * 7, 14)  # the most a seed that share 14 evenly, of ten at most
        assert not actor.transports
        played.append((actor.setting.kind.name, actor.setting.rung))
        return pd.DataFrame(
            {"seed": [0, 3], "env_seed": FIRST_SEEDS["diagnosis"], "episode": 0, "test_steps": 0, "return": 1.0}
        ).assign(success=0, length=5)

    monkeypatch.setattr(controls, "evaluate", evaluated)
    ticks: list[None] = []
    rows = controls.measure(
        VGF.create(CONFIG, DIMS, SEEDS),
        get_task(HOPPER),
        states(64),
        14,
        MOVING[:2],
        (0.5, 1.0),
        lambda: ticks.append(None),
    )
    assert played == [("any", 0), ("best_of_n", 0), *((k, r) for k in ("phi", "minus_phi") for r in (0.5, 1.0))]
    assert len(ticks) == 6
    assert (rows["env_seed"] == FIRST_SEEDS["diagnosis"]).all()
    assert tuple(rows.columns) == controls.COLUMNS[2:]


def record(root: Path, method: str = "vgf", task: str = HOPPER, agent: VGF | None = None) -> Path:
    folder = root / "d4rl.cpu" / task / method
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    if agent is not None:
        save_policy(folder / "policy.safetensors", agent, task)
    return folder


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["controls", *map(str, arguments)])
    return trained_policies.main(controls.command, "vgf.results.controls")


def test_a_policy_is_acted_on_and_its_rows_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = record(tmp_path, agent=VGF.create(CONFIG, DIMS, SEEDS))
    monkeypatch.setattr(controls, "states", lambda plan: states(64))
    few = ("--kind", "phi", "random", "--rung", "0.5", "--episodes", "2", "--device", "cpu")
    assert run(monkeypatch, folder, *few) == 0
    path = tmp_path / "d4rl.cpu" / "controls.csv"
    rows = pd.read_csv(path)
    assert tuple(rows.columns) == controls.COLUMNS
    assert len(rows) == 4 * len(SEEDS) * 2
    assert sorted(rows["env_seed"].unique()) == [FIRST_SEEDS["diagnosis"], FIRST_SEEDS["diagnosis"] + 1]
    assert rows.groupby("kind")["rung"].first().to_dict() == {"any": 0, "best_of_n": 0, "phi": 0.5, "random": 0.5}
    moved, still = rows[rows["rung"] > 0], rows[rows["rung"] == 0]
    assert moved["displacement"].between(0.49, 0.51).all()
    assert moved["acted"].between(0.1, 1.5).all()
    assert (moved["step_size"] > 0).all()
    assert moved["steps"].unique().tolist() == [STEPS]
    assert (still[["displacement", "acted", "step_size", "steps", "promised"]] == 0).all(axis=None)
    assert rows.groupby("seed")["sigma"].nunique().tolist() == [1, 1]
    assert rows["length"].between(1, 1000).all()
    facts = json.loads(path.with_suffix(".json").read_text())["made"]
    assert facts[f"{HOPPER}/vgf"]["policy"] == sha256(folder / "policy.safetensors")
    assert list(policy_tables.faults(tmp_path / "d4rl.cpu")) == []
    before = path.read_bytes()
    assert run(monkeypatch, "d4rl.cpu", "--results", tmp_path, *few) == 0  # the study is this one record
    assert path.read_bytes() == before, "the same policy gives the same rows"
    assert "controls.csv: 16 rows" in capsys.readouterr().err
    path.write_text(path.read_text().replace("phi", "psi"))
    assert any("changed since it was made" in line for line in policy_tables.faults(tmp_path / "d4rl.cpu"))


def test_what_cannot_be_controlled_gets_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = record(tmp_path / "a")
    config = replace(BestOfN.presets["release"], hidden=(16, 16))
    still = record(tmp_path / "b", "best_of_n", agent=BestOfN.create(config, DIMS, SEEDS))
    cases: list[tuple[tuple[Any, ...], str]] = [
        ((bare,), "no policy at"),
        ((still,), "best_of_n moves no particles"),
        ((tmp_path / "nowhere" / "vgf",), "no policy at"),
        (("d4rl.cpu", "--results", tmp_path / "a"), "no policy that moves particles; `vgf train` leaves them"),
        (("d4rl.cpu", "--results", tmp_path / "b"), "no policy that moves particles"),
        (("nothing.cpu",), "no such file"),
        (("d4rl",), "'d4rl' is no STUDY.SCALE; give both, for instance d4rl.cpu"),
        ((), "nothing to act with; give a STUDY.SCALE, for instance d4rl.cpu"),
        (("d4rl.cpu", "--method", "vgff"), "d4rl.cpu: methods has no 'vgff'; nearest: vgf"),
        ((still, "--kind", "phy"), "--kind has no 'phy'; nearest: phi"),
        ((still, "--rung", "0"), "every --rung a number > 0"),
        ((still, "--episodes", "0"), "--episodes must be >= 1"),
    ]
    for arguments, words in cases:
        assert run(monkeypatch, *arguments) == 2, arguments
        err = capsys.readouterr().err
        assert words in err, arguments
        assert err.count("\n") == 1
    assert list(tmp_path.rglob("controls.*")) == []
