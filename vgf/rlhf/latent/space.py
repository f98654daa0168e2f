"""Texts as latents: mean states of a sentence encoder, reduced to whitened numbers, and the way back to a text.

Principal axes of the training snippets' vectors are kept and scaled to a variance of one,

    z = (x - centre) B,    x' = centre + z B^+,

so that a step has one unit in every direction. The way back is the nearest of a pool of snippets that neither prior nor
reward was trained on. Whitening makes weak axes as loud as strong ones; that is the price of one unit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from torch import Tensor
from torch.nn import functional as F

from vgf.rlhf.parts.data import read_snippets
from vgf.rlhf.parts.minilm import LAYERS, features, load_encoder
from vgf.rlhf.parts.prepare import minilm_folder, snippets_file
from vgf.rlhf.training import find_done, write_done
from vgf.support.files import locked, written_whole
from vgf.support.progress import log

PROMPT_WORDS = 4
CONDITIONS = 16  # whitened numbers of a prompt that the prior sees
TRAINING = ("sft", "reward")  # splits of `vgf.rlhf.parts.data` for prior and rewards; the others are held out


@dataclass(frozen=True)
class Axes:
    """Principal axes of vectors [n, D], whitened: d numbers for each."""

    centre: Tensor  # [D]
    into: Tensor  # [D, d]
    back: Tensor  # [d, D]

    @classmethod
    def of(cls, x: Tensor, d: int) -> Axes:
        """Return the d strongest axes of rows x [n, D]."""
        centre = x.mean(0)
        _, values, axes = torch.linalg.svd(x - centre, full_matrices=False)
        spread = (values[:d] / (len(x) - 1) ** 0.5).clamp(min=1e-6)
        return cls(centre, axes[:d].T / spread, axes[:d] * spread[:, None])

    def latent(self, x: Tensor) -> Tensor:
        """Return latents [..., d] of vectors [..., D]."""
        return (x - self.centre) @ self.into

    def vector(self, z: Tensor) -> Tensor:
        """Return vectors [..., D] of latents [..., d]."""
        return self.centre + z @ self.back


@dataclass(frozen=True)
class Texts:
    """Snippets in the space; rows belong together.

    Attributes:
        names: as records have them.
        ratings: people's mean ratings, [n].
        latents: [n, d].
        conditions: of their first words, [n, c].
        topics: similarity to each topic in standard deviations, [n, M].
    """

    names: Sequence[str]
    ratings: Tensor
    latents: Tensor
    conditions: Tensor
    topics: Tensor

    def at(self, rows: Sequence[int]) -> Texts:
        """Return some of them."""
        k = torch.as_tensor(rows)
        tensors = (self.ratings[k], self.latents[k], self.conditions[k], self.topics[k])
        return Texts([self.names[i] for i in rows], *tensors)

    def nearest(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Return the row of the snippet nearest to each latent [..., d], and how far it is, both [...]."""
        found = torch.cdist(z.flatten(0, -2), self.latents).min(-1)
        return found.indices.reshape(z.shape[:-1]), found.values.reshape(z.shape[:-1])


@dataclass(frozen=True)
class Space:
    """The space with its snippets: those that prior and rewards learn from, and two halves that they do not.

    Attributes:
        axes: between sentence vectors and latents.
        towards: unit sentence vectors of the topics, [M, D/3].
        scales: mean and standard deviation of a latent's similarity to each topic over the training snippets, [2, M].
        training, tuning, report: snippets to learn from, to choose settings on, and to report.
    """

    axes: Axes
    towards: Tensor
    scales: Tensor
    training: Texts
    tuning: Texts
    report: Texts

    def topics(self, z: Tensor) -> Tensor:
        """Return how similar latents [..., d] are to each topic, in standard deviations, [..., M]."""
        return (sentence(self.axes.vector(z)) @ self.towards.T - self.scales[0]) / self.scales[1]


def encode(folder: Path) -> dict[str, Tensor]:
    """Return the vectors of all snippets and of their first words, encoded once and kept in a folder.

    Raises:
        ValueError: if snippets or encoder are missing, with the command that fetches them.
    """
    with locked(folder.parent, folder.name):
        if find_done(folder) is None:
            texts = [row["text"] for row in read_snippets(snippets_file())]
            log(f"encoding {len(texts)} snippets: minutes, once")
            parts = {"texts": texts, "prompts": [first_words(text) for text in texts]}
            with written_whole(folder / "vectors.safetensors") as stream:
                found = {name: vectors_of(part) for name, part in parts.items()}
                stream.write(safetensors.torch.save(found))
            write_done(folder, {"snippets": len(texts)})
    return safetensors.torch.load_file(folder / "vectors.safetensors")


def first_words(text: str) -> str:
    """Return the prompt of a snippet."""
    return " ".join(text.split()[:PROMPT_WORDS])


def open_space(folder: Path, topics: Sequence[str], dimensions: int) -> Space:
    """Return the space of the snippets, its axes those of the training snippets alone."""
    vectors, rows = encode(folder), read_snippets(snippets_file())
    known = [k for k, row in enumerate(rows) if row["split"] in TRAINING]
    held = [k for k, row in enumerate(rows) if row["split"] not in TRAINING]
    held.sort(key=lambda k: hashlib.sha256(("half " + rows[k]["text"]).encode()).hexdigest())
    axes, starts = Axes.of(vectors["texts"][known], dimensions), Axes.of(vectors["prompts"][known], CONDITIONS)
    towards = sentence(vectors_of(topics))
    alike = sentence(vectors["texts"]) @ towards.T
    latents = axes.latent(vectors["texts"])
    seen = sentence(axes.vector(latents[known])) @ towards.T
    texts = Texts(
        [f"review-{row['number']}" for row in rows],
        torch.tensor([row["rating"] for row in rows], dtype=torch.float32),
        latents,
        starts.latent(vectors["prompts"]),
        (alike - alike[known].mean(0)) / alike[known].std(0),
    )
    scales = torch.stack([seen.mean(0), seen.std(0)])
    return Space(axes, towards, scales, *(texts.at(part) for part in (known, held[::2], held[1::2])))


def vectors_of(texts: Sequence[str]) -> Tensor:
    """Return the features of texts, float32 [n, D]; texts of like length go together, for padding costs time."""
    order = np.argsort([len(text) for text in texts], kind="stable")
    x = features(*load_encoder(minilm_folder()), [texts[k] for k in order])
    found = np.empty_like(x)
    found[order] = x
    return torch.from_numpy(found).float()


def sentence(x: Tensor) -> Tensor:
    """Return the last layer's part of vectors [..., D] at length one: the space in which alike texts are near."""
    return F.normalize(x[..., -(x.shape[-1] // len(LAYERS)) :], dim=-1)
