"""A rival of TRL's trained until its reward stops rising, measured on the way, and found again after a kill.

TRL's own checkpoints are pickled, and its PPO has none to go on from. So a callback measures every few steps and
writes what is trained with Adam's moments as safetensors. What a step takes and draws follows from its number: rows
come in a listed order and the seed is set before each step. A run that was killed goes on from its last measurement.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from vgf.rlhf.models import Policy
from vgf.rlhf.parts.data import Row
from vgf.rlhf.reward import RewardModel, rewards_of
from vgf.rlhf.sampling import generate, seed_of
from vgf.rlhf.stopping import Stopping, curve, has_stopped, kept
from vgf.rlhf.training import duration, order
from vgf.support.places import check_writable
from vgf.support.progress import log
from vgf.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint

COPIES = 12  # of what is trained: three checkpoints, each with Adam's two moments and the best so far
T = TypeVar("T")


class Finished(Exception):
    """Training is at its end; a trainer that knows no early end is left by it."""


@dataclass
class Watch:
    """What is measured of a rival, and where its training stands.

    Attributes:
        name: what is trained, for progress and seeds.
        rule: when it ends.
        folder: of its checkpoints.
        measure: the reward of the response to each development prompt, now.
        seed: of the experiment.
        rewards: of each measurement so far, the first before training, [E, P].
        best: what is trained, at the highest measurement.
        spent: seconds so far.
    """

    name: str
    rule: Stopping
    folder: Path
    measure: Callable[[], list[float]]
    seed: int
    rewards: list[list[float]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    spent: float = 0.0

    def __post_init__(self) -> None:
        """Find the last checkpoint."""
        self._checkpoint: Checkpoint | None = load_checkpoint(self.folder) if self.folder.exists() else None
        self.first = 0
        if self._checkpoint is not None:
            self.rewards = [list(row) for row in self._checkpoint.facts["rewards"]]
            self.spent = float(self._checkpoint.facts["seconds"])
            named = self._checkpoint.tensors.items()
            self.best = {name.removeprefix("best."): value for name, value in named if name.startswith("best.")}
            self.first = self._checkpoint.update
            log(f"{self.name}: goes on after step {self.first}")
        self.done = self.first

    @property
    def over(self) -> bool:
        """Whether the reward has stopped rising, or training is cut short."""
        return has_stopped(self.rewards, self.rule.patience) or self.done >= self.rule.most

    def listed(self, rows: Sequence[T], batch: int) -> list[T]:
        """Return the rows of all steps that are left, `batch` of each; at least one step's."""
        steps = range(min(self.first, self.rule.most - 1), self.rule.most)
        return [rows[k] for step in steps for k in order(len(rows), batch, step, self.seed)]

    def facts(self) -> dict[str, Any]:
        """Return what `done.json` says of the training."""
        return {
            "steps": self.done,
            "stopped": has_stopped(self.rewards, self.rule.patience),
            "kept": kept(self.rewards) * self.rule.every,
            "curve": curve(self.rewards, self.rule.every),
            "stopping": asdict(self.rule),
        }

    def begin(self, parameters: dict[str, Tensor], adam: Any) -> None:
        """Put the checkpoint's numbers in place, or measure for the first time; seed the next step."""
        check_writable(self.folder, COPIES * sum(p.nbytes for p in parameters.values()))
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._checkpoint is None:
            self._record(parameters)
        else:
            tensors = self._checkpoint.tensors
            for name, p in parameters.items():
                p.data.copy_(tensors[f"p.{name}"])
                moments = {key: tensors[f"{key}.{name}"].to(p) for key in ("exp_avg", "exp_avg_sq")}
                adam.state[p] = {"step": torch.tensor(float(self.first)), **moments}
            self._checkpoint = None
        self.seed_step()

    def seed_step(self) -> None:
        """Make the next step's draws follow from its number."""
        seed = seed_of(self.name, self.seed, self.done) % 2**32
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002  # TRL draws from this one

    def after_step(self, parameters: dict[str, Tensor], adam: Any, started: float) -> None:
        """Count a step; where it is time measure, write a checkpoint, and end what is over."""
        self.done += 1
        if self.done % self.rule.every == 0:
            self._record(parameters)
            state = {f"p.{name}": p.detach() for name, p in parameters.items()}
            state |= {f"best.{name}": value for name, value in self.best.items()}
            for name, p in parameters.items():
                state |= {f"{key}.{name}": adam.state[p][key] for key in ("exp_avg", "exp_avg_sq")}
            seconds = time.monotonic() - started
            save_checkpoint(self.folder, self.done, state, {"rewards": self.rewards, "seconds": self.spent + seconds})
            self._tell(seconds)
        if self.over:
            raise Finished
        self.seed_step()

    def _record(self, parameters: dict[str, Tensor]) -> None:
        """Measure, and remember what is trained where it is the best so far."""
        self.rewards.append(self.measure())
        if kept(self.rewards) == len(self.rewards) - 1:
            self.best = {name: p.detach().clone() for name, p in parameters.items()}

    def _tell(self, seconds: float) -> None:
        """Say how it stands."""
        means = [float(np.mean(row)) for row in self.rewards]
        left = seconds / (self.done - self.first) * (self.rule.most - self.done)
        ends = "stopped rising" if has_stopped(self.rewards, self.rule.patience) else f"{duration(left)} to go at most"
        log(f"{self.name}: step {self.done}, reward {means[-1]:.2f}, {means[0]:.2f} before training; {ends}")


def measurement(
    policy: Policy, reward: RewardModel, rows: Sequence[Row], tokens: int, seed: int
) -> Callable[[], list[float]]:
    """Return a function that gives the reward of the policy's response to each row's prompt, on the same noise always.

    Args:
        policy: whose model is being trained.
        reward: the proxy.
        rows: of development.
        tokens: most of a response.
        seed: of the noise.
    """
    prompts, names = [row.prompt for row in rows], [f"development/{row.name}" for row in rows]

    def measure() -> list[float]:
        training = policy.model.training
        policy.model.eval()
        got = generate(policy, prompts, names, tokens, seed)
        policy.model.train(training)
        return rewards_of(reward, policy, prompts, got.tokens, got.alive).tolist()

    return measure


def callback(watch: Watch, trainer: Any) -> Any:
    """Return the trainer's callback that keeps the watch."""
    from transformers import TrainerCallback

    parameters = trained(trainer)

    class Watching(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.started = time.monotonic()
            watch.begin(parameters, trainer.optimizer)

        def on_step_begin(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            watch.seed_step()

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            watch.after_step(parameters, trainer.optimizer, self.started)

    return Watching()


def trained(trainer: Any) -> dict[str, Tensor]:
    """Return what a trainer changes, by name."""
    return {name: p for name, p in trainer.model.named_parameters() if p.requires_grad}


def put_best(watch: Watch, trainer: Any) -> None:
    """Put the best of the measured policies in place of the last one."""
    with torch.no_grad():
        for name, p in trained(trainer).items():
            p.copy_(watch.best[name])
