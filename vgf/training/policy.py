"""A trained policy for people who only want to act: one file in, actions out.

    import vgf
    policy = vgf.load_policy("policy.safetensors")
    action = policy.act(observation, budget=3)

The file is what `vgf train --export` writes, or the one in a record's folder. It holds numbers and names, never code,
and is complete: method, config and sizes are in its header. The budget is chosen at each call, as the paper does at
test time (xu2026vgf): more steps move the reference's actions further up the value, zero steps take the best of N. Once
`vgf.choose_budget` has chosen one from data, `budget="auto"` takes it.
"""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from vgf.agents import VGF, Agent
from vgf.agents.reported import check_actions
from vgf.datasets.containers import as_array
from vgf.flow import Budget
from vgf.networks import SeedStreams
from vgf.support.given import place, shown, whole
from vgf.training.budgets.acting import act_by, act_by_state, policy_digest
from vgf.training.budgets.report import BudgetReport, judges_path, read_report, report_path
from vgf.training.checkpoints import POLICY, load_agent, one_seed, save_policy
from vgf.training.device import choose_device


class Policy:
    """One seed of a trained agent, to act with.

    Attributes:
        method: name of the agent.
        task: what it was trained on.
        updates: how many it was trained for.
        observation_size, action_size: widths of what it takes and gives.
        budget: the transport budget it was trained with; `act` uses it unless told otherwise.
    """

    def __init__(self, agent: Agent, task: str, path: Path | None = None) -> None:
        self._agent, self.task, self._path = agent, task, path
        self._chosen: BudgetReport | None = None
        self._ensemble: VGF | None = None
        self.method, self.updates = agent.name, agent.updates
        self.observation_size, self.action_size = agent.dims
        self.budget: Budget = agent.budget(getattr(agent.config, "train_steps", 0))

    @torch.inference_mode(False)  # a flow needs autograd, also where a caller has switched it off for good
    def act(
        self,
        observations: ArrayLike | Tensor,
        budget: Budget | int | Literal["auto", "auto-state"] | BudgetReport | None = None,
        seed: int | None = None,
    ) -> np.ndarray:
        """Return actions in [-1, 1] for one observation or a batch.

        Args:
            observations: [observation_size] or [B, observation_size], numpy, nested lists or a tensor.
            budget: a `vgf.Budget`, a number of flow steps of the trained kind, or None for the trained budget. Methods
                that move nothing ignore it. "auto" is what `vgf.choose_budget` chose for this policy, particles
                included; "auto-state" chooses anew at each state among what the report left, by the ensemble that lies
                beside it, at some ten times the work. A report may be given itself.
            seed: makes the call repeatable: the same arguments give the same actions. None draws on.

        Returns:
            float32, [action_size] or [B, action_size].

        Raises:
            ValueError: if observations have another size or are not finite, the budget has no meaning, or it is "auto"
                and none was chosen for this policy; or if the networks overflow.
        """
        agent, states = self._agent, self._rows("observations", observations, self.observation_size)
        streams = None if seed is None else SeedStreams((whole("seed", seed, 0),), "policy", agent.device)
        rows = states.reshape(1, -1, self.observation_size)
        if isinstance(budget, str | BudgetReport):
            report = self._belonging(budget) if isinstance(budget, BudgetReport) else self._auto(budget)
            assert isinstance(agent, VGF)  # no other has a report
            if budget == "auto-state":
                actions = act_by_state(agent, self._judges(), report, rows, streams)[0]
            else:
                actions = act_by(agent, report, rows, streams)
        else:
            if budget is None:
                budget = self.budget
            elif not isinstance(budget, Budget):
                budget = agent.budget(whole("budget", budget))
            actions = agent.act(rows, budget, streams)
        check_actions(self.method, actions, (*rows.shape[:2], self.action_size))
        return _finite(actions.reshape(*states.shape[:-1], self.action_size))

    @property
    def chosen(self) -> BudgetReport:
        """The report of the budget that was chosen for this policy.

        Raises:
            ValueError: if there is none.
        """
        return self._auto("auto")

    def _auto(self, word: str) -> BudgetReport:
        """Return the report beside the policy's file; ValueError where there is none."""
        if word not in ("auto", "auto-state"):
            known = "a number of steps, a Budget, a BudgetReport, 'auto' or 'auto-state'"
            raise ValueError(f"budget must be {known}, got {shown(word)}")
        if self._chosen is None:
            path = None if self._path is None else report_path(self._path, self._agent.seeds[0])
            if path is None or not path.exists():
                where = "this policy" if self._path is None else str(self._path)
                raise ValueError(f"no budget was chosen for {where}; vgf.choose_budget or `vgf budget` chooses one")
            self._chosen = self._belonging(read_report(path))
        return self._chosen

    def _judges(self) -> VGF:
        """Return the ensemble beside the report; ValueError where there is none."""
        if self._ensemble is None:
            assert self._path is not None  # there is a report
            path = judges_path(report_path(self._path, self._agent.seeds[0]))
            if not path.exists():
                raise ValueError(f"no ensemble at {path}; choose the budget with judges='ensemble', or act by 'auto'")
            found = load_agent(path, self._agent.device)[0]
            if not isinstance(found, VGF) or found.dims != self._agent.dims:
                raise ValueError(f"{path}: not the ensemble of this policy; choose the budget anew")
            self._ensemble = found
        return self._ensemble

    def _belonging(self, report: BudgetReport) -> BudgetReport:
        """Return a report, unless it was made for another policy."""
        if not isinstance(self._agent, VGF) or report.policy != policy_digest(self._agent):
            raise ValueError("the report is another policy's, or this one was trained anew; choose the budget anew")
        return report

    def values(self, observations: ArrayLike | Tensor, actions: ArrayLike | Tensor) -> np.ndarray:
        """Return what each critic of the ensemble predicts: the discounted return of an action and what follows.

        Their mean is the predicted value; how far they are apart is a first sign of where it is guessed.

        Args:
            observations: [observation_size] or [B, observation_size].
            actions: [action_size] or [B, action_size], as many.

        Returns:
            float32, [members] or [B, members].

        Raises:
            ValueError: if sizes do not fit or numbers are not finite, or the method is not value gradient flow (or
                best-of-N, its zero-step case).
        """
        if not isinstance(self._agent, VGF):
            raise ValueError(f"{self.method} has no value of an action to ask for; vgf and best_of_n have")
        states = self._rows("observations", observations, self.observation_size)
        chosen = self._rows("actions", actions, self.action_size)
        if states.shape[:-1] != chosen.shape[:-1]:
            raise ValueError(f"{list(states.shape)} observations do not go with {list(chosen.shape)} actions")
        with torch.no_grad():
            shaped = (x.reshape(1, -1, x.shape[-1]) for x in (states, chosen))
            found = self._agent.critic(*shaped)[0].movedim(0, -1)
        return _finite(found.reshape(*states.shape[:-1], found.shape[-1]))

    def _rows(self, name: str, given: ArrayLike | Tensor, size: int) -> Tensor:
        """Return [size] or [B, size] finite numbers on the device."""
        if isinstance(given, Tensor) and not given.is_complex():  # stays on its device
            rows = given.detach().to(self._agent.device, torch.float32)
        else:
            array = as_array(name, given, f"the {self.method} policy")
            if array.dtype.kind not in "biuf":
                raise ValueError(f"{name} must be real numbers [{size}] or [B, {size}], got {shown(given)}")
            with np.errstate(over="ignore"):  # what float32 cannot hold is refused below
                own = np.array(array, np.float32, order="C")  # also of a view that goes backwards, or is read alone
            rows = torch.from_numpy(own).to(self._agent.device)
        if rows.ndim not in (1, 2) or rows.shape[-1] != size:
            raise ValueError(f"{name} must be [{size}] or [B, {size}], got {list(rows.shape)}")
        if not bool(rows.isfinite().all()):
            raise ValueError(f"{name} must be finite, in float32 too")
        return rows.clone() if rows.is_inference() else rows  # no graph may hold such a tensor

    def __repr__(self) -> str:
        return f"Policy({self.method} on {self.task}, {self.updates} updates, {self.budget})"


