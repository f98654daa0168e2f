"""k updates as one CUDA graph: a GPU runs them without waiting for Python to launch some thousand kernels each.

At the sizes of this method a kernel takes microseconds, less than launching it does; so an update on a GPU costs what
its launches cost. A CUDA graph is recorded once and launched as one. What it runs is `step`, the function that `update`
calls, k times over; it reads and writes fixed addresses and asks the host nothing:

    rows [k, S, B], random numbers [k, S, ...]   filled before a replay, from the agent's streams in `update`'s order
    batch i = transitions[rows[i]];  metrics[i] = step(batch i, numbers i)        i = 1 ... k, inside the graph
    metrics [k, M, S]                            copied after it, on the device

All S seeds are in each kernel already. Three things keep it right. The addresses it was recorded with are compared with
today's before each replay: a state that was loaded, a bank that was filled or another dataset lets it be recorded anew.
Low-precision copies of weights are made inside the graph, at every update. And a recording is believed only once: the
updates that warm it up are done a second time by a first replay, from the same weights and random numbers, and if both
do not agree to rounding the graph is given up with a warning and training goes on without it.

What is given up: k is fixed, so what does not fill k updates goes singly; the memory of one update's intermediates
stays reserved; and the first call takes twice its time.
"""

from __future__ import annotations

import gc
import warnings
import weakref
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Protocol

import torch
from torch import Tensor

from vgf.datasets.transitions import Batch, Transitions
from vgf.networks import Draw, SeedStreams

UPDATES = 8  # of one graph; more of them save little once a launch is shared by eight
AGREE = 0.01  # of the distance the weights moved: how far a first replay may end from the updates it repeats
ROUNDING = 1e-5  # and of their own size

Program = Callable[[], None]
#: Takes what is to be recorded and the stream for it, and returns what replays it.
Recorder = Callable[[Program, torch.cuda.Stream | None], Program]


