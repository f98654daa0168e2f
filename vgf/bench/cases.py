"""What is timed: an agent of a preset, at a size, on random data of the shape of a real task."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vgf import fast
from vgf.agents import VGF, Dims, VGFConfig
from vgf.agents.vgf_config import PRESETS
from vgf.datasets.transitions import Batch, Transitions
from vgf.graph import UPDATES
from vgf.networks import SeedStreams


class Size(NamedTuple):
    """Sizes of networks, batch and flow; observation and action are those of OGBench's single cube."""

    hidden: tuple[int, ...]
    particles: int
    train_steps: int
    flow_steps: int
    batch: int = 256
    dims: Dims = Dims(28, 5)


SIZES = {  # "paper" is what xu2026vgf's public scripts train, "small" what two CPU cores can
    "paper": Size((512,) * 4, particles=10, train_steps=3, flow_steps=10),
    "small": Size((256,) * 3, particles=5, train_steps=3, flow_steps=5),
}
PathName = Literal["eager", "fast", "graph"]


class Way(NamedTuple):
    """How a path updates.

    Attributes:
        quick: with `vgf.fast`, a bank and the precision asked for; otherwise with the modules themselves, in float32.
        at_once: updates of one call of `update_many`; 1 is `update`.
        device: the only kind of device it runs on, or None.
    """

    quick: bool
    at_once: int = 1
    device: str | None = None


PATHS: dict[PathName, Way] = {
    "eager": Way(quick=False),
    "fast": Way(quick=True),
    "graph": Way(quick=True, at_once=UPDATES, device="cuda"),
}
MEANS = ("bfloat16", "one call", "memory", "bank", "amortised")  # what can be taken from a fast path; see `_deny`
ROWS = 8192  # transitions; enough for batches to differ, and a bank is soon filled


@dataclass(frozen=True)
class Case:
    """One thing to time.

    Attributes:
        preset: of `VGFConfig`, "paper" or "release".
        size: of `SIZES`.
        path: "eager": the modules themselves, the reference integrated anew; "fast": what `vgf.fast` and a bank offer;
            "graph": the same, several updates in one CUDA graph.
        seeds: trained together.
        particles, train_steps: N and L_train, where they differ from the size's.
        device, threads: where.
        without: what a fast path is denied, of `MEANS`.
        compiled: whether `torch.compile` is let loose on the chains of `vgf.fast`.
    """

    preset: str
    size: str
    path: PathName
    seeds: int = 1
    particles: int | None = None
    train_steps: int | None = None
    device: str = "cpu"
    threads: int | None = None
    without: tuple[str, ...] = ()
    compiled: bool = False

    @property
    def config(self) -> VGFConfig:
        """The agent's config; the reference of the paper's preset counts as trained already."""
        size, preset, quick = SIZES[self.size], PRESETS[self.preset], PATHS[self.path].quick
        particles = self.particles or size.particles
        steps = size.train_steps if self.train_steps is None else self.train_steps
        return replace(
            preset,
            hidden=size.hidden,
            particles=particles,
            train_steps=steps,
            flow_steps=size.flow_steps,
            pretrain=min(1, preset.pretrain),
            bank=particles if quick and preset.pretrain and "bank" not in self.without else 0,
            direction="autograd" if "amortised" in self.without else preset.direction,
            precision="bfloat16" if quick and "bfloat16" not in self.without else "float32",
        )

    def facts(self) -> dict[str, Any]:
        """Return the case for a line of JSON, N, L_train and the precision of what learns nothing spelled out."""
        config = self.config
        told = {"particles": config.particles, "train_steps": config.train_steps, "precision": config.precision}
        return asdict(self) | told


def random_transitions(dims: Dims, device: torch.device, rows: int = ROWS) -> Transitions:
    """Return made-up transitions: nothing is learnt from them, only time is taken."""
    g = torch.Generator().manual_seed(0)
    s, s2 = (torch.randn(rows, dims.observation, generator=g) for _ in range(2))
    a = torch.rand(rows, dims.action, generator=g) * 2 - 1
    ones = torch.ones(rows)
    return Transitions(s, a, -ones, ones, s2, ones).to(device)


class FlopCount(TorchDispatchMode):
    """Adds up what torch says of each matrix product called; its own counter cannot follow `autograd.grad`."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count the call and let it happen."""
        out = func(*args, **(kwargs or {}))
        if func._overloadpacket is torch.ops.mkldnn._linear_pointwise:
            self.total += 2 * out.numel() * args[0].shape[-1]
        elif func._overloadpacket in flop_registry:
            self.total += flop_registry[func._overloadpacket](*args, **(kwargs or {}), out_val=out)
        return out


