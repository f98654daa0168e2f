#!/usr/bin/env bash
# trl 1.12.0, transformers 5.23.0: DPO without a reference model compares with the file, not the weights.
#
# Guess before it was run: DPOTrainer(model) without ref_model takes a frozen copy of the model it was given; the policy
# equals its reference at the first step, so the first loss is log 2 whatever the model.
# Seen: the reference is read again from the path in model.config. A model that was loaded and then tuned in memory
# (supervised tuning, a merge, a new head) is compared with what it was before. Here its weights are scaled by 3: the
# first loss is 2.45 instead of 0.69, the margin -2.4 before any update, and what DPO holds the policy near to is the
# untuned model. Nothing says so. With a copy given as ref_model the first loss is log 2.
# What we do about it: vgf/rlhf/rivals/preferred.py trains adapters (peft_config), where the reference is the same
# weights with the adapter off.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "trl==1.12.0" "transformers==5.23.0" \
    "datasets==5.2.0" "accelerate==1.15.0"
cd "$folder"
HF_HUB_OFFLINE=1 "$folder/env/bin/python" -W ignore - <<'PYTHON'
import math

import torch
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

assert trl.__version__ == "1.12.0", trl.__version__
vocabulary = {word: i for i, word in enumerate("<pad> <eos> a b c d e f g".split())}
words = Tokenizer(models.WordLevel(vocabulary, unk_token="<pad>"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", eos_token="<eos>")
tokenizer.save_pretrained("model")
torch.manual_seed(0)
size = dict(vocab_size=9, hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2)
LlamaForCausalLM(LlamaConfig(**size, pad_token_id=0, eos_token_id=1)).save_pretrained("model")
pairs = Dataset.from_list([{"prompt": "a b", "chosen": " c d", "rejected": " e f g"}] * 4)


def first_loss(model, reference):
    """DPO's loss before any update."""
    settings = trl.DPOConfig(
        output_dir="out", max_steps=1, per_device_train_batch_size=4, learning_rate=0.0, beta=1.0, logging_steps=1,
        report_to=[], use_cpu=True, bf16=False, gradient_checkpointing=False, save_strategy="no", disable_tqdm=True,
    )
    trainer = trl.DPOTrainer(model, reference, args=settings, train_dataset=pairs, processing_class=tokenizer)
    trainer.train()
    return next(entry["loss"] for entry in trainer.state.log_history if "loss" in entry)


def tuned():
    """The model of the folder, its weights changed in memory."""
    model = AutoModelForCausalLM.from_pretrained("model", dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(3)
    return model


losses = {
    "as loaded": first_loss(AutoModelForCausalLM.from_pretrained("model", dtype=torch.float32), None),
    "tuned in memory": first_loss(tuned(), None),
    "tuned in memory, its copy given as the reference": first_loss(tuned(), tuned()),
}
for name, loss in losses.items():
    print(f"first loss, {name}: {loss:.4f} (log 2 is {math.log(2):.4f})")
right = [abs(loss - math.log(2)) < 1e-3 for loss in losses.values()]
assert right == [True, False, True], "the behaviour has changed"
PYTHON
