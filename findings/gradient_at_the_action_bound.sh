#!/usr/bin/env bash
# torch 2.13.0, jax 0.10.2: at the bound itself the gradient of a clip is 1, 1/2 or 0, by name and library.
#
# Guess before it was run: a point that lies exactly on the bound is inside, and every clip passes its gradient
# unchanged, in both libraries.
# Seen: at -1 and 1, clipped to [-1, 1]: torch.clamp 1, torch.minimum(maximum) 1/2, hardtanh 0; jnp.clip 1/2,
# jax.lax.clamp 0, jax.nn.hard_tanh 1. Clamp and hard tanh have opposite gradients in the two libraries, and what is
# ported by its name (jnp.clip to torch.clamp, one hard tanh to the other) gets another one. Points on the bound are no
# rarity: recorded actions that saturate, particles that a flow has clipped, actions that go through two clips.
# Where it touches us: the authors' release of VGF and FQL's clip with jnp.clip, vgf/flow.py and vgf/agents/fql.py with
# torch.clamp. In the flow the clip stands outside of the gradient in both; in FQL's actor loss it stands inside, where
# an action of exactly 1 gets the whole gradient here and half of it there.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "jax==0.10.2" "jaxlib==0.10.2"
JAX_PLATFORMS=cpu "$folder/env/bin/python" - <<'PYTHON'
import jax
import jax.numpy as jnp
import torch

assert torch.__version__.split("+")[0] == "2.13.0" and jax.__version__ == "0.10.2"
points = [-1.0, 0.5, 1.0]
low, high = torch.tensor(-1.0), torch.tensor(1.0)
in_torch = {
    "torch.clamp": lambda x: torch.clamp(x, -1, 1),
    "torch.minimum(maximum)": lambda x: torch.minimum(torch.maximum(x, low), high),
    "torch.nn.functional.hardtanh": torch.nn.functional.hardtanh,
}
in_jax = {
    "jnp.clip": lambda x: jnp.clip(x, -1, 1),
    "jax.lax.clamp": lambda x: jax.lax.clamp(-1.0, x, 1.0),
    "jnp.minimum(maximum)": lambda x: jnp.minimum(jnp.maximum(x, -1.0), 1.0),
    "jax.nn.hard_tanh": jax.nn.hard_tanh,
}
found = {}
for name, clip in in_torch.items():
    x = torch.tensor(points, requires_grad=True)
    clip(x).sum().backward()
    found[name] = x.grad.tolist()
for name, clip in in_jax.items():
    found[name] = jax.grad(lambda x, clip=clip: clip(x).sum())(jnp.array(points)).tolist()
for name, gradient in found.items():
    print(f"{name}: gradient at {points} is {gradient}")
at_bound = {name: gradient[0] for name, gradient in found.items()}
assert all(g[1] == 1 and g[0] == g[2] for g in found.values())
assert at_bound == {
    "torch.clamp": 1, "torch.minimum(maximum)": 0.5, "torch.nn.functional.hardtanh": 0,
    "jnp.clip": 0.5, "jax.lax.clamp": 0, "jnp.minimum(maximum)": 0.5, "jax.nn.hard_tanh": 1,
}, "the behaviour has changed"
PYTHON
