"""Responses sampled by the Gumbel-max rule, with noise that can be drawn again.

A token is y_t = argmax_v log p(v | y_<t) + G_t[v] over the policy's most likely tokens, G_t standard Gumbel: an exact
sample of the truncated policy. The noise belongs to (seed, prompt, particle, t), not to a batch, so a decoder can add
something to the log-probabilities and leave everything else as it was; where it adds nothing the same tokens come
back, bit for bit. The price is a generator for each response and noise over the whole vocabulary at each step.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from vgf.rlhf.models import Policy

TOP = 40  # tokens a step chooses from


class Rule(Protocol):
    """How a step chooses among the most likely tokens."""

    def __call__(self, step: int, log_p: Tensor, index: Tensor, gumbel: Tensor) -> Tensor:
        """Return a score [B, k] whose highest wins.

        Args:
            step: t.
            log_p: log-probabilities of the k most likely tokens, highest first, [B, k].
            index: their places in the vocabulary, [B, k].
            gumbel: their noise, [B, k].
        """


class Responses(NamedTuple):
    """B responses of up to T tokens.

    Attributes:
        tokens: ids, [B, T]; the end of text from where a response has ended.
        alive: whether a place belongs to the response, its end of text included, [B, T].
        hidden: last hidden states that chose each token, [B, T, d], float32.
    """

    tokens: Tensor
    alive: Tensor
    hidden: Tensor

    def at(self, rows: Tensor) -> Responses:
        """Return some of the responses."""
        return Responses(self.tokens[rows], self.alive[rows], self.hidden[rows])

    def ids(self, row: int) -> list[int]:
        """Return the token ids of one response, its end of text included."""
        return self.tokens[row][self.alive[row]].tolist()


def sampling_rule(step: int, log_p: Tensor, index: Tensor, gumbel: Tensor) -> Tensor:
    """Sample from the policy itself."""
    return log_p + gumbel


def seed_of(*parts: object) -> int:
    """Return a generator's seed that depends on these parts alone, on every machine.

    A CPU generator keeps its low 32 bits (`findings/torch_seeds_beyond_32_bits.sh`), so of a hundred thousand names
    two probably share a stream; a generator on another device may keep more and draw other numbers.
    """
    return int.from_bytes(hashlib.sha256("/".join(map(str, parts)).encode()).digest()[:7], "big")


class Noise:
    """The Gumbel noise of B responses, step by step from the first."""

    def __init__(self, names: Sequence[str], seed: int, size: int, device: torch.device) -> None:
        self.size, self.device = size, device
        self.generators = [torch.Generator().manual_seed(seed_of("gumbel", seed, name)) for name in names]

    def step(self, index: Tensor) -> Tensor:
        """Return the next step's noise of some tokens, [B, k]; it is drawn for all, for each token has its own.

        Args:
            index: places in the vocabulary, [B, k].
        """
        uniform = torch.stack([torch.rand(self.size, generator=g) for g in self.generators])
        few = uniform.gather(-1, index.cpu()).clamp(min=1e-20)  # two logarithms of all would take most of the time
        return -torch.log(-torch.log(few)).to(self.device)


@torch.no_grad()
def generate(
    policy: Policy,
    prompts: Sequence[Sequence[int]],
    names: Sequence[str],
    tokens: int,
    seed: int,
    *,
    particles: int = 1,
    first: int = 0,
    rule: Rule = sampling_rule,
    top: int = TOP,
) -> Responses:
    """Return `particles` responses to each prompt, those of a prompt next to each other.

    Args:
        policy: the language model.
        prompts: token ids, P of them.
        names: of the prompts; with the particle's number they name the noise.
        tokens: most tokens of a response, T.
        seed: of the noise.
        particles: responses a prompt, N.
        first: number of the first particle.
        rule: how a token is chosen.
        top: among how many.

    Returns:
        B = P * N responses.
    """
    ids, mask = left_padded(prompts, policy.end, policy.device)
    cached = policy.model.base_model(
        input_ids=ids, attention_mask=mask.long(), position_ids=positions_of(mask), use_cache=True
    )
    cache, state = cached.past_key_values, cached.last_hidden_state[:, -1].repeat_interleave(particles, 0)
    cache.batch_repeat_interleave(particles)
    mask = mask.repeat_interleave(particles, 0)
    named = [f"{name}/{first + n}" for name in names for n in range(particles)]
    noise = Noise(named, seed, len(policy.vocabulary), policy.device)
    alive = torch.ones(len(named), dtype=torch.bool, device=policy.device)
    chosen, living, states = [], [], []
    for t in range(tokens):
        log_p, index = policy.log_probs(state).topk(min(top, len(policy.vocabulary)), -1)
        score = rule(t, log_p, index, noise.step(index))
        token = policy.vocabulary[index.gather(-1, score.argmax(-1, keepdim=True))].squeeze(-1)
        token = torch.where(alive, token, policy.end)
        chosen.append(token)
        living.append(alive)
        states.append(state.float())
        alive = alive & (token != policy.end)
        if t + 1 == tokens:
            break
        mask = torch.cat([mask, torch.ones_like(mask[:, :1])], -1)
        out = policy.model.base_model(
            input_ids=token[:, None],
            attention_mask=mask.long(),
            position_ids=positions_of(mask)[:, -1:],
            past_key_values=cache,
            use_cache=True,
        )
        cache, state = out.past_key_values, out.last_hidden_state[:, -1]
    return Responses(torch.stack(chosen, 1), torch.stack(living, 1), torch.stack(states, 1).clone())


def left_padded(prompts: Sequence[Sequence[int]], padding: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return prompts as ids and mask, [P, S], padded on the left."""
    longest = max(map(len, prompts))
    ids = [[padding] * (longest - len(row)) + list(row) for row in prompts]
    mask = [[False] * (longest - len(row)) + [True] * len(row) for row in prompts]
    return torch.tensor(ids, device=device), torch.tensor(mask, device=device)


