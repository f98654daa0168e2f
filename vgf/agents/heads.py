"""Networks and steps that several baselines share and VGF does not need, all with a leading seed axis.

Every method is built from the perceptron of `vgf.networks`, relu with the normalisation before it, so that a
comparison compares methods and not networks. The sizes that made the published comparisons are the defaults (four
layers of 512, normalised in critics and values, plain in policies: park2025fql); what a method's own paper used
is its `paper` preset. The trade-off is that details go: gelu with the normalisation behind it (park2025fql), mish
(wang2023dql), a residual network with dropout (hansenestruch2023idql).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from vgf.networks import MLP, SeedStreams

FINAL_SCALE = 0.1  # shrinks a policy's last layer: 0.01 of the variance, so that tanh starts unsaturated (park2025fql)


class Value(nn.Module):
    """V(s), one for each seed."""

    def __init__(self, observation: int, hidden: Sequence[int], streams: SeedStreams, *, layer_norm: bool) -> None:
        super().__init__()
        self.net = MLP((observation, *hidden, 1), streams, layer_norm=layer_norm)

    def forward(self, observations: Tensor) -> Tensor:
        """Return V, [S, B], of observations [S, B, o]."""
        return self.net(observations).squeeze(1).squeeze(-1)


class Policy(nn.Module):
    """One action for each state: a perceptron with a small last layer, through tanh when `squash`."""

    def __init__(
        self, observation: int, action: int, hidden: Sequence[int], streams: SeedStreams, *, squash: bool
    ) -> None:
        super().__init__()
        self.squash = squash
        self.net = MLP((observation, *hidden, action), streams)
        with torch.no_grad():
            self.net.weights[-1].mul_(FINAL_SCALE)

    def forward(self, observations: Tensor) -> Tensor:
        """Return actions, [S, B, d], of observations [S, B, o]; in the box when squashed."""
        actions = self.net(observations).squeeze(1)
        return actions.tanh() if self.squash else actions


def expectile_loss(difference: Tensor, expectile: float) -> Tensor:
    """Return |expectile - [u < 0]| u^2 for every u: half the square at 0.5, steeper above it (kostrikov2022iql)."""
    return torch.where(difference < 0, 1 - expectile, expectile) * difference.square()


def follow(target: nn.Module, source: nn.Module, rate: float) -> None:
    """Move every parameter of `target` towards `source`, in place: target + rate * (source - target)."""
    with torch.no_grad():
        torch._foreach_lerp_(list(target.parameters()), list(source.parameters()), rate)


@contextmanager
def frozen(*modules: nn.Module) -> Iterator[None]:
    """Let gradients pass through modules without computing their parameters' own."""
    for module in modules:
        module.requires_grad_(False)
    try:
        yield
    finally:
        for module in modules:
            module.requires_grad_(True)


def clip_gradients(parameters: Iterable[nn.Parameter], most: float) -> None:
    """Scale each seed's gradient to a norm of at most `most`, over all parameters [S, ...] together.

    Seeds are clipped apart: a seed's step must not depend on its neighbours'.
    """
    gradients = [p.grad for p in parameters if p.grad is not None]
    norms = torch.stack([g.flatten(1).norm(dim=1) for g in gradients]).norm(dim=0)
    scale = (most / (norms + 1e-6)).clamp(max=1.0)
    for g in gradients:
        g.mul_(scale.reshape(-1, *[1] * (g.ndim - 1)))


def gumbel(uniform: Tensor) -> Tensor:
    """Return Gumbel noise: argmax(x + gumbel) is a draw from softmax(x), without waiting for the device."""
    tiny = torch.finfo(uniform.dtype).tiny
    return -(-(uniform.clamp_min(tiny).log())).clamp_min(tiny).log()


def time_features(step: Tensor, width: int = 16) -> Tensor:
    """Return sines and cosines of a step at geometric frequencies, [...] to [..., width] (vaswani2017attention)."""
    half = width // 2
    ladder = torch.arange(half, device=step.device, dtype=step.dtype)
    frequency = torch.exp(-math.log(10_000) / (half - 1) * ladder)
    angle = step.unsqueeze(-1) * frequency
    return torch.cat([angle.sin(), angle.cos()], -1)
