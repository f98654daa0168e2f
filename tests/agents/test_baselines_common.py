"""What every baseline must do: keep seeds apart, resume to the bit, never wait for the device, act in the box."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor

from tests.helpers.baselines import DIMS, HIDDEN, METHODS, make_agent, make_batch, one_seed
from vgf.agents import AGENTS, CONFIGS, VGF, VGFConfig
from vgf.datasets.transitions import Batch
from vgf.flow import Budget
from vgf.networks import SeedStreams

EVERY = pytest.mark.parametrize("method", METHODS)
TRAINING_STREAMS = ("reference", "particles")


def saved(agent: Any) -> dict[str, Tensor]:
    """The agent's state through a file's bytes."""
    content = safetensors.torch.save({key: value.contiguous() for key, value in agent.state_dict().items()})
    return safetensors.torch.load(content)


@EVERY
def test_seeds_train_together_as_they_would_alone(float64: None, method: str) -> None:
    """Five updates of three seeds at once are five updates of each; 1e-9 is rounding of batched products."""
    seeds = (3, 0, 11)
    together = make_agent(method, seeds)
    alone = [make_agent(method, [seed]) for seed in seeds]
    for step in range(5):
        batch = make_batch(3, seed=step, dtype=torch.float64)
        metrics = together.update(batch)
        for i, agent in enumerate(alone):
            own = agent.update(one_seed(batch, i))
            assert own.keys() == metrics.keys()
            for name, value in own.items():
                assert torch.allclose(metrics[name][i], value[0], rtol=1e-9, atol=1e-9), (name, seeds[i])
    for i, agent in enumerate(alone):
        theirs = agent.policy()
        for name, value in together.policy().items():
            assert torch.allclose(value[i], theirs[name][0], rtol=1e-8, atol=1e-9), (name, seeds[i])


@EVERY
def test_a_seed_does_not_see_its_neighbours_data(float64: None, method: str) -> None:
    """Other data for one seed leaves the other's weights as they are and changes its own."""
    agents = [make_agent(method, (0, 1)) for _ in range(2)]
    batches = [make_batch(2, seed=seed, dtype=torch.float64) for seed in (0, 1)]
    mixed = type(batches[0])(*(torch.stack([x[0], y[1]]) for x, y in zip(*batches, strict=True)))
    for _ in range(4):
        agents[0].update(batches[0])
        agents[1].update(mixed)
    first, second = (agent.policy() for agent in agents)
    assert all(torch.allclose(first[name][0], second[name][0], rtol=0, atol=1e-10) for name in first)
    assert any(not torch.allclose(first[name][1], second[name][1], rtol=0, atol=1e-6) for name in first)


@EVERY
def test_resumes_to_the_bit(method: str) -> None:
    """Twenty updates, and ten updates then ten by another agent from the file, end alike: weights, Adam, noise."""
    batches = [make_batch(2, seed=step) for step in range(20)]
    whole = make_agent(method, (0, 1))
    for batch in batches[:10]:
        whole.update(batch)
    state = saved(whole)
    for batch in batches[10:]:
        whole.update(batch)
    resumed = make_agent(method, (0, 1))
    resumed.load_state_dict(state)
    assert resumed.updates == 10
    for batch in batches[10:]:
        resumed.update(batch)
    first, second = saved(whole), saved(resumed)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(key.startswith("adam.") for key in first)


@EVERY
def test_trains(method: str) -> None:
    """Twenty updates: finite metrics of the promised names, one for each seed, and weights that moved."""
    agent = make_agent(method, (0, 1, 2))
    before = {key: value.clone() for key, value in agent.policy().items()}
    seen: set[str] = set()
    for step in range(20):
        metrics = agent.update(make_batch(3, seed=step))
        seen |= metrics.keys()
        assert all(value.shape == (3,) and value.isfinite().all() for value in metrics.values())
        assert not any(value.requires_grad for value in metrics.values())
    assert agent.updates == 20
    assert seen == set(agent.metric_names)
    fixed = {"actor/log_std"} if method == "iql" else set()  # a spread of 1 by definition
    still = {key for key, value in agent.policy().items() if torch.equal(value, before[key])}
    assert still == fixed


