#!/usr/bin/env bash
# torchdiffeq 0.2.5: odeint_adjoint gives a conditional flow no gradient in its condition, and with Euler steps not that
# of the steps.
#
# Guess before it was run: odeint and odeint_adjoint return the same action and, through it, the same gradients, one
# saving memory. The field is a module; the observation it is conditioned on is an attribute, as a policy's would be.
# Seen: the actions are equal to the last bit. The adjoint's gradient in the observation is None, because only the
# module's Parameters are integrated back; no warning, and with a loss that also reaches the observation another way the
# gradient is merely too small. For the weight it solves the adjoint equation backwards with Euler steps of its own,
# which is another discretisation: at ten steps the weight's gradient is 18 % off that of the ten steps taken; at 1,000
# steps 0.2 %. The gradient in the starting action, for this linear field, agrees.
# adjoint_params=(weight, observation) with the observation as an nn.Parameter brings the missing one back.
# Where it touches us: vgf/reference.py writes its Euler steps out and differentiates them as they were taken.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet "torch==2.13.0" "numpy==2.4.6" "torchdiffeq==0.2.5"
"$folder/env/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import torch
from torch import nn
from torchdiffeq import odeint, odeint_adjoint

assert version("torchdiffeq") == "0.2.5"


class Field(nn.Module):
    """da/dt = observation - weight a."""

    def __init__(self, observation):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.5, dtype=torch.float64))
        self.observation = observation

    def forward(self, time, action):
        return self.observation - self.weight * action


def solved(solver, steps, **settings):
    """Return the action at time 1 and the gradients of its sum."""
    observation = torch.tensor([1.0, 2.0], dtype=torch.float64, requires_grad=True)
    start = torch.tensor([0.1, 0.2], dtype=torch.float64, requires_grad=True)
    field, times = Field(observation), torch.tensor([0.0, 1.0], dtype=torch.float64)
    action = solver(field, start, times, method="euler", options={"step_size": 1 / steps}, **settings)[-1]
    action.sum().backward()
    return action.detach(), field.weight.grad, start.grad, observation.grad


for steps, low, high in ((10, 0.15, 0.21), (1000, 0.001, 0.003)):
    direct, adjoint = solved(odeint, steps), solved(odeint_adjoint, steps)
    off = abs(adjoint[1] / direct[1] - 1).item()
    print(f"{steps} steps: weight {direct[1]:.4f} and {adjoint[1]:.4f} ({off:.1%} off); observation", direct[3], adjoint[3])
    assert torch.equal(direct[0], adjoint[0])
    assert torch.allclose(direct[2], adjoint[2])
    assert low < off < high, "the adjoint's gradient is another one"
    assert direct[3] is not None and adjoint[3] is None, "the condition has a gradient"

observation = nn.Parameter(torch.tensor([1.0, 2.0], dtype=torch.float64))
field = Field(observation)  # a Parameter that is an attribute is registered, and so among parameters()
start, times = torch.tensor([0.1, 0.2], dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
odeint_adjoint(field, start, times, method="euler", options={"step_size": 0.1})[-1].sum().backward()
assert observation.grad is not None
PYTHON
