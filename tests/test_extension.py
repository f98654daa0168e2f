"""How little a new method, task and decoder ask for: each is added to a copy of the package, which then trains.

A method is its module, its test and its row in an experiment file; a task a row of `tasks.yaml` and an experiment file;
a decoder a function of `vgf/rlhf/decoders.py` and its test. No list of names anywhere else is edited.
"""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from tests.helpers.dataset_files import d4rl_arrays, write_hdf5
from tests.helpers.site import ROOT
from vgf import records

METHOD = '''
"""Least squares: the mean action of the data at each state, as a baseline."""

from dataclasses import dataclass

from vgf.agents.base import Agent
from vgf.agents.heads import Policy


@dataclass(frozen=True)
class LeastSquaresConfig:
    hidden: tuple[int, ...] = (64, 64)
    learning_rate: float = 3e-4


class LeastSquares(Agent):
    name = "least_squares"
    presets = {"default": LeastSquaresConfig()}
    transports = False
    metric_names = ("actor/loss",)

    def __init__(self, config, dims, seeds, device="cpu"):
        super().__init__(config, dims, seeds, device)
        self.networks = {"actor": Policy(*dims, config.hidden, self._init_streams("actor"), squash=True)}
        self._adam("actor", config.learning_rate)

    def update(self, batch):
        loss = (self.networks["actor"](batch.observations) - batch.actions).square().mean((1, 2))
        self._descend("actor", loss)
        self.updates += 1
        return {"actor/loss": loss.detach()}

    def act(self, observations, budget, streams=None):
        return self.networks["actor"](observations).detach()
'''
TASK = """
  hopper-steady-v2:
    {suite: d4rl, environment: Hopper-v4, observation_size: 11, action_size: 3, steps: 3,
     reward_offset: 0.0, reward_scale: none, score: return, score_min: 0.0, score_max: 10.0,
     sources: [local], url: "http://localhost/hopper_steady-v2.hdf5"}
"""
DECODER = """

def _kept(scene, current, proxy, strength, anchor):
    return current


DECODERS = {**DECODERS, "kept": _kept}
"""
SCALE = {
    "dataset": {"path": "steady.hdf5"},
    "seeds": [0, 1],
    "updates": 1,
    "batch_size": 4,
    "log_every": 1,
    "evaluate_every": 1,
    "checkpoint_every": 1,
    "episodes": 1,
    "episodes_at_once": 1,
    "test_steps": [0],
    "agent": {"hidden": [8]},
}
SCRIPT = """
import sys
from vgf import cli, rlhf
assert rlhf.__file__.startswith(sys.argv[1]), rlhf.__file__
assert cli.main(["train", sys.argv[2], "--results", sys.argv[3]]) == 0
assert cli.main(["tables", "steady.quick", "--results", sys.argv[3]]) == 0
from tests.helpers.language import little_policy, little_reward
from vgf.flow import Budget
from vgf.rlhf.decoders import PromptBatch
from vgf.rlhf.flow import Flow, move
policy = little_policy()
scene = PromptBatch(policy, [[12, 13]], ["one"], 3, 4, seed=0)
drawn = scene.sample()
assert move(scene, little_reward(policy), Flow(Budget(1, 0.5), decoder="kept"), drawn) is drawn
"""


def test_a_method_a_task_and_a_decoder_are_added_without_editing_a_list(tmp_path: Path) -> None:
    package, data = tmp_path / "code" / "vgf", tmp_path / "data"
    shutil.copytree(ROOT / "vgf", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "agents" / "least_squares.py").write_text(METHOD.lstrip())
    for name, text in (("datasets/tasks.yaml", TASK), ("rlhf/decoders.py", DECODER)):
        (package / name).write_text((package / name).read_text() + text)
    changed = filecmp.dircmp(ROOT / "vgf", package)
    assert changed.subdirs["agents"].right_only == ["least_squares.py"]
    data.mkdir()
    (data / "paper").symlink_to(ROOT / "data" / "paper")
    write_hdf5(data / "steady.hdf5", d4rl_arrays())
    study = tmp_path / "steady.yaml"
    rows = {"about": "a test", "tasks": {"hopper-steady": {}}, "methods": {"least_squares": {}}}
    study.write_text(yaml.safe_dump(rows | {"scales": {"quick": SCALE}}))
    environment = os.environ | {"VGF_DATA": str(data), "PYTHONPATH": f"{package.parent}{os.pathsep}{ROOT}"}
    words = [sys.executable, "-P", "-c", SCRIPT, str(package.parent), str(study), str(tmp_path / "results")]
    done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "least_squares" in done.stdout
    record = tmp_path / "results" / "steady.quick" / "hopper-steady-v2" / "least_squares"
    assert [run["seeds"] for run in records.read_runs(record)] == [[0, 1]]
