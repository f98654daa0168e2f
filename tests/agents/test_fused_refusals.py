"""What does not fit is refused by the fused core as by the eager twin, before anything is read.

The core is told addresses and cannot check them itself.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from tests.helpers.fused_agents import data, make, rows_of
from vgf.agents import Agent, fused
from vgf.datasets.transitions import Transitions

pytestmark = pytest.mark.skipif(fused.reason() is not None, reason=f"no fused core here: {fused.reason()}")


def half(agent: Agent) -> Transitions:
    agent.networks["reference"].double()
    return data()


def late(agent: Agent) -> Transitions:
    agent.update_many(data(), rows_of((1, 2), 8, 1))
    for network in agent.networks.values():
        network.double()
    return data()


def narrow(agent: Agent) -> Transitions:
    whole = vars(data())
    return Transitions(**whole | {n: whole[n][:, :5].contiguous() for n in ("observations", "next_observations")})


def moments(agent: Agent) -> Transitions:
    agent.update_many(data(), rows_of((1, 2), 8, 1))
    for state in agent.optimizers["critic"].state.values():
        state["exp_avg"] = state["exp_avg"][..., :1].contiguous()
    return data()


@pytest.mark.parametrize("spoil", [half, late, narrow, moments])
def test_what_does_not_fit_is_refused(spoil: Callable[[Agent], Transitions]) -> None:
    agent = make("vgf")
    transitions = spoil(agent)
    with pytest.raises((ValueError, RuntimeError)):
        agent.update_many(transitions, rows_of((1, 2), 8, 1))


def test_an_index_of_other_seeds_is_refused() -> None:
    with pytest.raises((ValueError, RuntimeError)):
        make("vgf", (1, 2, 3, 4)).update_many(data(), rows_of((1,), 8, 1))


def test_an_index_of_int32_counts_as_one_of_int64() -> None:
    agents, index = (make("vgf"), make("vgf")), rows_of((1, 2), 8, 1)
    agents[0].update_many(data(), index)
    agents[1].update_many(data(), index.int())
    assert all(torch.equal(agents[1].policy()[name], value) for name, value in agents[0].policy().items())


def test_a_bank_of_another_dataset_is_refused() -> None:
    agent = make("vgf", pretrain=1, bank=5)
    agent.update_many(data(50), rows_of((1, 2), 8, 2, 50))
    with pytest.raises((ValueError, IndexError)):
        agent.update_many(data(3000), rows_of((1, 2), 8, 1, 3000))


def test_no_updates_report_nothing() -> None:
    assert make("vgf").update_many(data(), rows_of((1, 2), 8, 1)[:0]) == []


def test_weights_that_are_not_contiguous_are_named_so(capsys: pytest.CaptureFixture[str]) -> None:
    fused.forget()
    agent = make("vgf")
    weight = agent.critic.net.weights[0]  # type: ignore[attr-defined]
    weight.data = weight.data.mT.contiguous().mT
    assert not agent.is_fused
    assert "contiguous" in capsys.readouterr().err
