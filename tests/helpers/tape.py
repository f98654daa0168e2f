"""A CUDA graph's rules on a CPU: what was called once is called again on the same memory, and the host is not asked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

FORBIDDEN = {  # what waits for the device, copies from the host or draws: none of it may be in a graph
    *("_local_scalar_dense", "is_nonzero", "equal", "nonzero", "masked_select", "unique", "item"),
    *("lift_fresh", "_to_copy.host", "randn", "rand", "randint", "normal_", "uniform_", "random_", "bernoulli"),
}


class Tape(TorchDispatchMode):
    """Writes down every call of torch's operators, backward passes and optimizers included.

    A tensor that a call made keeps its memory for good; a replay computes anew and copies the result there. So, as in
    a CUDA graph, nothing but the contents of tensors can differ from one replay to the next: a Python number, a
    branch or a version counter read while recording stays as it was. And a replay writes past the version counters.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any, Any, list[Any]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call, write down, refuse what a graph must not hold."""
        name = func._overloadpacket.__name__
        assert name not in FORBIDDEN, f"{func} cannot be part of a CUDA graph"
        out = func(*args, **(kwargs or {}))
        self.calls.append((func, args, kwargs or {}, tree_leaves(out)))
        return out

    @torch.no_grad()
    def replay(self) -> None:
        """Call everything again; what has memory of its own gets its new contents there."""
        used = {id(x): x for call in self.calls for x in tree_leaves(call[1:]) if isinstance(x, Tensor)}
        with torch.autograd._unsafe_preserve_version_counter(tuple(used.values())):
            for func, args, kwargs, outs in self.calls:
                for old, new in zip(outs, tree_leaves(func(*args, **kwargs)), strict=True):
                    if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                        old.copy_(new)


def record_tape(program: Callable[[], None], stream: object) -> Callable[[], None]:
    """Record on a tape; unlike a CUDA graph's recording, this also runs the program."""
    assert stream is None, "a CPU has no streams"
    with Tape() as tape:
        program()
    return tape.replay
