"""The fused core where numbers, shapes and callers are at their edges, against the eager twin in float64.

What callers hand over that does not fit is in `test_fused_refusals.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.fused_agents import data, loop, make, numbers, rows_of
from vgf.agents import Agent, fused
from vgf.datasets.transitions import Transitions

pytestmark = pytest.mark.skipif(fused.reason() is not None, reason=f"no fused core here: {fused.reason()}")


def same(agents: tuple[Agent, Agent], transitions: Transitions, index: Tensor) -> None:
    """Train one by the core and one by the loop; hold metrics and weights equal, NaN to NaN."""
    ours, theirs = numbers(agents[0].update_many(transitions, index)), numbers(loop(agents[1], transitions, index))
    for key, value in theirs.items():
        close = torch.allclose(ours[key], value, rtol=1e-8, atol=1e-9, equal_nan=True)
        assert close, f"{key}: {ours[key]} and {value}"
    for name, value in agents[1].policy().items():
        torch.testing.assert_close(agents[0].policy()[name], value, rtol=0, atol=1e-8, equal_nan=True)


def changed(agent: Agent, change: Callable[[Any], None]) -> Agent:
    with torch.no_grad():
        change(agent)
    return agent


def tie(agent: Any) -> None:
    for parameter in (*agent.critic.parameters(), *agent.target.parameters()):
        parameter[:, 1] = parameter[:, 0]


def edge(value: float) -> Callable[[Any], None]:
    def change(agent: Any) -> None:
        agent.actor.net.weights[-1].zero_()
        agent.actor.net.biases[-1].fill_(value)

    return change


def spread(value: float) -> Callable[[Any], None]:
    def change(agent: Any) -> None:
        agent.actor.log_std.fill_(value)

    return change


def flat(agent: Any) -> None:
    """V and the target are 0 everywhere: the expectile's difference is exactly 0."""
    for net in (agent.value.net, agent.target.net):
        net.weights[-1].zero_()


def coincide(agent: Any) -> None:
    """Every particle ends in the corner of the box."""
    agent.reference.velocity.net.weights[-1].zero_()
    agent.reference.velocity.net.biases[-1].fill_(50.0)


CASES: dict[str, tuple[str, dict[str, Any], Callable[[Any], None]]] = {
    **{f"spread at {v}": ("iql", {"std": "learnt"}, spread(v)) for v in (-5.0, 2.0, 3.0)},
    "weights clipped": ("iql", {}, lambda a: a.target.net.biases[-1].fill_(1e6)),
    "difference of 0": ("iql", {}, flat),
    **{f"policy at {v}": ("fql", {}, edge(v)) for v in (1.0, -1.0, 1.5)},
    "tie, least flow": ("vgf", {"flow_q": "min", "target_q": "min"}, tie),
    "tie, rebrac": ("rebrac", {}, tie),
    **{f"coincident, {o}": ("vgf", {"optimizer": o}, coincide) for o in ("adam", "none")},
    "cold": ("vgf", {"temperature": 1e-6}, lambda a: None),
    "hot": ("vgf", {"temperature": 1e6}, lambda a: None),
    "narrow": ("vgf", {"bandwidth": 1e-6}, lambda a: None),
    "wide": ("vgf", {"bandwidth": 1e6}, lambda a: None),
    "far": ("vgf", {"step_size": 100.0}, lambda a: None),
    "average at once": ("idql", {"behaviour": "flow", "average_rate": 1.0, "tau": 1.0}, lambda a: None),
}


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("case", CASES)
def test_at_the_edges_it_is_the_twin(case: str) -> None:
    name, changes, change = CASES[case]
    first, second = (changed(make(name, **changes), change) for _ in range(2))
    same((first, second), data(), rows_of((1, 2), 37, 1 if case.startswith("tie") else 3))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["vgf", "rebrac"])
def test_the_last_row_and_masks_of_0(name: str) -> None:
    transitions = data()
    transitions.masks.zero_()
    same((make(name), make(name)), transitions, torch.full((2, 2, 5), 299))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("name", ["vgf", "td3_bc"])
def test_a_target_that_is_nan_shows_in_the_least_value(name: str) -> None:
    changes: dict[str, Any] = {"target_q": "min"} if name == "vgf" else {}
    agents = [
        changed(make(name, **changes), lambda a: a.target.net.biases[-1][:, 1].fill_(float("nan"))) for _ in range(2)
    ]
    same((agents[0], agents[1]), data(), rows_of((1, 2), 8, 1))


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("sizes", [(1, 2, 3, 4), (2, 1, 3, 4), (3, 7)])
def test_the_delay_keeps_time_when_the_path_changes(sizes: tuple[int, ...]) -> None:
    ours, theirs, index = make("td3_bc"), make("td3_bc"), rows_of((1, 2), 16, 10)
    loop(theirs, data(), index)
    for number, part in enumerate(index.split(sizes)):
        ours.update_many(data(), part) if number % 2 else loop(ours, data(), part)
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value, rtol=0, atol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("change", [{"betas": (0.5, 0.9)}, {"weight_decay": 0.1}, {"eps": 1e-2}], ids=str)
def test_an_adam_that_is_set_otherwise_is_refused_or_followed(change: dict[str, Any]) -> None:
    agents = (make("vgf"), make("vgf"))
    for agent in agents:
        agent.optimizers["critic"].param_groups[0].update(change)
    same(agents, data(), rows_of((1, 2), 16, 3))


@pytest.mark.usefixtures("float64")
def test_a_learning_rate_that_was_changed_is_followed() -> None:
    agents = (make("vgf"), make("vgf"))
    for agent in agents:
        agent.optimizers["critic"].param_groups[0]["lr"] = 1e-2
    same(agents, data(), rows_of((1, 2), 16, 3))


@pytest.mark.parametrize("kind", ["float64", "strided"])
def test_data_of_another_kind_gives_the_same(kind: str) -> None:
    whole = vars(data())
    other = {n: v.double() for n, v in whole.items()} if kind == "float64" else dict(whole)
    if kind == "strided":
        other |= {n: whole[n].mT.contiguous().mT for n in ("observations", "actions", "next_observations")}
    agents, index = (make("vgf"), make("vgf")), rows_of((1, 2), 8, 3)
    agents[0].update_many(data(), index)
    agents[1].update_many(Transitions(**other), index)
    assert all(torch.equal(agents[1].policy()[name], value) for name, value in agents[0].policy().items())


def test_two_agents_in_two_threads_and_seeds_in_threads_end_at_the_same_bits() -> None:
    names, before = ("vgf", "fql"), torch.get_num_threads()
    index = rows_of((1, 2), 16, 10)
    alone, together = [make(name) for name in names], [make(name) for name in names]
    try:
        torch.set_num_threads(1)
        for agent in alone:
            agent.update_many(data(), index)
        torch.set_num_threads(2)
        threads = [threading.Thread(target=agent.update_many, args=(data(), index)) for agent in together]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        torch.set_num_threads(before)
    for first, second in zip(alone, together, strict=True):
        assert all(torch.equal(second.state_dict()[key], value) for key, value in first.state_dict().items())
