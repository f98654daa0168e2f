"""The reference policy mu: behaviour cloning by flow matching, or with a Gaussian.

Flow matching (lipman2023flow) regresses a velocity field on straight paths from noise to the dataset's actions,

    x_t = (1 - t) x_0 + t a,   loss = E |v(s, x_t, t) - (a - x_0)|^2,   x_0 ~ N(0, I),  t ~ U[0, 1],

and samples by integrating dx/dt = v(s, x, t) from noise with Euler steps. It holds several modes where a Gaussian
averages them; the price is one network evaluation a step. Both kinds take their noise as an argument, so a
caller owns the randomness and either can be recorded, repeated or captured in a CUDA graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from vgf.networks import MLP, SeedStreams, VectorField

ACTION_BOUNDS = (-1.0, 1.0)  # every action space of the package is scaled to this box
LOG_STD_BOUNDS = (-5.0, 2.0)  # as the authors' release


class FlowReference(nn.Module):
    """mu as a flow: `steps` Euler steps of a learnt velocity field from normal noise to actions."""

    def __init__(
        self, observation: int, action: int, hidden: Sequence[int], streams: SeedStreams, *, steps: int
    ) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"flow_steps must be >= 1, got {steps}")
        self.steps = steps
        self.velocity = VectorField(observation, action, hidden, streams, timed=True)

    def loss(self, observations: Tensor, actions: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """Flow-matching loss of each seed, [S]: the mean over batch and coordinates.

        Args:
            observations: [S, B, o].
            actions: dataset actions, [S, B, d].
            noise: x_0, standard normal, [S, B, d].
            time: uniform in [0, 1), [S, B, 1].
        """
        path = torch.lerp(noise, actions, time)
        error = self.velocity(observations, path, time) - (actions - noise)
        return error.square().mean((-2, -1))

    def sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Integrate `noise` to actions in the box: [S, B, o] and [S, B, d] or [S, B, N, d] to the noise's shape."""
        x = noise
        for i in range(self.steps):
            time = x.new_full((*x.shape[:-1], 1), i / self.steps)
            x = x + self.velocity(observations, x, time) / self.steps
        return x.clamp(*ACTION_BOUNDS)


class GaussianReference(nn.Module):
    """mu as a normal distribution: a learnt mean, one learnt spread per action coordinate."""

    def __init__(self, observation: int, action: int, hidden: Sequence[int], streams: SeedStreams) -> None:
        super().__init__()
        self.mean = MLP((observation, *hidden, action), streams)
        self.log_std = nn.Parameter(torch.zeros(len(streams.generators), 1, action, device=streams.device))

    def loss(self, observations: Tensor, actions: Tensor, noise: Tensor, time: Tensor) -> Tensor:
        """Negative log-likelihood of each seed in nats, [S]: the mean over the batch; `noise`, `time` are unused."""
        del noise, time
        log_std = self.log_std.clamp(*LOG_STD_BOUNDS)
        z = (actions - self.mean(observations).squeeze(1)) * torch.exp(-log_std)
        return (z.square() / 2 + log_std + math.log(2 * math.pi) / 2).sum(-1).mean(-1)

    def sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Return mean + std * noise in the box; shapes as `FlowReference.sample`."""
        mean, std = self.mean(observations).squeeze(1), self.log_std.clamp(*LOG_STD_BOUNDS).exp()
        if noise.ndim > mean.ndim:
            mean, std = mean.unsqueeze(-2), std.unsqueeze(-2)
        return (mean + std * noise).clamp(*ACTION_BOUNDS)


Reference = FlowReference | GaussianReference


def make_reference(
    kind: str, observation: int, action: int, hidden: Sequence[int], streams: SeedStreams, *, flow_steps: int
) -> Reference:
    """Build a reference policy of `kind` "flow" or "gaussian"; `flow_steps` counts for the flow only.

    Raises:
        ValueError: for another kind.
    """
    if kind == "flow":
        return FlowReference(observation, action, hidden, streams, steps=flow_steps)
    if kind == "gaussian":
        return GaussianReference(observation, action, hidden, streams)
    raise ValueError(f"reference must be 'flow' or 'gaussian', got {kind!r}")
