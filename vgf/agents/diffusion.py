"""A policy by denoising diffusion (ho2020ddpm), for IDQL and Diffusion-QL.

T noising steps of variance beta_t turn an action into noise, x_t = sqrt(abar_t) a + sqrt(1 - abar_t) e with
abar_t = prod (1 - beta). A network e_theta(s, x_t, t) is fitted to e; sampling starts from noise and undoes the steps.
With few steps (both papers use 5) the variance-preserving schedule of song2021sde is used,

    1 - beta_t = exp(-b_min / T - (b_max - b_min) (2t - 1) / (2 T^2)),   t = 1 ... T,   b_min, b_max = 0.1, 10.

Two ways back are in use. "posterior" (wang2023dql) estimates the clean action, puts it in the box and takes the
mean and variance of x_{t-1} given it and x_t. "step" (hansenestruch2023idql) inverts one step, adds noise of variance
beta_t and puts x_{t-1} in the box.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from vgf.agents.heads import time_features
from vgf.networks import MLP, SeedStreams, join
from vgf.reference import ACTION_BOUNDS

BETA_BOUNDS = (0.1, 10.0)
TIME_FEATURES = 16  # wang2023dql
Sampler = Literal["posterior", "step"]


def vp_schedule(steps: int) -> Tensor:
    """Return beta_1 ... beta_T of the variance-preserving schedule, [T], in float64 (song2021sde)."""
    low, high = BETA_BOUNDS
    t = torch.arange(1, steps + 1, dtype=torch.float64)
    return 1 - torch.exp(-low / steps - (high - low) * (2 * t - 1) / (2 * steps**2))


class Diffusion(nn.Module):
    """A denoising policy; `steps` is T. The schedule is no part of the state: it follows from T."""

    betas: Tensor
    abar: Tensor

    def __init__(
        self,
        observation: int,
        action: int,
        hidden: Sequence[int],
        streams: SeedStreams,
        *,
        steps: int,
        sampler: Sampler,
    ) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"diffusion_steps must be >= 1, got {steps}")
        self.steps, self.sampler = steps, sampler
        self.net = MLP((observation + action + TIME_FEATURES, *hidden, action), streams)
        betas = vp_schedule(steps)
        dtype = self.net.weights[0].dtype
        self.register_buffer("betas", betas.to(streams.device, dtype), persistent=False)
        self.register_buffer("abar", (1 - betas).cumprod(0).to(streams.device, dtype), persistent=False)

    def noise_shape(self, *shape: int) -> tuple[int, ...]:
        """Return the shape, seeds aside, of the noise `sample` needs for samples of `shape`."""
        return (self.steps, *shape)

    def predict(self, observations: Tensor, x: Tensor, step: Tensor) -> Tensor:
        """Return the noise the network sees in x [S, ..., d] at `step` [S, ...], counted from 0."""
        features = time_features(step.to(x.dtype), TIME_FEATURES)
        return self.net(torch.cat([join(observations, x), features], -1)).squeeze(1)

    def loss(self, observations: Tensor, actions: Tensor, noise: Tensor, uniform: Tensor) -> Tensor:
        """Return the squared error of the predicted noise, [S]: the mean over batch and coordinates.

        Args:
            observations: [S, B, o].
            actions: dataset actions, [S, B, d].
            noise: standard normal, [S, B, d].
            uniform: in [0, 1), [S, B]; chooses the step.
        """
        step = (uniform * self.steps).long()
        abar = self.abar[step].unsqueeze(-1)
        x = abar.sqrt() * actions + (1 - abar).sqrt() * noise
        return (self.predict(observations, x, step) - noise).square().mean((-2, -1))

    def sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Return actions in the box, [S, B, d] or [S, B, N, d].

        Args:
            observations: [S, B, o].
            noise: standard normal, [S, T, ...]: the start, then what each step but the last adds.
        """
        x = noise[:, 0]
        for i, t in enumerate(reversed(range(self.steps)), start=1):
            step = torch.full(x.shape[:-1], t, device=x.device)
            mean, variance = self._back(x, self.predict(observations, x, step), t)
            x = mean if t == 0 else mean + variance.sqrt() * noise[:, i]
            if self.sampler == "step":
                x = x.clamp(*ACTION_BOUNDS)
        return x.clamp(*ACTION_BOUNDS)

    def _back(self, x: Tensor, predicted: Tensor, t: int) -> tuple[Tensor, Tensor]:
        """Return mean and variance of x_{t-1}, given x_t and the noise predicted in it."""
        beta, abar = self.betas[t], self.abar[t]
        if self.sampler == "step":
            return (x - beta / (1 - abar).sqrt() * predicted) / (1 - beta).sqrt(), beta
        before = self.abar[t - 1] if t > 0 else torch.ones_like(abar)
        clean = ((x - (1 - abar).sqrt() * predicted) / abar.sqrt()).clamp(*ACTION_BOUNDS)
        mean = (beta * before.sqrt() * clean + (1 - before) * (1 - beta).sqrt() * x) / (1 - abar)
        return mean, beta * (1 - before) / (1 - abar)
