"""Fine-tuning online: the agent acts in the real environment and goes on learning from all it has seen.

As park2025fql does it, the dataset stays in the buffer, every step's transition joins it, and batches are drawn from
both alike; the agent acts as at test time, at a test budget, without added noise. Each seed has an environment and a
buffer of its own; the buffer lies on the device, allocated once, and a batch is two gathers.

A checkpoint cannot hold a simulator. So at every checkpoint the episodes under way are broken off (as a time limit
would: their last transition keeps its bootstrap) and new ones begin from a seed that depends on the run's seed and the
episode's number alone. A run that was killed goes on from there bit for bit; the price is one cut episode a checkpoint,
and a checkpoint as large as the buffer.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from gymnasium.vector import VectorEnv
from torch import Tensor

from vgf.agents import Agent
from vgf.datasets import Batch, Task, Transitions, get_dataset
from vgf.networks import SeedStreams
from vgf.training.sizes import Online

EPISODE_METRICS = ("online/return", "online/success", "online/length")  # of episodes that ended; reward as the file's


class FineTuning:
    """What online training adds to the offline loop: someone who acts, and a buffer to draw from.

    Args:
        plan: sizes of the phase.
        seeds: S of them.
        offline: updates before the phase.
        transitions: the dataset, on the device; shared by the seeds.
        envs: S environments that do not restart by themselves.
        task: its row.
        reward: scale and offset that loading gave the dataset's rewards; see `reward_rule`.
    """

    def __init__(
        self,
        plan: Online,
        seeds: tuple[int, ...],
        offline: int,
        transitions: Transitions,
        envs: VectorEnv[Any, Any, Any],
        task: Task,
        reward: tuple[float, float] = (1.0, 0.0),
    ) -> None:
        self.plan, self.seeds, self.offline, self.transitions = plan, seeds, offline, transitions
        self.envs, self.task, self.reward = envs, task, reward
        o, d = transitions.observations.shape[-1], transitions.actions.shape[-1]
        self.widths = [o, d, 1, 1, o]  # of Batch's first five fields, side by side in a row
        self.capacity = plan.capacity or plan.steps
        self.rows = torch.zeros(len(seeds), self.capacity, sum(self.widths), device=transitions.device)
        self.steps = 0
        self.episodes = np.zeros(len(seeds), dtype=np.int64)
        self.observation: np.ndarray | None = None
        self.ended: list[tuple[int, float, float, int]] = []

    def advance(self, agent: Agent) -> None:
        """Act as far as the agent's next update asks for."""
        due = self.plan.start_training_after + (agent.updates - self.offline) // self.plan.updates_per_step + 1
        while self.steps < due:
            self._step(agent)

    def batch(self, streams: SeedStreams, size: int) -> Batch:
        """Draw from dataset and buffer alike, [S, B, ...]; a seed's draw comes from its own stream."""
        offline = len(self.transitions)
        total = offline + min(self.steps, self.capacity)
        index = torch.stack([torch.randint(total, (size,), generator=g, device=g.device) for g in streams.generators])
        seed = torch.arange(len(self.seeds), device=index.device)[:, None]
        s, a, r, mask, s2 = self.rows[seed, (index - offline).clamp(min=0)].split(self.widths, dim=-1)
        old = self.transitions.rows(index.clamp(max=offline - 1))
        is_new = index >= offline
        wide = is_new.unsqueeze(-1)
        return Batch(
            torch.where(wide, s, old.observations),
            torch.where(wide, a, old.actions),
            torch.where(is_new, r.squeeze(-1), old.rewards),
            torch.where(is_new, mask.squeeze(-1), old.masks),
            torch.where(wide, s2, old.next_observations),
        )

    def restart(self) -> None:
        """Break off the episodes under way; see the module."""
        self.observation = None

    def report(self, rows: pd.DataFrame) -> pd.DataFrame:
        """Return logged rows with the steps so far, and means over the episodes that ended since the last report."""
        table = pd.DataFrame(self.ended, columns=["seed", *EPISODE_METRICS]).astype(float).groupby("seed").mean()
        self.ended = []
        return rows.assign(environment_steps=self.steps).merge(table, "left", left_on="seed", right_index=True)

    def state(self) -> dict[str, Tensor]:
        """Return all that a checkpoint needs after `restart`."""
        counts = torch.tensor([self.steps, *self.episodes.tolist()])
        return {"online.rows": self.rows[:, : min(self.steps, self.capacity)], "online.counts": counts}

    def set_state(self, state: Mapping[str, Tensor]) -> None:
        """Continue from a state returned by `state`."""
        kept, counts = state["online.rows"], state["online.counts"].tolist()
        self.rows[:, : kept.shape[1]] = kept.to(self.rows.device)
        self.steps, self.episodes = counts[0], np.array(counts[1:])

    def _step(self, agent: Agent) -> None:
        """Take one step in every seed's environment and keep the transitions."""
        before = self._begin(np.ones(len(self.seeds), dtype=bool)) if self.observation is None else self.observation
        states = torch.as_tensor(before, dtype=torch.float32, device=agent.device)
        actions = agent.act(states[:, None], agent.budget(self.plan.test_steps))[:, 0].cpu().numpy()
        after, reward, terminated, truncated, info = self.envs.step(actions)
        scale, offset = self.reward
        columns = (before, actions, scale * reward[:, None] + offset, 1.0 - terminated[:, None], after)
        row = torch.as_tensor(np.concatenate(columns, axis=1), dtype=torch.float32)
        self.rows[:, self.steps % self.capacity] = row.to(self.rows.device)
        self.steps += 1
        self.total += reward
        self.length += 1
        if "success" in info:
            said = np.asarray(info["_success"], bool)
            self.success[said] = np.fmax(self.success[said], np.asarray(info["success"], float)[said])
        over = terminated | truncated | (self.length >= self.task.episode_steps)
        self.observation = after
        if over.any():
            for i in np.flatnonzero(over):
                ended = (self.seeds[i], float(self.total[i]), float(self.success[i]), int(self.length[i]))
                self.ended.append(ended)
            self._begin(over)

    def _begin(self, chosen: np.ndarray) -> np.ndarray:
        """Begin an episode in the chosen environments [S] and return all observations."""
        if self.observation is None:
            self.total, self.length = np.zeros(len(self.seeds)), np.zeros(len(self.seeds), dtype=np.int64)
            self.success = np.full(len(self.seeds), np.nan)  # until something is said of it
        seeds: Any = [None] * len(self.seeds)
        for i in np.flatnonzero(chosen):
            entropy = [self.seeds[i], zlib.crc32(b"online"), int(self.episodes[i])]
            seeds[i] = int(np.random.SeedSequence(entropy).generate_state(1)[0] >> 1)
            self.total[i], self.length[i], self.success[i] = 0.0, 0, np.nan
        self.episodes += chosen
        found, _ = self.envs.reset(seed=seeds, options={"reset_mask": chosen})
        self.observation = np.asarray(found)
        return self.observation


def reward_rule(task: Task, path: Path) -> tuple[float, float]:
    """Return scale and offset that loading gives a file's rewards, for rewards yet to come.

    Args:
        task: its row.
        path: the file; read only where the scale depends on it.
    """
    if task.reward_scale == "none":
        return 1.0, task.reward_offset
    from vgf.datasets.d4rl import reward_scale
    from vgf.datasets.hdf5 import qlearning_arrays, read_hdf5

    found = qlearning_arrays(read_hdf5(path, get_dataset(task.dataset)), task.terminals_end_trajectories)
    return reward_scale(task, found["rewards"], found["ends"]), task.reward_offset
