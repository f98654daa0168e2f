"""PPO through TRL's last release that has it, asking our reward model in the form that trainer expects.

TRL's PPO calls a reward model on token ids and takes a number at each sequence's last token. Ours pools over the
whole sequence, so a thin shell embeds the ids and gives its one number at every place; nothing of it is trained.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vgf.rlhf.lora import LowRank, add_low_rank
from vgf.rlhf.models import Policy
from vgf.rlhf.parts.data import Row
from vgf.rlhf.reward import RewardModel, embedded
from vgf.rlhf.rivals.trainers import padding_token, run
from vgf.rlhf.rivals.watched import Watch
from vgf.rlhf.settings import Setup

KL_WEIGHT = 0.05
LEAN_PARTS = 4  # of a batch, where memory is short: this trainer keeps the layers of two models


class _Backbone(nn.Module):
    def __init__(self, reward: RewardModel, policy: Policy) -> None:
        super().__init__()
        self.reward = reward
        self._policy = [policy]  # in a list, so that its weights are not this module's

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **ignored: Any) -> Any:
        """Return the reward of each sequence at every place, as the last of the hidden states, [B, S, 1]."""
        mask = attention_mask.bool()
        mask = mask | (~mask.any(-1, keepdim=True))  # an empty sequence still has a reward
        value = self.reward(embedded(self._policy[0], input_ids), mask)
        return SimpleNamespace(hidden_states=[value[:, None, None].expand(*input_ids.shape, 1)])


class RewardShell(nn.Module):
    """The reward model as TRL's PPO calls it."""

    base_model_prefix = "backbone"

    def __init__(self, reward: RewardModel, policy: Policy) -> None:
        super().__init__()
        self.backbone = _Backbone(reward, policy)
        self.score = nn.Identity()


def _value_model(setup: Setup, to_stop: bool) -> Any:
    """Return the model of PPO's baseline, from the supervised policy: all of it trained, or a low-rank update of it.

    Trained to a stop it has the policy's rank where no other is said: checkpoints of all its weights would take two
    gigabytes each.
    """
    from transformers import AutoModelForSequenceClassification

    rank = setup.sizes.value_rank or (setup.sizes.rank if to_stop else 0)
    half = rank and not to_stop and setup.precision() == "bfloat16"
    value: Any = AutoModelForSequenceClassification.from_pretrained(
        Path(setup.folder("sft")),
        num_labels=1,
        dtype=torch.bfloat16 if half else torch.float32,
        use_safetensors=True,
        trust_remote_code=False,
    )
    if rank:
        value.requires_grad_(False)
        add_low_rank(value, rank, setup.seed + 2)
        value.score = LowRank(value.score, rank, torch.Generator().manual_seed(setup.seed))
    return value


def _config(setup: Setup, common: dict[str, Any]) -> Any:
    """Return TRL's configuration; a batch goes through in parts where memory is short."""
    from trl.experimental.ppo import PPOConfig

    batch = common["per_device_train_batch_size"]
    parts = LEAN_PARTS if setup.placement.lean else 1
    settings = {key: value for key, value in common.items() if key != "max_steps"}
    settings["per_device_train_batch_size"] = batch // parts
    return PPOConfig(
        **settings,
        total_episodes=common["max_steps"] * batch,
        response_length=setup.sizes.tokens,
        stop_token="eos",
        kl_coef=KL_WEIGHT,
        num_sample_generations=0,
        gradient_accumulation_steps=parts,
        local_rollout_forward_batch_size=batch,
        temperature=1.0,
    )


def ppo(
    setup: Setup,
    policy: Policy,
    reward: RewardModel,
    rows: Sequence[Row],
    common: dict[str, Any],
    adapter: Any,
    watch: Watch | None = None,
) -> Any:
    """Return the policy trained with proximal policy optimisation (schulman2017ppo), its adapter merged.

    Args:
        setup: which experiment.
        policy: where it starts; also the reference of the KL penalty, through the adapter switched off.
        reward: asked about each response.
        rows: whose prompts are answered.
        common: settings shared with the other TRL methods.
        adapter: peft's configuration.
        watch: where it is trained until its reward stops rising.
    """
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")
    from datasets import Dataset
    from trl.experimental.ppo import PPOTrainer

    batch = common["per_device_train_batch_size"]
    config = _config(setup, common)
    value = _value_model(setup, watch is not None)
    rows = watch.listed(rows, batch) if watch else rows
    tokenizer = policy.tokenizer
    tokenizer.padding_side = "left"
    # TRL takes the first padding for a response's end and leaves it out of the loss: padded with the end itself, a
    # policy would never learn when to stop
    tokenizer.pad_token_id = padding_token(tokenizer)
    value.config.pad_token_id = tokenizer.pad_token_id
    data = Dataset.from_list([{"input_ids": list(row.prompt)} for row in rows])
    trainer = PPOTrainer(
        args=config,
        processing_class=tokenizer,
        model=policy.model,
        ref_model=None,
        reward_model=RewardShell(reward, policy),
        value_model=value,
        train_dataset=data,
        eval_dataset=data.select(range(min(len(data), batch))),
        peft_config=adapter,
    )
    if watch is not None:
        trainer.dataloader = DataLoader(data, batch, collate_fn=trainer.data_collator)  # TRL's own shuffles
    run(trainer, "ppo", common["max_steps"], watch)
    return trainer.accelerator.unwrap_model(trainer.model).policy.merge_and_unload()
