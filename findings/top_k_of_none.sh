#!/usr/bin/env bash
# transformers 5.23.0: a generation config whose top_k is None samples from fifty tokens; top_k=None samples from all.
#
# Guess before it was run: generation_config.top_k is None, as are temperature and top_p, so generate(do_sample=True)
# draws from the model's own distribution; to set a None once more changes nothing.
# Seen: an unset top_k is 50 when it comes to sampling. A nearly uniform model of 5,000 tokens (the fifty likeliest have
# 1.3 % of its probability) draws fifty different ones in 4,000 tries, with the config it was born with and with
# GenerationConfig(top_k=None), which prints no top_k either. The same None given to generate() itself draws 2,725
# different ones, as does 0 in either place. So the config shows no cut, and sampling has one: best-of-N, a rejection
# sampler or an estimate of KL that takes generate's samples for the policy's is off by what was cut.
# trl 1.12.0's GRPO and RLOO write top_k=0 themselves.
# Where it touches us: vgf/rlhf/sampling.py draws by itself and says where it cuts; nothing here calls generate().
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "transformers==5.23.0"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import torch
import transformers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

assert transformers.__version__ == "5.23.0", transformers.__version__
TOKENS, TRIES = 5000, 4000
torch.manual_seed(0)
size = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=1, num_attention_heads=2)
model = LlamaForCausalLM(LlamaConfig(vocab_size=TOKENS, pad_token_id=0, eos_token_id=1, **size)).eval()
prompts = torch.full((TRIES, 1), 7)
with torch.no_grad():
    share = model(prompts[:1]).logits[0, -1].softmax(-1).topk(50).values.sum().item()


def different(config, **given):
    """Return how many different tokens are drawn, and what the config says of top_k."""
    torch.manual_seed(0)
    model.generation_config = config
    drawn = model.generate(prompts, do_sample=True, max_new_tokens=1, **given)[:, 1]
    return len(drawn.unique()), config.top_k


born = model.generation_config
print(f"the fifty likeliest of {TOKENS} tokens have {share:.1%} of the probability")
found = {
    "the model's own config": different(born),
    "GenerationConfig(top_k=None)": different(GenerationConfig(top_k=None)),
    "GenerationConfig(top_k=0)": different(GenerationConfig(top_k=0)),
    "generate(top_k=None)": different(born, top_k=None),
    "generate(top_k=0)": different(born, top_k=0),
}
for name, (count, said) in found.items():
    print(f"{name}: {count} different tokens in {TRIES} draws; top_k in the config {said}")
assert born.top_k is None and share < 0.02
counts = [count for count, _ in found.values()]
assert counts[:2] == [50, 50] and min(counts[2:]) > 2000, "the behaviour has changed"
PYTHON
