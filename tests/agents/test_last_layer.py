"""What rounding the last layer to bfloat16 would do to a TD target near -150, and what is left of it in float32.

bfloat16 has 8 bits: between 128 and 256 its numbers are 1 apart. A network's value is a sum of some hundred products;
where that sum is rounded, a target, and the choice of the best of N actions, has steps of 1 whatever the layers before
keep. The core keeps the last layer in float32 (`vgf.agents.fast`, `vgf.agents.fused`); here both are measured on one
network.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from tests.helpers.fused_agents import BFLOAT16, DIMS, data, rows_of
from vgf.agents import VGF, VGFConfig
from vgf.agents.best_of_n import BestOfN
from vgf.agents.fast import Core

LEVEL, STATES, PARTICLES = -150.0, 512, 5
CONFIG = VGFConfig(hidden=(256, 256, 256), particles=PARTICLES, train_steps=0, flow_steps=2)


def far_below_zero(level: float = LEVEL, precision: str = "float32") -> VGF:
    """An agent whose critics value everything near `level`, by the sum and not by the bias alone."""
    agent = BestOfN.create(replace(CONFIG, precision=precision), DIMS, (3,))  # type: ignore[arg-type]
    with torch.no_grad():
        for network in (agent.critic, agent.target):
            network.net.weights[-1].sub_(0.5)
            network.net.biases[-1].zero_()
            probe = network(*inputs()).mean((2, 3), keepdim=True)
            network.net.weights[-1].mul_(level / probe)
    return agent


def inputs() -> tuple[Tensor, Tensor]:
    g = torch.Generator().manual_seed(5)
    return torch.randn(1, STATES, 7, generator=g), torch.rand(1, STATES, PARTICLES, 3, generator=g) * 2 - 1


def values(agent: VGF, rounded: bool) -> Tensor:
    """Values of the target critic in bfloat16, [E, B, N]: the last layer as it is, or rounded as it would be."""
    core = Core(agent.reference, agent.critic, agent.target, None, "mean", torch.bfloat16)
    net = core.nets["target"]
    if rounded:
        for part in (net.all.weights, net.all.biases):
            part[-1] = part[-1].bfloat16().float()
    with torch.no_grad():
        found = core.value(*inputs())[0]
    return found.bfloat16().float() if rounded else found  # a product in bfloat16 is summed in float32, then rounded


def rms(x: Tensor) -> float:
    return float(x.square().mean().sqrt())


def test_rounding_the_last_layer_is_most_of_a_target_s_error() -> None:
    """On this network 0.29 against 0.05 for each value, and 0.13 against 0.02 for the mean over five actions."""
    agent = far_below_zero()
    with torch.no_grad():
        exact = agent.target(*inputs())[0]
    assert float(exact.mean()) == pytest.approx(LEVEL, abs=1)
    kept, rounded = (values(agent, flag) - exact for flag in (False, True))
    assert rms(rounded) == pytest.approx(1 / 12**0.5, rel=0.1), "the error of rounding to steps of 1"
    assert 0 < rms(kept) < rms(rounded) / 4
    means = [(values(agent, flag).amin(0) - exact.amin(0)).mean(-1) for flag in (False, True)]
    assert rms(means[0]) < rms(means[1]) / 3


def test_the_best_of_five_is_another_where_values_are_rounded() -> None:
    """On this network in one state of six, against one of fifty; in a third of states the best is a tie."""
    agent = far_below_zero()
    with torch.no_grad():
        exact = agent.target(*inputs())[0].amin(0)
    other, tied = {}, {}
    for flag in (False, True):
        found = values(agent, flag).amin(0)
        other[flag] = float((found.argmax(-1) != exact.argmax(-1)).float().mean())
        tied[flag] = float(((found == found.amax(-1, keepdim=True)).sum(-1) > 1).float().mean())
    assert other[True] > 4 * other[False]
    assert tied[True] > 0.2
    assert tied[False] < 0.01


@pytest.mark.parametrize("level", [-100.0, -150.0, -400.0])
@BFLOAT16
def test_the_fused_core_s_targets_are_float32_s_at_any_level(level: float) -> None:
    """The mean TD target of a batch: nearer than a tenth of what one rounding to bfloat16 could shift it by."""
    found = {}
    for precision in ("float32", "bfloat16", "bfloat16_all"):
        agent = far_below_zero(level, precision)
        assert agent.is_fused
        (reported,) = agent.update_many(data(), rows_of((1,), 256, 1))
        found[precision] = float(reported.metrics["critic/target"][0, 0])
    step = 2.0 ** (torch.tensor(abs(level)).log2().floor().item() - 7)
    for precision in ("bfloat16", "bfloat16_all"):
        assert abs(found[precision] - found["float32"]) < step / 10
