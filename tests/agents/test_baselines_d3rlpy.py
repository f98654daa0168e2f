"""TD3+BC, ReBRAC and IQL against d3rlpy on the same weights and batch.

`tests/reference/make_d3rlpy_reference.py` made the numbers, in float64. Its weights go into the second of two seeds,
whose neighbour has other weights and another batch, so that equality also says that seeds do not mix. d3rlpy sums
critic losses and keeps the expectile's two weights in float32, hence their looser tolerance; the rest agrees to
rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from tests.helpers.baselines import HIDDEN, Queue, Transitions, double, make_agent, make_batch, put, taken
from tests.helpers.site import ROOT

SEED = 1  # where the reference weights go
EXACT = {"rtol": 1e-10, "atol": 1e-12}
FLOAT32 = {"rtol": 3e-7, "atol": 1e-9}
REPLACED = {"critic0": ("critic", 0), "critic1": ("critic", 1), "target0": ("target", 0), "target1": ("target", 1)}


@pytest.fixture(scope="module")
def numbers() -> dict[str, np.ndarray]:
    with np.load(ROOT / "tests" / "reference" / "d3rlpy_reference.npz", allow_pickle=False) as file:
        return dict(file)


def both(array: np.ndarray, seed: int = 0) -> Tensor:
    """The reference's array as the second seed, beside random numbers of the same shape."""
    own = torch.from_numpy(array)
    other = torch.randn(own.shape, generator=torch.Generator().manual_seed(seed), dtype=own.dtype)
    return torch.stack([other, own])


def reference_batch(numbers: dict[str, np.ndarray]) -> Any:
    rows = len(numbers["batch/rewards"])
    own = Transitions(
        *(
            1 - torch.from_numpy(numbers["batch/terminals"])
            if name == "masks"
            else torch.from_numpy(numbers[f"batch/{name}"])
            for name in Transitions._fields
        )
    )
    other = make_batch(1, rows, dtype=torch.float64)
    return Transitions(*(torch.stack([x[0], y]) for x, y in zip(other, own, strict=True)))


def load(agent: Any, numbers: dict[str, np.ndarray], method: str) -> Any:
    """Put the reference's initial weights into one seed of an agent."""
    double(agent)
    for name in names(numbers, f"{method}/initial"):
        network, member = REPLACED.get(name, (name, 0))
        put(agent.networks[network], numbers, f"{method}/initial/{name}", SEED, member)
    return agent


def names(numbers: dict[str, np.ndarray], prefix: str) -> list[str]:
    return sorted({key.split("/")[2] for key in numbers if key.startswith(f"{prefix}/") and key.count("/") == 3})


def compare(
    agent: Any, numbers: dict[str, np.ndarray], prefix: str, only: str = "", tolerance: dict[str, float] = EXACT
) -> int:
    """Compare an agent's weights (or gradients) with the reference's; return how many arrays were compared."""
    count = 0
    for name in names(numbers, prefix):
        if only in name:
            network, member = REPLACED.get(name, (name, 0))
            ours = taken(agent.networks[network], SEED, member, gradients="gradient" in prefix)
            for key, value in ours.items():
                np.testing.assert_allclose(
                    value, numbers[f"{prefix}/{name}/{key}"], **tolerance, err_msg=f"{name} {key}"
                )
                count += 1
    return count


def make_td3(numbers: dict[str, np.ndarray], method: str) -> Any:
    setting = {key: numbers[f"{method}/settings/{key}"].item() for key in ("gamma", "tau", "critic_learning_rate")}
    own = {"td3_bc": {"alpha": "alpha"}, "rebrac": {"actor_penalty": "actor_beta", "critic_penalty": "critic_beta"}}
    agent = make_agent(
        method,
        seeds=(0, 1),
        layer_norm=False,
        policy_noise=numbers[f"{method}/settings/target_smoothing_sigma"].item(),
        noise_clip=numbers[f"{method}/settings/target_smoothing_clip"].item(),
        policy_delay=numbers[f"{method}/settings/update_actor_interval"].item(),
        learning_rate=setting["critic_learning_rate"],
        tau=setting["tau"],
        discount=setting["gamma"],
        **{ours: numbers[f"{method}/settings/{theirs}"].item() for ours, theirs in own[method].items()},
    )
    return load(agent, numbers, method)