def positions_of(mask: Tensor) -> Tensor:
    """Return the position of each token, counted from the first that is not padding, [B, S]."""
    return (mask.long().cumsum(-1) - 1).clamp(min=0)


def joined(
    policy: Policy, prompts: Sequence[Sequence[int]], tokens: Tensor, alive: Tensor
) -> tuple[Tensor, Tensor, int]:
    """Return prompts and responses as one: ids [B, S], mask [B, S], and where the responses begin."""
    ids, mask = left_padded(prompts, policy.end, policy.device)
    return torch.cat([ids, tokens], -1), torch.cat([mask, alive], -1), ids.shape[-1]


@torch.no_grad()
def teacher_forced(policy: Policy, prompts: Sequence[Sequence[int]], tokens: Tensor, alive: Tensor) -> Tensor:
    """Return the hidden states that precede each response token, [B, T, d] in the model's own precision."""
    ids, mask, start = joined(policy, prompts, tokens, alive)
    return policy.hidden(ids, mask)[:, start - 1 : -1]


@torch.no_grad()
def negative_log_likelihood(
    policy: Policy, prompts: Sequence[Sequence[int]], tokens: Tensor, alive: Tensor, hidden: Tensor | None = None
) -> Tensor:
    """Return -log p of each response under the policy restricted to its vocabulary, in nats, [B].

    Raises:
        ValueError: if a response holds a token outside the vocabulary.
    """
    index = policy.index[tokens]
    if bool(((index < 0) & alive).any()):
        outside = sorted(set(tokens[(index < 0) & alive].tolist()))[:3]
        raise ValueError(f"tokens {outside} are not in the policy's vocabulary")
    hidden = teacher_forced(policy, prompts, tokens, alive) if hidden is None else hidden
    total = torch.zeros(len(tokens), device=policy.device)
    for t in range(tokens.shape[1]):  # a place at a time: all of them at once would be B x T x V' numbers
        log_p = policy.log_probs(hidden[:, t]).gather(-1, index[:, t : t + 1].clamp(min=0)).squeeze(-1)
        total -= torch.where(alive[:, t], log_p, 0.0)
    return total
