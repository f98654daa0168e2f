#!/usr/bin/env bash
# transformers 5.23.0: with the end of text as padding, a reward model cannot see whether an answer ended.
#
# Guess before it was run: AutoModelForSequenceClassification (the class of TRL's reward models) reads its score at the
# last token that the attention mask keeps, so an answer with its end of text scores differently from the same answer
# cut off before it.
# Seen: it reads at the last token that is not config.pad_token_id and does not ask the mask. With the common `pad_token
# = eos_token` the end of text counts as padding, also where the mask says 1: the score is read one token early, in a
# causal model from a state that has not seen the end. Unfinished, finished and finished three times over have the same
# number to the last bit, for Llama and for GPT-NeoX (Pythia). No training can teach such a model that stopping is good.
# trl 1.12.0's RewardTrainer takes the end of text for padding where a tokenizer has none of its own. With another
# padding token the three scores differ.
# What we do about it: vgf/rlhf/reward.py averages over the tokens that a mask keeps; vgf/rlhf/rivals/ppo.py gives the
# value model, which is of this class, a padding token that is not the end (padding_token in
# vgf/rlhf/rivals/trainers.py).
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "transformers==5.23.0"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import torch
import transformers
from transformers import (
    GPTNeoXConfig, GPTNeoXForSequenceClassification, LlamaConfig, LlamaForSequenceClassification,
)

assert transformers.__version__ == "5.23.0", transformers.__version__
END, OTHER = 0, 2
answer = [5, 6, 7, 8]
found = {}
for name, config, model_class in (
    ("Llama", LlamaConfig, LlamaForSequenceClassification),
    ("GPT-NeoX", GPTNeoXConfig, GPTNeoXForSequenceClassification),
):
    torch.manual_seed(0)
    size = dict(vocab_size=50, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2)
    model = model_class(config(**size, num_labels=1, bos_token_id=1, eos_token_id=END, pad_token_id=END)).eval()
    for padding in (END, OTHER):
        model.config.pad_token_id = padding
        scores = []
        for text in (answer, [*answer, END], [*answer, END, END, END]):
            ids = torch.tensor([text])
            with torch.no_grad():
                scores.append(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.item())
        found[name, padding] = len(set(scores))
        kind = "the end of text" if padding == END else "another token"
        without, with_end, with_three = (f"{score:.6f}" for score in scores)
        print(f"{name}, padding is {kind}: without end {without}, with {with_end}, with three {with_three}")
assert found == {("Llama", END): 1, ("Llama", OTHER): 3, ("GPT-NeoX", END): 1, ("GPT-NeoX", OTHER): 3}, "it has changed"
PYTHON
