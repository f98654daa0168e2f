"""The fused path of `Agent.update_many`: whole updates in one C++ function, on a CPU.

`update.cpp` is the twin of the agents' own updates: the same draws, the same arithmetic up to the order of sums. It is
built once on a machine (`build`) and told by `job` where weights, moments and data lie. Where it cannot run (no
compiler, a GPU, other settings), `update_many` is the loop over `update`, said once; `VGF_FUSED=0` switches it off.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

from vgf.agents.fused.build import Unavailable, fault, first_line, library
from vgf.agents.fused.job import ADAM, DTYPES, METRICS, PRECISIONS, Flag, Job, Method, Network, Recipe, Role, fill
from vgf.agents.reported import Reported
from vgf.datasets.transitions import Transitions

if TYPE_CHECKING:
    from vgf.agents.base import Agent

__all__ = [
    "Flag",
    "Method",
    "Network",
    "Recipe",
    "Role",
    "Unavailable",
    "available",
    "fill_bank",
    "forget",
    "reason",
    "refusal",
    "update_many",
]

SWITCHED_OFF = "switched off by VGF_FUSED=0"
_SAID: set[str] = set()  # reasons this process has given


def available(agent: Agent) -> bool:
    """Say whether the core can do this agent's updates; if not, why is said once on stderr."""
    because = refusal(agent)
    if because not in (None, SWITCHED_OFF) and because not in _SAID:
        _SAID.add(str(because))
        print(f"fused core: not used for {agent.name}: {because}; updates take the slower path", file=sys.stderr)
    return because is None


def refusal(agent: Agent) -> str | None:
    """Return why the core does not do this agent's updates, None where it does."""
    if os.environ.get("VGF_FUSED", "1") == "0":
        return SWITCHED_OFF
    try:
        _check(agent)
    except Unavailable as because:
        return str(because)
    return None


def reason() -> str | None:
    """Return why there is no fused core to use here, None where there is one."""
    if os.environ.get("VGF_FUSED", "1") == "0":
        return SWITCHED_OFF
    try:
        library()
    except Unavailable as because:
        return str(because)
    return None


def forget() -> None:
    """Forget what was said, so that it is said again."""
    _SAID.clear()


def _check(agent: Agent) -> None:
    """Raise `Unavailable` with the reason, where there is one."""
    if agent.device.type != "cpu":
        raise Unavailable(f"it runs on a CPU, the agent is on {agent.device}")
    recipe = agent.recipe(1)
    parameters = [p for network in recipe.networks.values() for p in network.parameters]
    kinds = sorted({str(p.dtype) for p in parameters})
    if len(kinds) > 1 or parameters[0].dtype not in DTYPES:
        raise Unavailable(f"its weights are in {' and '.join(kinds)}; it computes in float32")
    if not all(p.is_contiguous() for p in parameters):
        raise Unavailable("a weight is not contiguous in memory")
    for name, optimizer in agent.optimizers.items():
        (group,) = optimizer.param_groups
        if any(group[key] != value for key, value in ADAM.items()):
            raise Unavailable(f"the optimizer of {name} is not Adam with its defaults")
    if (said := fault(_precision(agent, recipe))) is not None:
        remedy = "" if fault(PRECISIONS["float32"]) else "; precision: float32 has one"
        raise Unavailable(f"precision {_word(agent)} has no product on this processor{remedy} ({said})")


def _word(agent: Agent) -> str:
    return getattr(agent.config, "precision", "float32")


def _precision(agent: Agent, recipe: Recipe) -> int:
    """Return the core's number of the agent's precision; weights in double precision are computed with as such."""
    parameter = next(iter(recipe.networks.values())).parameters[0]
    return 0 if parameter.dtype == torch.float64 else PRECISIONS[_word(agent)]


def update_many(agent: Agent, transitions: Transitions, index: Tensor) -> list[Reported]:
    """Do k updates of an `available` agent; see `Agent.update_many`.

    Args:
        agent: whose weights, moments and streams go on.
        transitions: the whole dataset.
        index: rows of each update's batch, [k, S, B].

    Raises:
        IndexError: if the dataset has no such row.
        ValueError: if index, dataset or bank are not of the agent's sizes.
    """
    if len(index) == 0:
        return []
    index = _check_input(agent, transitions, index)
    agent.prepare(transitions)
    count, seeds, batch = index.shape
    recipe = agent.recipe(batch)
    if recipe.until is not None and agent.updates + count > recipe.until:
        split = recipe.until - agent.updates
        return update_many(agent, transitions, index[:split]) + update_many(agent, transitions, index[split:])
    parameter = next(iter(recipe.networks.values())).parameters[0]
    job, kept = _job(agent, recipe, transitions)
    job.updates, job.batch, job.first_update = count, batch, agent.updates
    noise, start = _draw(agent, recipe, count, batch, parameter.dtype)
    metrics = torch.zeros(count, seeds, METRICS, dtype=parameter.dtype)
    job.index, job.metrics = index.data_ptr(), metrics.data_ptr()
    for at, drawn in noise.items():
        job.noise[at] = drawn.data_ptr()
    if start is not None and recipe.bank is not None:
        job.bank, job.start, job.bank_size = recipe.bank.data_ptr(), start.data_ptr(), recipe.bank.shape[2]
    if recipe.sigma is not None:
        kept.append(sigma := recipe.sigma.double().contiguous())
        job.sigma = sigma.data_ptr()
    if recipe.bank is not None and recipe.bank.shape[1] != len(transitions):
        raise ValueError(f"the bank is of {recipe.bank.shape[1]} states, the dataset has {len(transitions)}")
    numbers = range(agent.updates + 1, agent.updates + count + 1)
    try:
        _call(job)
    finally:  # an interrupt is raised after the call: what was written is counted all the same
        if job.done:
            _count(agent, recipe, job)
            agent.updates += count
    del kept
    whole = {name: metrics[..., place] for name, place in recipe.metrics.items()}
    if not recipe.delayed:
        return [Reported(numbers, whole)]
    due = [i for i, number in enumerate(numbers) if number % recipe.counts["delay"] == 0]
    rest = [i for i in range(count) if i not in due]
    early = {name: value for name, value in whole.items() if name not in recipe.delayed}
    groups = ((rest, early), (due, whole))
    return [Reported([numbers[i] for i in at], {n: v[at] for n, v in names.items()}) for at, names in groups if at]


