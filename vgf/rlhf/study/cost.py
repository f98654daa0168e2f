"""What an experiment with a model of billions of numbers costs: memory of its largest stage and hours, beforehand.

Memory is added up from what is held: weights, Adam's moments, the policy's tables, what layers keep for their backward
pass (`model_size.kept`) and logits, with a share on top for what allocators lose. Hours are floating-point operations
over a speed that is measured here, of which models reach only a part; a wait for each layer of each sampled token, as
sampling token by token keeps a GPU waiting; and noise, which is drawn on the CPU. The shares are assumptions and are
stated beside the numbers.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Any

import torch

from vgf.rlhf.rivals.ppo import LEAN_PARTS
from vgf.rlhf.settings import Setup
from vgf.rlhf.stopping import TO_STOP
from vgf.rlhf.study.group import cost_of
from vgf.rlhf.study.methods import Method
from vgf.rlhf.study.model_size import kept, size_of
from vgf.rlhf.training import duration

SLACK = 1.15  # on the sum of what is held
REACHED = 0.35  # of the speed of large matrix products
WAIT = 0.5e-3  # seconds a layer and token, of a GPU that is asked for one token at a time
TRL_BATCH, PPO_EPOCHS = 8, 4  # as `vgf.rlhf.rivals` and TRL have them
GB = 1e9


@dataclass(frozen=True)
class Machine:
    """What it is worked on.

    Attributes:
        name: of the device.
        memory: bytes.
        speed: operations a second of large matrix products in bfloat16.
        drawn: random numbers a second on the CPU, with the two logarithms of Gumbel noise.
        wait: seconds a layer and token of sampling beyond its operations.
    """

    name: str
    memory: float
    speed: float
    drawn: float
    wait: float = 0.0


@dataclass(frozen=True)
class StageCost:
    """A stage's memory in bytes and its hours, of one seed or of several."""

    name: str
    memory: float
    hours: float


def machine_of(device: str) -> Machine:
    """Measure a device, in about two seconds."""
    where = torch.device(device)
    size = 4096 if where.type == "cuda" else 512
    x = torch.randn(size, size, device=where, dtype=torch.bfloat16)
    speed = 2.0 * size**3 / _seconds(lambda: float((x @ x)[0, 0]))
    count = 2**20
    drawn = count / _seconds(lambda: float(torch.rand(count).log().neg().log()[0]))
    if where.type == "cuda":
        properties = torch.cuda.get_device_properties(where)
        return Machine(properties.name, float(properties.total_memory), speed, drawn, WAIT)
    memory = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    return Machine("CPU", memory, speed, drawn)


def _seconds(work: Any) -> float:
    """Return the shortest time of a few goes."""
    work()
    times = []
    for _ in range(5):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


