"""The proxy space: N responses to a prompt as particles, moved by the same Stein direction as actions are.

A particle is the matrix u of a response in a differentiable space, flattened: its token embeddings, or the last hidden
states it was chosen from, which a relaxed choice (softmax over the policy's most likely tokens, with the response's
own Gumbel noise, at temperature tau) maps back to embeddings. The score is the pulled-back, smoothed gradient of the
reward (xu2026vgf: J^T grad R),

    s(u) = J(u)^T 1/M sum_m grad R(z(u) + sigma eps_m),        eps_m standard normal,

and direction, kernel, repulsion and budget are those of `vgf.flow`. After each step the responses may be decoded and
the flow go on from their own embeddings: the reward is linearised anew around a text that exists, at the price of a
pass through the language model. With `normalise` the direction has norm one a place on average, so that a step size
is in nats of tilt and equal for every control; without it the flow is `vgf.flow.transport`, number for number.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from vgf.flow import Budget, FlowState, flow_step, stein_terms
from vgf.kernels import median_bandwidth
from vgf.rlhf.decoders import DECODERS, PromptBatch, Proxy
from vgf.rlhf.models import Policy
from vgf.rlhf.parts.data import Row
from vgf.rlhf.relaxation import relax, to_embeddings
from vgf.rlhf.reward import RewardModel, embedded, padded
from vgf.rlhf.sampling import Responses, joined, seed_of
from vgf.support.strict import known

Space = Literal["embedding", "hidden"]


@dataclass(frozen=True)
class Flow:
    """A value gradient flow on language.

    Attributes:
        budget: steps, step size (nats of tilt a step where `normalise`), temperature, optimizer.
        space: where particles live.
        decoder: of `DECODERS`: how they become tokens.
        strength: of the decoder, nats for a unit of displacement.
        anchor: of the decoder `cold`.
        kernel: share the gradients among particles; without it each follows its own.
        repulsion: whether particles repel each other; needs the kernel.
        widen: bandwidth in medians; in so many dimensions particles are all equally far, and at the median a particle
            hears the others' gradients at a small part of its own.
        shared: one displacement for all places of a response. Its proxy is then a vector z, added to every embedding
            (the latent vector of xu2026vgf), and J^T sums the gradient over the places.
        relinearise: decode and embed anew after each step.
        normalise: give each step's direction a norm of one a place.
        constant: follow one direction everywhere instead of the gradient: a control.
        draws, noise: of the smoothed gradient, M and sigma in standardised embedding units.
        tau: temperature of the relaxed choice in the hidden space.
        own_zero: decode even at L = 0: the decoder's own effect, a control.
    """

    budget: Budget = field(default_factory=lambda: Budget(1, 1.0))
    space: Space = "embedding"
    decoder: str = "gumbel"
    strength: float = 1.0
    anchor: float = 2.0
    kernel: bool = True
    repulsion: bool = True
    widen: float = 1.0
    shared: bool = False
    relinearise: bool = True
    normalise: bool = True
    constant: bool = False
    draws: int = 4
    noise: float = 1.0
    tau: float = 1.0
    own_zero: bool = False

    def __post_init__(self) -> None:
        """Refuse what has no meaning, and combinations that have none."""
        known([self.decoder], DECODERS, "decoders")
        if self.decoder == "projection" and self.space != "embedding":
            raise ValueError("projection takes the nearest embedding; it has no meaning in the hidden space")
        if self.draws < 1 or self.noise < 0 or self.tau <= 0 or self.widen <= 0:
            numbers = f"{self.draws}, {self.noise}, {self.tau}, {self.widen}"
            raise ValueError(f"draws >= 1, noise >= 0, tau > 0 and widen > 0, got {numbers}")

    @property
    def decodings(self) -> int:
        """How often all responses pass through the language model after they were sampled."""
        if self.budget.steps == 0:
            return int(self.own_zero)
        return self.budget.steps if self.relinearise else 1


def move(
    scene: PromptBatch, reward: RewardModel, flow: Flow, responses: Responses, constant: Tensor | None = None
) -> Responses:
    """Return the responses after the flow; at L = 0 the very ones that came in, unless `own_zero`.

    Args:
        scene: policy, prompts and noise.
        reward: differentiable in the policy's embeddings.
        flow: the method.
        responses: B = P * N, those of a prompt next to each other.
        constant: the direction [d] of the control; needed where `flow.constant`.

    Raises:
        ValueError: if the control's direction is missing.
    """
    if flow.constant and constant is None:
        raise ValueError("a constant flow needs its direction; see constant_direction")
    rows = scene.policy.inputs if flow.space == "embedding" else scene.policy.outputs
    current, state = responses, start(scene, flow, responses)
    total, last = torch.zeros_like(state.particles), torch.zeros_like(state.particles)
    for step in range(flow.budget.steps):
        if flow.constant and constant is not None:
            direction = constant.to(state.particles) * current.alive[..., None]
            direction = direction.reshape(state.particles.shape)
        else:
            score = smoothed_score(scene, reward, flow, current, state.particles, step)
            direction = direction_of(state.particles, score, flow, current.alive)
        moved = flow_step(state, direction, flow.budget, None)
        change = moved.particles - state.particles
        total, last, state = total + change, last + change, moved
        if flow.relinearise or step + 1 == flow.budget.steps:
            proxy = Proxy(_places(state.particles, current), _places(total, current), _places(last, current), rows)
            current = DECODERS[flow.decoder](scene, current, proxy, flow.strength, flow.anchor)
            last = torch.zeros_like(last)
            if flow.relinearise:
                state = state._replace(particles=_restarted(scene, flow, current, total))
    if flow.budget.steps == 0 and flow.own_zero:
        zero = _places(total, current)
        proxy = Proxy(_places(state.particles, current), zero, zero, rows)
        current = DECODERS[flow.decoder](scene, current, proxy, flow.strength, flow.anchor)
    return current


def start(scene: PromptBatch, flow: Flow, responses: Responses) -> FlowState:
    """Return the flow's state at these responses: particles [P, N, T * d], zero where a response has ended."""
    if flow.space == "embedding":
        u = embedded(scene.policy, responses.tokens)
    else:  # in the unit in which a displacement of one tilts the logits by one nat
        u = responses.hidden * scene.policy.outputs.scale
    u = torch.where(responses.alive[..., None], u, 0.0).reshape(len(scene.prompts), scene.particles, -1)
    return FlowState(u, torch.zeros_like(u), torch.zeros_like(u), 0)


