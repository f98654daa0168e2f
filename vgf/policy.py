"""A trained policy for people who only want to act: one file in, actions out.

    import vgf
    policy = vgf.load_policy("policy.safetensors")
    action = policy.act(observation, budget=3)

The file is what `vgf train --export` writes, or the one in a record's folder. It holds numbers and names, never code,
and is complete: method, config and sizes are in its header. The budget is chosen at each call, as the paper does at
test time (xu2026vgf): more steps move the reference's actions further up the value, zero steps take the best of N.
"""

from __future__ import annotations

from operator import index
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from vgf.agents import Agent
from vgf.checkpoints import load_agent, one_seed, save_policy
from vgf.flow import Budget
from vgf.networks import SeedStreams


class Policy:
    """One seed of a trained agent, to act with.

    Attributes:
        method: name of the agent.
        task: what it was trained on.
        updates: how many it was trained for.
        observation_size, action_size: widths of what it takes and gives.
        budget: the transport budget it was trained with; `act` uses it unless told otherwise.
    """

    def __init__(self, agent: Agent, task: str) -> None:
        self._agent, self.task = agent, task
        self.method, self.updates = agent.name, agent.updates
        self.observation_size, self.action_size = agent.dims
        self.budget: Budget = agent.budget(getattr(agent.config, "train_steps", 0))

    def act(
        self, observations: ArrayLike | Tensor, budget: Budget | int | None = None, seed: int | None = None
    ) -> np.ndarray:
        """Return actions in [-1, 1] for one observation or a batch.

        Args:
            observations: [observation_size] or [B, observation_size], numpy, nested lists or a tensor.
            budget: a `vgf.Budget`, a number of flow steps of the trained kind, or None for the trained budget. Methods
                that move nothing ignore it.
            seed: makes the call repeatable: the same arguments give the same actions. None draws on.

        Returns:
            float32, [action_size] or [B, action_size].

        Raises:
            ValueError: if observations have another size or are not finite, or the budget has no meaning.
        """
        agent = self._agent
        states = torch.as_tensor(observations, dtype=torch.float32, device=agent.device)
        if states.ndim not in (1, 2) or states.shape[-1] != self.observation_size:
            raise ValueError(
                f"observations must be [{self.observation_size}] or [B, {self.observation_size}], "
                f"got {list(states.shape)}"
            )
        if not bool(states.isfinite().all()):
            raise ValueError("observations must be finite")
        if budget is None:
            budget = self.budget
        elif not isinstance(budget, Budget):
            budget = agent.budget(index(budget))
        streams = None if seed is None else SeedStreams((seed,), "policy", agent.device)
        actions = agent.act(states.reshape(1, -1, self.observation_size), budget, streams)
        found: np.ndarray = actions.reshape(*states.shape[:-1], self.action_size).cpu().numpy()
        return found

    def __repr__(self) -> str:
        return f"Policy({self.method} on {self.task}, {self.updates} updates, {self.budget})"


def load_policy(path: Path | str, seed: int | None = None, device: torch.device | str = "cpu") -> Policy:
    """Return the policy in a file, or in a record's folder.

    Args:
        path: the file or folder.
        seed: which of the seeds in it; may be left out where there is one.
        device: where it acts.

    Raises:
        ValueError: naming the file and what is wrong with it, or the seeds there are.
    """
    agent, task = load_agent(Path(path), device)
    try:
        return Policy(one_seed(agent, seed), task)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def export(record: Path, out: Path, seed: int | None = None) -> dict[str, Any]:
    """Write one seed's last policy of a record to a file of its own and return what it is.

    Raises:
        ValueError: if the record has no policy, or several seeds and none was named.
    """
    agent, task = load_agent(record)
    chosen = one_seed(agent, seed)
    save_policy(out, chosen, task)
    return {"method": agent.name, "task": task, "seed": chosen.seeds[0], "updates": agent.updates}
