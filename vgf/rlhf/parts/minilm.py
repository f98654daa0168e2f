"""The judge of the default: another kind of model on other snippets, so that reward hacking shows.

Mean-pooled states of three layers of a sentence encoder and ridge regression on human ratings. It shares no weights,
no tokenizer and no snippet with the reward model that is optimised. The penalty is chosen by the leave-one-out error,
which ridge regression has in closed form. A judge of 3,000 ratings is fooled by broken text all the same; no number
of it should be read without the perplexity beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import torch
from torch import Tensor

from vgf.rlhf.parts.hub import silence_transformers
from vgf.support.files import write_json, written_whole
from vgf.support.json_text import read_facts

LAYERS = (2, 4, 6)
PENALTIES = tuple(float(x) for x in np.logspace(-2, 4, 25))
TOGETHER = 64


@dataclass
class Judge:
    """Human ratings predicted from text.

    Attributes:
        encoder, tokenizer: of the sentence encoder.
        weights: [d], in the unit of a rating.
        intercept: a rating.
        centre: mean of the features, [d].
    """

    encoder: Any
    tokenizer: Any
    weights: np.ndarray
    intercept: float
    centre: np.ndarray

    def scores(self, texts: Sequence[str]) -> np.ndarray:
        """Return a predicted human rating for each text, about -4 to 4, [B]."""
        return (features(self.encoder, self.tokenizer, texts) - self.centre) @ self.weights + self.intercept


def load_encoder(folder: Path) -> tuple[Any, Any]:
    """Return the sentence encoder and its tokenizer; ValueError with the remedy where there is none."""
    if not (folder / "model.safetensors").exists():
        raise ValueError(f"no sentence encoder in {folder}; `vgf rlhf prepare` fetches it")
    silence_transformers()
    from transformers import AutoModel, AutoTokenizer

    try:
        encoder = AutoModel.from_pretrained(
            folder, use_safetensors=True, trust_remote_code=False, local_files_only=True
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # transformers and safetensors raise many types for a damaged folder
        reason = " ".join(str(error).split())[:140]
        raise ValueError(f"{folder}: no sentence encoder ({reason}); `vgf rlhf prepare` fetches it") from None
    return encoder.float().eval().requires_grad_(False), tokenizer


@torch.no_grad()
def features(encoder: Any, tokenizer: Any, texts: Sequence[str]) -> np.ndarray:
    """Return the mean states of the chosen layers side by side, float64 [B, d]."""
    rows = []
    for at in range(0, len(texts), TOGETHER):
        batch = tokenizer(
            list(texts[at : at + TOGETHER]), padding=True, truncation=True, max_length=128, return_tensors="pt"
        )
        states = encoder(**batch, output_hidden_states=True).hidden_states
        rows.append(torch.cat([_mean(states[min(k, len(states) - 1)], batch["attention_mask"]) for k in LAYERS], -1))
    return torch.cat(rows).double().numpy()


def ridge(x: np.ndarray, y: np.ndarray, penalties: Sequence[float] = PENALTIES) -> tuple[np.ndarray, float, float]:
    """Return weights [d], the penalty of least leave-one-out error and that error (a root mean square).

    Args:
        x: centred features, [n, d].
        y: centred targets, [n].
        penalties: to choose from.
    """
    values, vectors = np.linalg.eigh(x @ x.T if x.shape[0] <= x.shape[1] else x.T @ x)
    values = values.clip(min=0)
    left = vectors if x.shape[0] <= x.shape[1] else (x @ vectors) / np.sqrt(values.clip(min=1e-12))
    projected, best = left.T @ y, (np.inf, 0.0)
    for penalty in penalties:
        shrink = values / (values + penalty)
        residual = y - left @ (shrink * projected)
        leverage = (left**2) @ shrink + 1 / len(y)  # the mean that was taken off has leverage too
        best = min(best, (float(np.sqrt(np.mean((residual / (1 - leverage)) ** 2))), penalty))
    error, penalty = best
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)
    return weights, penalty, error


def train_judge(encoder: Any, tokenizer: Any, rated: Sequence[tuple[str, float]]) -> tuple[Judge, dict[str, float]]:
    """Return the judge of these texts and ratings, and how good it is."""
    y = np.array([rating for _, rating in rated])
    x = features(encoder, tokenizer, [text for text, _ in rated])
    centre = x.mean(0)
    weights, penalty, error = ridge(x - centre, y - y.mean())
    judge = Judge(encoder, tokenizer, weights, float(y.mean()), centre)
    return judge, {"penalty": penalty, "leave_one_out_rmse": error, "snippets": float(len(y))}


def save_judge(judge: Judge, folder: Path) -> None:
    """Write the judge's own numbers; the encoder stays where it is."""
    with written_whole(folder / "judge.safetensors") as stream:
        arrays = {"weights": judge.weights, "centre": judge.centre}  # memory is written as it lies, whatever its order
        stream.write(safetensors.numpy.save({name: np.ascontiguousarray(x) for name, x in arrays.items()}))
    write_json(folder / "judge.json", {"intercept": judge.intercept, "layers": list(LAYERS)})


def load_judge(folder: Path, encoder_folder: Path) -> Judge:
    """Return the judge in a folder; ValueError with the remedy where there is none."""
    if not (folder / "judge.json").exists():
        raise ValueError(f"no judge in {folder}; `vgf rlhf judge` trains it")
    facts = read_facts(folder / "judge.json", "remove its folder, and train it again", intercept=float)
    try:
        arrays = safetensors.numpy.load_file(folder / "judge.safetensors")
        weights, centre = arrays["weights"], arrays["centre"]
    except (OSError, KeyError, safetensors.SafetensorError) as error:
        raise ValueError(f"{folder}: the judge is damaged ({error}); remove its folder, and train it again") from None
    return Judge(*load_encoder(encoder_folder), weights, facts["intercept"], centre)


def _mean(states: Tensor, mask: Tensor) -> Tensor:
    """Return the mean state over the places of a mask, [B, d] of [B, S, d] and [B, S]."""
    weight = mask[..., None].to(states.dtype)
    return (states * weight).sum(1) / weight.sum(1)
