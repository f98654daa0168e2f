"""Transitions on the device: what every agent trains on.

A file holds trajectories; an agent wants single transitions (s, a, r, s'), drawn at random, many times a second.
So the whole set lives on the device as a few tensors, checked once, and a batch is one gather by an index drawn
there: no copy from the host per batch. The price is that `next_observations` repeats `observations` shifted by
one, which doubles the memory of the states.

How trajectories become transitions (trajectories of 4 steps; s4 has no action that matters and no successor):

                  |<-- trajectory 1 -->|  |<-- trajectory 2 -->|
    file          s0   s1   s2   s3   s4  s0   s1   s2   s3   s4      terminal of the file: 1 at s4
    observations       s0   s1   s2   s3       s0   s1   s2   s3
    next               s1   s2   s3   s4       s1   s2   s3   s4
    terminals           0    0    0    1        0    0    0    1      where a trajectory ends, for whatever reason
    masks               1    1    0    1        1    1    1    1      0 where the task itself ends: no bootstrap

The TD target is r + discount * mask * V(s'). A time limit ends the trajectory (terminal 1) but not the task (mask
1). In the picture s2 of trajectory 1 reaches the goal: its mask is 0, yet the data, collected without regard to
that goal, goes on, so its terminal is 0. Both columns follow park2025fql.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import NamedTuple

import torch
from torch import Tensor

from vgf.datasets.lean import ACTION_TOLERANCE

ROWS_AT_ONCE = 1 << 15  # rows checked at a time
DERIVED = ("next_actions", "row_index")  # fields of a batch that are no column of the set


def digest(*tensors: Tensor) -> str:
    """Return the SHA-256 of tensors' shapes, types and numbers, in order; waits for the device."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        found.update(tensor.detach().cpu().contiguous().numpy().data)
    return found.hexdigest()


class Batch(NamedTuple):
    """Transitions drawn for S seeds, B each."""

    observations: Tensor  # [S, B, observation]
    actions: Tensor  # [S, B, action]
    rewards: Tensor  # [S, B]
    masks: Tensor  # [S, B]; 1 where the target bootstraps from the next observation
    next_observations: Tensor  # [S, B, observation]
    next_actions: Tensor | None = None  # [S, B, action]; the dataset's action at the next observation
    row_index: Tensor | None = None  # [S, B]; which rows of the set these are


