"""Where a model of billions of numbers is worked on, and how it is made to fit: device, recomputing, parts, bf16.

Nothing of it is a setting of the experiment: a batch in parts has the loss of the whole batch, and a layer that is
computed again gives the same numbers. What differs is rounding, and which of the reward's training noise falls where.
So small models stay whole; a lean placement pays a third more time for a fraction of the memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item")


@dataclass(frozen=True)
class Placement:
    """Where and how.

    Attributes:
        device: cpu, cuda or cuda:N.
        lean: compute layers again in the backward pass in place of keeping them (gradient checkpointing), and the
            reward model in bfloat16 over its float32 weights.
        rows: most rows of a backward pass; a batch goes through in parts of so many. 0 takes it whole.
    """

    device: str = "cpu"
    lean: bool = False
    rows: int = 0


WHOLE, LEAN_ROWS = Placement(), 8


def placement_of(scale: str, device: str = "", lean: bool = False) -> Placement:
    """Return how a scale is worked on: paper leanly, on a GPU where there is one; the others on the CPU as they are.

    Args:
        scale: quick, cpu or paper.
        device: auto, cpu, cuda or cuda:N in place of the scale's own.
        lean: work leanly at another scale too.

    Raises:
        ValueError: for a device that is not there.
    """
    where, lean = device or ("auto" if scale == "paper" else "cpu"), lean or scale == "paper"
    if where != "cpu":
        from vgf.training.device import choose_device

        where = str(choose_device(where))
    return Placement(where, lean, LEAN_ROWS if lean else 0)


@cache
def multiplies_bfloat16(info: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the processor has products of bfloat16; one that only imitates them takes three times as long.

    Args:
        info: where Linux lists what an x86 processor can do; without such a list it is taken to have them.
    """
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    flags = next((line.split() for line in lines if line.startswith("flags")), None)
    return flags is None or "amx_bf16" in flags or "avx512_bf16" in flags


def precision_of(placement: Placement) -> str:
    """Return what a policy is worked on in: bfloat16, or float32 on a CPU that is much slower in bfloat16.

    Weights are written in bfloat16 either way. Lean work stays in bfloat16, for its memory.
    """
    return "float32" if placement.device == "cpu" and not placement.lean and not multiplies_bfloat16() else "bfloat16"


def recompute(body: Any) -> None:
    """Let a transformer's layers be computed again in the backward pass; it stays in evaluation mode all the same.

    Args:
        body: a base model of transformers, without a head.
    """
    body.activation_checkpointing_enable(activation_checkpointing_kwargs={"use_reentrant": False})
    for layer in body.layers:
        layer.training = True  # the layer's own flag, which asks for it; its parts drop nothing out


def in_parts(
    rows: Sequence[Item], most: int, loss: Callable[[Sequence[Item]], Tensor], weight: Callable[[Item], float]
) -> Tensor | Iterator[Tensor]:
    """Return a batch's loss, or its parts one by one, of which the sum is the loss.

    Args:
        rows: of the batch.
        most: rows of a part; 0 for the batch as a whole.
        loss: a mean over the rows' weights, a scalar.
        weight: of a row in that mean.
    """
    if not most or len(rows) <= most:
        return loss(rows)
    total = sum(map(weight, rows))
    parts = [rows[at : at + most] for at in range(0, len(rows), most)]
    return (loss(part) * (sum(map(weight, part)) / total) for part in parts)
