"""The relaxed choice of a token: a mean embedding that the reward model can be differentiated through."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vgf.rlhf.decoders import PromptBatch
from vgf.rlhf.models import Policy
from vgf.rlhf.sampling import Noise, Responses


class Relaxed(NamedTuple):
    """The relaxed choice of each place: which tokens, and their noise."""

    places: Tensor  # in the vocabulary, [B, T, k]
    gumbel: Tensor  # [B, T, k]


def relax(scene: PromptBatch, responses: Responses) -> Relaxed:
    """Return the most likely tokens of each place and the noise they were chosen with."""
    policy = scene.policy
    names = [f"{name}/{scene.first + n}" for name in scene.names for n in range(scene.particles)]
    noise, index, gumbel = Noise(names, scene.seed, len(policy.vocabulary), policy.device), [], []
    for hidden in responses.hidden.unbind(1):
        log_p = policy.log_probs(hidden.to(policy.head.dtype))
        index.append(log_p.topk(min(scene.top, log_p.shape[-1]), -1).indices)
        gumbel.append(noise.step(index[-1]))
    return Relaxed(torch.stack(index, 1), torch.stack(gumbel, 1))


def to_embeddings(policy: Policy, hidden: Tensor, relaxed: Relaxed, tau: float) -> Tensor:
    """Return the relaxed choice's mean embedding, [B, T, d], of hidden states in the flow's unit [B, T, h].

    The rows' centre adds the same to every logit and is left out.
    """
    logits = (policy.outputs.table[relaxed.places] @ hidden[..., None]).squeeze(-1)
    if policy.bias is not None:
        logits = logits + policy.bias[relaxed.places].float()
    weights = torch.softmax((logits + relaxed.gumbel) / tau, -1)
    return (weights[..., None, :] @ policy.inputs.table[relaxed.places]).squeeze(-2)
