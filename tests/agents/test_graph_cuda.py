"""What of a CUDA graph needs CUDA; and, on any machine, that an update never leaves the device it is on."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.graph_agents import ALL, CONFIGS, SIZE, K, data, flat, graph, hold, index, make
from tests.helpers.small_agents import DIMS
from tests.helpers.tape import record_tape
from vgf import networks
from vgf.agents import AGENTS, hardware
from vgf.agents.graph import GraphUpdates
from vgf.agents.stepped import SteppedAgent
from vgf.datasets.transitions import Batch

CUDA = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")


class Shapes(networks.SeedStreams):
    """Streams that draw shapes alone."""

    def __init__(self, seeds: Any, purpose: str, device: Any = "cpu") -> None:
        self.device, self.generators = torch.device(device), [None] * len(seeds)  # type: ignore[list-item]

    def normal(self, *shape: int, dtype: torch.dtype | None = None) -> Tensor:
        return torch.empty(len(self.generators), *shape, device=self.device, dtype=dtype)

    uniform = normal


@ALL
def test_an_update_stays_on_its_device(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The meta device computes nothing, but like CUDA it refuses what mixes it with tensors of the host."""
    from vgf.agents import base, vgf

    for module in (networks, base, vgf):
        monkeypatch.setattr(module, "SeedStreams", Shapes)
    monkeypatch.setattr(sys.modules["torch.optim.adam"], "_device_dtype_check_for_fused", lambda *a, **k: None)
    kind, config, seeds = CONFIGS[name]
    agent = AGENTS[kind].create(config, DIMS, seeds, "meta")
    assert isinstance(agent, SteppedAgent)
    for net in getattr(getattr(agent, "core", None), "nets", {}).values():
        net.mapped = True  # as on CUDA
    agent.updates = 2 if getattr(config, "pretrain", 0) == 2 else 0
    if (unit := getattr(agent, "unit", None)) is not None:
        unit.known = True  # sigma is measured once, before the updates, and reading it needs the host
    rows = object.__new__(type(data()))
    for field, value in vars(data()).items():
        object.__setattr__(rows, field, value.to("meta"))
    agent.prepare(rows)
    agent.forget()
    drawn = torch.zeros(len(seeds), SIZE, dtype=torch.long, device="meta")
    metrics = agent.step(rows.rows(drawn), agent.numbers(agent.draws(SIZE)))
    assert {value.device.type for value in (*metrics.values(), *agent.tensors())} == {"meta"}
    stray = Batch(*(x if x is None else torch.zeros(x.shape, dtype=x.dtype) for x in rows.rows(drawn)))
    with pytest.raises(RuntimeError, match="meta"):
        agent.step(stray, agent.numbers(agent.draws(SIZE)))


pytestmark = pytest.mark.usefixtures("no_core")


@pytest.mark.parametrize("name", ["adam", "amortised", "low", "low frozen", "low paper"])
def test_slices_that_are_mapped_over_are_replayed_bit_for_bit(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "FUSED", False)
    rows = data()
    many, singly = make(name, rows), make(name, rows)
    for agent in (many, singly):
        for net in agent.core.nets.values():  # type: ignore[attr-defined]
            net.mapped, net.version = True, ()
    recorded = graph(many, record=record_tape)
    for call in range(4):
        hold(many, singly, rows, K, seed=call)
    assert recorded.recorded


