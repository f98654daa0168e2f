"""The fused core against its eager twin: gradients of every layer, trajectories, chunks, seeds, resumption, precision.

Adam's first moment after one update is a tenth of the gradient, so one update shows every layer's gradient; its inputs
(target, particles, goals of a fitted gradient) show in the gradients and in the metrics.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.fused_agents import BASE, DIMS, data, loop, numbers, rows_of
from vgf.agents import AGENTS, CONFIGS, Agent, fused
from vgf.datasets.transitions import Transitions

VGF = {
    "in step": BASE,
    "fixed steps": replace(BASE, optimizer="none"),
    "least critic": replace(BASE, flow_q="min", target_q="min", target_particles="max"),
    "bank": replace(BASE, pretrain=1, bank=6),
    "amortised": replace(BASE, direction="amortised", pretrain=1, bank=5),
    "unit gradient": replace(BASE, direction="amortised", unit_gradient=True),
    "one particle": replace(BASE, particles=1),
    "no step": replace(BASE, train_steps=0),
    "plain": replace(BASE, layer_norm=False),
    "own bandwidth": replace(BASE, bandwidth=0.3, repulsion=False),
    "in sigma": replace(BASE, step_unit="sigma", step_size=0.3, pretrain=1, bank=6),
    "fixed steps in sigma": replace(BASE, step_unit="sigma", step_size=0.3, pretrain=1, optimizer="none"),
    "amortised in sigma": replace(BASE, step_unit="sigma", pretrain=1, direction="amortised", repulsion=False),
    "one wide layer": replace(BASE, particles=10, hidden=(131,)),
    "three layers": replace(BASE, particles=6, hidden=(40, 33, 64), repulsion=False),
}
DQL = replace(CONFIGS["diffusion_ql"]["default"], hidden=(24, 17))
SHAPES = ("bc default", "best_of_n default", "td3_bc default", "td3_bc paper", "rebrac default", "iql default")
RIVALS = {
    shape: (name, replace(CONFIGS[name][preset], hidden=(24, 17)))
    for shape in (*SHAPES, "iql paper", "fql default", "fql antmaze", "idql ifql")
    for name, preset in (shape.split(),)
}
RIVALS |= {
    "idql pretrained": ("idql", replace(RIVALS["idql ifql"][1], pretrain=1)),
    "iql learnt": ("iql", replace(RIVALS["iql default"][1], std="learnt")),
    "fql normalised": ("fql", replace(RIVALS["fql default"][1], normalise_q=True)),
    "idql paper": ("idql", replace(CONFIGS["idql"]["paper"], hidden=(24, 17), diffusion_steps=4)),
    "diffusion_ql default": ("diffusion_ql", replace(DQL, average_start=0, average_every=2)),
    "diffusion_ql clipped": ("diffusion_ql", replace(DQL, gradient_norm=0.05, backup_samples=3, eta=4.0)),
    "diffusion_ql one step": ("diffusion_ql", replace(DQL, diffusion_steps=1, gradient_norm=9.0)),
    "rebrac no penalty": ("rebrac", replace(RIVALS["rebrac default"][1], critic_penalty=0.0)),
}
CASES = {f"vgf {name}": ("vgf", config) for name, config in VGF.items()} | RIVALS
DOUBLE, SINGLE = torch.float64, torch.float32

pytestmark = pytest.mark.skipif(fused.reason() is not None, reason=f"no fused core here: {fused.reason()}")


@pytest.fixture(params=[DOUBLE, SINGLE], ids=["float64", "float32"])
def dtype(request: Any) -> Iterator[torch.dtype]:
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(SINGLE)


def make(case: str, seeds: tuple[int, ...] = (3, 5)) -> Agent:
    name, config = CASES[case]
    return AGENTS[name].create(config, DIMS, seeds)


def relative(x: Tensor, y: Tensor) -> float:
    return float((x - y).norm() / y.norm().clamp_min(1e-30))


@pytest.mark.parametrize(("seeds", "batch"), [((3,), 32), ((3, 5), 37), ((1, 2, 4), 5)], ids=str)
@pytest.mark.parametrize("case", CASES)
def test_every_gradient_target_and_metric_is_the_twins(
    case: str, seeds: tuple[int, ...], batch: int, dtype: torch.dtype
) -> None:
    """Two updates, so that every phase and the delayed policies have one; rounding of a sum of some hundred terms."""
    ours, theirs, index = make(case, seeds), make(case, seeds), rows_of(seeds, batch, 2)
    assert ours.is_fused
    tolerance = 1e-10 if dtype is DOUBLE else 2e-4
    found, expected = numbers(ours.update_many(data(), index)), numbers(loop(theirs, data(), index))
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=tolerance, atol=tolerance, msg=lambda m, k=key: f"{k}: {m}")
    state = ours.state_dict()
    assert state.keys() == theirs.state_dict().keys()
    for key, value in theirs.state_dict().items():
        if key.startswith("stream.") or key == "updates" or key.endswith("/step"):
            assert torch.equal(state[key], value), key
        elif key.endswith("/exp_avg"):
            assert relative(state[key], value) < tolerance, key
        elif key.startswith("target/"):
            torch.testing.assert_close(state[key], value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES)
def test_twenty_updates_end_where_the_twins_do(case: str) -> None:
    """In float64 to rounding: what differs in float32 is rounding, which Adam enlarges where a gradient is near 0."""
    torch.set_default_dtype(DOUBLE)
    try:
        ours, theirs, index = make(case), make(case), rows_of((3, 5), 37, 20)
        start = {name: value.clone() for name, value in ours.policy().items()}
        ours.update_many(data(), index)
        loop(theirs, data(), index)
        for name, value in theirs.policy().items():
            moved = float((value - start[name]).abs().max())
            assert float((ours.policy()[name] - value).abs().max()) <= 1e-9 * max(moved, 1e-3), name
    finally:
        torch.set_default_dtype(SINGLE)


@pytest.mark.parametrize("case", ["vgf in step", "vgf amortised", "vgf fixed steps", "fql default", "iql default"])
def test_in_float32_it_is_no_farther_from_float64_than_the_twin(case: str) -> None:
    """The judge is the same program in float64.

    The median over weights does not see the few whose gradient is all but zero, where Adam's step has the sign of a
    rounding error; those are held to Adam's own bound, one learning rate an update in either direction.
    """
    index, weights = rows_of((3, 5), 37, 20), {}
    for name, kind in (("double", DOUBLE), ("ours", SINGLE), ("theirs", SINGLE)):
        agent = make(case)
        for network in agent.networks.values():
            network.to(kind)
        weights[name] = _train(agent, index, kind, fused_core=name != "theirs")
    ours, theirs = ((weights[name].double() - weights["double"]).abs() for name in ("ours", "theirs"))
    assert float(ours.median()) <= 4 * float(theirs.median())
    assert float(ours.max()) <= 2 * 20 * 3e-4


def _train(agent: Agent, index: Tensor, kind: torch.dtype, *, fused_core: bool) -> Tensor:
    """Train on noise that is the same in both precisions, and return all weights that learn."""
    columns = {name: value.to(kind) for name, value in vars(data()).items()}
    if fused_core:
        fused.update_many(agent, Transitions(**columns), index)
    else:
        loop(agent, data(), index)
    return torch.cat([agent.policy()[name].flatten() for name in agent.policy() if not name.startswith("target")])


@pytest.mark.parametrize(
    "case", ["vgf in step", "vgf bank", "rebrac default", "iql learnt", "idql ifql", "diffusion_ql clipped"]
)
@pytest.mark.parametrize("precision", ["float32", "bfloat16_all"])
def test_updates_at_once_and_singly_end_at_the_same_bits(case: str, precision: str) -> None:
    name, config = CASES[case]
    index = rows_of((3, 5), 37, 9)
    ends = []
    for sizes in ([9], [1] * 9, [2, 4, 3]):
        agent = AGENTS[name].create(replace(config, precision=precision), DIMS, (3, 5))
        found = [numbers(agent.update_many(data(), part)) for part in index.split(sizes)]
        ends.append((agent.state_dict(), {k: v for each in found for k, v in each.items()}))
    for state, metrics in ends[1:]:
        for first, other in ((ends[0][0], state), (ends[0][1], metrics)):
            assert first.keys() == other.keys()
            assert all(torch.equal(first[key], other[key]) for key in first)


@pytest.mark.parametrize("case", ["vgf amortised", "fql default", "td3_bc default", "diffusion_ql default"])
def test_a_run_restored_goes_on_with_the_same_bits_on_either_path(case: str) -> None:
    index = rows_of((3, 5), 37, 8)
    whole, part, other = make(case), make(case), make(case)
    whole.update_many(data(), index)
    part.update_many(data(), index[:5])
    other.load_state_dict({key: value.clone() for key, value in part.state_dict().items()})
    other.update_many(data(), index[5:])
    assert all(torch.equal(other.state_dict()[key], value) for key, value in whole.state_dict().items())
    loop(part, data(), index[5:])  # the path may change at any update
    for key, value in whole.policy().items():
        torch.testing.assert_close(part.policy()[key], value, rtol=1e-3, atol=2e-3)


@pytest.mark.parametrize(
    "case", ["vgf in step", "vgf bank", "fql default", "iql default", "rebrac default", "diffusion_ql clipped"]
)
def test_a_seed_learns_alone_what_it_learns_in_company(case: str) -> None:
    together, alone = make(case, (3, 5)), make(case, (5,))
    index = rows_of((3, 5), 37, 6)
    together.update_many(data(), index)
    alone.update_many(data(), index[:, 1:])
    for name, value in together.policy().items():
        assert torch.equal(value[1], alone.policy()[name][0]), name


@pytest.mark.parametrize("case", ["vgf in step", "vgf amortised", "fql default", "iql default", "diffusion_ql default"])
def test_lower_precision_moves_the_weights_a_little_and_targets_hardly(case: str) -> None:
    name, config = CASES[case]
    index, ends, targets = rows_of((3, 5), 37, 10), {}, {}
    for precision in ("float32", "bfloat16", "bfloat16_all"):
        agent = AGENTS[name].create(replace(config, precision=precision), DIMS, (3, 5))
        start = {key: value.clone() for key, value in agent.policy().items()}
        found = numbers(agent.update_many(data(), index))
        ends[precision] = torch.cat([(v - start[k]).flatten() for k, v in agent.policy().items()])
        targets[precision] = torch.stack([found[at] for at in sorted(found) if at[1] == "critic/q"])
    for precision in ("bfloat16", "bfloat16_all"):
        assert 0 <= relative(ends[precision], ends["float32"]) < 0.4
        torch.testing.assert_close(targets[precision], targets["float32"], rtol=0.02, atol=0.02)
    if fused.fault(fused.PRECISIONS["bfloat16_all"]) is None:  # where there is no product, all is done in float32
        assert relative(ends["bfloat16_all"], ends["float32"]) > 0


def test_a_large_value_keeps_its_digits_in_bfloat16() -> None:
    """bfloat16 has steps of 1 at 200; the last layer and the target are in float32, so a TD target keeps its cents."""
    agents = []
    for precision in ("float32", "bfloat16_all"):
        agent = AGENTS["best_of_n"].create(replace(BASE, train_steps=0, precision=precision), DIMS, (3,))
        for network in (agent.critic, agent.target):  # type: ignore[attr-defined]
            with torch.no_grad():
                network.net.biases[-1].fill_(200.0)
        agents.append(numbers(agent.update_many(data(), rows_of((3,), 32, 1)))[1, "critic/target"])
    torch.testing.assert_close(*agents, rtol=0, atol=0.02)


def test_a_reward_that_is_not_finite_is_seen_in_the_metrics() -> None:
    sick, agent = data(), make("vgf in step")
    sick.rewards[7] = float("nan")
    index = torch.full((1, 2, 5), 7)
    (reported,) = agent.update_many(sick, index)
    assert bool(reported.metrics["critic/loss"].isnan().all())
    assert bool(agent.policy()["critic/net.weights.0"].isnan().any())


def test_the_eager_core_sees_what_the_fused_one_wrote() -> None:
    """`vgf.agents.fast` tells by torch's version counters whether its copies are stale."""
    name, config = CASES["vgf in step"]
    agent = AGENTS[name].create(replace(config, precision="bfloat16"), DIMS, (3,))
    core = agent.core  # type: ignore[attr-defined]
    agent.update_many(data(), rows_of((3,), 32, 2))
    core.refresh()
    for net in core.nets.values():
        assert torch.equal(net.all.weights[0], net.net.weights[1].flatten(0, 1).to(torch.bfloat16))


def test_rows_that_are_not_there_are_refused() -> None:
    with pytest.raises(IndexError, match="rows of the dataset, 0 to 299"):
        make("vgf in step").update_many(data(), torch.full((1, 2, 5), 300))


@pytest.mark.parametrize(
    ("name", "config", "words"),
    [
        ("vgf", replace(BASE, reference="gaussian"), "its reference is a Gaussian"),
        ("vgf", replace(BASE, particles=65), "at most 64 particles, not 65"),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_it_does_not_cover_takes_the_old_path_and_says_so_once(
    name: str, config: Any, words: str, capsys: Any
) -> None:
    fused.forget()
    agent = AGENTS[name].create(config, DIMS, (3,))
    for _ in range(2):
        (first, *_) = agent.update_many(data(), rows_of((3,), 8, 1))
        assert all(bool(value.isfinite().all()) for value in first.metrics.values())
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert words in said[0]
    assert name in said[0]