@pytest.mark.parametrize("method", ["td3_bc", "rebrac"])
def test_td3_losses_and_gradients(numbers: dict[str, np.ndarray], method: str) -> None:
    agent, batch = make_td3(numbers, method), reference_batch(numbers)
    noise = both(numbers[f"{method}/noise"][0])
    assert (noise[SEED].abs() * agent.config.policy_noise > agent.config.noise_clip).any()  # the clip is exercised
    target = agent.td_target(batch, noise)
    value = (target - batch.rewards)[SEED] / agent.config.discount  # d3rlpy's target leaves reward and mask out
    alive = batch.masks[SEED] == 1
    np.testing.assert_allclose(value[alive], numbers[f"{method}/target"][alive.numpy()], **EXACT)
    assert (value[~alive] == 0).all()
    loss, _ = agent.critic_loss(batch, target)
    np.testing.assert_allclose(loss[SEED].item(), numbers[f"{method}/critic_loss"], **FLOAT32)
    loss.sum().backward()
    assert compare(agent, numbers, f"{method}/gradient", "critic") == 2 * 2 * (len(HIDDEN) + 1)
    loss, _ = agent.actor_loss(batch)
    np.testing.assert_allclose(loss[SEED].item(), numbers[f"{method}/actor_loss"], **EXACT)
    loss.sum().backward()
    assert compare(agent, numbers, f"{method}/gradient", "actor") == 2 * (len(HIDDEN) + 1)


@pytest.mark.parametrize("method", ["td3_bc", "rebrac"])
def test_td3_weights_after_four_updates(numbers: dict[str, np.ndarray], method: str) -> None:
    """The schedule too: critics at every update, the policy and all targets at every other."""
    agent, batch = make_td3(numbers, method), reference_batch(numbers)
    noise = [both(x) for x in numbers[f"{method}/noise"][1:]]
    agent.streams["particles"] = Queue(*noise)
    for _ in noise:
        agent.update(batch)
    assert compare(agent, numbers, f"{method}/final") == 6 * 2 * (len(HIDDEN) + 1)


def make_iql(numbers: dict[str, np.ndarray]) -> Any:
    setting = {
        key: numbers[f"iql/settings/{key}"].item() for key in ("expectile", "weight_temp", "max_weight", "gamma")
    }
    agent = make_agent(
        "iql learnt spread",
        seeds=(0, 1),
        layer_norm=False,
        expectile=setting["expectile"],
        inverse_temperature=setting["weight_temp"],
        max_weight=setting["max_weight"],
        discount=setting["gamma"],
    )
    with torch.no_grad():
        agent.actor.log_std[SEED] = torch.from_numpy(numbers["iql/log_std"])
    return load(agent, numbers, "iql")


def test_iql_losses_and_gradients(numbers: dict[str, np.ndarray]) -> None:
    agent, batch = make_iql(numbers), reference_batch(numbers)
    loss, _ = agent.value_loss(batch)
    np.testing.assert_allclose(loss[SEED].item(), numbers["iql/v_loss"], **FLOAT32)
    loss.sum().backward()
    assert compare(agent, numbers, "iql/gradient", "value", FLOAT32) == 2 * (len(HIDDEN) + 1)
    loss, _ = agent.critic_loss(batch)
    np.testing.assert_allclose(loss[SEED].item(), numbers["iql/q_loss"], **FLOAT32)
    loss.sum().backward()
    assert compare(agent, numbers, "iql/gradient", "critic") == 2 * 2 * (len(HIDDEN) + 1)
    loss, weights = agent.actor_loss(batch)
    np.testing.assert_allclose(weights[SEED], numbers["iql/weights"], **EXACT)
    assert 0 < (weights[SEED] == agent.config.max_weight).double().mean() < 1  # some clipped, some not
    np.testing.assert_allclose(loss[SEED].item(), numbers["iql/actor_loss"], **EXACT)
    loss.sum().backward()
    assert compare(agent, numbers, "iql/gradient", "actor") == 2 * (len(HIDDEN) + 1)


def test_iql_gradient_of_the_spread(numbers: dict[str, np.ndarray]) -> None:
    """d3rlpy squeezes a raw parameter into [-5, 2] by a sigmoid where we clamp; the chain rule links them."""
    agent, batch = make_iql(numbers), reference_batch(numbers)
    agent.actor_loss(batch)[0].sum().backward()
    gate = 1 / (1 + np.exp(-numbers["iql/raw_log_std"]))
    ours = agent.actor.log_std.grad[SEED].numpy() * (2 - -5) * gate * (1 - gate)
    np.testing.assert_allclose(ours, numbers["iql/gradient/raw_log_std"], **EXACT)


def test_reference_names_its_makers(numbers: dict[str, np.ndarray]) -> None:
    versions = {key.split("/")[1]: str(value) for key, value in numbers.items() if key.startswith("versions/")}
    assert versions.keys() == {"d3rlpy", "torch", "numpy", "python"}
    assert all(version[0].isdigit() for version in versions.values())
