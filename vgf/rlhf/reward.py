"""The proxy reward: differentiable in the policy's own input embeddings, so that its gradient can move a response.

A reward model usually starts from token ids, through which nothing can be differentiated. This one starts from the
policy's embedding rows, which it shares and does not train; so it must share the tokenizer too, and carries the
digest of that vocabulary to be refused otherwise. It is the policy's first layers, a mean over the places, and a
linear head, trained on human preferences by Bradley and Terry's model (bradley1952rank),

    P(y > y') = sigmoid(R(y) - R(y')).

Gaussian noise on the embeddings during training makes R smooth where the flow goes: between tokens. Without it the
gradient hardly ranks token swaps. The price is a little accuracy.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from vgf.rlhf.models import Policy
from vgf.rlhf.parts.data import Row
from vgf.rlhf.placement import recompute
from vgf.rlhf.sampling import joined, positions_of
from vgf.support.files import write_bytes, write_json
from vgf.support.json_text import read_facts

NOISE = 1.0  # standard deviation of the training noise, in standardised embedding units
MARGINS = (0.5, 1.0, 2.0)
_NOT_CONFIG = ("model_type", "dtype", "transformers_version", "architectures")


class RewardModel(nn.Module):
    """R of a sequence of standardised embeddings.

    Attributes:
        body: the first layers of the policy's architecture, which take embeddings.
        head: to a number.
        vocabulary_digest: of the tokenizer whose embeddings it reads.
        in_bfloat16: whether layers are computed in bfloat16; the weights stay float32.
    """

    def __init__(self, body: Any, centre: Tensor, scale: Tensor, vocabulary_digest: str) -> None:
        super().__init__()
        self.body = body
        self.head = nn.Linear(body.config.hidden_size, 1)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)
        self.centre = nn.Buffer(centre.clone())
        self.scale = nn.Buffer(scale.clone())
        self.vocabulary_digest = vocabulary_digest
        self.in_bfloat16 = False

    def forward(self, embeddings: Tensor, mask: Tensor) -> Tensor:
        """Return rewards, float32 [B], of standardised embeddings [B, S, d] and mask [B, S]."""
        raw = (embeddings * self.scale + self.centre).to(self.head.weight.dtype)
        with torch.autocast(raw.device.type, torch.bfloat16, enabled=self.in_bfloat16):
            out = self.body(
                inputs_embeds=raw, attention_mask=mask.long(), position_ids=positions_of(mask), use_cache=False
            ).last_hidden_state
        out = out.to(self.head.weight.dtype)
        weight = mask.to(out.dtype)[..., None]
        return self.head((out * weight).sum(1) / weight.sum(1)).squeeze(-1).float()

    def be_lean(self) -> None:
        """Take a fraction of the memory: layers in bfloat16, computed again in the backward pass."""
        self.in_bfloat16 = True
        recompute(self.body)

    def save(self, folder: Path) -> None:
        """Write weights and config."""
        state = {name: value.contiguous() for name, value in self.state_dict().items() if "embed" not in name}
        write_bytes(folder / "reward.safetensors", safetensors.torch.save(state))
        facts = {"vocabulary": self.vocabulary_digest, "model_type": self.body.config.model_type}
        write_json(folder / "reward.json", facts | {"config": self.body.config.to_dict()})


def new_reward(policy: Policy, layers: int, seed: int) -> RewardModel:
    """Return a reward model of the policy's first layers; its head is new.

    Raises:
        ValueError: if the architecture does not keep its layers in a list.
    """
    body = copy.deepcopy(policy.model.base_model)
    if not isinstance(getattr(body, "layers", None), nn.ModuleList):
        raise ValueError(f"{type(body).__name__}: its layers cannot be cut short; supported are Llama and GPT-NeoX")
    body.layers = body.layers[:layers]
    body.config.num_hidden_layers = len(body.layers)  # a small model may have fewer than are asked for
    body.set_input_embeddings(nn.Embedding(1, body.config.hidden_size))  # embeddings come from outside
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = RewardModel(body, policy.inputs.centre, policy.inputs.scale, policy.vocabulary_digest)
    return model.float().to(policy.device).requires_grad_(True)


def load_reward(folder: Path, policy: Policy) -> RewardModel:
    """Return the reward model in a folder, frozen.

    Raises:
        ValueError: if there is none, or it reads another vocabulary than the policy writes.
    """
    path = folder / "reward.json"
    if not path.exists():
        raise ValueError(f"no reward model in {folder}; `vgf rlhf reward` trains it")
    facts = read_facts(path, "remove its folder, and train it again", vocabulary=str, model_type=str, config=dict)
    if facts["vocabulary"] != policy.vocabulary_digest:
        raise ValueError(
            f"{folder}: the reward model reads another vocabulary than the policy writes (digests "
            f"{facts['vocabulary'][:8]} and {policy.vocabulary_digest[:8]}); train one with this policy's tokenizer"
        )
    from transformers import AutoConfig, AutoModel

    own = {key: value for key, value in facts["config"].items() if key not in _NOT_CONFIG}
    try:
        config = AutoConfig.for_model(facts["model_type"], **own)
        config.vocab_size, config.pad_token_id = 1, None
        body = AutoModel.from_config(config, trust_remote_code=False)
    except Exception as error:  # transformers raises many types for a value that is none
        reason = " ".join(str(error).split())[:140]
        raise ValueError(f"{path}: no config of a model ({reason}); remove its folder, and train it again") from None
    model = RewardModel(body, policy.inputs.centre, policy.inputs.scale, facts["vocabulary"])
    try:
        state = safetensors.torch.load_file(folder / "reward.safetensors")
        missing, unknown = model.load_state_dict(state, strict=False)
    except (OSError, RuntimeError, safetensors.SafetensorError) as error:
        reason = " ".join(str(error).split())[:140]
        raise ValueError(f"{folder}: the reward model is damaged ({reason}); train it again") from None
    if unknown or any("embed" not in name for name in missing):
        raise ValueError(f"{folder}: the reward model's weights are not those of its config; train it again")
    return model.float().to(policy.device).eval().requires_grad_(False)


def embedded(policy: Policy, tokens: Tensor) -> Tensor:
    """Return standardised input embeddings, float32 [..., d], of token ids [...], in the vocabulary or not."""
    raw = policy.model.get_input_embeddings().weight[tokens].float()
    return (raw - policy.inputs.centre) / policy.inputs.scale


def padded(rows: Sequence[Sequence[int]], end: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return responses as tokens and mask, [B, T], padded on the right."""
    longest = max(map(len, rows))
    tokens = torch.tensor([[*row, *[end] * (longest - len(row))] for row in rows], device=device)
    alive = torch.tensor([[True] * len(row) + [False] * (longest - len(row)) for row in rows], device=device)
    return tokens, alive


