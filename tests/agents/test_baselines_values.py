"""TD3+BC, ReBRAC and IQL against closed forms: limits of their weights, the delay, expectiles, clipping."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.helpers.baselines import make_agent, make_batch
from vgf.agents.heads import clip_gradients, expectile_loss, frozen, gumbel
from vgf.datasets.transitions import Batch

pytestmark = pytest.mark.usefixtures("float64")


def gradient(loss: Tensor, network: Any) -> Tensor:
    """The gradient of a summed loss by a network's weights, flat."""
    return torch.cat([g.flatten() for g in torch.autograd.grad(loss.sum(), list(network.parameters()))])


def make(seeds: int = 2) -> Batch:
    return make_batch(seeds, 9, dtype=torch.float64)


# TD3+BC and ReBRAC


def test_td3_bc_without_value_is_cloning() -> None:
    agent, batch = make_agent("td3_bc", (0, 1), alpha=0.0), make()
    loss, actions = agent.actor_loss(batch)
    squares = (agent.actor(batch.observations) - batch.actions).square().mean((1, 2))
    assert torch.allclose(loss, squares, rtol=1e-14)
    assert torch.allclose(gradient(loss, agent.actor), gradient(squares, agent.actor), rtol=0, atol=1e-14)
    assert torch.equal(actions, agent.actor(batch.observations))


def test_td3_bc_with_a_huge_alpha_follows_the_first_critic() -> None:
    """The gradient over alpha tends to that of the normalised value; what is left of cloning is of order 1 / alpha."""
    batch, alpha = make(), 1e8
    agent = make_agent("td3_bc", (0, 1), alpha=alpha)
    loss, actions = agent.actor_loss(batch)
    q = agent.critic(batch.observations, agent.actor(batch.observations))[:, 0]
    value = -q.mean(-1) / q.detach().abs().mean(-1)
    ours, limit = gradient(loss / alpha, agent.actor), gradient(value, agent.actor)
    assert torch.allclose(ours, limit, rtol=0, atol=1e-7)
    assert limit.norm() > 1e-3


@pytest.mark.parametrize("method", ["td3_bc", "rebrac"])
def test_td3_policies_do_not_see_the_scale_of_the_reward(method: str) -> None:
    """Critics a thousand times as large give the same gradient: lambda divides the scale out, seed by seed."""
    agent, batch = make_agent(method, (0, 1)), make()
    before = gradient(agent.actor_loss(batch)[0], agent.actor)
    with torch.no_grad():
        agent.critic.net.weights[-1][1].mul_(1000)
        agent.critic.net.biases[-1][1].mul_(1000)
    assert torch.allclose(gradient(agent.actor_loss(batch)[0], agent.actor), before, rtol=1e-9, atol=1e-13)


@pytest.mark.parametrize("method", ["td3_bc", "rebrac"])
@pytest.mark.parametrize("delay", [1, 3])
def test_td3_delays_policy_and_targets(method: str, delay: int) -> None:
    agent, batch = make_agent(method, policy_delay=delay), make(1)
    names = ("actor", "actor_target", "target")

    def snapshot() -> dict[str, list[Tensor]]:
        return {name: [p.detach().clone() for p in agent.networks[name].parameters()] for name in (*names, "critic")}

    for update in range(1, 7):
        before = snapshot()
        metrics = agent.update(batch)
        after = snapshot()
        due = update % delay == 0
        assert ("actor/loss" in metrics) == due
        assert not all(torch.equal(x, y) for x, y in zip(before["critic"], after["critic"], strict=True))
        for name in names:
            same = all(torch.equal(x, y) for x, y in zip(before[name], after[name], strict=True))
            assert same == (not due), (name, update)
        if due:
            for follower, leader in (("target", "critic"), ("actor_target", "actor")):
                for old, new, now in zip(before[follower], after[follower], after[leader], strict=True):
                    assert torch.allclose(new, 0.995 * old + 0.005 * now, rtol=0, atol=1e-15)


@pytest.mark.parametrize("method", ["td3_bc", "rebrac"])
def test_td3_target_is_the_reward_where_the_task_ends(method: str) -> None:
    agent, batch = make_agent(method, (0, 1)), make()
    target = agent.td_target(batch, torch.randn(batch.actions.shape, generator=torch.Generator().manual_seed(0)))
    ended = batch.masks == 0
    assert ended.any()
    assert torch.equal(target[ended], batch.rewards[ended])
    assert not torch.isclose(target[~ended], batch.rewards[~ended]).any()