@EVERY
def test_acts_in_the_box_without_training_noise(method: str) -> None:
    agent = make_agent(method, (0, 1))
    for network in agent.networks.values():  # policies far outside the box, if nothing held them
        for parameter in network.parameters():
            parameter.data.mul_(10)
    states = {name: agent.streams[name].state() for name in TRAINING_STREAMS}
    observations = make_batch(2, 7).observations
    actions = agent.act(observations, agent.budget(0))
    assert actions.shape == (2, 7, DIMS.action)
    assert (actions.abs() <= 1).all()
    assert not actions.requires_grad
    assert all(torch.equal(agent.streams[name].state(), state) for name, state in states.items())
    again = [agent.act(observations, agent.budget(0), SeedStreams((0, 1), "test")) for _ in range(2)]
    assert torch.equal(*again)


@EVERY
def test_update_never_waits_for_the_device(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing an update does may read a number back."""
    agent, batch = make_agent(method), make_batch(1)
    agent.update(batch)  # Adam makes its state at the first step

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a number was read back")

    for name in ("item", "tolist", "__bool__", "__float__", "__int__", "numpy", "cpu"):
        monkeypatch.setattr(Tensor, name, refuse)
    agent.update(batch)
    with pytest.raises(AssertionError):
        batch.rewards.sum().item()


@EVERY
def test_target_networks_are_not_trained(method: str) -> None:
    agent = make_agent(method)
    followers = {name for name in agent.networks if name in ("target", "actor_target", "average")}
    assert followers
    assert set(agent.optimizers) == set(agent.networks) - followers
    assert not any(p.requires_grad for name in followers for p in agent.networks[name].parameters())


@EVERY
def test_refuses_meaningless_settings(method: str) -> None:
    config = METHODS[method][1]
    for field, value in (("hidden", ()), ("learning_rate", 0.0), ("tau", 0.0), ("discount", 0.0)):
        with pytest.raises(ValueError, match=field):
            replace(config, **{field: value})


@pytest.mark.parametrize(
    ("method", "field", "value"),
    [
        ("td3_bc", "alpha", -1.0),
        ("td3_bc", "policy_delay", 0),
        ("td3_bc", "noise_clip", -0.1),
        ("rebrac", "actor_penalty", -1.0),
        ("rebrac", "critic_penalty", float("nan")),
        ("iql", "expectile", 1.0),
        ("iql", "std", "wide"),
        ("iql", "inverse_temperature", -1.0),
        ("idql", "behaviour", "gaussian"),
        ("idql", "particles", 0),
        ("fql", "alpha", -1.0),
        ("fql", "target_q", "max"),
        ("diffusion_ql", "eta", -1.0),
        ("diffusion_ql", "diffusion_steps", 0),
        ("diffusion_ql", "gradient_norm", 0.0),
    ],
)
def test_refuses_its_own_meaningless_settings(method: str, field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        replace(METHODS[method][1], **{field: value})


def test_registry_names_every_method_and_preset() -> None:
    assert {kind.name for kind, _ in METHODS.values()} <= set(AGENTS)
    assert AGENTS.keys() == CONFIGS.keys()
    for name, presets in CONFIGS.items():
        assert AGENTS[name].name == name
        assert "default" in presets
        assert len({type(config) for config in presets.values()}) == 1


@pytest.mark.parametrize("name", sorted({kind.name for kind, _ in METHODS.values()}))
def test_every_preset_trains(name: str) -> None:
    batch = make_batch(1)
    for config in CONFIGS[name].values():
        agent = AGENTS[name].create(replace(config, hidden=HIDDEN), DIMS, [0])
        assert all(value.isfinite().all() for value in agent.update(batch).values())


def test_best_of_n_is_vgf_without_steps() -> None:
    """Update for update and action for action, whatever the budget says."""
    config = VGFConfig(**(asdict(CONFIGS["best_of_n"]["default"]) | {"hidden": HIDDEN}))
    ours, vgf = make_agent("best_of_n", (0, 1)), VGF.create(config, DIMS, (0, 1))
    for step in range(5):
        batch = Batch(*make_batch(2, seed=step)[:5])
        ours.update(batch)
        vgf.update(batch)
    first, second = saved(ours), saved(vgf)
    assert all(torch.equal(first[key], second[key]) for key in first)
    observations = make_batch(2, seed=9).observations
    best = vgf.act(observations, vgf.budget(0), SeedStreams((0, 1), "test"))
    assert torch.equal(ours.act(observations, Budget(3, 0.5), SeedStreams((0, 1), "test")), best)
    moved = vgf.act(observations, Budget(3, 0.5), SeedStreams((0, 1), "test"))
    assert not torch.equal(moved, best)
    assert ours.budget(3).steps == 0


def test_best_of_n_refuses_steps() -> None:
    with pytest.raises(ValueError, match="train_steps"):
        make_agent("best_of_n", train_steps=3)
