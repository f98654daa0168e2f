"""Value gradient flow: the package behind the companion book.

What lies at the top is the paper: `vgf.flow` is the method, `vgf.theory` its bounds. What lies in a folder is a
machine: `vgf.agents` is what is trained with it, `vgf.training` trains. `fit` trains on data of your own,
`evaluate` plays what was trained, `choose_budget` says how far to move, and `load_policy` is for those who only want to
act. The names below load on first use, so that `import vgf` is immediate and needs neither a GPU nor the network.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vgf.flow import Budget, Trajectory, best_of, stein_direction, transport, value_gradient
    from vgf.training.budgets.report import BudgetReport
    from vgf.training.choose import choose_budget
    from vgf.training.evaluate_own import evaluate
    from vgf.training.fit import fit
    from vgf.training.policy import Policy, load_policy

__version__ = "0.1.0"
_HOMES = {
    "vgf.training.budgets.report": ("BudgetReport",),
    "vgf.flow": ("Budget", "Trajectory", "best_of", "stein_direction", "transport", "value_gradient"),
    "vgf.training.choose": ("choose_budget",),
    "vgf.training.evaluate_own": ("evaluate",),
    "vgf.training.fit": ("fit",),
    "vgf.training.policy": ("Policy", "load_policy"),
}
__all__ = [
    "Budget",
    "BudgetReport",
    "Policy",
    "Trajectory",
    "__version__",
    "best_of",
    "choose_budget",
    "evaluate",
    "fit",
    "load_policy",
    "stein_direction",
    "transport",
    "value_gradient",
]


def __getattr__(name: str) -> object:
    """Load a public name from its module when it is first asked for (PEP 562)."""
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'vgf' has no attribute {name!r}")