class Stepped(Protocol):
    """What is asked of an agent; `vgf.agents.stepped` says it in full."""

    device: torch.device
    updates: int
    streams: dict[str, SeedStreams]

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Every metric there may be."""

    def draws(self, size: int, batch: Batch | None = None) -> tuple[Draw, ...]:
        """Return the random numbers of the next update."""

    def step(self, batch: Batch, noise: Sequence[Tensor]) -> dict[str, Tensor]:
        """Update with these random numbers."""

    def same_updates(self) -> int:
        """Return how many updates from here on do the same."""

    def tensors(self) -> list[Tensor]:
        """Return all that an update writes."""

    def constants(self) -> list[Tensor]:
        """Return what it reads besides, batch and random numbers apart."""

    def forget(self) -> None:
        """Forget copies of the weights."""

    def wrote(self) -> None:
        """Tell torch that weights were written."""


def record_cuda(program: Program, stream: torch.cuda.Stream | None) -> Program:
    """Record what `program` launches as a CUDA graph, without running it, and return what replays it."""
    graph, collecting = torch.cuda.CUDAGraph(), gc.isenabled()
    gc.collect()
    gc.disable()  # an older graph that is collected while one is recorded would spoil the recording
    try:
        # torch leaves the current stream behind when a recording fails; the outer context puts it back
        with torch.cuda.stream(torch.cuda.current_stream()), torch.cuda.graph(graph, stream=stream):
            program()
    finally:
        if collecting:
            gc.enable()
    return graph.replay


class GraphUpdates:
    """Does k updates of an agent in one call.

    Args:
        agent: whose updates.
        size: k, how many updates one graph holds.
        capture: whether to record them; without it the same function runs as it is, on any device.
        record: what records (tests).

    Attributes:
        refused: why graphs were given up, or "".

    Raises:
        ValueError: if k is below 1, or a graph is asked for where there is no CUDA.
    """

    def __init__(
        self, agent: Stepped, size: int = UPDATES, capture: bool = True, record: Recorder = record_cuda
    ) -> None:
        if size < 1:
            raise ValueError(f"a graph must hold at least one update, got {size}")
        if capture and record is record_cuda and agent.device.type != "cuda":
            raise ValueError(f"a CUDA graph needs an agent on cuda, this one is on {agent.device}; use capture=False")
        # the agent owns this; owned in turn, it would keep its memory until the next garbage collection
        self.agent: Stepped = weakref.proxy(agent)
        self.size, self.capture, self.record = size, capture, record
        self.key: object = None
        self.replay: Program | None = None
        self.refused = ""
        self.stream = torch.cuda.Stream(agent.device) if agent.device.type == "cuda" else None

    @property
    def recorded(self) -> bool:
        """Whether there is a graph to replay."""
        return self.replay is not None

    def fits(self, index: Tensor) -> bool:
        """Say whether these rows, [n, S, B], are k updates that all do the same."""
        return len(index) == self.size and self.agent.same_updates() >= self.size

    def run(self, transitions: Transitions, index: Tensor) -> dict[str, Tensor]:
        """Do k updates and count them; nothing waits for the device, but when a graph is recorded.

        Args:
            transitions: the whole dataset, on the agent's device.
            index: rows of each update's batch, [k, S, B]; see `fits`.

        Returns:
            Metrics by name, [k, S] each.
        """
        draws = self.agent.draws(index.shape[-1])
        key = self._key(transitions, index, draws)
        if key != self.key:
            self._prepare(transitions, index, draws)
            self.key = key
        self._fill(index)
        if self.replay is not None:
            self.replay()
            self.agent.wrote()
        elif not self.capture or self.refused:
            self._updates()
        else:
            self._begin()
        self.agent.updates += self.size
        metrics = self.metrics[:, : len(self.names)].clone()
        return {name: metrics[:, i] for i, name in enumerate(self.names)}

    def _key(self, transitions: Transitions, index: Tensor, draws: tuple[Draw, ...]) -> object:
        """Return what a recording holds for: every address it reads or writes, and all sizes."""
        columns = (getattr(transitions, field.name) for field in fields(transitions))
        tensors = (*self.agent.tensors(), *self.agent.constants(), *columns)
        return [(x.data_ptr(), x.shape) for x in tensors], index.shape, draws

    def _prepare(self, transitions: Transitions, index: Tensor, draws: tuple[Draw, ...]) -> None:
        """Drop the recording and make buffers anew; what it points at is kept alive with it."""
        self.replay, self.transitions, self.draws = None, transitions, draws
        self.written, self.read = self.agent.tensors(), self.agent.constants()
        seeds, device = index.shape[1], self.agent.device
        self.index = torch.zeros_like(index)
        self.noise = [torch.zeros(self.size, seeds, *draw.shape, device=device) for draw in draws]
        self.names: tuple[str, ...] = ()
        dtype, most = transitions.rewards.dtype, len(self.agent.metric_names)
        self.metrics = torch.zeros(self.size, most, seeds, dtype=dtype, device=device)

    def _fill(self, index: Tensor) -> None:
        """Write rows and random numbers; each stream draws what k calls of `update` would, in their order."""
        self.index.copy_(index)
        for i in range(self.size):
            for draw, numbers in zip(self.draws, self.noise, strict=True):
                self.agent.streams[draw.stream].fill(draw.kind, numbers[i])

    def _updates(self) -> None:
        """Do k updates from the buffers; this is what is recorded."""
        for i in range(self.size):
            self.agent.forget()
            batch = self.transitions.rows(self.index[i])
            metrics = self.agent.step(batch, [numbers[i] for numbers in self.noise])
            self.names = tuple(metrics)
            self.metrics[i, : len(metrics)] = torch.stack(list(metrics.values()))

    def _begin(self) -> None:
        """Do the updates as they are, which warms everything up; record them; let a replay show it does the same."""
        before = [x.clone() for x in self.written]
        self._warm_up()
        tensors = [*self.agent.tensors(), self.metrics]
        if self._key(self.transitions, self.index, self.draws) != self.key:
            return  # Adam had not stepped and has no moments to go back to: the next call records
        after = [x.clone() for x in tensors]
        start = [*before, torch.zeros_like(self.metrics)]
        try:
            replay = self.record(self._updates, self.stream)
            _write(tensors, start)
            replay()
        except RuntimeError as error:
            self._refuse(str(error).strip().splitlines()[0], tensors, after)
            return
        if _agree(tensors, after, start):
            self.replay = replay
            self.agent.wrote()
        else:
            self._refuse("its first replay does not repeat the updates it was recorded from", tensors, after)

    def _warm_up(self) -> None:
        """Do k updates on the stream that will record; it and the current one wait for each other on the device."""
        if self.stream is None:
            self._updates()
            return
        current = torch.cuda.current_stream(self.agent.device)
        self.stream.wait_stream(current)
        with torch.cuda.stream(self.stream):
            self._updates()
        current.wait_stream(self.stream)

    def _refuse(self, reason: str, tensors: list[Tensor], after: list[Tensor]) -> None:
        """Give graphs up: the updates that were done stand, later ones go without."""
        self.refused = reason
        _write(tensors, after)
        self.agent.wrote()
        self.agent.forget()
        warnings.warn(f"no CUDA graph, updates go on without: {reason}", RuntimeWarning, stacklevel=4)


@torch.no_grad()
def _write(tensors: Sequence[Tensor], values: Sequence[Tensor]) -> None:
    """Copy values into tensors, where they are."""
    for tensor, value in zip(tensors, values, strict=True):
        tensor.copy_(value)


def _agree(found: Sequence[Tensor], expected: Sequence[Tensor], before: Sequence[Tensor]) -> bool:
    """Say whether tensors came where they should, by the distance they had to go; waits for the device once."""
    good = []
    for x, y, start in zip(found, expected, before, strict=True):
        error, moved, size = (torch.nan_to_num(z).double().norm() for z in (x - y, y - start, y))
        good.append((error <= AGREE * moved + ROUNDING * size) & (x.isnan() == y.isnan()).all())
    return bool(torch.stack(good).all())