def _restarted(scene: PromptBatch, flow: Flow, responses: Responses, total: Tensor) -> Tensor:
    """Return particles at the decoded responses; hidden states keep the tilt that chose their tokens."""
    u = start(scene, flow, responses).particles
    if flow.space == "embedding":
        return u
    return u + torch.where(responses.alive[..., None], flow.strength * _places(total, responses), 0.0).reshape(u.shape)


def direction_of(particles: Tensor, score: Tensor, flow: Flow, alive: Tensor) -> Tensor:
    """Return the flow's direction, [P, N, T * d], of particles and score of that shape."""
    if flow.shared:
        score = over_places(score, alive)
    if flow.normalise:
        score = unit(score, alive)
    if flow.kernel:
        sigma = flow.widen * median_bandwidth(particles)
        direction = stein_terms(particles, score, flow.budget.temperature, sigma, flow.repulsion).direction
        direction = over_places(direction, alive) if flow.shared else direction
    else:
        direction = score / flow.budget.temperature
    return unit(direction, alive) if flow.normalise else direction


def over_places(x: Tensor, alive: Tensor) -> Tensor:
    """Return x [P, N, T * d] with each response's places that are alive at their mean, and the others at zero."""
    mask = alive[..., None].to(x)
    places = x.reshape(*alive.shape, -1) * mask
    mean = places.sum(1, keepdim=True) / mask.sum(1, keepdim=True).clamp(min=1)
    return (mean * mask).reshape(x.shape)


def unit(x: Tensor, alive: Tensor) -> Tensor:
    """Return x [P, N, T * d] over its root mean square norm of the places that are alive, one number a prompt."""
    places = alive.reshape(x.shape[0], -1).sum(-1).clamp(min=1)[:, None, None]
    return x / (x.square().sum((-2, -1), keepdim=True) / places).sqrt().clamp(min=1e-12)


def smoothed_score(
    scene: PromptBatch, reward: RewardModel, flow: Flow, responses: Responses, particles: Tensor, step: int
) -> Tensor:
    """Return the smoothed gradient of the reward in the particles, [P, N, T * d]."""
    policy, shape = scene.policy, particles.shape
    leaf = _places(particles.detach(), responses).clone().requires_grad_(True)
    ids, mask, begin = joined(policy, scene.repeated, responses.tokens, responses.alive)
    prompt = embedded(policy, ids[:, :begin])
    relaxed = relax(scene, responses) if flow.space == "hidden" else None
    total, shaped = torch.zeros_like(leaf), (leaf.shape[1], policy.inputs.table.shape[-1])
    generators = [torch.Generator().manual_seed(seed_of("smooth", scene.seed, step, name)) for name in scene.names]
    for _ in range(flow.draws):
        each = [torch.randn(scene.particles, *shaped, generator=g) for g in generators] if flow.noise else []
        with torch.enable_grad():
            z = leaf if relaxed is None else to_embeddings(policy, leaf, relaxed, flow.tau)
            if flow.noise:
                z = z + flow.noise * torch.cat(each).to(z.device)
            value = reward(torch.cat([prompt, z], 1), mask)
            (gradient,) = torch.autograd.grad(value.sum(), leaf)
        total = total + gradient
    total = torch.where(responses.alive[..., None], total / flow.draws, 0.0)
    return total.reshape(shape)


def constant_direction(policy: Policy, reward: RewardModel, rows: Sequence[Row], flow: Flow, seed: int) -> Tensor:
    """Return one direction for everything: the mean normalised gradient at human responses, of norm one, [d].

    Rows come from the split the reward model was trained on, so that the control has seen no test prompt.
    """
    tokens, alive = padded([row.chosen for row in rows], policy.end, policy.device)
    hidden = torch.zeros(*tokens.shape, policy.outputs.table.shape[-1], device=policy.device)
    scene = PromptBatch(policy, [row.prompt for row in rows], [row.name for row in rows], 1, tokens.shape[1], seed)
    responses = Responses(tokens, alive, hidden)
    plain = Flow(budget=flow.budget, draws=flow.draws, noise=flow.noise)
    particles = start(scene, plain, responses).particles
    score = unit(smoothed_score(scene, reward, plain, responses, particles, 0), alive)
    mean = score.reshape(*tokens.shape, -1).sum((0, 1))
    return mean / mean.norm().clamp(min=1e-12)


def _places(x: Tensor, responses: Responses) -> Tensor:
    """Return particles [P, N, T * d] as [B, T, d]."""
    return x.reshape(*responses.tokens.shape, -1)