def _finite(found: Tensor) -> np.ndarray:
    """Return what networks gave as an array, unless they have overflown; ValueError."""
    if not bool(found.isfinite().all()):
        raise ValueError("the networks overflow at these observations or actions: scale them as the data's were")
    array: np.ndarray = found.cpu().numpy()
    return array


def load_policy(path: PathLike[str] | str, seed: int | None = None, device: torch.device | str = "cpu") -> Policy:
    """Return the policy in a file, or in a record's folder.

    Args:
        path: the file or folder, or the `Record` that `vgf.fit` returned.
        seed: which of the seeds in it; may be left out where there is one.
        device: where it acts: cpu, cuda, cuda:N, or auto.

    Raises:
        ValueError: naming the file and what is wrong with it, or the seeds there are.
    """
    at, seed = place("path", path), None if seed is None else whole("seed", seed, 0)
    agent, task = load_agent(at, choose_device(device))
    try:
        return Policy(one_seed(agent, seed), task, at / POLICY if at.is_dir() else at)
    except ValueError as error:
        raise ValueError(f"{at}: {error}") from None


def export(record: Path, out: Path, seed: int | None = None) -> dict[str, Any]:
    """Write one seed's last policy of a record to a file of its own and return what it is.

    Raises:
        ValueError: if the record has no policy, or several seeds and none was named.
    """
    agent, task = load_agent(record)
    chosen = one_seed(agent, seed)
    save_policy(out, chosen, task)
    return {"method": agent.name, "task": task, "seed": chosen.seeds[0], "updates": agent.updates}
