"""Networks and random streams with a leading seed axis: S runs train as one batched program.

Every parameter is a plain tensor [S, E, in, out]: S seeds, each with an ensemble of E members. One `baddbmm` over
the S * E slices evaluates them all, so a loop over seeds never appears in an update. The trade-off is that all
seeds share a shape. Weights and noise of a seed come from generators of its own (`SeedStreams`): a seed's run
does not depend on which other seeds run beside it.

Sizes and initialisation are those of the authors' release (xu2026vgf): relu, variance scaling over the mean of
fan-in and fan-out, zero biases, and in the critic a layer normalisation before the activation.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

LAYER_NORM_EPS = 1e-6  # flax's default, which the release uses


class Draw(NamedTuple):
    """Random numbers that an update needs of each seed.

    Attributes:
        stream: name of the `SeedStreams` they come from.
        kind: standard normal, or uniform in [0, 1).
        shape: of one seed's numbers.
    """

    stream: str
    kind: Literal["normal", "uniform"]
    shape: tuple[int, ...]


class SeedStreams:
    """One random stream for each seed; what a seed draws does not depend on the other seeds.

    The loop over the generators is the only loop over seeds in the package, and it does nothing but draw.

    Args:
        seeds: S distinct integers >= 0.
        purpose: what the stream is for, e.g. "noise"; streams of different purposes are independent.
        device: where the numbers are drawn; the same seed gives other numbers on another kind of device.

    Raises:
        ValueError: if `seeds` is empty, negative or repeats a seed.
    """

    def __init__(self, seeds: Sequence[int], purpose: str, device: torch.device | str = "cpu") -> None:
        if not seeds or len(set(seeds)) != len(seeds) or min(seeds) < 0:
            raise ValueError(f"seeds must be distinct integers >= 0, at least one, got {list(seeds)}")
        self.device = torch.device(device)
        self.generators = [torch.Generator(self.device).manual_seed(_stream_seed(s, purpose)) for s in seeds]

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return standard normal numbers [S, *shape]."""
        return self._draw(lambda g: torch.randn(shape, generator=g, device=self.device, dtype=dtype))

    def uniform(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        """Return numbers uniform in [0, 1), [S, *shape]."""
        return self._draw(lambda g: torch.rand(shape, generator=g, device=self.device, dtype=dtype))

    def fill(self, kind: Literal["normal", "uniform"], out: Tensor) -> None:
        """Write into `out` [S, ...], contiguous, the numbers that `normal` or `uniform` would return."""
        for generator, row in zip(self.generators, out, strict=True):
            if kind == "normal":
                row.normal_(generator=generator)
            else:
                row.uniform_(generator=generator)

    def state(self) -> Tensor:
        """Return the generators' states as bytes, [S, n], for a checkpoint."""
        return torch.stack([g.get_state() for g in self.generators])

    def set_state(self, state: Tensor) -> None:
        """Continue from a state returned by `state`."""
        for generator, one in zip(self.generators, state, strict=True):
            generator.set_state(one.cpu().clone())  # torch crashes on a view into a larger tensor

    def _draw(self, draw: Callable[[torch.Generator], Tensor]) -> Tensor:
        return torch.stack([draw(g) for g in self.generators])


def _stream_seed(seed: int, purpose: str) -> int:
    """Return a 32-bit seed (all that torch's CPU generator uses) mixed from a seed and a purpose."""
    return int(np.random.SeedSequence([seed, zlib.crc32(purpose.encode())]).generate_state(1)[0])


class MLP(nn.Module):
    """S x E independent perceptrons, evaluated together.

    Args:
        sizes: widths from input to output, e.g. (33, 512, 512, 1).
        streams: draws the initial weights, seed by seed.
        members: E, how many networks each seed has.
        layer_norm: normalise before each activation.
    """

    def __init__(
        self, sizes: Sequence[int], streams: SeedStreams, *, members: int = 1, layer_norm: bool = False
    ) -> None:
        super().__init__()
        seeds = len(streams.generators)
        self.seeds, self.members = seeds, members
        self.weights, self.biases = nn.ParameterList(), nn.ParameterList()
        self.gains, self.offsets = nn.ParameterList(), nn.ParameterList()
        for fan_in, fan_out in pairwise(sizes):
            bound = math.sqrt(6 / (fan_in + fan_out))  # variance 2 / (fan_in + fan_out), uniform
            self.weights.append(nn.Parameter(bound * (2 * streams.uniform(members, fan_in, fan_out) - 1)))
            self.biases.append(nn.Parameter(torch.zeros(seeds, members, 1, fan_out, device=streams.device)))
        for width in sizes[1:-1] if layer_norm else ():
            self.gains.append(nn.Parameter(torch.ones(seeds, members, 1, width, device=streams.device)))
            self.offsets.append(nn.Parameter(torch.zeros(seeds, members, 1, width, device=streams.device)))

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate every member on its seed's inputs: [S, ..., in] to [S, E, ..., out]."""
        lead, copies = x.shape[1:-1], self.seeds * self.members
        rows = x.reshape(self.seeds, 1, -1, x.shape[-1]).expand(-1, self.members, -1, -1)
        h = rows.reshape(copies, -1, x.shape[-1])
        for i, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            if i > 0:
                if len(self.gains):
                    h = F.layer_norm(h, h.shape[-1:], eps=LAYER_NORM_EPS)
                    h = torch.addcmul(self.offsets[i - 1].flatten(0, 1), h, self.gains[i - 1].flatten(0, 1))
                h = F.relu(h)
            h = torch.baddbmm(bias.flatten(0, 1), h, weight.flatten(0, 1))
        return h.reshape(self.seeds, self.members, *lead, h.shape[-1])


class Critic(nn.Module):
    """Q(s, a): an ensemble of `members` values for each seed."""

    def __init__(
        self,
        observation: int,
        action: int,
        hidden: Sequence[int],
        streams: SeedStreams,
        *,
        members: int = 2,
        layer_norm: bool = True,
    ) -> None:
        super().__init__()
        self.observation = observation
        self.net = MLP((observation + action, *hidden, 1), streams, members=members, layer_norm=layer_norm)

    def forward(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return Q, [S, E, ...]; see `join` for the shapes of the inputs."""
        return self.net(join(observations, actions)).squeeze(-1)


class VectorField(nn.Module):
    """A d-vector at (s, a), or at (s, a, t) when `timed`: the reference's velocity, or an amortised gradient."""

    def __init__(
        self, observation: int, action: int, hidden: Sequence[int], streams: SeedStreams, *, timed: bool
    ) -> None:
        super().__init__()
        self.net = MLP((observation + action + int(timed), *hidden, action), streams)

    def forward(self, observations: Tensor, actions: Tensor, time: Tensor | None = None) -> Tensor:
        """Return the vectors, [S, ..., d]; `time` is [S, ..., 1], in [0, 1]."""
        x = join(observations, actions)
        return self.net(x if time is None else torch.cat([x, time], -1)).squeeze(1)


def join(observations: Tensor, actions: Tensor) -> Tensor:
    """Concatenate states and actions, repeating a state for each of its particles.

    Args:
        observations: [S, B, o], or the actions' leading shape.
        actions: [S, B, d] or, with a particle axis, [S, B, N, d].

    Returns:
        [S, B, o + d] or [S, B, N, o + d].
    """
    if observations.ndim < actions.ndim:
        observations = observations.unsqueeze(-2)
    return torch.cat([observations.expand(*actions.shape[:-1], -1), actions], -1)