@pytest.fixture
def no_warning() -> Iterator[None]:
    """Let a graph that is given up fail the test."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def near(name: str, found: dict[Any, Tensor], expected: dict[Any, Tensor]) -> None:
    assert list(found) == list(expected)
    rtol, atol = (0.1, 0.05) if name.startswith("low") else (2e-3, 2e-4)
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=rtol, atol=atol, msg=lambda m, key=key: f"{key}: {m}")


def settled(agent: SteppedAgent, rows: Any) -> GraphUpdates:
    """Give the agent a graph, and update until it is recorded."""
    recorded = graph(agent)
    agent.update_many(rows, index(agent, rows, 3 * K, seed=5))
    assert recorded.recorded, recorded.refused
    return recorded


@CUDA
@ALL
@pytest.mark.usefixtures("no_warning")
def test_on_cuda_a_graph_does_what_single_updates_do(name: str) -> None:
    rows = data("cuda")
    many, singly = make(name, rows, "cuda"), make(name, rows, "cuda")
    recorded = graph(many)
    for call, updates in enumerate((K, K, K, 2 * K + 1, K)):
        drawn = index(singly, rows, updates, seed=call)
        near(name, flat(many.update_many(rows, drawn)), flat(singly.update_many(rows, drawn)))
    assert recorded.recorded, recorded.refused
    near(name, many.policy(), singly.policy())
    for stream, own in many.streams.items():
        assert torch.equal(own.state(), singly.streams[stream].state())


@CUDA
def test_on_cuda_an_agent_has_a_graph_and_other_methods_have_none() -> None:
    kind, config, seeds = CONFIGS["adam"]
    assert isinstance(AGENTS[kind].create(config, DIMS, seeds, "cuda").graph, GraphUpdates)
    assert AGENTS[kind].create(config, DIMS, seeds, "cpu").graph is None


@CUDA
@pytest.mark.parametrize("name", ["adam", "paper", "low", "low frozen", "bc"])
def test_on_cuda_a_replay_never_waits_for_the_device(name: str) -> None:
    rows = data("cuda")
    agent = make(name, rows, "cuda")
    settled(agent, rows)
    drawn = index(agent, rows, 2 * K)
    torch.cuda.set_sync_debug_mode("error")
    try:
        reported = agent.update_many(rows, drawn)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [len(r.updates) for r in reported] == [K, K]


@CUDA
@pytest.mark.parametrize("name", ["adam", "paper", "low frozen", "bc"])
@pytest.mark.usefixtures("no_warning")
def test_on_cuda_a_state_from_a_file_is_gone_on_from(name: str) -> None:
    rows = data("cuda")
    whole, resumed = make(name, rows, "cuda"), make(name, rows, "cuda")
    settled(whole, rows)
    first = settled(resumed, rows).replay
    resumed.load_state_dict({key: value.cpu().clone() for key, value in whole.state_dict().items()})
    assert {x.device.type for x in resumed.tensors()} == {"cuda"}  # Adam's step counts too
    drawn = index(whole, rows, 3 * K)
    near(name, flat(resumed.update_many(rows, drawn)), flat(whole.update_many(rows, drawn)))
    near(name, resumed.policy(), whole.policy())
    assert resumed.graph is not None
    assert resumed.graph.recorded
    assert resumed.graph.replay is not first


@CUDA
@pytest.mark.parametrize("name", ["low frozen", "low"])
def test_on_cuda_copies_of_weights_are_made_inside_the_graph(name: str) -> None:
    rows = data("cuda")
    many, singly = make(name, rows, "cuda"), make(name, rows, "cuda")
    drawn = index(singly, rows, 3 * K, seed=5)
    singly.update_many(rows, drawn)
    replay = settled(many, rows).replay
    weights = {key: 2 * value for key, value in singly.policy().items()}
    for agent in (many, singly):
        agent.load_policy(weights)
    drawn = index(singly, rows, K, seed=6)
    near(name, flat(many.update_many(rows, drawn)), flat(singly.update_many(rows, drawn)))
    assert many.graph is not None
    assert many.graph.replay is replay


@CUDA
def test_on_cuda_a_bad_number_stays_in_its_seed() -> None:
    rows = data("cuda")
    agent = make("adam", rows, "cuda")
    settled(agent, rows)
    with torch.no_grad():
        next(agent.networks["critic"].parameters())[0] = float("nan")
    (reported,) = agent.update_many(rows, index(agent, rows, K))
    loss = reported.metrics["critic/loss"]
    assert loss[:, 0].isnan().all()
    assert loss[:, 1].isfinite().all()


@CUDA
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_on_cuda_a_recording_that_waits_for_the_device_is_given_up_and_training_goes_on() -> None:
    rows = data("cuda")
    many, singly = make("adam", rows, "cuda"), make("adam", rows, "cuda")
    given_up, step = graph(many), many.step

    def waits(batch: Any, noise: Any) -> Any:
        metrics = step(batch, noise)
        metrics["critic/loss"].sum().item()
        return metrics

    many.step = waits  # type: ignore[method-assign]
    for call in range(4):
        drawn = index(singly, rows, K, seed=call)
        near("adam", flat(many.update_many(rows, drawn)), flat(singly.update_many(rows, drawn)))
    assert given_up.refused
    assert not given_up.recorded
    assert torch.cuda.current_stream() == torch.cuda.default_stream()
