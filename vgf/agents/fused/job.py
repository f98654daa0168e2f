"""What the fused core is told: the structures of `worker.h`, field by field, and how an agent fills them.

Nothing is copied in or out. The core writes to the parameters, the targets and Adam's moments where the modules and the
optimizers hold them, so `state_dict`, checkpoints, evaluation and the eager twin see what it has written, and a run may
change path at any update.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag

import torch
from torch import Tensor, nn

from vgf.networks import MLP, Draw

METRICS = 8  # numbers the core reports of each update and seed
DTYPES = {torch.float64: 0, torch.float32: 1}
ADAM = {"betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0, "amsgrad": False, "maximize": False}  # what it computes
PRECISIONS = {"float32": 1, "bfloat16": 2, "bfloat16_all": 3}


class Method(IntEnum):
    """`Method` of worker.h."""

    VGF, FQL, IMPLICIT, TD3, BANK, DIFFUSION_QL = range(6)


class Role(IntEnum):
    """`Role` of worker.h: a network's place."""

    CRITIC, TARGET, REFERENCE, ACTOR, FIT, VALUE, ACTOR_TARGET, STD = range(8)


class Flag(IntFlag):
    """`Flag` of worker.h."""

    NONE = 0
    TRAIN_CRITIC, CLONE, ADAM_FLOW, REPULSION, FLOW_MIN, TARGET_MIN, TARGET_MAX = (1 << i for i in range(7))
    UNIT_GRADIENT, NORMALISE_Q, SQUASH, WEIGHTED, FIRST_CRITIC, MEAN_SQUARE, DIFFUSION = (1 << i for i in range(7, 14))

    @classmethod
    def of(cls, flags: Mapping[Flag, bool]) -> Flag:
        """Return the flags that are true, together."""
        return cls(sum(int(flag) for flag, on in flags.items() if on))


class Mlp(ctypes.Structure):
    """`Mlp` of worker.h."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("depth", "members", "norm")),
        ("widths", ctypes.POINTER(ctypes.c_int64)),
        *((name, ctypes.POINTER(ctypes.c_void_p)) for name in ("parameters", "mean", "square")),
        ("steps", ctypes.c_int64),
        ("learning_rate", ctypes.c_double),
    )


class Job(ctypes.Structure):
    """`Job` of worker.h."""

    _fields_ = (
        *(
            (n, ctypes.c_int64)
            for n in ["method", "precision", "updates", "seeds", "batch", "observation", "action", "rows"]
        ),
        ("networks", Mlp * len(Role)),
        *((n, ctypes.c_void_p) for n in ["observations", "actions", "rewards", "masks", "next_observations", "index"]),
        ("noise", ctypes.c_void_p * 5),
        *((n, ctypes.c_void_p) for n in ["bank", "start"]),
        *(
            (n, ctypes.c_int64)
            for n in ["bank_size", "particles", "flow_steps", "train_steps", "flags", "delay", "first_update"]
        ),
        ("setting", ctypes.c_double * 8),
        ("metrics", ctypes.c_void_p),
        ("sigma", ctypes.c_void_p),
        ("done", ctypes.c_int64),
    )


@dataclass(frozen=True)
class Network:
    """A network of an agent as the core sees it.

    Attributes:
        parameters: what it is made of, in the order weights, biases, gains, offsets.
        widths: from input to output; empty for IQL's spread, which is no perceptron.
        members: E.
        norm: whether activations are normalised.
        optimizer: the name of its Adam in the agent's `optimizers`; None where it does not learn.
    """

    parameters: tuple[nn.Parameter, ...]
    widths: tuple[int, ...] = ()
    members: int = 1
    norm: bool = False
    optimizer: str | None = None

    @staticmethod
    def of(net: MLP, optimizer: str | None = None) -> Network:
        """Return the core's view of a perceptron."""
        widths = (net.weights[0].shape[-2], *(w.shape[-1] for w in net.weights))
        parameters = (*net.weights, *net.biases, *net.gains, *net.offsets)
        return Network(parameters, widths, net.members, len(net.gains) > 0, optimizer)


@dataclass(frozen=True)
class Recipe:
    """How the core does an agent's update; what each field means to a method stands in update.cpp and rivals.h.

    Attributes:
        method: which.
        networks: by role.
        noise: by the place the core finds it at; each update draws it in this order.
        settings: the method's numbers, discount and tau first.
        flags: its choices.
        metrics: names by the place the core reports them at.
        delayed: names that only every `delay`-th update reports.
        counts: particles, flow_steps (a diffusion's too), train_steps, delay, where the method has them.
        bank: actions to draw from, [S, T, K, d] in float16, with the stream "particles"; None where there is none.
        until: number of the last update that is done like this; None where all are.
        sigma: unit of the flow's steps, [S]; None where they are in action units.
    """

    method: Method
    networks: Mapping[Role, Network]
    noise: Mapping[int, Draw]
    settings: tuple[float, ...]
    flags: Flag = Flag.NONE
    metrics: Mapping[str, int] = field(default_factory=dict)
    delayed: tuple[str, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    bank: Tensor | None = None
    until: int | None = None
    sigma: Tensor | None = None


def moments(optimizer: torch.optim.Adam, parameter: nn.Parameter) -> dict[str, Tensor]:
    """Return Adam's state of a parameter, begun as torch begins it at the first step.

    Raises:
        ValueError: if a moment does not fit its parameter.
    """
    state: dict[str, Tensor] = optimizer.state[parameter]
    if not state:
        state["step"] = torch.zeros((), dtype=torch.float32)
        state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
    for key in ("exp_avg", "exp_avg_sq"):
        own = state[key]
        if own.shape != parameter.shape or own.dtype != parameter.dtype or not own.is_contiguous():
            found, wanted = (f"{x.dtype} {tuple(x.shape)}" for x in (own, parameter))
            raise ValueError(f"Adam's {key} is {found}, its weight is {wanted}; load a checkpoint of this agent")
    return state


def fill(target: Mlp, network: Network, optimizer: torch.optim.Adam | None) -> list[object]:
    """Describe a network to the core; return what must live as long as the job."""
    count = len(network.parameters)
    pointers = ctypes.c_void_p * count
    parameters = pointers(*(p.data_ptr() for p in network.parameters))
    widths = (ctypes.c_int64 * max(1, len(network.widths)))(*network.widths)
    target.depth, target.members, target.norm = max(1, len(network.widths) - 1), network.members, int(network.norm)
    target.widths, target.parameters = widths, parameters
    kept: list[object] = [parameters, widths]
    if optimizer is not None:
        states = [moments(optimizer, p) for p in network.parameters]
        mean, square = (pointers(*(s[key].data_ptr() for s in states)) for key in ("exp_avg", "exp_avg_sq"))
        target.mean, target.square, target.steps = mean, square, int(states[0]["step"])
        target.learning_rate = optimizer.param_groups[0]["lr"]
        kept += [mean, square, states]
    return kept
