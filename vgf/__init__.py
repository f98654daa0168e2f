"""Value gradient flow: the compact package behind the companion book.

`vgf.flow` is the method, `vgf.theory` its bounds, `vgf.agents` what is trained with it. The names below load
on first use, so that `import vgf` is immediate and needs neither a GPU nor the network.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vgf.flow import Budget, Trajectory, best_of, stein_direction, transport, value_gradient

__version__ = "0.1.0"
__all__ = ["Budget", "Trajectory", "__version__", "best_of", "stein_direction", "transport", "value_gradient"]


def __getattr__(name: str) -> object:
    """Load a public name from `vgf.flow` when it is first asked for (PEP 562)."""
    if name in __all__:
        return getattr(import_module("vgf.flow"), name)
    raise AttributeError(f"module 'vgf' has no attribute {name!r}")
