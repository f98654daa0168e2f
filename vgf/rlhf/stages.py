"""The stages before the comparison: a policy trained on human text, a reward model, a judge, weighted cloning.

Each leaves a folder with a `done.json` that says what it was made of and how good it is; asked for again, it is found
there. A stage that needs another makes no silent substitute: it says which command comes first.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgf.rlhf.lora import add_low_rank, merge_low_rank
from vgf.rlhf.models import Policy, check_rows, find_model, load_model, load_tokenizer, make_policy, save_model
from vgf.rlhf.parts.data import Row, Splits, read_reviews
from vgf.rlhf.parts.minilm import load_encoder, save_judge, train_judge
from vgf.rlhf.parts.preferences import read_preferences
from vgf.rlhf.parts.prepare import minilm_folder, model_folder, snippets_file
from vgf.rlhf.placement import in_parts, recompute
from vgf.rlhf.reward import (
    RewardModel,
    load_reward,
    new_reward,
    padded,
    pair_accuracy,
    preference_loss,
    rewards_of,
)
from vgf.rlhf.sampling import generate, joined, negative_log_likelihood, seed_of
from vgf.rlhf.settings import SMOLLM2, Setup
from vgf.rlhf.training import find_done, order, read_done, train, write_done
from vgf.support.files import locked

_READ: dict[tuple[object, ...], Splits] = {}  # the preferences that were read last
HELD_OUT = 128  # rows a stage is measured on
BC_TEMPERATURE = 1.0  # of the weights of weighted cloning, in standard deviations of the reward


def load_splits(setup: Setup, tokenizer: Any) -> Splits:
    """Return the task's rows in the tokens of a tokenizer."""
    if setup.task == "reviews":
        return read_reviews(snippets_file(), tokenizer, setup.sizes.tokens)
    sizes, file = setup.sizes, setup.preferences
    words = hash(frozenset(tokenizer.get_vocab().items()))
    stamp = file.stat() if file is not None and file.exists() else None
    asked = (setup.task, file, stamp and (stamp.st_mtime_ns, stamp.st_size), sizes.tokens, sizes.prompt_tokens)
    key = (*asked, words, tokenizer.chat_template)
    if key not in _READ:  # a hundred thousand rows take a minute, and every stage asks for them
        _READ.clear()
        _READ[key] = read_preferences(setup.task, file, tokenizer, sizes.tokens, sizes.prompt_tokens)
    return _READ[key]


def open_policy(setup: Setup, folder: Path | None = None, stage: str = "") -> tuple[Policy, Splits]:
    """Return the base model, or the one in a folder in the precision of a stage's work, with the task's rows.

    Raises:
        ValueError: if something is missing or does not fit, with the command that comes first.
    """
    base = find_model(setup.model, model_folder(), SMOLLM2)
    tokenizer = load_tokenizer(base)
    splits = load_splits(setup, tokenizer)
    model = load_model(folder or base, getattr(torch, setup.precision(stage)), setup.placement.device)
    every = [*splits.sft, *splits.reward, *splits.test]
    policy = make_policy(model, tokenizer, every if setup.task == "reviews" else None)
    check_rows(policy, every, setup.sizes.tokens)
    return policy, splits


def open_sft(setup: Setup, stage: str = "") -> tuple[Policy, Splits]:
    """Return the supervised policy; ValueError with the command that comes first where it is not trained."""
    folder = setup.folder("sft")
    if read_done(folder) is None:
        raise ValueError(f"no supervised policy for these settings; `vgf rlhf sft` with seed {setup.seed} comes first")
    return open_policy(setup, folder, stage)


def perplexity(policy: Policy, rows: Sequence[Row]) -> float:
    """Return the perplexity a token of human responses."""
    nats = places = 0.0
    for at in range(0, len(rows), 32):
        part = rows[at : at + 32]
        tokens, alive = padded([row.chosen for row in part], policy.end, policy.device)
        nats += float(negative_log_likelihood(policy, [row.prompt for row in part], tokens, alive).sum())
        places += float(alive.sum())
    return math.exp(nats / places)


