"""DPO, PPO and RLOO through TRL, on the same supervised policy, the same prompts and the same reward model.

TRL is pinned to the last release that still has PPO (1.12.0), so that all three come from one. It is an optional
dependency, and so is peft, whose low-rank adapters keep a second copy of the policy out of memory; they are merged
before the policy is saved, so that it is sampled exactly as every other. DPO learns from pairs: the human response and
a rejected one, or, where people gave ratings instead, the best and the worst of N of the policy's own responses by the
reward model. RLOO and PPO ask the reward model about what they sample, from the tokens the policy may sample, but
without the cut to the likeliest forty under which every policy is evaluated: their trainers know no such thing.

Each is trained for a few steps, or until its reward stops rising (`vgf.rlhf.stopping`). In the second case the rate is
constant, because a rate that falls to zero would end the rise by itself, and everything is in float32: in bfloat16 most
of so small an update is rounded away.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import SequentialSampler

from vgf.rlhf.models import Policy, save_model
from vgf.rlhf.parts.data import Row, evaluation_prompts
from vgf.rlhf.reward import RewardModel, load_reward, padded, rewards_of
from vgf.rlhf.rivals.trainers import run, silence_libraries, within_vocabulary
from vgf.rlhf.rivals.watched import Watch, measurement
from vgf.rlhf.sampling import generate, seed_of
from vgf.rlhf.settings import Setup
from vgf.rlhf.stages import open_sft
from vgf.rlhf.stopping import TO_STOP
from vgf.rlhf.training import find_done, write_done
from vgf.support.files import locked

TRL = "1.12.0"
NEEDED = ("trl", "peft", "datasets", "accelerate")
RATE = 1e-4
BATCH = 8  # pairs, or responses, a step
GENERATIONS = 4  # RLOO's responses a prompt


def require() -> None:
    """Do nothing if TRL and what it needs are installed in the pinned release.

    Raises:
        ValueError: naming what is missing.
    """
    missing = [name for name in NEEDED if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(
            f"{', '.join(missing)}: not installed; pip install trl=={TRL} peft, or leave DPO, PPO, RLOO out"
        )
    if version("trl") != TRL:
        raise ValueError(f"trl {version('trl')} is installed, {TRL} is needed: later releases have no PPO")


def train(setup: Setup, method: str) -> dict[str, Any]:
    """Train a policy with TRL and leave it in its stage's folder; return what `done.json` says.

    Raises:
        ValueError: if TRL is not installed, or a stage before is missing.
    """
    require()
    folder = setup.folder(method)
    with locked(folder.parent, folder.name):
        if done := find_done(folder):
            return done
        policy, splits = open_sft(setup, method)
        reward = load_reward(setup.folder("reward"), policy)
        started = time.monotonic()
        silence_libraries()
        rows = splits.sft[: setup.sizes.bc_prompts]
        torch.manual_seed(seed_of(method, setup.seed))  # adapters and value heads are made before TRL seeds anything
        watch = _watch(setup, policy, reward, splits.test, method) if method in TO_STOP else None
        trainer = {"dpo": _dpo, "rloo": _rloo, "ppo": _ppo}[TO_STOP.get(method, method)]
        with within_vocabulary(policy):
            model = trainer(setup, policy, reward, rows, folder, watch)
        save_model(model, folder, torch.float32 if watch else torch.bfloat16)
        shutil.rmtree(folder / "trl", ignore_errors=True)
        seconds = time.monotonic() - started + (watch.spent if watch else 0.0)
        facts = {"prompts": len(rows), "steps": setup.sizes.bc_steps, "trl": TRL, "seconds": round(seconds, 1)}
        facts |= {"made_of": setup.made_of} | (watch.facts() if watch else {})
        facts = write_done(folder, facts)
    return facts


def _watch(setup: Setup, policy: Policy, reward: RewardModel, test: Sequence[Row], method: str) -> Watch:
    """Return the watch over a rival, measured on development prompts."""
    rows = evaluation_prompts(test, setup.stopping.prompts, development=True)
    measure = measurement(policy, reward, rows, setup.sizes.tokens, setup.seed)
    return Watch(method, setup.stopping, setup.folder(method), measure, setup.seed)


def own_pairs(setup: Setup, policy: Policy, reward: RewardModel, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return prompt, chosen and rejected as token ids: people's own pairs, or best and worst of N by the reward."""
    if rows[0].rejected:
        return [{"prompt": list(r.prompt), "chosen": list(r.chosen), "rejected": list(r.rejected)} for r in rows]
    sizes, found = setup.sizes, []
    size = max(1, sizes.together // sizes.particles)
    for at in range(0, len(rows), size):
        part = rows[at : at + size]
        prompts, names = [row.prompt for row in part], [f"dpo/{row.name}" for row in part]
        got = generate(policy, prompts, names, sizes.tokens, setup.seed, particles=sizes.particles)
        repeated = [p for p in prompts for _ in range(sizes.particles)]
        value = rewards_of(reward, policy, repeated, got.tokens, got.alive).reshape(len(part), -1)
        for k, prompt in enumerate(prompts):
            best, worst = (k * sizes.particles + int(i) for i in (value[k].argmax(), value[k].argmin()))
            if best != worst:
                found.append({"prompt": list(prompt), "chosen": got.ids(best), "rejected": got.ids(worst)})
    return found


def reward_function(policy: Policy, reward: RewardModel, tokens: int) -> Any:
    """Return TRL's reward function: token ids of prompts and completions to numbers."""

    def value(prompt_ids: list[list[int]] | None = None, completion_ids: Any = None, **given: Any) -> list[float]:
        prompts = prompt_ids or [policy.tokenizer(p, add_special_tokens=False)["input_ids"] for p in given["prompts"]]
        answers, alive = padded(
            [list(ids)[:tokens] or [policy.end] for ids in completion_ids], policy.end, policy.device
        )
        return rewards_of(reward, policy, prompts, answers, alive).tolist()

    return value


def _common(setup: Setup, folder: Path, watch: Watch | None) -> dict[str, Any]:
    """Return what TRL's three configurations share."""
    shared = {
        "output_dir": str(folder / "trl"),
        "max_steps": setup.sizes.bc_steps,
        "per_device_train_batch_size": BATCH,
        "learning_rate": RATE,
        "logging_steps": 10,
        "save_strategy": "no",
        "report_to": "none",
        "seed": setup.seed,
        "bf16": setup.precision() == "bfloat16",
        "use_cpu": setup.placement.device == "cpu",
        "disable_tqdm": True,
    }
    if watch is not None:
        steps = max(1, setup.stopping.most - watch.first)
        shared |= {"max_steps": steps, "lr_scheduler_type": "constant", "bf16": False}
        shared |= {"gradient_checkpointing": setup.placement.lean}
    return shared


def _adapter(setup: Setup) -> Any:
    from peft import LoraConfig

    return LoraConfig(
        r=setup.sizes.rank, lora_alpha=2 * setup.sizes.rank, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _texts(policy: Policy, rows: Sequence[Row]) -> Any:
    from datasets import Dataset

    return Dataset.from_list([{"prompt": policy.tokenizer.decode(list(row.prompt))} for row in rows])


def _dpo(
    setup: Setup, policy: Policy, reward: RewardModel, rows: Sequence[Row], folder: Path, watch: Watch | None
) -> Any:
    """Train with direct preference optimisation (rafailov2023dpo)."""
    from datasets import Dataset
    from trl import DPOConfig, DPOTrainer

    decode = policy.tokenizer.decode
    pairs = own_pairs(setup, policy, reward, rows)
    pairs = watch.listed(pairs, BATCH) if watch else pairs
    config = DPOConfig(**_common(setup, folder, watch), beta=0.1)
    trainer = DPOTrainer(
        policy.model,
        args=config,
        train_dataset=Dataset.from_list([{key: decode(ids) for key, ids in pair.items()} for pair in pairs]),
        processing_class=policy.tokenizer,
        peft_config=_adapter(setup),
    )
    # TRL puts an end behind every text, also behind one that was cut at the most tokens: the ids go in as they are
    trainer.train_dataset = Dataset.from_list([{f"{key}_ids": ids for key, ids in pair.items()} for pair in pairs])
    if watch is not None:
        trainer._get_train_sampler = SequentialSampler
    run(trainer, "dpo", config.max_steps, watch)
    return trainer.model.merge_and_unload()


def _rloo(
    setup: Setup, policy: Policy, reward: RewardModel, rows: Sequence[Row], folder: Path, watch: Watch | None
) -> Any:
    """Train with REINFORCE and the leave-one-out baseline (ahmadian2024rloo)."""
    from trl import RLOOConfig, RLOOTrainer

    config = RLOOConfig(
        **_common(setup, folder, watch),
        num_generations=GENERATIONS,
        max_completion_length=setup.sizes.tokens,
        beta=0.05,
        shuffle_dataset=watch is None,
    )
    rows = watch.listed(rows, BATCH // GENERATIONS) if watch else rows
    trainer = RLOOTrainer(
        model=policy.model,
        reward_funcs=reward_function(policy, reward, setup.sizes.tokens),
        args=config,
        train_dataset=_texts(policy, rows),
        processing_class=policy.tokenizer,
        peft_config=_adapter(setup),
    )
    run(trainer, "rloo", config.max_steps, watch)
    return trainer.model.merge_and_unload()


def _ppo(
    setup: Setup, policy: Policy, reward: RewardModel, rows: Sequence[Row], folder: Path, watch: Watch | None
) -> Any:
    """Train with proximal policy optimisation; see `vgf.rlhf.rivals.ppo`."""
    from vgf.rlhf.rivals.ppo import ppo

    return ppo(setup, policy, reward, rows, _common(setup, folder, watch), _adapter(setup), watch)