class Costs:
    """The costs of an experiment's stages on a machine.

    Args:
        config: of the model.
        setup: of the experiment.
        prompt: mean tokens of a prompt, for hours.
        longest: most tokens of a prompt, for memory.
        machine: where.
    """

    def __init__(self, config: Any, setup: Setup, prompt: float, longest: int, machine: Machine) -> None:
        self.config, self.sizes, self.place, self.machine = config, setup.sizes, setup.placement, machine
        self.model = size_of(config)
        self.prompt, self.longest = prompt, longest + setup.sizes.tokens
        self.length, self.most = prompt + setup.sizes.tokens, setup.stopping.most
        self.depth = min(setup.sizes.reward_layers, self.model.layers)

    def stage(self, name: str) -> StageCost:
        """Return the cost of training a stage; of a rival to its stop, that of its most steps, in float32."""
        own, wide = (self, 1) if name not in TO_STOP else (copy(self), 2)
        own.sizes = self.sizes if wide == 1 else replace(self.sizes, bc_steps=self.most)
        memory, hours = getattr(own, f"_{TO_STOP.get(name, name)}")()
        return StageCost(name, SLACK * wide * memory, wide * hours)

    def align(self, methods: Sequence[Method]) -> StageCost:
        """Return the cost of the comparison of some methods on one seed's prompts."""
        m, sizes, b = self.model, self.sizes, self.sizes.together
        drawn = gradients = 0
        for method in methods:
            n = {"human": 1, "flow": sizes.particles}.get(method.kind, method.candidates or sizes.particles)
            own = cost_of(method, n)
            drawn, gradients = drawn + own[0], gradients + own[1]
        policies = 1 + len({method.stage for method in methods if method.stage})
        held = policies * self._policy() + self._reward_weights() + b * sizes.tokens * m.width * 4 * 8
        cache = 2 * m.layers * b * self.longest * m.width * 2 + b * m.vocabulary * 12
        memory = held + max(self._kept(b, self.depth), cache)
        reward = 2 * self.depth * m.layer * self.length
        work = sizes.prompts * (drawn * (self._forward() + reward + self._answer()) + gradients * 4 * reward)
        answers = float(sizes.prompts * drawn)
        return StageCost("comparison", SLACK * memory, self._hours(work, answers, b, answers * self._noise()))

    def _sft(self) -> tuple[float, float]:
        memory = self._policy() + self._low_rank() + self._kept(self._rows(self.sizes.sft_batch), self.model.layers)
        memory += self._logits(self._rows(self.sizes.sft_batch), self.sizes.tokens)
        return memory, self._hours(self.sizes.sft_steps * self.sizes.sft_batch * self._trained())

    def _reward(self) -> tuple[float, float]:
        rows = 2 * self._rows(self.sizes.reward_batch)
        weights = self.depth * self.model.layer
        memory = self._policy() + 16 * weights + 2 * weights + self._kept(rows, self.depth)
        memory += rows * self.longest * self.model.width * 12  # embeddings and their noise
        places = 2 * self.sizes.reward_steps * self.sizes.reward_batch * self.length
        again = 8 if self.place.lean else 6
        return memory, self._hours(places * again * weights, numbers=places * self.model.width)

    def _bc(self) -> tuple[float, float]:
        drawn = self.sizes.bc_prompts * self.sizes.particles
        work = self.sizes.bc_steps * self.sizes.sft_batch * self._trained() + drawn * (self._forward() + self._answer())
        hours = self._hours(work, drawn, self.sizes.together, drawn * self._noise())
        return self._sft()[0] + self._reward_weights(), hours

    def _dpo(self) -> tuple[float, float]:
        rows, whole = 2 * TRL_BATCH, self.model
        memory = self._policy() + self._low_rank() + whole.layers * rows * self.longest * whole.width * 2
        memory += self._inside(rows) + self._logits(rows, self.longest)
        return memory, self._hours(self.sizes.bc_steps * rows * (self._trained() + self._forward()))

    def _rloo(self) -> tuple[float, float]:
        memory = self._dpo()[0] + self._reward_weights()
        answers = self.sizes.bc_steps * TRL_BATCH
        work = answers * (self._trained() + 2 * self._forward() + self._answer())
        return memory, self._hours(work, answers, TRL_BATCH)

    def _ppo(self) -> tuple[float, float]:
        value = (2 if self.sizes.value_rank else 16) * self.model.whole + self._low_rank()
        memory = self._policy() + self._low_rank() + self._reward_weights() + value
        rows = TRL_BATCH // (LEAN_PARTS if self.place.lean else 1)
        memory += 2 * self.model.layers * self._inside(rows) + self._logits(rows, self.longest)
        answers = self.sizes.bc_steps * TRL_BATCH
        work = answers * (PPO_EPOCHS * 2 * self._trained() + 3 * self._forward() + self._answer())
        return memory, self._hours(work, answers, TRL_BATCH)

    def _hours(self, work: float, answers: float = 0.0, together: int = 1, numbers: float = 0.0) -> float:
        """Return hours of operations, of responses sampled so many together, and of random numbers."""
        waits = answers / together * self.sizes.tokens * self.model.layers * self.machine.wait
        return (work / (REACHED * self.machine.speed) + waits + numbers / self.machine.drawn) / 3600

    def _noise(self) -> float:
        """Return the random numbers that one sampled response takes."""
        return float(self.sizes.tokens * self.model.vocabulary)

    def _policy(self) -> float:
        """Return the bytes of the policy: weights, two tables of its rows in float32, and a copy of the head."""
        return 2 * self.model.whole + (4 + 4 + 2) * self.model.vocabulary * self.model.width

    def _low_rank(self) -> float:
        return 16.0 * self.sizes.rank * self.model.ends * self.model.layers

    def _reward_weights(self) -> float:
        return (4 + 2 * self.place.lean) * self.depth * self.model.layer

    def _rows(self, batch: int) -> int:
        return min(batch, self.place.rows or batch)

    def _inside(self, rows: int) -> float:
        """Return the bytes one layer keeps; in float32 where the placement is not lean."""
        return float(kept(self.config, rows, self.longest)) * (1 if self.place.lean else 2)

    def _kept(self, rows: int, layers: int) -> float:
        """Return the bytes kept for the backward pass of so many layers."""
        if not self.place.lean:
            return layers * self._inside(rows)
        return layers * rows * self.longest * self.model.width * 4 + self._inside(rows)

    def _logits(self, rows: int, places: int) -> float:
        return float(rows * places * self.model.vocabulary * 16)

    def _forward(self) -> float:
        return 2 * (self.model.layers * self.model.layer + self.model.width * self.model.vocabulary) * self.length

    def _answer(self) -> float:
        """Return the operations of sampling a response beyond reading it, as if each token read its prompt's part."""
        return 2.0 * self.model.whole * self.sizes.tokens

    def _trained(self) -> float:
        """Return the operations of a row forward and backward where weights are frozen, layers once more if lean."""
        return self._forward() * (2 + self.place.lean)


def in_words(costs: Sequence[StageCost], machine: Machine, seeds: int) -> str:
    """Return the estimate in lines: each stage over so many seeds together, the total, and how it is known."""
    lines = [f"{cost.name}: {cost.memory / GB:.1f} GB, {duration(3600 * cost.hours)}" for cost in costs]
    worst, hours = max(costs, key=lambda cost: cost.memory), sum(cost.hours for cost in costs)
    lines.append(
        f"in all, {seeds} seed{'s' * (seeds != 1)}: at most {worst.memory / GB:.1f} GB ({worst.name}) of "
        f"{machine.memory / GB:.1f} GB on {machine.name}, about {duration(3600 * hours)}"
    )
    lines.append(
        f"(measured: {machine.speed / 1e12:.2f} trillion operations a second, of which {REACHED:.0%} are counted; "
        f"{SLACK - 1:.0%} are added to memory)"
    )
    return "\n".join(lines)


def check_fits(costs: Sequence[StageCost], machine: Machine) -> None:
    """Refuse what the device cannot hold.

    Raises:
        ValueError: naming the stage and the remedy.
    """
    worst = max(costs, key=lambda cost: cost.memory)
    if worst.memory > machine.memory:
        raise ValueError(
            f"{worst.name} needs about {worst.memory / GB:.1f} GB, {machine.name} has {machine.memory / GB:.1f} GB; "
            "give a smaller model, a smaller prompt_tokens, or another device"
        )