def cloning_loss(policy: Policy, rows: Sequence[Row], weights: Tensor | None = None) -> Tensor:
    """Return the mean negative log-likelihood of the rows' responses a token, weighted by row where asked; a scalar."""
    tokens, alive = padded([row.chosen for row in rows], policy.end, policy.device)
    prompts = [row.prompt for row in rows]
    ids, mask, begin = joined(policy, prompts, tokens, alive)
    hidden = policy.hidden(ids, mask)[:, begin - 1 : -1]
    log_p = policy.log_probs(hidden[alive])
    nats = -log_p.gather(-1, policy.index[tokens[alive]][:, None]).squeeze(-1)
    if weights is None:
        return nats.mean()
    each = weights.to(nats)[:, None].expand(tokens.shape)[alive]
    return (each * nats).sum() / each.sum()


def sft(setup: Setup) -> dict[str, Any]:
    """Train the policy on human text; return what `done.json` says."""
    folder, sizes = setup.folder("sft"), setup.sizes
    with locked(folder.parent, folder.name):
        if done := find_done(folder):
            return done
        policy, splits = open_policy(setup)
        before = perplexity(policy, splits.test[:HELD_OUT])
        parameters = add_low_rank(policy.model, sizes.rank, setup.seed)
        if setup.placement.lean:
            recompute(policy.model.base_model)

        def loss_of(step: int) -> Tensor | Iterator[Tensor]:
            rows = [splits.sft[k] for k in order(len(splits.sft), sizes.sft_batch, step, setup.seed)]
            part = partial(cloning_loss, policy)
            return in_parts(rows, setup.placement.rows, part, lambda row: len(row.chosen))

        facts = train("sft", folder, parameters, loss_of, sizes.sft_steps, sizes.sft_rate, sizes.save_every)
        merge_low_rank(policy.model)
        after = perplexity(policy, splits.test[:HELD_OUT])
        save_model(policy.model, folder)
        facts |= {"perplexity_before": before, "perplexity": after, "rows": len(splits.sft)}
        facts |= {"vocabulary": len(policy.vocabulary), "steps": sizes.sft_steps}
        facts |= {"made_of": setup.made_of}
        facts = write_done(folder, facts)
    return facts


def reward(setup: Setup) -> dict[str, Any]:
    """Train the reward model on the reward split; return what `done.json` says."""
    folder, sizes = setup.folder("reward"), setup.sizes
    with locked(folder.parent, folder.name):
        if done := find_done(folder):
            return done
        policy, splits = open_sft(setup)
        model = new_reward(policy, sizes.reward_layers, setup.seed)
        parameters = {name: p for name, p in model.named_parameters() if "embed" not in name}
        most = setup.placement.rows if splits.reward[0].rejected else 0  # ratings are compared across the whole batch
        if setup.placement.lean:
            model.be_lean()

        def loss_of(step: int) -> Tensor | Iterator[Tensor]:
            rows = [splits.reward[k] for k in order(len(splits.reward), sizes.reward_batch, step, setup.seed)]
            generator = torch.Generator().manual_seed(seed_of("reward", setup.seed, step))
            part = partial(preference_loss, model, policy, generator=generator)
            return in_parts(rows, most, part, lambda row: 1.0)

        args = (sizes.reward_steps, sizes.reward_rate, sizes.save_every)
        facts = train("reward", folder, parameters, loss_of, *args)
        model.eval()
        facts |= {"accuracy": reward_accuracy(model, policy, splits.test), "rows": len(splits.reward)}
        model.save(folder)
        facts |= {"made_of": setup.made_of}
        facts = write_done(folder, facts)
    return facts


def reward_accuracy(model: RewardModel, policy: Policy, rows: Sequence[Row]) -> dict[str, float]:
    """Return the share of held-out pairs the reward model orders as people did."""

    def values(responses: Sequence[Sequence[int]]) -> Tensor:
        parts = []
        for at in range(0, len(rows), 64):
            prompts = [row.prompt for row in rows[at : at + 64]]
            tokens, alive = padded(responses[at : at + 64], policy.end, policy.device)
            parts.append(rewards_of(model, policy, prompts, tokens, alive))
        return torch.cat(parts)

    chosen = values([row.chosen for row in rows])
    if rows[0].rejected:
        return {"pairs": float((chosen > values([row.rejected for row in rows])).double().mean())}
    return pair_accuracy(chosen.tolist(), [row.rating for row in rows])