class Updates:
    """An agent of a case, ready to be updated."""

    def __init__(self, case: Case) -> None:
        size, device = SIZES[case.size], torch.device(case.device)
        self.batch, self.device = size.batch, device
        self.transitions = random_transitions(size.dims, device)
        seeds = tuple(range(case.seeds))
        _deny(case)
        self.agent, self.way = VGF.create(case.config, size.dims, seeds, device), PATHS[case.path]
        if not self.way.quick:
            self.agent.core = None
        self.agent.updates = case.config.pretrain
        self.streams = SeedStreams(seeds, "batches", device)
        self.agent.prepare(self.transitions)

    def run(self, updates: int) -> int:
        """Draw batches and update, and wait for the device; return how many updates that were, at least those asked."""
        calls, each = -(-updates // self.way.at_once), self.way.at_once
        for _ in range(calls):
            if each == 1:
                self.agent.update(self._batch())
            else:
                self.agent.update_many(self.transitions, self._rows(each))
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return calls * each

    def warm_up(self) -> None:
        """Update until nothing is done for the first time.

        Raises:
            ValueError: if no graph could be recorded where one is to be timed.
        """
        self.run(2 if self.way.at_once == 1 else 3 * self.way.at_once)
        graph = self.agent.graph
        if self.way.at_once > 1 and (graph is None or not graph.recorded):
            raise ValueError(f"no CUDA graph was recorded: {graph.refused if graph else 'the agent has none'}")

    def flop(self) -> int:
        """Return the floating-point operations of one update's matrix products, counted as they are called."""
        return _count(lambda: self.agent.update(self._batch()))

    def flop_by_part(self) -> dict[str, int]:
        """Return the same for each part of an update; what each part is called once more for, it is counted once."""
        agent, batch = self.agent, self._batch()
        particles, s = agent._draw(batch), batch.next_observations
        budget, core = agent.config.budget(agent.config.train_steps), agent.core
        sampled = _count(lambda: agent._draw(batch))
        moved = _count(
            lambda: agent.flow(s, particles, budget, core.scorer(s, particles.shape[-2]) if core else None),
        )
        valued = _count(lambda: agent.td_target(batch, particles)) - moved
        fitted = _count(lambda: agent._update_gradient(batch)) if agent.config.direction == "amortised" else 0
        cloned = 0 if agent.config.pretrain else _count(lambda: agent._clone(agent.reference, batch))
        parts = {
            "reference sampled": sampled,
            "particles moved": moved,
            "particles valued": valued,
            "gradient fitted": fitted,
            "reference trained": cloned,
        }
        return parts | {"critic trained": self.flop() - sum(parts.values())}

    def _batch(self) -> Batch:
        """Draw a batch for each seed."""
        return self.transitions.rows(self._rows(1)[0])

    def _rows(self, updates: int) -> Tensor:
        """Draw the rows of some updates' batches, [k, S, B]."""
        shape = (updates, self.batch)
        drawn = [torch.randint(ROWS, shape, generator=g, device=g.device) for g in self.streams.generators]
        return torch.stack(drawn, 1)


def _deny(case: Case) -> None:
    """Take from this process what the case does without, for good: each case has a process of its own."""
    if "memory" in case.without or not PATHS[case.path].quick:
        fast.hold_memory = lambda: None
    if "one call" in case.without:
        fast.FUSED = False
    if case.compiled:
        fast.forward, fast.value_and_gradient = torch.compile(fast.forward), torch.compile(fast.value_and_gradient)


def _count(call: Callable[[], object]) -> int:
    """Return the floating-point operations of the matrix products of a call."""
    with FlopCount() as count:
        call()
    return count.total


def matmul_flop_per_s(dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """Return the most FLOP/s that matrix products reach: of 2,048 x 2,048, of an update's shape, on a GPU of 8,192."""
    shapes = [(2048, 2048), (2560, 512), *([(8192, 8192)] if device.type == "cuda" else [])]
    times = [fast.product_seconds(dtype, device, *shape, seconds=seconds / len(shapes)) for shape in shapes]
    return max(2 * rows * width * width / least for (rows, width), least in zip(shapes, times, strict=True))
