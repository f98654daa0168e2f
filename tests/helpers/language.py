"""A language of a few words with random models of it: the same classes as the real ones, a few thousand parameters."""

from __future__ import annotations

import hashlib
import json
import random
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertModel, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from vgf.rlhf.models import Policy, make_policy
from vgf.rlhf.parts.data import Row, Snippet, write_snippets
from vgf.rlhf.reward import RewardModel, new_reward
from vgf.rlhf.settings import Sizes

GOOD, BAD = ["fine", "bright", "warm", "funny", "lovely"], ["dull", "cold", "flat", "grim", "stale"]
PLAIN = ["the", "film", "is", "a", "and", "plot", "with", "cast", "score", "very", "quite", "so", "it", "one", "scene"]
WORDS = ["<unk>", "<end>", *GOOD, *BAD, *PLAIN]


def little_tokenizer() -> Any:
    """Return a tokenizer that splits at spaces."""
    core = Tokenizer(models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=core, unk_token="<unk>", eos_token="<end>", pad_token="<end>")


def little_model(seed: int = 0, size: int = len(WORDS), scale: float = 0.5) -> LlamaForCausalLM:
    """Return a random Llama of two layers; its embeddings are far enough apart to tell words from each other."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=size,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        eos_token_id=1,
        bos_token_id=None,
        pad_token_id=1,
    )
    model = LlamaForCausalLM(config)
    torch.nn.init.normal_(model.model.embed_tokens.weight, std=scale)
    torch.nn.init.constant_(model.model.norm.weight, 0.4)  # less sure of itself: every word has a chance
    return model.eval().requires_grad_(False)


def little_policy(seed: int = 0) -> Policy:
    """Return the random model as a policy over all words but the unknown one."""
    rows = [Row("all", (2,), tuple(range(1, len(WORDS))))]
    return make_policy(little_model(seed), little_tokenizer(), rows)


def little_reward(policy: Policy, seed: int = 0) -> RewardModel:
    """Return a random reward model with a gradient worth following."""
    model = new_reward(policy, 1, seed)
    torch.manual_seed(seed)
    torch.nn.init.normal_(model.head.weight, std=1.0)
    return model.eval().requires_grad_(False)


def little_snippets(count: int, seed: int = 0) -> list[Snippet]:
    """Return rated sentences: the rating counts good words against bad ones."""
    rng, found = random.Random(seed), []
    for number in range(1, count + 1):
        words = [rng.choice(PLAIN if rng.random() < 0.5 else GOOD + BAD) for _ in range(rng.randint(7, 10))]
        rating = sum(w in GOOD for w in words) - sum(w in BAD for w in words)
        found.append(Snippet(number, float(max(-4, min(4, rating))), 15, " ".join(words)))
    return found


def little_cache(data: Path, snippets: int = 400) -> None:
    """Put a little world where `vgf rlhf prepare` puts the real one."""
    home = data / "cache" / "rlhf"
    little_model().save_pretrained(home / "smollm2-135m")
    little_tokenizer().save_pretrained(home / "smollm2-135m")
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=128,
    )
    BertModel(config).save_pretrained(home / "minilm")
    little_tokenizer().save_pretrained(home / "minilm")
    write_snippets(home / "ratings" / "snippets.json", little_snippets(snippets))


def little_preferences(path: Path, count: int = 120) -> Path:
    """Write a jsonl of preferences over the same words."""
    rng, lines = random.Random(1), []
    for _ in range(count):
        prompt = " ".join(rng.choices(PLAIN, k=rng.randint(2, 6)))
        row = {
            "prompt": prompt,
            "chosen": " ".join(rng.choices(GOOD, k=4)),
            "rejected": " ".join(rng.choices(BAD, k=4)),
        }
        lines.append(json.dumps(row))
    path.write_text("\n".join(lines) + "\n")
    return path


def digest(path: Path) -> str:
    """Return a file's digest."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


LITTLE = Sizes(
    sft_steps=8,
    sft_batch=8,
    sft_rate=5e-3,
    rank=2,
    reward_steps=12,
    reward_batch=16,
    reward_rate=1e-2,
    prompts=10,
    particles=4,
    tokens=5,
    most=16,
    together=16,
    save_every=3,
    bc_prompts=8,
    bc_steps=4,
)
