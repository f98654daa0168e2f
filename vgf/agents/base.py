"""What every method shares: the verbs, the seed axis, Adam, and a state that fits a safetensors file.

An agent trains S seeds at once: parameters, batches and metrics carry a leading seed axis, a loss is summed over
seeds (their gradients do not mix) and nothing in `update` waits for the device. The trade-off of plain modules
stepped in place is that an agent is mutable; its `state_dict` is complete, so a run restored from it goes on
exactly as if it had never stopped.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.autograd.graph import increment_version

from vgf.agents import fused
from vgf.agents.cloning import Cloning
from vgf.agents.graph import GraphUpdates
from vgf.agents.reported import Metrics, Reported, one_update
from vgf.datasets.transitions import Batch, Transitions
from vgf.flow import Budget
from vgf.networks import Draw, SeedStreams
from vgf.reference import Reference

#: What an update multiplies in bfloat16, with sums in float32: nothing; what does not learn (the reference that is
#: sampled, the critic whose gradient moves particles, targets); everything. First and last layers, values and targets,
#: the flow, losses and Adam are in float32 in every case. It pays where the processor multiplies bfloat16 faster.
Precision = Literal["float32", "bfloat16", "bfloat16_all"]


class Dims(NamedTuple):
    """Widths of one observation and one action."""

    observation: int
    action: int


class Agent(ABC):
    """One method, for S seeds at once.

    Attributes:
        name: what experiment files call it.
        presets: its configs by name; "default" is one.
        transports: whether `act` depends on the budget; without it only zero steps are evaluated.
        fine_tunes: whether it can go on learning online, see `vgf.training.online`.
        eager_precisions: levels of `Precision` that `update` itself has, without the fused core.
        config: the frozen dataclass it was created from.
        seeds: the S seeds, in the order of the seed axis.
        updates: how many updates it has done.
        graph: does some updates in one call where that pays, see `vgf.agents.graph`; None where it does not.
        cache: folder in which it may keep what it draws ahead, for others that draw the same; None keeps nothing.
    """

    name: ClassVar[str]
    presets: ClassVar[Mapping[str, Any]]
    transports: ClassVar[bool]
    fine_tunes: ClassVar[bool] = False
    eager_precisions: ClassVar[tuple[str, ...]] = ("float32",)

    def __init__(self, config: Any, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self.config, self.dims, self.seeds = config, dims, tuple(seeds)
        self.device, self.updates = torch.device(device), 0
        self.networks: dict[str, nn.Module] = {}
        self.optimizers: dict[str, torch.optim.Adam] = {}
        self.graph: GraphUpdates | None = None
        self.cache: Path | None = None
        self.streams = {name: SeedStreams(seeds, name, device) for name in ("reference", "particles", "acting")}

    @classmethod
    def create(cls, config: Any, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu") -> Self:
        """Return a new agent; the same arguments give the same weights."""
        return cls(config, dims, seeds, device)

    @property
    @abstractmethod
    def metric_names(self) -> tuple[str, ...]:
        """Every metric `update` may return, in a fixed order; a phase of training may leave some out."""

    @property
    def cloning(self) -> Cloning | None:
        """What reference it trains before, or instead of, anything else; None where it has none to train alone."""
        return getattr(self.config, "cloning", None)

    @property
    def measured(self) -> dict[str, Tensor]:
        """Numbers that were measured while training and that acting depends on, [S] each; for the record."""
        return {}

    def prepare(self, transitions: Transitions) -> None:  # noqa: B027  most methods draw nothing ahead
        """Draw ahead what the next update needs of the whole dataset; the training loop calls it each time."""

    @abstractmethod
    def update(self, batch: Batch) -> Metrics:
        """Train on one batch [S, B, ...] and return metrics, [S] each."""

    def update_many(self, transitions: Transitions, index: Tensor) -> list[Reported]:
        """Train on k batches in one call; the same weights and metrics as k calls of `update`.

        On a CPU one function in C++ does them all where it covers the agent (`vgf.agents.fused`), with the same draws
        and the same numbers to rounding; on CUDA `graph` does as many of them as it holds at once, where there is one;
        else it is those k calls.

        Args:
            transitions: the whole dataset, on the agent's device.
            index: rows of each update's batch, [k, S, B].

        Returns:
            The metrics of all k updates, grouped by the names that are reported together.
        """
        if self.graph is None and self.is_fused:
            return fused.update_many(self, transitions, index)
        reported, graph = [], self.graph
        for rows in index.split(graph.size if graph else 1):
            self.prepare(transitions)
            if graph is not None and graph.fits(rows):
                metrics, done = graph.run(transitions, rows), self.updates
                reported.append(Reported(range(done - graph.size + 1, done + 1), metrics))
                continue
            for one in rows:
                self.prepare(transitions)
                metrics = self.update(transitions.rows(one))
                reported.append(one_update(self.name, self.updates, metrics, self.metric_names, len(self.seeds)))
        return reported

    @property
    def is_fused(self) -> bool:
        """Whether `update_many` is done by the fused core; where not, stderr says once why."""
        return fused.available(self)

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does the next updates, for batches of `batch` transitions a seed.

        Raises:
            fused.Unavailable: if it cannot, with the reason.
        """
        del batch
        raise fused.Unavailable("this method has no fused update")

    @abstractmethod
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return actions [S, B, d] for observations [S, B, o].

        Args:
            observations: one leading entry for each seed.
            budget: how far particles may move; see `budget`.
            streams: where noise comes from; the agent's own acting stream by default. Training noise is never used.
        """

    def budget(self, steps: int) -> Budget:
        """Return the configured budget with another number of flow steps; of no length where nothing is moved."""
        return Budget(steps, 0.0)

    def policy(self) -> dict[str, Tensor]:
        """Return the networks' tensors alone: all that acting needs."""
        return {
            f"{name}/{key}": value.detach()
            for name, network in self.networks.items()
            for key, value in network.state_dict().items()
        }

    def load_policy(self, tensors: dict[str, Tensor]) -> None:
        """Take over the networks of `policy` (other entries are ignored).

        Raises:
            ValueError: if a tensor is missing or has another shape.
        """
        for name, network in self.networks.items():
            own = network.state_dict()
            for key, value in own.items():
                found = tensors.get(f"{name}/{key}")
                if found is None or found.shape != value.shape:
                    shape = "missing" if found is None else f"of shape {tuple(found.shape)}"
                    raise ValueError(f"{self.name} needs {name}/{key} of shape {tuple(value.shape)}, it is {shape}")
                own[key] = found
            network.load_state_dict(own)

    def state_dict(self) -> dict[str, Tensor]:
        """Return everything the next update depends on, as named tensors: networks, Adam, noise, count."""
        state = self.policy() | {"updates": torch.tensor(self.updates)}
        for name, optimizer in self.optimizers.items():
            for i, moments in optimizer.state_dict()["state"].items():
                state |= {f"adam.{name}/{i}/{key}": value for key, value in moments.items()}
        return state | {f"stream.{name}": stream.state() for name, stream in self.streams.items()}

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Continue exactly where `state_dict` was taken.

        Raises:
            ValueError: if the state belongs to an agent of other sizes or another method, or is damaged.
        """
        self.load_policy(state)
        for name, optimizer in self.optimizers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            shapes = [parameter.shape for parameter in self.networks[name].parameters()]
            for key, value in state.items():
                if key.startswith(f"adam.{name}/"):
                    _, index, moment = key.split("/")
                    # one that does not fit may end the process in torch in place of an error
                    if moment != "step" and shapes[int(index) :][:1] != [value.shape]:
                        raise ValueError(f"{key} is of shape {tuple(value.shape)}, which is not its weight's")
                    moments.setdefault(int(index), {})[moment] = value.clone()
            optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
        for name, stream in self.streams.items():
            stream.set_state(state[f"stream.{name}"])
        self.updates = int(state["updates"])

    def _init_streams(self, network: str) -> SeedStreams:
        """Return the streams that draw the initial weights of one network."""
        return SeedStreams(self.seeds, f"weights of {network}", self.device)

    def _adam(self, network: str, learning_rate: float) -> None:
        """Give one network an Adam optimizer (kingma2015adam)."""
        parameters, cuda = self.networks[network].parameters(), self.device.type == "cuda"
        # fused Adam counts its steps on the device either way; torch asks for capturable before it lets a graph have it
        self.optimizers[network] = torch.optim.Adam(parameters, lr=learning_rate, fused=True, capturable=cuda)

    def numbers(self, draws: Sequence[Draw]) -> list[Tensor]:
        """Draw from the agent's own streams, [S, *shape] each."""
        return [getattr(self.streams[draw.stream], draw.kind)(*draw.shape) for draw in draws]

    def clone_draws(self, size: int) -> tuple[Draw, Draw]:
        """Return the random numbers of one step of behaviour cloning on `size` transitions a seed."""
        return Draw("reference", "normal", (size, self.dims.action)), Draw("reference", "uniform", (size, 1))

    def _clone(self, reference: Reference, batch: Batch, noise: Sequence[Tensor] | None = None) -> Metrics:
        """Take one step of behaviour cloning; methods with the same seed and batches train the same reference."""
        start, time = noise or self.numbers(self.clone_draws(batch.actions.shape[1]))
        loss = reference.loss(batch.observations, batch.actions, start, time)
        self._descend("reference", loss)
        return {"reference/loss": loss.detach()}

    def _descend(self, network: str, loss: Tensor) -> None:
        """Take one Adam step on a loss [S]; seeds do not mix, because a seed's loss has only its own weights."""
        optimizer = self.optimizers[network]
        optimizer.zero_grad()
        loss.sum().backward()
        self._clip(network)
        optimizer.step()
        # fused Adam writes past the version counters, by which `vgf.agents.fast` knows that weights have changed
        increment_version(tuple(self.networks[network].parameters()))

    def _clip(self, network: str) -> None:  # noqa: B027  most methods take gradients as they are
        """Change a network's gradients before Adam sees them."""
