#!/usr/bin/env bash
# peft 0.21.2: the "linear" average of a LoRA adapter with itself is twice the adapter.
#
# Guess before it was run: add_weighted_adapter(["a", "b"], [0.5, 0.5], "ab", combination_type="linear") makes the
# adapter whose change of the weights is half of a's and half of b's, as averaging policies of several rewards means it.
# Seen: it mixes the two low-rank factors, each with the root of the weight, and multiplies the sums: with equal weights
# (B_a + B_b)(A_a + A_b) / 2, cross terms included. An adapter averaged with a copy of itself hence doubles, and for two
# random adapters the error is as large as the true average. combination_type="cat", which stacks the factors (rank 4 +
# 4), is exact to 1e-7. With one weight 0 "linear" is right, which is where one would test it. No warning.
# Where it touches us: vgf/rlhf/rivals/preferred.py trains one adapter for each method and merges it alone
# (merge_and_unload); none is averaged.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "peft==0.21.2" "transformers==5.23.0" \
    "accelerate==1.15.0"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
import peft
import torch

assert peft.__version__ == "0.21.2", peft.__version__
torch.manual_seed(0)
settings = peft.LoraConfig(r=4, lora_alpha=4, target_modules=["0"], init_lora_weights=False)
model = peft.get_peft_model(torch.nn.Sequential(torch.nn.Linear(8, 8, bias=False)), settings, adapter_name="first")
model.add_adapter("second", settings)
model.add_adapter("copy", settings)
layer = model.base_model.model[0]
for factor in (layer.lora_A, layer.lora_B):
    factor["copy"].weight.data.copy_(factor["first"].weight)
ratio, error = {}, {}
cases = ((("first", "copy"), (0.5, 0.5)), (("first", "second"), (0.5, 0.5)), (("first", "second"), (1.0, 0.0)))
for pair, weights in cases:
    wanted = sum(w * layer.get_delta_weight(name) for w, name in zip(weights, pair, strict=True)).detach()
    for kind in ("linear", "cat"):
        key = f"{kind} of {' and '.join(pair)} with {weights}"
        name = key.replace(".", "_")
        model.add_weighted_adapter(list(pair), list(weights), name, combination_type=kind)
        got = layer.get_delta_weight(name).detach()
        ratio[key], error[key] = float(got.norm() / wanted.norm()), float((got - wanted).norm() / wanted.norm())
        print(f"{key}: size of the change {ratio[key]:.3f} of the average's, error {error[key]:.1e}")
assert abs(ratio["linear of first and copy with (0.5, 0.5)"] - 2) < 1e-5, "the behaviour has changed"
assert error["linear of first and second with (0.5, 0.5)"] > 0.5, "the behaviour has changed"
assert all(e < 1e-6 for key, e in error.items() if key.startswith("cat") or "0.0" in key)
PYTHON