def test_td3_smoothing_is_clipped() -> None:
    """Noise of any size past the clip gives the target of the clip itself."""
    agent, batch = make_agent("td3_bc", (0, 1)), make()
    ones = torch.ones_like(batch.actions)
    at_clip = agent.td_target(batch, ones * 0.5 / 0.2)
    assert torch.allclose(agent.td_target(batch, ones * 100), at_clip, rtol=0, atol=1e-14)
    assert not torch.allclose(agent.td_target(batch, ones * 0.1), at_clip)


def test_rebrac_penalty_by_hand() -> None:
    """The target falls by gamma * mask * beta_2 |a' - a'_data|^2 and by nothing else."""
    free, held = make_agent("rebrac", (0, 1), critic_penalty=0.0), make_agent("rebrac", (0, 1), critic_penalty=0.7)
    batch = make()
    noise = torch.zeros_like(batch.actions)
    distance = (free.actor_target(batch.next_observations) - batch.next_actions).square().sum(-1)
    fall = free.td_target(batch, noise) - held.td_target(batch, noise)
    assert torch.allclose(fall, 0.99 * batch.masks * 0.7 * distance, rtol=0, atol=1e-14)


def test_rebrac_needs_next_actions_only_for_its_penalty() -> None:
    plain = Batch(*make()[:5])
    with pytest.raises(ValueError, match="next_actions"):
        make_agent("rebrac", (0, 1)).update(plain)
    make_agent("rebrac", (0, 1), critic_penalty=0.0).update(plain)


def test_rebrac_policy_follows_the_smaller_critic() -> None:
    """Lowering the second critic by a constant makes it the smaller one everywhere: its gradient is followed."""
    agent, batch = make_agent("rebrac", (0, 1), actor_penalty=0.0), make()
    with torch.no_grad():
        agent.critic.net.biases[-1][:, 1].sub_(100)
    q = agent.critic(batch.observations, agent.actor(batch.observations))[:, 1]
    value = -q.mean(-1) / q.detach().abs().mean(-1)
    ours = gradient(agent.actor_loss(batch)[0], agent.actor)
    assert torch.allclose(ours, gradient(value, agent.actor), rtol=0, atol=1e-15)


# IQL


def test_expectile_of_one_half_is_the_mean_regression() -> None:
    agent, batch = make_agent("iql", (0, 1), expectile=0.5), make()
    loss, values = agent.value_loss(batch)
    q = agent.target(batch.observations, batch.actions).amin(1)
    assert torch.allclose(2 * loss, (q - values).square().mean(-1), rtol=1e-14)
    mean = (q - agent.value(batch.observations)).square().mean(-1) / 2
    assert torch.allclose(gradient(loss, agent.value), gradient(mean, agent.value), rtol=0, atol=1e-14)


@pytest.mark.parametrize("tau", [0.1, 0.5, 0.9, 0.99])
def test_expectile_of_a_fair_coin_is_tau(tau: float) -> None:
    """Minimising over v for outcomes 0 and 1: (1 - tau) v = tau (1 - v), so v = tau; the slope there is 0."""
    v = torch.tensor(tau, requires_grad=True)
    loss = expectile_loss(torch.tensor([0.0, 1.0]) - v, tau).mean()
    (slope,) = torch.autograd.grad(loss, v)
    assert abs(slope.item()) < 1e-15
    assert all(expectile_loss(torch.tensor([0.0, 1.0]) - (tau + e), tau).mean() > loss for e in (-1e-3, 1e-3))


def test_expectile_orders_values() -> None:
    """A value fitted at a higher expectile lies higher; at 0.9 above the mean of Q over the batch."""
    batch = make(1)
    batch = batch._replace(observations=batch.observations[:, :1].expand_as(batch.observations).contiguous())
    fitted = {}
    for tau in (0.1, 0.5, 0.9):
        agent = make_agent("iql", expectile=tau, learning_rate=1e-2)
        for _ in range(150):
            agent._descend("value", agent.value_loss(batch)[0])
        fitted[tau] = agent.value(batch.observations)[0, 0].item()
        q = agent.target(batch.observations, batch.actions).amin(1)
        assert q.min().item() < fitted[tau] < q.max().item()
    assert fitted[0.1] < fitted[0.5] < fitted[0.9]
    assert fitted[0.5] == pytest.approx(q.mean().item(), abs=1e-3)