def rewards_of(
    model: RewardModel, policy: Policy, prompts: Sequence[Sequence[int]], tokens: Tensor, alive: Tensor
) -> Tensor:
    """Return the reward of each response with its prompt, [B], without gradients."""
    ids, mask, _ = joined(policy, prompts, tokens, alive)
    with torch.no_grad():
        return torch.cat([model(embedded(policy, i), m) for i, m in zip(ids.split(64), mask.split(64), strict=True)])


def preference_loss(
    model: RewardModel, policy: Policy, rows: Sequence[Row], generator: torch.Generator, noise: float = NOISE
) -> Tensor:
    """Return Bradley and Terry's loss of a batch, a scalar.

    Rows with a rejected response give one pair each; rows with ratings give every pair of different ratings.

    Raises:
        ValueError: if no two rows of the batch can be compared.
    """
    both = bool(rows[0].rejected)
    responses = [row.chosen for row in rows] + ([row.rejected for row in rows] if both else [])
    tokens, alive = padded(responses, policy.end, policy.device)
    ids, mask, _ = joined(policy, [row.prompt for row in rows] * (2 if both else 1), tokens, alive)
    u = embedded(policy, ids)
    u = u + noise * torch.randn(u.shape, generator=generator).to(u.device)
    value = model(u, mask)
    if both:
        return F.softplus(value[len(rows) :] - value[: len(rows)]).mean()
    rating = torch.tensor([row.rating for row in rows], device=value.device)
    better = rating[:, None] > rating[None, :]
    if not bool(better.any()):
        raise ValueError("no two rows of a batch have different ratings; the preferences say nothing")
    return F.softplus(value[None, :] - value[:, None])[better].mean()


def pair_accuracy(
    values: Sequence[float], ratings: Sequence[float], margins: Sequence[float] = MARGINS
) -> dict[str, float]:
    """Return, for each margin, how often of two texts rated further apart the better rated has the higher value."""
    value, rating = torch.tensor(values), torch.tensor(ratings)
    right = (value[:, None] > value[None, :]).double() + 0.5 * (value[:, None] == value[None, :])
    gap = rating[:, None] - rating[None, :]
    return {f"over {margin:g}": float(right[gap > margin].mean()) for margin in margins if bool((gap > margin).any())}