def fill_bank(agent: Agent, states: Tensor, noise: Tensor, actions: Tensor, row: int) -> None:
    """Integrate reference actions into a bank.

    Args:
        agent: an `available` one, whose recipe names its reference.
        states: [B, o].
        noise: [S, B, K, d].
        actions: the bank, [S, T, K, d] in float16; rows `row` to `row` + B are written.
        row: the first.
    """
    recipe = agent.recipe(1)
    job = Job(method=Method.BANK, precision=_precision(agent, recipe), updates=1, seeds=len(agent.seeds))
    kept = fill(job.networks[Role.REFERENCE], recipe.networks[Role.REFERENCE], None)
    dtype = recipe.networks[Role.REFERENCE].parameters[0].dtype
    states, noise = states.to(dtype).contiguous(), noise.to(dtype).contiguous()
    job.batch, job.rows, (job.observation, job.action) = len(states), actions.shape[1], agent.dims
    job.next_observations, job.bank, job.noise[0] = states.data_ptr(), actions.data_ptr(), noise.data_ptr()
    job.bank_size, job.first_update, job.flow_steps = actions.shape[2], row, recipe.counts["flow_steps"]
    _call(job)
    del kept


def _check_input(agent: Agent, transitions: Transitions, index: Tensor) -> Tensor:
    """Return the index as the core reads it; refuse what would let it read beyond an array."""
    if index.ndim != 3 or index.shape[1] != len(agent.seeds):
        raise ValueError(f"index must be [k, {len(agent.seeds)}, B], got {tuple(index.shape)}")
    widths = (transitions.observations.shape[1], transitions.actions.shape[1])
    if widths != tuple(agent.dims):
        raise ValueError(f"{agent.name} has widths {tuple(agent.dims)}, the dataset has {widths}")
    if int(index.min()) < 0 or int(index.max()) >= len(transitions):
        raise IndexError(f"index must be rows of the dataset, 0 to {len(transitions) - 1}")
    return index.to(torch.int64).contiguous()


def _job(agent: Agent, recipe: Recipe, transitions: Transitions) -> tuple[Job, list[object]]:
    """Describe agent and data to the core; return what must live as long as the job, too."""
    job = Job(method=recipe.method, precision=_precision(agent, recipe), seeds=len(agent.seeds), flags=recipe.flags)
    kept: list[object] = []
    for role, network in recipe.networks.items():
        kept += fill(job.networks[role], network, agent.optimizers.get(network.optimizer or ""))
    dtype = next(iter(recipe.networks.values())).parameters[0].dtype
    for name in ("observations", "actions", "rewards", "masks", "next_observations"):
        column = getattr(transitions, name).to(dtype).contiguous()
        kept.append(column)
        setattr(job, name, column.data_ptr())
    job.rows, job.observation, job.action = len(transitions), *agent.dims
    for name, value in recipe.counts.items():
        setattr(job, name, value)
    job.setting = (ctypes.c_double * 8)(*recipe.settings)
    return job, kept


def _draw(
    agent: Agent, recipe: Recipe, count: int, batch: int, dtype: torch.dtype
) -> tuple[dict[int, Tensor], Tensor | None]:
    """Draw what `count` calls of `update` would draw, in their order: each noise [k, S, ...], and the bank's starts."""
    drawn: dict[int, list[Tensor]] = {place: [] for place in recipe.noise}
    starts: list[Tensor] = []
    for _ in range(count):
        if recipe.bank is not None:
            starts.append((agent.streams["particles"].uniform(batch, 1) * recipe.bank.shape[2]).long().squeeze(-1))
        for place, numbers in zip(recipe.noise, agent.numbers(list(recipe.noise.values())), strict=True):
            drawn[place].append(numbers)
    noise = {place: torch.stack(each).to(dtype).contiguous() for place, each in drawn.items()}
    return noise, torch.stack(starts).contiguous() if starts else None


def _call(job: Job) -> None:
    """Run the core.

    Raises:
        RuntimeError: what went wrong in it.
    """
    said = library().vgf_run(ctypes.byref(job))
    if said is not None:
        raise RuntimeError(f"fused core: {first_line(said.decode())}")


def _count(agent: Agent, recipe: Recipe, job: Job) -> None:
    """Count Adam's steps, and tell torch which tensors were written."""
    for role, network in recipe.networks.items():
        increment_version(network.parameters)
        if network.optimizer is not None:
            for parameter in network.parameters:
                agent.optimizers[network.optimizer].state[parameter]["step"].fill_(job.networks[role].steps)
