"""From moved proxies back to tokens: four ways, of which none is given by the method itself.

The flow moves embeddings, and a moved embedding is no token. Each way decides differently how much the language model
may say, with Delta the displacement, e_v a standardised row of the vocabulary and lambda the strength:

    gumbel      y_t = argmax_v log p(v | y_<t) + lambda <Delta_t, e_v> + G_t[v], with the noise the response was sampled
                with: the sampler, tilted. Delta = 0 gives back the sample, bit for bit.
    cold        y_t = argmax_v log p(v | y_<t) + lambda <Delta_t, e_v> - a |e_v - e_{x_t}|^2 / 2d: near the tokens x it
                comes from, no noise (after qin2022cold). Delta = 0 already moves towards the mode.
    projection  y_t = argmin_v |u_t - e_v|: the language model has no say.
    swaps       the one exchange of x_t for v with the highest log p(v | y_<t) - log p(x_t | y_<t) + lambda <Delta_t,
                e_v - e_{x_t}>, if it is positive; the text around it stays.

The first two choose among the policy's most likely tokens only, which bounds how unlikely a text can become.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from vgf.rlhf.models import Policy, Rows
from vgf.rlhf.reward import embedded
from vgf.rlhf.sampling import TOP, Responses, Rule, generate, sampling_rule, teacher_forced


@dataclass(frozen=True)
class PromptBatch:
    """What a decoder works on: P prompts with N responses each.

    Attributes:
        policy: the language model.
        prompts, names: of the prompts, P of each.
        particles: N.
        tokens: most tokens of a response, T.
        seed: of the noise the responses were sampled with.
        first: number of the first particle, which names its noise.
        top: how many of the most likely tokens a step chooses from.
    """

    policy: Policy
    prompts: Sequence[Sequence[int]]
    names: Sequence[str]
    particles: int
    tokens: int
    seed: int
    first: int = 0
    top: int = TOP

    @property
    def repeated(self) -> list[Sequence[int]]:
        """The prompt of each of the B = P * N responses."""
        return [prompt for prompt in self.prompts for _ in range(self.particles)]

    def sample(self, rule: Rule = sampling_rule) -> Responses:
        """Return the reference responses, what the flow starts from, or by another rule those of the same noise."""
        return generate(
            self.policy,
            self.prompts,
            self.names,
            self.tokens,
            self.seed,
            particles=self.particles,
            first=self.first,
            top=self.top,
            rule=rule,
        )


class Proxy(NamedTuple):
    """Where the flow has come to.

    Attributes:
        position: u, [B, T, d].
        total: displacement since the start, [B, T, d].
        last: displacement since the responses were last decoded, [B, T, d].
        rows: the rows of the vocabulary in the space of u.
    """

    position: Tensor
    total: Tensor
    last: Tensor
    rows: Rows


def _tilted(scene: PromptBatch, current: Responses, proxy: Proxy, strength: float, anchor: float) -> Responses:
    """Sample anew with the same noise, the log-probabilities tilted."""
    del current, anchor

    def rule(step: int, log_p: Tensor, index: Tensor, gumbel: Tensor) -> Tensor:
        return log_p + gumbel + strength * _along(proxy.rows.table[index], proxy.total[:, step])

    return scene.sample(rule)


def _cold(scene: PromptBatch, current: Responses, proxy: Proxy, strength: float, anchor: float) -> Responses:
    """Decode the best text near the current one, without noise."""
    table = scene.policy.inputs.table
    here = embedded(scene.policy, current.tokens)

    def rule(step: int, log_p: Tensor, index: Tensor, gumbel: Tensor) -> Tensor:
        away = (table[index] - here[:, step, None]).square().sum(-1) / (2 * table.shape[-1])
        away = torch.where(current.alive[:, step, None], away, 0.0)
        return log_p + strength * _along(proxy.rows.table[index], proxy.last[:, step]) - anchor * away

    return scene.sample(rule)


def _projected(scene: PromptBatch, current: Responses, proxy: Proxy, strength: float, anchor: float) -> Responses:
    """Take the nearest row at each place."""
    del current, strength, anchor
    policy, table = scene.policy, proxy.rows.table
    half = table.square().sum(-1) / 2
    nearest = [(u @ table.T - half).argmax(-1) for u in proxy.position.unbind(1)]
    tokens = policy.vocabulary[torch.stack(nearest, 1)]
    ended = (tokens == policy.end).long().cumsum(-1) - (tokens == policy.end).long() > 0
    return _with_hidden(scene, torch.where(ended, policy.end, tokens), ~ended)


@torch.no_grad()
def _swapped(scene: PromptBatch, current: Responses, proxy: Proxy, strength: float, anchor: float) -> Responses:
    """Exchange the one token that promises most."""
    del anchor
    policy, table = scene.policy, proxy.rows.table
    index = policy.index[current.tokens].clamp(min=0)
    gains, places = [], []
    for t in range(current.tokens.shape[1]):
        log_p = policy.log_probs(current.hidden[:, t].to(policy.head.dtype))
        best, top = log_p.topk(min(scene.top, log_p.shape[-1]), -1)
        here = index[:, t : t + 1]
        gain = best - log_p.gather(-1, here) + strength * _along(table[top] - table[here], proxy.last[:, t])
        fixed = ~current.alive[:, t] | (current.tokens[:, t] == policy.end)  # a swap leaves the length as it is
        gain = gain.masked_fill(fixed[:, None] | (policy.vocabulary[top] == policy.end) | (top == here), -torch.inf)
        value, at = gain.max(-1, keepdim=True)
        gains.append(value.squeeze(-1))
        places.append(top.gather(-1, at).squeeze(-1))
    gain, where = torch.stack(gains, 1).max(-1)
    new = policy.vocabulary[torch.stack(places, 1).gather(1, where[:, None]).squeeze(1)]
    old = current.tokens.gather(1, where[:, None]).squeeze(1)
    tokens = current.tokens.scatter(1, where[:, None], torch.where(gain > 0, new, old)[:, None])
    return _with_hidden(scene, tokens, current.alive)


def _along(rows: Tensor, displacement: Tensor) -> Tensor:
    """Return <Delta, e_v>, [B, k], of rows [B, k, d] and displacements [B, d]."""
    return (rows @ displacement[..., None]).squeeze(-1)


def _with_hidden(scene: PromptBatch, tokens: Tensor, alive: Tensor) -> Responses:
    """Return responses with the hidden states that precede their tokens."""
    hidden = teacher_forced(scene.policy, scene.repeated, tokens, alive).float()
    return Responses(tokens, alive, hidden.clone())


Decoder = Callable[[PromptBatch, Responses, Proxy, float, float], Responses]
#: Each returns the responses a displacement stands for, of prompts and policy, the responses last decoded, where the
#: flow has come to, the strength lambda (nats for a unit of displacement along a unit direction) and the anchor a of
#: `cold` (nats it costs to leave for an unrelated token).
DECODERS: Mapping[str, Decoder] = {"gumbel": _tilted, "cold": _cold, "projection": _projected, "swaps": _swapped}
