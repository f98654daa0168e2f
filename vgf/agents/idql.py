"""IDQL (hansenestruch2023idql): implicit values choose among samples of a cloned policy.

V and Q are IQL's. The behaviour policy is cloned without weights, by diffusion, or by flow matching as park2025fql does
under the name IFQL. Acting draws N of its actions and takes the one of highest value, so it is best-of-N with a critic
that has never seen an action outside the data. The sampled policy is a running mean of the trained one.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from vgf.agents import fused
from vgf.agents.base import Dims
from vgf.agents.cloning import Cloning, clone_recipe
from vgf.agents.diffusion import Diffusion
from vgf.agents.heads import follow
from vgf.agents.iql import VALUE_METRICS, ImplicitQ, ImplicitQConfig
from vgf.agents.reported import Metrics
from vgf.datasets.transitions import Batch, Transitions
from vgf.flow import Budget, best_of
from vgf.networks import MLP, SeedStreams
from vgf.reference import FlowReference
from vgf.support.config import check_config


@dataclass(frozen=True)
class IDQLConfig(ImplicitQConfig):
    """IDQL; the other fields are those of `ImplicitQConfig`.

    Attributes:
        behaviour: "diffusion" (hansenestruch2023idql) or "flow" (park2025fql's IFQL).
        particles: N, actions to choose from (64: hansenestruch2023idql's code; 32: park2025fql).
        diffusion_steps: T of the diffusion (hansenestruch2023idql).
        flow_steps: Euler steps of the flow (park2025fql).
        average_rate: rate at which the sampled policy follows the trained one; 1 samples the trained one
            (0.001: hansenestruch2023idql's code; 1: park2025fql).
        pretrain: updates of the behaviour flow alone, which is then frozen; 0 trains it together with the values, as
            both papers do.
    """

    behaviour: Literal["diffusion", "flow"] = "diffusion"
    particles: int = 64
    diffusion_steps: int = 5
    flow_steps: int = 10
    average_rate: float = 0.001
    pretrain: int = field(default=0, metadata={"before": 0})

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        super().__post_init__()
        positive = ("particles", "diffusion_steps", "flow_steps", "average_rate")
        check_config(self, positive=positive, nonnegative=("pretrain",))
        if self.pretrain and (self.behaviour != "flow" or self.average_rate != 1):
            raise ValueError("pretrain needs behaviour flow and average_rate 1; give pretrain 0 for the others")

    @property
    def cloning(self) -> Cloning | None:
        """The behaviour flow, where it is trained first; see `Agent.cloning`."""
        flow = Cloning(self.pretrain, "flow", self.hidden, self.learning_rate, self.precision)
        return flow if self.pretrain else None


class IDQL(ImplicitQ):
    """Implicit values and a cloned policy to choose from."""

    name: ClassVar[str] = "idql"
    presets: ClassVar[Mapping[str, Any]] = {
        "default": IDQLConfig(),
        # hansenestruch2023idql, locomotion (0.9 on antmaze); its residual network, dropout and decay are left out
        "paper": IDQLConfig(0.7, (256, 256, 256), layer_norm=False),
        "ifql": IDQLConfig(behaviour="flow", particles=32, average_rate=1.0),  # park2025fql
    }
    config: IDQLConfig

    def __init__(
        self, config: IDQLConfig, dims: Dims, seeds: Sequence[int], device: torch.device | str = "cpu"
    ) -> None:
        super().__init__(config, dims, seeds, device)
        self.reference = _make_behaviour(config, dims, self._init_streams("reference"))
        self.average = copy.deepcopy(self.reference).requires_grad_(False)
        self.networks |= {"reference": self.reference, "average": self.average}
        self._adam("reference", config.learning_rate)

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Losses and values of V and Q, and the loss of cloning."""
        return (*VALUE_METRICS, "reference/loss")

    def recipe(self, batch: int) -> fused.Recipe:
        """Return how the fused core does an update; see `Agent.recipe`."""
        c = self.config
        if self.updates < c.pretrain and isinstance(self.reference, FlowReference):
            return clone_recipe(self.reference, self.clone_draws(batch), c.pretrain)
        networks, metrics = self.values_recipe()
        settings = (c.discount, c.tau, c.expectile, 0.0, 0.0, c.average_rate)
        if c.pretrain:
            return fused.Recipe(fused.Method.IMPLICIT, networks, {}, settings, metrics=metrics)
        networks[fused.Role.REFERENCE] = fused.Network.of(_net(self.reference), "reference")
        networks[fused.Role.ACTOR_TARGET] = fused.Network.of(_net(self.average))
        by_diffusion = c.behaviour == "diffusion"
        return fused.Recipe(
            fused.Method.IMPLICIT,
            networks,
            dict(enumerate(self.clone_draws(batch))),
            settings,
            fused.Flag.of({fused.Flag.CLONE: True, fused.Flag.DIFFUSION: by_diffusion}),
            metrics | {"reference/loss": 7},
            counts={"flow_steps": c.diffusion_steps if by_diffusion else c.flow_steps},
        )

    def prepare(self, transitions: Transitions) -> None:
        """Let the sampled policy be the trained one, once that is done; see `Agent.prepare`."""
        if self.config.pretrain and self.updates == self.config.pretrain:
            follow(self.average, self.reference, 1.0)

    def update(self, batch: Batch) -> Metrics:
        """Take one step on V, on Q and on cloning, as far as the phase trains them; then the averages follow."""
        alone = self.updates < self.config.pretrain
        metrics = {} if alone else self.update_values(batch)
        if alone or self.config.pretrain == 0:
            metrics |= self._update_behaviour(batch)
            follow(self.average, self.reference, self.config.average_rate)
        if not alone:
            follow(self.target, self.critic, self.config.tau)
        self.updates += 1
        return metrics

    def _update_behaviour(self, batch: Batch) -> Metrics:
        """Take one step of cloning; a flow is the one that `bc` and `vgf` train with the same seed and batches."""
        if isinstance(self.reference, FlowReference):
            return self._clone(self.reference, batch)
        draw, (size, d) = self.streams["reference"], batch.actions.shape[1:]
        loss = self.reference.loss(batch.observations, batch.actions, draw.normal(size, d), draw.uniform(size))
        self._descend("reference", loss)
        return {"reference/loss": loss.detach()}

    @torch.no_grad()
    def act(self, observations: Tensor, budget: Budget, streams: SeedStreams | None = None) -> Tensor:
        """Return the action of highest value among N samples; the budget has nothing to move."""
        del budget
        shape: tuple[int, ...] = (observations.shape[1], self.config.particles, self.dims.action)
        if isinstance(self.average, Diffusion):
            shape = self.average.noise_shape(*shape)
        actions = self.average.sample(observations, (streams or self.streams["acting"]).normal(*shape))
        return best_of(actions, self.target(observations, actions).amin(1))


def _net(behaviour: Diffusion | FlowReference) -> MLP:
    """Return the perceptron of a behaviour policy."""
    return behaviour.velocity.net if isinstance(behaviour, FlowReference) else behaviour.net


def _make_behaviour(config: IDQLConfig, dims: Dims, streams: SeedStreams) -> Diffusion | FlowReference:
    """Return the policy to be cloned."""
    if config.behaviour == "flow":
        return FlowReference(*dims, config.hidden, streams, steps=config.flow_steps)
    return Diffusion(*dims, config.hidden, streams, steps=config.diffusion_steps, sampler="step")
