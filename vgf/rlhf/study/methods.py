"""What is compared, by name: references, best-of-N, the flow with every decoder, its controls, trained policies.

One row a method, so that a table, a record and the command line mean the same by a name. Budgets of one total tilt
are split over 1, 2, 4 and 8 steps; each control differs from a flow in one thing only. Best-of-N draws as many
responses from the language model as a flow of 2N decodes: that is the comparison at equal samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from vgf.flow import Budget
from vgf.rlhf.flow import Flow
from vgf.rlhf.stopping import TO_STOP

TILT = 0.5  # nats of tilt a place, all steps together: chosen in data/experiments/rlhf.yaml; others as vgf_L1@4
STEPS = (1, 2, 4, 8)
WIDE = 4.0  # medians: a particle hears the others at nine tenths of itself


@dataclass(frozen=True)
class Method:
    """A row of the comparison.

    Attributes:
        name: in records and tables.
        kind: human text; responses of the supervised policy, the best of so many; a flow; another trained policy.
        about: one sentence.
        candidates: responses the best is taken of; 0 is the experiment's N.
        flow: of a flow.
        stage: whose folder holds the policy of a trained one.
    """

    name: str
    kind: Literal["human", "best", "flow", "policy"]
    about: str
    candidates: int = 0
    flow: Flow | None = None
    stage: str = ""


def _flow(name: str, about: str, flow: Flow) -> Method:
    return Method(name, "flow", about, flow=flow)


def _steps(prefix: str, about: str, flow: Flow, steps: tuple[int, ...], tilt: float = TILT) -> list[Method]:
    """Return a flow at several numbers of steps of one total tilt."""
    return [_flow(f"{prefix}_L{n}", about, replace(flow, budget=Budget(n, tilt / n))) for n in steps]


def _rows() -> list[Method]:
    """Return every method."""
    plain = Flow()
    cold = replace(plain, decoder="cold")
    return [
        Method("human", "human", "the human response"),
        Method("sft", "best", "one response of the supervised policy", candidates=1),
        *(Method(f"best_of_{n}", "best", f"the best of {n} by the reward", candidates=n) for n in (8, 16, 32)),
        *_steps("vgf", "the flow on embeddings, Gumbel tilt", plain, STEPS),
        *_steps("vgf_shared", "one displacement for all places of a response", replace(plain, shared=True), STEPS),
        *_steps("vgf_wide", "a kernel four medians wide", replace(plain, widen=WIDE), STEPS),
        *_steps("vgf_shared_wide", "both", replace(plain, shared=True, widen=WIDE), STEPS),
        *_steps("vgf_hidden", "the flow on last hidden states, Gumbel tilt", replace(plain, space="hidden"), STEPS),
        *_steps(
            "vgf_one_line", "linearised once: decoded at the end only", replace(plain, relinearise=False), (2, 4, 8)
        ),
        _flow("cold_L0", "the re-decoder alone", replace(cold, budget=Budget(0, 0.0), own_zero=True)),
        *_steps("cold", "the flow, re-decoded near the text it comes from", cold, STEPS),
        *_steps("projection", "the nearest embedding", replace(plain, decoder="projection"), (1, 4), tilt=40.0),
        *(
            _flow(f"swaps_L{n}", "one token exchanged a step", replace(plain, decoder="swaps", budget=Budget(n, 4.0)))
            for n in (2, 4, 8)
        ),
        *_steps("constant", "control: one direction for everything", replace(plain, constant=True), (1, 4)),
        *_steps(
            "constant_cold", "control: one direction for everything, re-decoded", replace(cold, constant=True), (1, 4)
        ),
        *_steps("no_kernel", "control: each response follows its own gradient", replace(plain, kernel=False), STEPS),
        *_steps("no_repulsion", "control: attraction only", replace(plain, repulsion=False), (1, 4)),
        Method("weighted_bc", "policy", "weighted cloning, one response", candidates=1, stage="bc"),
        Method("weighted_bc_best", "policy", "weighted cloning, best of N", stage="bc"),
        *(
            Method(name, "policy", f"{name.upper()} through TRL, one response", candidates=1, stage=name)
            for name in ("dpo", "ppo", "rloo")
        ),
        *(
            Method(name, "policy", f"{rival.upper()} until its reward stops rising", candidates=1, stage=name)
            for name, rival in TO_STOP.items()
        ),
    ]


METHODS = {method.name: method for method in _rows()}
CORE = (
    "human",
    "sft",
    "best_of_8",
    "best_of_16",
    "vgf_L1",
    "vgf_L2",
    "vgf_L4",
    "vgf_hidden_L2",
    "cold_L0",
    "cold_L1",
    "projection_L1",
    "swaps_L4",
    "constant_L1",
    "constant_L4",
    "no_kernel_L1",
    "no_kernel_L4",
)  # `vgf rlhf align` without --method


def get_method(name: str) -> Method:
    """Return the method of a name; `vgf_L4@1.5` is the flow `vgf_L4` with a total tilt of 1.5 nats.

    Raises:
        ValueError: for an unknown name, or a tilt of something that is no flow.
    """
    base, at, tilt = name.partition("@")
    if base not in METHODS:
        raise ValueError(f"no method {base!r}; known: {', '.join(METHODS)}")
    method = METHODS[base]
    if not at:
        return method
    try:
        total = float(tilt)
        if method.flow is None or method.flow.budget.steps == 0 or not total > 0:
            raise ValueError
    except ValueError:
        raise ValueError(f"{name}: a tilt is a number > 0 after the name of a flow, as vgf_L4@1.5") from None
    steps = method.flow.budget.steps
    flow = replace(method.flow, budget=replace(method.flow.budget, step_size=total / steps))
    return replace(method, name=name, flow=flow)


def order_of(names: Iterable[str]) -> list[str]:
    """Return names in the order of the table of methods, tilts ascending."""
    listed = list(METHODS)

    def place(name: str) -> tuple[int, float]:
        base, _, tilt = name.partition("@")
        return listed.index(base), float(tilt or 0.0)

    return sorted((name for name in names if name.partition("@")[0] in METHODS), key=place)


def chosen(names: tuple[str, ...], most: int, particles: int) -> list[Method]:
    """Return the methods of these names, or the core ones the sizes allow.

    Raises:
        ValueError: for an unknown name, or one that needs more responses than `most`.
    """
    found = [get_method(name) for name in names or CORE]
    big = [method.name for method in found if method.kind == "best" and method.candidates > most]
    if names and big:
        raise ValueError(f"{big[0]} draws {METHODS[big[0]].candidates} responses a prompt, at most {most} are allowed")
    return [method for method in found if method.name not in big]