def judge(setup: Setup) -> dict[str, Any]:
    """Train the default's judge on the judge split; return what `done.json` says."""
    if setup.task != "reviews":
        raise ValueError(f"{setup.task} has no judge of its own; `vgf rlhf judge --api` asks an OpenAI-compatible one")
    folder = setup.folder("judge")
    with locked(folder.parent, folder.name):
        if done := find_done(folder):
            return done
        tokenizer = load_tokenizer(find_model(setup.model, model_folder(), SMOLLM2))
        splits = load_splits(setup, tokenizer)
        trained, facts = train_judge(*load_encoder(minilm_folder()), splits.judge)
        texts = [tokenizer.decode([*r.prompt, *r.chosen], skip_special_tokens=True) for r in splits.test]
        ratings, scores = [row.rating for row in splits.test], trained.scores(texts)
        correlation = float(torch.corrcoef(torch.tensor([scores.tolist(), ratings]))[0, 1])
        folder.mkdir(parents=True, exist_ok=True)
        save_judge(trained, folder)
        told = {**facts, "accuracy": pair_accuracy(scores.tolist(), ratings), "correlation": correlation}
        told |= {"made_of": setup.made_of}
        told = write_done(folder, told)
    return told


def weighted_cloning(setup: Setup) -> dict[str, Any]:
    """Train the policy on its own responses, weighted by exp(reward / temperature): the closed form of KL control.

    Each prompt of the sft split gets N responses; weights are a softmax over them of the reward in its standard
    deviations (peng2019awr's form, with the prompt's own mean as baseline).
    """
    folder, sizes = setup.folder("bc"), setup.sizes
    with locked(folder.parent, folder.name):
        if done := find_done(folder):
            return done
        policy, splits = open_sft(setup)
        model = load_reward(setup.folder("reward"), policy)
        sources = splits.sft[: sizes.bc_prompts]
        rows, values = [], []
        for at in range(0, len(sources), max(1, sizes.together // sizes.particles)):
            part = sources[at : at + max(1, sizes.together // sizes.particles)]
            prompts, names = [row.prompt for row in part], [f"bc/{row.name}" for row in part]
            got = generate(policy, prompts, names, sizes.tokens, setup.seed, particles=sizes.particles)
            repeated = [prompt for prompt in prompts for _ in range(sizes.particles)]
            values.append(rewards_of(model, policy, repeated, got.tokens, got.alive).reshape(len(part), -1))
            rows += [Row(str(k), tuple(p), tuple(got.ids(k))) for k, p in enumerate(repeated)]
        value = torch.cat(values)
        weights = (torch.softmax(value / (BC_TEMPERATURE * value.std()), -1) * sizes.particles).flatten().cpu()
        parameters = add_low_rank(policy.model, sizes.rank, setup.seed + 1)
        if setup.placement.lean:
            recompute(policy.model.base_model)

        def weighted(taken: Sequence[int]) -> Tensor:
            return cloning_loss(policy, [rows[k] for k in taken], weights[list(taken)])

        def loss_of(step: int) -> Tensor | Iterator[Tensor]:
            taken = order(len(rows), sizes.sft_batch, step, setup.seed)
            return in_parts(taken, setup.placement.rows, weighted, lambda k: float(weights[k]) * len(rows[k].chosen))

        facts = train(
            "weighted cloning", folder, parameters, loss_of, sizes.bc_steps, sizes.sft_rate / 2, sizes.save_every
        )
        merge_low_rank(policy.model)
        save_model(policy.model, folder)
        effective = float(weights.sum() ** 2 / weights.square().sum() / len(weights))
        facts |= {"responses": len(rows), "effective_share": effective}
        facts |= {"made_of": setup.made_of}
        facts = write_done(folder, facts)
    return facts
