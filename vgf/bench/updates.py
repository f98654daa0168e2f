"""An agent of a case, built on random data of the shape of a real task and updated as its path does it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from vgf.agents import AGENTS, Dims, fast, fused, hardware
from vgf.bench.cases import PATHS, SIZES, Case
from vgf.datasets.transitions import Batch, Transitions
from vgf.networks import SeedStreams

ROWS = 2048  # transitions; enough for batches to differ, and a bank of large networks is soon filled


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
    """An agent of a case, ready to be updated.

    Args:
        case: which.
        rows: transitions to draw batches from.

    Raises:
        ValueError: if the case's path does not do its updates, with the reason.
    """

    def __init__(self, case: Case, rows: int = ROWS) -> None:
        size, device = SIZES[case.size], torch.device(case.device)
        self.case, self.batch, self.device, self.rows = case, size.batch, device, rows
        self.transitions = random_transitions(size.dims, device, rows)
        seeds = tuple(range(case.seeds))
        _deny(case)
        config = case.config
        self.agent: Any = AGENTS[case.agent].create(config, size.dims, seeds, device)
        self.way = PATHS[case.path]._replace(at_once=case.at_once)
        if not self.way.quick and hasattr(self.agent, "core"):
            self.agent.core = None
        self.agent.updates = getattr(config, "pretrain", 0)
        if case.path == "fused":
            self._check_core()
        self.streams = SeedStreams(seeds, "batches", device)
        self.agent.prepare(self.transitions)

    def run(self, updates: int) -> int:
        """Draw batches and update, and wait for the device; return how many updates that were, at least those asked."""
        done, most = 0, self.way.at_once
        while done < updates:
            count = most if self.way.whole else min(most, updates - done)
            if self.case.path != "fused" and most == 1:
                self.agent.update(self._batch())
            else:
                self.agent.update_many(self.transitions, self._rows(count))
            done += count
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        return done

    def warm_up(self) -> None:
        """Update until nothing is done for the first time.

        Raises:
            ValueError: if no graph could be recorded where one is to be timed.
        """
        self.run(3 * self.way.at_once if self.way.whole else 2)
        graph = self.agent.graph
        if self.way.whole and (graph is None or not graph.recorded):
            raise ValueError(f"no CUDA graph was recorded: {graph.refused if graph else 'the agent has none'}")

    def flop(self) -> int:
        """Return the floating-point operations of one update's matrix products, counted as `update` calls them.

        The fused core does an update in other steps, so its count is that of the fast path: what has to be computed. A
        method that moves its policy at every other update is counted over two.
        """
        if self.case.path == "fused":
            kept = tuple(name for name in self.case.without if name in ("bank", "amortised"))
            twin = replace(self.case, path="fast", precision="float32", without=kept)
            return Updates(twin, self.batch).flop()
        return _count(lambda: [self.agent.update(self._batch()) for _ in range(2)]) // 2

    def flop_by_part(self) -> dict[str, int]:
        """Return the same for each part of an update; what each part is called once more for, it is counted once."""
        agent, batch = self.agent, self._batch()
        particles, s = agent._draw(batch), batch.next_observations
        budget, core = agent.config.budget(agent.config.train_steps), agent.core
        sampled = _count(lambda: agent._draw(batch))
        moved = _count(lambda: agent.flow(s, particles, budget, core.scorer(s, particles.shape[-2]) if core else None))
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

    def _check_core(self) -> None:
        """Raise if the fused core does not do this agent's updates here, with the reason."""
        if (because := fused.refusal(self.agent)) is not None:
            raise ValueError(f"fused core: {because}")

    def _rows(self, updates: int) -> Tensor:
        """Draw the rows of some updates' batches, [k, S, B]."""
        shape = (updates, self.batch)
        drawn = [torch.randint(self.rows, shape, generator=g, device=g.device) for g in self.streams.generators]
        return torch.stack(drawn, 1)


def _deny(case: Case) -> None:
    """Take from this process what the case does without, for good: each case has a process of its own."""
    if "memory" in case.without or not PATHS[case.path].quick:
        hardware.hold_memory = lambda: None
    if "one call" in case.without:
        hardware.FUSED = False
    if case.compiled:
        fast.forward, fast.value_and_gradient = torch.compile(fast.forward), torch.compile(fast.value_and_gradient)


def _count(call: Callable[[], object]) -> int:
    """Return the floating-point operations of the matrix products of a call."""
    with FlopCount() as count:
        call()
    return count.total


def matmul_flop_per_s(dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    """Return the most FLOP/s that matrix products reach: of an update's shape, of 2,048 x 2,048, on a GPU of 8,192.

    A larger one is left out where the one before took long.
    """
    shapes = [(2560, 512), (2048, 2048), *([(8192, 8192)] if device.type == "cuda" else [])]
    best = 0.0
    for rows, width in shapes:
        least = hardware.product_seconds(dtype, device, rows, width, seconds=seconds / len(shapes))
        best = max(best, 2 * rows * width * width / least)
        if least > hardware.LONG:
            break
    return best