def test_iql_weights_are_clipped_by_hand() -> None:
    """Advantages of -1, 0, 0.4 and 1000 at beta 10 weigh exp(-10), 1, exp(4) and no more than the bound."""
    agent, batch = make_agent("iql"), make(1)
    advantage = torch.tensor([[-1.0, 0.0, 0.4, 1000.0]])
    agent.target = lambda *_: advantage.unsqueeze(1).expand(1, 2, 4)
    agent.value = lambda *_: torch.zeros(1, 4)
    weights = agent.weights(batch)
    assert weights[0].tolist() == pytest.approx([2.718281828459045**-10, 1.0, 2.718281828459045**4, 100.0], rel=1e-12)


def test_iql_at_infinite_temperature_clones() -> None:
    """With beta 0 every weight is 1; a spread of 1 makes the loss half the squared distance and a constant."""
    agent, batch = make_agent("iql", (0, 1), inverse_temperature=0.0), make()
    loss, weights = agent.actor_loss(batch)
    assert torch.equal(weights, torch.ones_like(weights))
    squares = (agent.actor.mean(batch.observations) - batch.actions).square().sum(-1).mean(-1)
    assert torch.allclose(loss, squares / 2 + 3 * 0.918938533204672742, rtol=1e-14)


def test_iql_log_probability_is_the_normal_density() -> None:
    agent, batch = make_agent("iql learnt spread", (0, 1)), make()
    with torch.no_grad():
        agent.actor.log_std.copy_(torch.tensor([-9.0, 0.3, 5.0]).expand(2, 1, 3))  # the ends lie outside the bounds
    std = torch.tensor([-5.0, 0.3, 2.0]).exp()
    density = torch.distributions.Normal(agent.actor.mean(batch.observations), std)
    expected = density.log_prob(batch.actions).sum(-1)
    assert torch.allclose(agent.actor.log_prob(batch.observations, batch.actions), expected, rtol=1e-12)


def test_iql_never_values_an_action_outside_the_data() -> None:
    """Neither loss of V nor of Q changes with the policy, and Q is asked for the dataset's actions alone."""
    agent, batch = make_agent("iql", (0, 1)), make()
    asked = []
    for network in (agent.critic, agent.target):
        network.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[1]))
    agent.update(batch)
    assert len(asked) == 3
    assert all(actions is batch.actions for actions in asked)


# Shared steps


def test_gradients_are_clipped_seed_by_seed() -> None:
    """A long gradient is cut to the norm, a short one is left, and neither sees the other."""
    parameters = [torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(2, 1, 2))]
    parameters[0].grad = torch.tensor([[3.0, 0.0, 0.0], [0.3, 0.0, 0.0]])
    parameters[1].grad = torch.tensor([[[4.0, 0.0]], [[0.0, 0.4]]])
    clip_gradients(parameters, 2.0)
    assert parameters[0].grad[:, 0].tolist() == pytest.approx([1.2, 0.3], rel=1e-6)
    assert parameters[1].grad.flatten().tolist() == pytest.approx([1.6, 0, 0, 0.4], rel=1e-6)


def test_gumbel_draws_from_the_softmax() -> None:
    """Shares of 40,000 draws lie within five standard errors of the probabilities; a uniform 0 stays finite."""
    logits = torch.tensor([0.0, 1.0, 2.0])
    uniform = torch.rand(40_000, 3, generator=torch.Generator().manual_seed(1))
    drawn = (logits + gumbel(uniform)).argmax(-1)
    p = logits.softmax(0)
    shares = torch.bincount(drawn, minlength=3) / len(drawn)
    assert ((shares - p).abs() < 5 * (p * (1 - p) / len(drawn)).sqrt()).all()
    assert gumbel(torch.tensor([0.0, 1 - 1e-16])).isfinite().all()


def test_frozen_critics_pass_gradients_on_and_keep_none() -> None:
    agent, batch = make_agent("td3_bc", (0, 1)), make()
    with frozen(agent.critic):
        agent.actor_loss(batch)[0].sum().backward()
    assert all(p.grad is None and p.requires_grad for p in agent.critic.parameters())
    assert all(p.grad is not None and p.grad.norm() > 0 for p in agent.actor.parameters())
