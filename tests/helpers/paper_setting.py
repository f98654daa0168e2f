"""The paper's setting in little: a random Pythia, a tokenizer trained on the spot, and rows as they were published."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, PreTrainedTokenizerFast

GOOD, BAD = ["kind", "clear", "true", "warm"], ["rude", "vague", "false", "cold"]
PLAIN = ["cat", "boss", "rent", "dog", "train", "friend", "asked", "told", "left", "found"]
END = "<|endoftext|>"


def sentence(rng: random.Random, words: list[str], count: int) -> str:
    """Return so many words."""
    return " ".join(rng.choices(words, k=count))


def tldr_rows(count: int, seed: int = 0) -> Iterator[dict[str, Any]]:
    """Yield rows as `openai/summarize_from_feedback` has its comparisons, one news article among them."""
    rng = random.Random(seed)
    for number in range(count):
        choice, summaries = rng.randrange(2), [sentence(rng, GOOD, 4), sentence(rng, BAD, 4)]
        info = {"id": f"t3_{number}", "post": sentence(rng, PLAIN, 8), "title": sentence(rng, PLAIN, 3)}
        info |= {"subreddit": "relationships", "article": None, "site": None}
        if number == 5:
            info |= {"post": None, "article": "news"}
        texts = [{"text": text, "policy": "ref", "note": None} for text in summaries[:: 1 - 2 * choice]]
        yield {"info": info, "summaries": texts, "choice": choice, "worker": "w", "batch": "b", "split": "train"}


def hh_rows(count: int, seed: int = 1) -> Iterator[dict[str, str]]:
    """Yield rows as `Anthropic/hh-rlhf` has them: two dialogues that part at the last answer; one of them is long."""
    rng = random.Random(seed)
    for number in range(count):
        asked = sentence(rng, PLAIN, 300 if number == 7 else 5)
        start = f"\n\nHuman: {asked}\n\nAssistant: {sentence(rng, PLAIN, 2)}\n\nHuman: and?\n\nAssistant:"
        yield {
            "chosen": f"{start} {sentence(rng, GOOD, 4)}",
            "rejected": f"{start} {sentence(rng, BAD, 4)}",
        }


def write_rows(folder: Path, count: int = 90) -> tuple[Path, Path]:
    """Write TL;DR's rows as jsonl and HH's as jsonl.gz, as they are published."""
    tldr, hh = folder / "comparisons.jsonl", folder / "train.jsonl.gz"
    tldr.write_text("\n".join(json.dumps(row) for row in tldr_rows(count)))
    hh.write_bytes(gzip.compress("\n".join(json.dumps(row) for row in hh_rows(count)).encode()))
    return tldr, hh


def write_pythia(folder: Path, layers: int = 2) -> Path:
    """Write a random GPT-NeoX of a few thousand parameters and a byte-level tokenizer trained on the rows' words."""
    core = Tokenizer(models.BPE())
    core.pre_tokenizer, core.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=340,
        special_tokens=[END, "<|padding|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = [" ".join(["", *words]) for words in (GOOD, BAD, PLAIN)] + ["\n\nHuman: \n\nAssistant: TL;DR: POST: TITLE:"]
    core.train_from_iterator(texts * 5, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=core, eos_token=END, bos_token=END, unk_token=END)
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=352,  # padded beyond the tokenizer, as Pythia's is
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=layers,
        num_attention_heads=2,
        max_position_embeddings=256,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPTNeoXForCausalLM(config)
    torch.nn.init.normal_(model.get_input_embeddings().weight, std=0.5)
    model.to(torch.bfloat16).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
