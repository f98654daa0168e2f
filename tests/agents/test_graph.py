"""k updates in one call against k calls of `update`: bit for bit, run as they are and replayed from a recording."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch

from tests.helpers.graph_agents import ALL, CONFIGS, K, data, flat, graph, hold, index, make, same
from tests.helpers.small_agents import DIMS
from tests.helpers.tape import record_tape
from vgf.agents import AGENTS
from vgf.agents.stepped import SteppedAgent
from vgf.networks import SeedStreams

pytestmark = pytest.mark.usefixtures("no_core")


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Spend no second thread on networks this small."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@ALL
def test_uncaptured_k_updates_in_a_call_are_k_updates_bit_for_bit(name: str) -> None:
    rows = data()
    many, singly = make(name, rows), make(name, rows)
    graph(many, capture=False)
    hold(many, singly, rows, 2 * K + 1)  # and one that is left over
    hold(many, singly, rows, K, seed=1)


@ALL
def test_a_recording_replayed_goes_on_bit_for_bit(name: str) -> None:
    """What the tape replays sees no host: neither numbers of updates nor version counters nor copies made before it."""
    rows = data()
    many, singly = make(name, rows), make(name, rows)
    recorded = graph(many, record=record_tape)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for call in range(4):
            hold(many, singly, rows, K, seed=call)
        assert recorded.recorded
        hold(many, singly, rows, 1, seed=7)  # singly, with the weights the replays left
        hold(many, singly, rows, 2 * K, seed=8)


@pytest.mark.parametrize("name", ["adam", "low frozen", "paper", "bc"])
def test_weights_that_are_loaded_are_those_the_next_replay_starts_from(name: str) -> None:
    rows = data()
    many, singly, other = make(name, rows), make(name, rows), make(name, rows)
    recorded = graph(many, record=record_tape)
    hold(many, singly, rows, 3 * K)
    assert recorded.recorded
    g = torch.Generator().manual_seed(1)
    weights = {key: value + 0.1 * torch.randn(value.shape, generator=g) for key, value in other.policy().items()}
    for agent in (many, singly):
        agent.load_policy(weights)  # in place: the recording stays good
    replay = recorded.replay
    hold(many, singly, rows, K, seed=1)
    assert recorded.replay is replay


@pytest.mark.parametrize("name", ["adam", "paper", "low", "bc"])
def test_a_state_that_is_loaded_is_recorded_anew(name: str) -> None:
    rows = data()
    many, singly = make(name, rows), make(name, rows)
    recorded = graph(many, record=record_tape)
    hold(many, singly, rows, 3 * K)
    state = {key: value.clone() for key, value in many.state_dict().items()}
    hold(many, singly, rows, K, seed=1)
    first, fresh = recorded.replay, make(name, rows)
    graph(fresh, record=record_tape)
    for agent in (many, singly, fresh):
        agent.load_state_dict(state)
    hold(many, singly, rows, 2 * K, seed=2)
    assert recorded.replay is not first
    fresh.update_many(rows, index(fresh, rows, 2 * K, seed=2))
    same(fresh.state_dict(), singly.state_dict())


def test_another_dataset_of_the_same_size_is_read() -> None:
    rows, others = data(), data()
    others.rewards.mul_(-2)
    many, singly = make("adam", rows), make("adam", rows)
    graph(many, record=record_tape)
    hold(many, singly, rows, 3 * K)
    hold(many, singly, others, 2 * K, seed=1)
    rows.rewards.add_(1)  # in place
    hold(many, singly, rows, 2 * K, seed=2)


@pytest.mark.parametrize("record", [None, record_tape], ids=["uncaptured", "tape"])
def test_a_bad_number_in_a_batch_comes_out_where_it_went_in(record: Any) -> None:
    rows = data()
    many, singly = make("adam", rows), make("adam", rows)
    graph(many, **({"capture": False} if record is None else {"record": record}))
    hold(many, singly, rows, 3 * K)
    rows.rewards[:] = float("nan")
    drawn = index(singly, rows, 2 * K, seed=1)
    found = many.update_many(rows, drawn)
    assert all(r.metrics["critic/loss"].isnan().all() for r in found)
    assert not found[0].metrics["reference/loss"].isnan().any()
    same(flat(found), flat(singly.update_many(rows, drawn)))
    same(many.state_dict(), singly.state_dict())


def test_a_bank_that_is_filled_anew_is_read() -> None:
    rows = data()
    many, singly = make("bank", rows), make("bank", rows)
    graph(many, record=record_tape)
    hold(many, singly, rows, 3 * K)
    weights = {key: 1.5 * value for key, value in singly.policy().items()}
    for agent in (many, singly):
        agent.load_policy(weights)
        agent.bank = None  # type: ignore[attr-defined]
        agent.prepare(rows)
    hold(many, singly, rows, 2 * K, seed=1)


def test_torch_is_told_that_a_replay_wrote_the_weights() -> None:
    rows = data()
    agent = make("low", rows)
    recorded = graph(agent, record=record_tape)
    agent.update_many(rows, index(agent, rows, 3 * K))
    assert recorded.recorded
    weights = [p for network in agent.networks.values() for p in network.parameters()]
    before = [p._version for p in weights]
    agent.update_many(rows, index(agent, rows, K))
    assert all(p._version > version for p, version in zip(weights, before, strict=True))


def test_what_crosses_the_end_of_pretraining_goes_singly() -> None:
    rows = data()
    kind, config, seeds = CONFIGS["frozen"]
    many, singly = (AGENTS[kind].create(replace(config, pretrain=K + 1), DIMS, seeds) for _ in range(2))
    assert isinstance(many, SteppedAgent)
    assert isinstance(singly, SteppedAgent)
    graph(many, record=record_tape)
    hold(many, singly, rows, 5 * K)


def test_metrics_returned_stay_as_they_were_when_the_buffers_are_filled_again() -> None:
    rows = data()
    agent = make("adam", rows)
    graph(agent, capture=False)
    first = flat(agent.update_many(rows, index(agent, rows, K)))
    kept = {key: value.clone() for key, value in first.items()}
    agent.update_many(rows, index(agent, rows, K, seed=1))
    same(first, kept)


def test_numbers_filled_in_place_are_the_numbers_that_are_drawn() -> None:
    for kind in ("normal", "uniform"):
        for shape in ((3,), (12, 2), (12, 3, 2), (7, 1)):
            drawn, filled, out = SeedStreams((3, 5), "x"), SeedStreams((3, 5), "x"), torch.zeros(4, 2, *shape)
            for i in range(4):
                filled.fill(kind, out[i])  # type: ignore[arg-type]
                assert torch.equal(out[i], getattr(drawn, kind)(*shape))
            assert torch.equal(drawn.state(), filled.state())
