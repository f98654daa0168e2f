"""The policy: a causal language model, its tokenizer, and the tokens it may use.

Only tokens of the corpus can be sampled: a log-softmax over 12 thousand of 49 thousand keeps memory and time down by
four, and what is left out is no word of the task. Embedding rows are used in one unit, centred and divided by the
standard deviation of all their coordinates, so that a displacement of norm one tilts log-probabilities by about one
nat whatever the model. Only safetensors are read and no code that comes with a model is ever run.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from vgf.rlhf.parts.data import Row
from vgf.rlhf.parts.hub import local_or_hub, silence_transformers


class Rows(NamedTuple):
    """Rows of a matrix [V', d] in its own unit: centred, over the standard deviation of its coordinates."""

    table: Tensor  # float32 [V', d]
    centre: Tensor  # [d]
    scale: Tensor  # []

    def raw(self, standard: Tensor) -> Tensor:
        """Return [..., d] in the model's own unit."""
        return standard * self.scale + self.centre


@dataclass
class Policy:
    """A language model with all that the flow needs of it.

    Attributes:
        model: transformers' causal language model, in evaluation mode and without gradients.
        tokenizer: its own.
        vocabulary: ids that may be sampled, ascending, [V'].
        end: id of the end of text.
        context: most tokens of prompt and response together.
    """

    model: Any
    tokenizer: Any
    vocabulary: Tensor
    end: int
    context: int

    def __post_init__(self) -> None:
        """Cut out the rows of the vocabulary."""
        self.inputs = standardised(self.model.get_input_embeddings().weight[self.vocabulary])
        output = self.model.get_output_embeddings()
        self.head = output.weight[self.vocabulary].detach().clone()
        self.bias = None if output.bias is None else output.bias[self.vocabulary].detach().clone()
        self.outputs = standardised(self.head)
        size = self.model.get_input_embeddings().weight.shape[0]
        self.index = torch.full((size,), -1, device=self.device)
        self.index[self.vocabulary] = torch.arange(len(self.vocabulary), device=self.device)

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.model.get_input_embeddings().weight.device

    @property
    def vocabulary_digest(self) -> str:
        """Names the tokenizer's whole vocabulary, whatever part of it may be sampled."""
        words = sorted(self.tokenizer.get_vocab().items(), key=lambda item: item[1])
        return hashlib.sha256(repr(words).encode()).hexdigest()

    def hidden(self, ids: Tensor, mask: Tensor) -> Tensor:
        """Return the last hidden states, [B, S, d]; ids and mask are [B, S], padding on either side."""
        positions = (mask.long().cumsum(-1) - 1).clamp(min=0)
        out = self.model.base_model(input_ids=ids, attention_mask=mask.long(), position_ids=positions, use_cache=False)
        return out.last_hidden_state

    def log_probs(self, hidden: Tensor) -> Tensor:
        """Return log-probabilities over the vocabulary, float32 [..., V'], of hidden states [..., d]."""
        return torch.log_softmax(nn.functional.linear(hidden, self.head, self.bias).float(), -1)

    def text(self, ids: Sequence[int]) -> str:
        """Return token ids as text, special tokens left out."""
        return self.tokenizer.decode(list(ids), skip_special_tokens=True)


def standardised(rows: Tensor) -> Rows:
    """Return the rows of a matrix in their own unit; see `Rows`."""
    values = rows.detach().float()
    centre = values.mean(0)
    scale = (values - centre).square().mean().sqrt()
    return Rows((values - centre) / scale, centre, scale)


def load_model(folder: Path, dtype: torch.dtype = torch.bfloat16, device: torch.device | str = "cpu") -> Any:
    """Return the causal language model in a folder, frozen.

    Raises:
        ValueError: if it holds none, in one line.
    """
    silence_transformers()
    from transformers import AutoModelForCausalLM

    try:
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
    except Exception as error:  # transformers and safetensors raise many types for a damaged folder
        reason = " ".join(str(error).split())[:140]
        raise ValueError(f"{folder}: no causal language model with safetensors weights ({reason})") from None
    return model.to(device).eval().requires_grad_(False)


def save_model(model: Any, folder: Path, dtype: torch.dtype = torch.bfloat16) -> None:
    """Write a language model into a folder; what is half-written there counts for nothing until the stage is done.

    Args:
        model: whose weights are turned into `dtype` for it.
        folder: where.
        dtype: of the weights that are written.

    Raises:
        ValueError: if it cannot be written, naming the folder.
    """
    try:
        model.to(dtype).save_pretrained(folder, safe_serialization=True)
    except (OSError, SafetensorError) as error:  # of a full disk safetensors raises an error of its own
        reason = " ".join(str(error).split())[-140:]
        raise ValueError(f"{folder}: cannot be written ({reason}); make room, or choose another place") from None


def load_tokenizer(folder: Path) -> Any:
    """Return the tokenizer in a folder; it has an end of text.

    Raises:
        ValueError: if there is none, in one line.
    """
    silence_transformers()
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        empty = len(tokenizer.get_vocab()) < 2 or not tokenizer("a", add_special_tokens=False)["input_ids"]
    except Exception as error:  # transformers raises many types for a folder without tokenizer files
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{folder}: no tokenizer ({reason}); save the model's own there, as tokenizer.json") from None
    if empty:
        raise ValueError(f"{folder}: its tokenizer knows no word; save the model's own there, as tokenizer.json")
    if tokenizer.eos_token_id is None:
        raise ValueError(f"{folder}: its tokenizer has no end of text (eos_token); set one")
    return tokenizer


def find_model(name: str, default: Path, default_name: str) -> Path:
    """Return the folder of a model given by name or by folder; ValueError with the remedy where there is none."""
    if name == default_name:
        if not (default / "model.safetensors").exists():
            raise ValueError(f"{name} is not here; `vgf rlhf prepare` fetches it")
        return default
    return local_or_hub(name)


def make_policy(model: Any, tokenizer: Any, rows: Iterable[Row] | None) -> Policy:
    """Return the policy of a model that may use the tokens of these rows, or every token where rows is None."""
    end, size = int(tokenizer.eos_token_id), model.get_input_embeddings().weight.shape[0]
    if rows is None:
        ids = torch.arange(min(size, len(tokenizer)))
    else:
        ids = torch.tensor(sorted({end, *(t for row in rows for t in (*row.prompt, *row.chosen, *row.rejected))}))
    if max(int(ids[-1]), end) >= size:
        raise ValueError(apart(max(int(ids[-1]), end), size))
    context = int(getattr(model.config, "max_position_embeddings", 2048))
    device = model.get_input_embeddings().weight.device
    return Policy(model, tokenizer, ids.to(device), end, context)


def apart(token: int, size: int) -> str:
    """Return what is said of a tokenizer that has a token beyond a model's `size` rows."""
    return (
        f"the tokenizer knows token {token}, the model only {size}: they do not belong together; take the model's own "
        "tokenizer, or resize its embeddings (model.resize_token_embeddings) and save it again"
    )


def check_rows(policy: Policy, rows: Iterable[Row], tokens: int) -> None:
    """Refuse a prompt that leaves no room for a response, or a token the model has no row for, naming it.

    Raises:
        ValueError: with the remedy.
    """
    size = len(policy.index)
    for row in rows:
        if not row.prompt:
            raise ValueError(f"{row.name}: its prompt is empty; every prompt needs at least one token")
        if (most := max((*row.prompt, *row.chosen, *row.rejected))) >= size:
            raise ValueError(f"{row.name}: {apart(most, size)}")
        if len(row.prompt) + tokens > policy.context:
            raise ValueError(
                f"{row.name}: a prompt of {len(row.prompt)} tokens and a response of {tokens} pass the model's context "
                f"of {policy.context}; shorten it, or lower --tokens"
            )