@dataclass(frozen=True)
class Transitions:
    """T transitions as tensors of one floating dtype on one device, checked on creation.

    Attributes:
        observations: s, [T, observation].
        actions: a in [-1, 1], [T, action].
        rewards: r, [T]; which convention, says the task's row.
        masks: 1 to bootstrap from s', 0 where the task ends, [T].
        next_observations: s', [T, observation].
        terminals: 1 at the last transition of a trajectory, [T]; the very last is 1.

    Raises:
        ValueError: naming the field, and for a bad number its row and column.
    """

    observations: Tensor
    actions: Tensor
    rewards: Tensor
    masks: Tensor
    next_observations: Tensor
    terminals: Tensor

    def __post_init__(self) -> None:
        """Refuse tensors that do not fit together or hold what no transition can."""
        self._check_shapes()
        for name in ("observations", "actions", "rewards", "next_observations"):
            _check_rows(name, getattr(self, name), torch.isfinite, "not finite")
        _check_rows("actions", self.actions, lambda x: x.abs() <= 1 + ACTION_TOLERANCE, "outside [-1, 1]")
        for name in ("masks", "terminals"):
            _check_rows(name, getattr(self, name), lambda x: (x == 0) | (x == 1), "neither 0 nor 1")
        if self.terminals[-1] != 1:
            raise ValueError("terminals must end with 1: the last trajectory has no end")

    def __len__(self) -> int:
        """Return T."""
        return self.rewards.shape[0]

    @property
    def device(self) -> torch.device:
        """The device all tensors are on."""
        return self.rewards.device

    @property
    def nbytes(self) -> int:
        """Memory of all tensors in bytes."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

    def to(self, device: torch.device | str) -> Transitions:
        """Return the same transitions on another device."""
        return Transitions(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def float(self) -> Transitions:
        """Return the same transitions in float32, which is what trains; these themselves where they are."""
        if self.rewards.dtype == torch.float32:
            return self
        return Transitions(**{field.name: getattr(self, field.name).float() for field in fields(self)})

    def sample(self, generator: torch.Generator, batch_size: int, seeds: int) -> Batch:
        """Draw transitions uniformly with replacement, anew for every seed.

        Args:
            generator: source of the indices; lives on the transitions' device.
            batch_size: B >= 1.
            seeds: S >= 1.

        Returns:
            A `Batch` of [S, B, ...] tensors on the same device.

        Raises:
            ValueError: naming the argument that is out of range or on another device.
        """
        if batch_size < 1 or seeds < 1:
            raise ValueError(f"batch_size and seeds must be >= 1, got {batch_size} and {seeds}")
        if generator.device.type != self.device.type:
            raise ValueError(f"generator is on {generator.device}, the transitions are on {self.device}")
        index = torch.randint(len(self), (seeds, batch_size), generator=generator, device=self.device)
        return self.rows(index)

    def rows(self, index: Tensor) -> Batch:
        """Gather rows by number: [S, B] to a batch of [S, B, ...].

        A row's next action is the action of the row below, as park2025fql takes it: where a trajectory ends it is
        another's.
        """
        below = (index + 1).clamp(max=len(self) - 1)
        columns = {name: getattr(self, name)[index] for name in Batch._fields if name not in DERIVED}
        return Batch(**columns, next_actions=self.actions[below], row_index=index)

    def _check_shapes(self) -> None:
        """Check rank, length, dtype and device of every field against the rewards and the observations."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, Tensor):
                raise ValueError(
                    f"{field.name} must be a tensor, got {type(value).__name__}; torch.as_tensor makes one"
                )
        if not self.rewards.is_floating_point():
            raise ValueError(f"rewards must be floating point, got {self.rewards.dtype}; make all so with .float()")
        if self.rewards.ndim != 1 or self.rewards.shape[0] == 0:
            raise ValueError(f"rewards must be [T] with T >= 1, got shape {tuple(self.rewards.shape)}")
        length = len(self)
        for field in fields(self):
            value = getattr(self, field.name)
            rank = 2 if field.name in ("observations", "actions", "next_observations") else 1
            if value.ndim != rank or value.shape[0] != length or 0 in value.shape:
                expected = f"[{length}, size]" if rank == 2 else f"[{length}]"
                raise ValueError(f"{field.name} must be {expected}, got shape {tuple(value.shape)}")
            if value.dtype != self.rewards.dtype:
                raise ValueError(f"{field.name} must be {self.rewards.dtype} as the rewards are, got {value.dtype}")
            if value.device != self.device:
                raise ValueError(f"{field.name} is on {value.device}, the rewards are on {self.device}")
        if self.next_observations.shape != self.observations.shape:
            raise ValueError(
                f"next_observations must have the observations' shape {tuple(self.observations.shape)}, "
                f"got {tuple(self.next_observations.shape)}"
            )


def _check_rows(name: str, values: Tensor, allowed: Callable[[Tensor], Tensor], fault: str) -> None:
    """Raise a ValueError that names the first row (and column) of `values` where `allowed` is false.

    Some rows at a time: a mask of them all would add a quarter to the memory that loading takes.
    """
    for start in range(0, len(values), ROWS_AT_ONCE):
        good = allowed(values[start : start + ROWS_AT_ONCE])
        if not bool(good.all()):
            row, *column = torch.nonzero(~good)[0].tolist()
            place = (start + row, *column)
            where = ", ".join(f"{axis} {i}" for axis, i in zip(("row", "column"), place, strict=False))
            raise ValueError(f"{name} is {fault} at {where}: {values[place].item()}")
