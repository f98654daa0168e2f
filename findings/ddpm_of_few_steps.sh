#!/usr/bin/env bash
# diffusers 0.42.1: with ten steps a DDPM whose noise model is exact does not give back the data's spread, nor its mean.
#
# Guess before it was run: few steps make samples coarse, and with an exact noise prediction what is left of it is small;
# the choice of the schedule matters little, since each of them ends in noise.
# Seen: data N(0.7, 0.1), exact predictions, sampling from N(0, 1) as all pipelines do.
#   squaredcos_cap_v2, which diffusion policies use: 5, 10, 20, 100 steps give a deviation of 0.028, 0.047, 0.065, 0.088.
#   linear, the default: the betas do not depend on the number of steps, so ten steps end at 0.95 of the action and 0.31
#   of noise; sampling from pure noise then gives a mean of 0.64 and a deviation of 0.116.
# The default variance, fixed_small, is that of x_{t-1} between x_t and a *known* action, so the uncertainty of the action
# is left out in each step; fixed_large, the other choice, gives 0.082 with ten steps and 0.104 with a hundred. A policy
# of ten denoising steps is far narrower than the data it imitates, without any error of its network.
# Where it touches us: flows lose spread in the same way with few Euler steps; vgf.theory.euler_spread has it in closed
# form, and a chapter shows it. vgf/agents/diffusion.py takes a schedule that depends on the number of steps; its
# posterior sampler leaves the action's uncertainty out as well, as the method does that it follows.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "diffusers==0.42.1"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import torch
from diffusers import DDPMScheduler

assert version("diffusers") == "0.42.1"
MEAN, SPREAD, SAMPLES = 0.7, 0.1, 50_000


def sampled(steps, schedule, variance="fixed_small"):
    """Sample with the exact noise prediction; return mean, deviation, and the share of signal at the noisy end."""
    scheduler = DDPMScheduler(
        num_train_timesteps=steps, beta_schedule=schedule, variance_type=variance, clip_sample=False
    )
    scheduler.set_timesteps(steps)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(SAMPLES, 1, generator=generator)
    for t in scheduler.timesteps:
        kept = scheduler.alphas_cumprod[t]
        total = kept * SPREAD**2 + 1 - kept
        noise = (1 - kept).sqrt() * (x - kept.sqrt() * MEAN) / total
        x = scheduler.step(noise, t, x, generator=generator).prev_sample
    return float(x.mean()), float(x.std()), float(scheduler.alphas_cumprod[-1].sqrt())


found = {}
for schedule in ("squaredcos_cap_v2", "linear"):
    for steps in (5, 10, 20, 100, 1000):
        found[schedule, steps] = sampled(steps, schedule)
        mean, spread, signal = found[schedule, steps]
        print(f"{schedule}, {steps} steps: mean {mean:.3f}, deviation {spread:.3f}, signal left at the end {signal:.3f}")
for steps, expected in ((10, 0.082), (100, 0.104)):
    mean, spread, _ = sampled(steps, "squaredcos_cap_v2", "fixed_large")
    print(f"squaredcos_cap_v2, {steps} steps, fixed_large: mean {mean:.3f}, deviation {spread:.3f}")
    assert abs(spread - expected) < 0.002, "the behaviour has changed"
assert abs(found["squaredcos_cap_v2", 10][1] - 0.047) < 0.002, "the behaviour has changed"
assert abs(found["squaredcos_cap_v2", 5][1] - 0.028) < 0.002, "the behaviour has changed"
assert abs(found["linear", 10][0] - 0.638) < 0.003, "the behaviour has changed"
assert found["linear", 10][2] > 0.95, "the behaviour has changed"
for schedule in ("squaredcos_cap_v2", "linear"):
    assert abs(found[schedule, 1000][1] / SPREAD - 1) < 0.05, "many steps are right"
PYTHON
