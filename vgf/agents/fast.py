"""The gradient-free part of an update: the fast twin of what `VGF` evaluates without training it.

Nearly all of an update (96 % of its floating-point operations at the paper's size) evaluates networks whose weights do
not learn from it: the reference is integrated, particles follow the critic's gradient, the target critic values them.
Here that runs in float32 on the weights themselves, or in bfloat16 on copies of them, while losses, Adam and every
weight stay float32. Which is faster the processor decides, also among those with bfloat16 instructions, and
`bfloat16_speedup` measures it. Five things save time:

- matrix products in bfloat16, accumulated in float32 by the hardware, where it has them and they pay;
- the gradient in the action is written out, so that nothing is kept for gradients that nobody asks for:
  with h_i = W_i y_(i-1) + b_i and y_i = relu(LN(h_i)),  grad_a Q = W_1^T J_1 W_2^T J_2 ... w,  J_i = LN'(h_i) relu';
- a state's share of the first layer is computed once, in float32, for all its particles and all flow steps, so that
  large coordinates (a position in a maze) lose nothing;
- each network is a short chain of fused library calls on one matrix; a seed's and an ensemble member's are looped
  over on a CPU and mapped over, as one batched product, on a GPU;
- freed memory is kept for the next layer, see `vgf.agents.hardware.hold_memory`.

What was tried on a CPU and did not pay: `torch.compile` of the chains (2 % faster, half a minute to compile);
TorchScript (nothing); shares of a batch, or members of an ensemble, in threads of their own (a quarter faster alone,
but slower in an update, where OpenMP's threads, spinning after each loss, hold the cores).

The particles themselves, the kernel and the optimizer of the flow stay float32. `tests/agents/test_fast.py` holds every
function here equal to its eager twin, in float32 to rounding and in bfloat16 to its three digits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from vgf.agents import hardware
from vgf.flow import ScoreFn
from vgf.networks import LAYER_NORM_EPS, MLP, Critic, VectorField
from vgf.reference import ACTION_BOUNDS, FlowReference, Reference

Weights = list[Tensor]


class Slice(NamedTuple):
    """Weights of one perceptron as the core uses them; with a leading axis of slices, of all of them.

    Attributes:
        state: first layer's rows for the state, in float32, [o, h].
        bias: of the first layer, float32, [1, h].
        rest: first layer's other rows (action, time), [k, h]; like `weights` and `biases` in the core's precision.
        weights: the layers after it, [h, h'] each; the last in float32, so that no value is rounded.
        biases: theirs, [h'] each.
        gains, offsets: of the normalisation before each activation, [h] each; or empty. In float32 where slices are
            looped over (quicker on a CPU), in the core's precision where they are mapped over (CUDA mixes none).
    """

    state: Tensor
    bias: Tensor
    rest: Tensor
    weights: Weights
    biases: Weights
    gains: Weights
    offsets: Weights


class Frozen:
    """An `MLP` on which nothing learns: in float32 a view of its weights, in lower precision a snapshot of them.

    Args:
        net: whose weights.
        state: how many of its first inputs are the state.
        dtype: of the evaluation; None is the weights' own, and copies nothing.
    """

    def __init__(self, net: MLP, state: int, dtype: torch.dtype | None) -> None:
        self.net, self.state, self.asked = net, state, dtype
        self.seeds, self.members = net.seeds, net.members
        self.mapped = net.weights[0].is_cuda
        self.version: tuple[tuple[int, int], ...] = ()
        self.refresh()

    @torch.no_grad()
    def refresh(self) -> None:
        """Take over the weights as they are now, unless nothing wrote to them; copies cost what an Adam step reads."""
        version = tuple((parameter._version, parameter.data_ptr()) for parameter in self.net.parameters())
        if version == self.version:
            return
        self.version = version
        self.dtype = low = self.asked or self.net.weights[0].dtype
        norm = low if self.mapped else self.net.weights[0].dtype
        flat = [w.detach().flatten(0, 1) for w in self.net.weights]  # detached, as no view of a weight can be copied
        bias = [b.detach().flatten(0, 2) for b in self.net.biases]
        self.all = Slice(
            flat[0][:, : self.state],
            bias[0].unsqueeze(1),
            flat[0][:, self.state :].to(low),
            [*(w.to(low) for w in flat[1:-1]), flat[-1]],
            [*(b.to(low) for b in bias[1:-1]), bias[-1]],
            [g.detach().flatten(0, 2).to(norm) for g in self.net.gains],
            [o.detach().flatten(0, 2).to(norm) for o in self.net.offsets],
        )

    @torch.no_grad()
    def base(self, observations: Tensor, copies: int) -> Tensor:
        """Return the states' share of the first layer, [S*E, B*copies, h], for `observations` [S, B, o]."""
        rows = observations.repeat_interleave(self.members, 0)
        return torch.baddbmm(self.all.bias, rows, self.all.state).to(self.dtype).repeat_interleave(copies, 1)

    @torch.no_grad()
    def each(self, function: Callable[..., tuple[Tensor, ...]], *inputs: Tensor) -> list[Tensor]:
        """Apply `function(slice, *inputs)` to every slice's weights and inputs, and stack what it returns."""
        if self.mapped:
            return list(torch.vmap(function)(self.all, *inputs))
        slices = [
            Slice._make(part[i] if isinstance(part, Tensor) else [t[i] for t in part] for part in self.all)
            for i in range(self.seeds * self.members)
        ]
        results = [function(own, *(x[i] for x in inputs)) for i, own in enumerate(slices)]
        return [torch.stack(parts) for parts in zip(*results, strict=True)]


def affine(x: Tensor, weight: Tensor, bias: Tensor, relu: bool = False) -> Tensor:
    """Return x W + b, and its relu; on a CPU in one call of oneDNN, which takes a tenth less."""
    if hardware.FUSED and x.dtype == torch.bfloat16 and x.device.type == "cpu":
        return torch.ops.mkldnn._linear_pointwise(x, weight.mT, bias, "relu" if relu else "none", [], "")
    h = torch.addmm(bias, x, weight)
    return h.relu_() if relu else h


def _full(x: Tensor) -> Tensor:
    return x.float() if x.dtype == torch.bfloat16 else x


def forward(net: Slice, base: Tensor, rest: Tensor) -> tuple[Tensor]:
    """Evaluate one perceptron: base [R, h] and the inputs after the state [R, k] to [R, out], in float32 or above."""
    h = torch.addmm(base, rest.to(base.dtype), net.rest)
    if not net.gains:
        h = h.relu_()
    last = len(net.weights) - 1
    for i, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        if net.gains:
            h = torch.native_layer_norm(h, h.shape[-1:], net.gains[i], net.offsets[i], LAYER_NORM_EPS)[0].relu_()
        h = affine(h, weight, bias, relu=not net.gains) if i < last else torch.addmm(bias, _full(h), weight)
    return (h,)


def value_and_gradient(net: Slice, base: Tensor, action: Tensor) -> tuple[Tensor, Tensor]:
    """Evaluate a value and its gradient in the action: base [R, h], actions [R, d] to [R], [R, d], float32 or above."""
    h, kept = torch.addmm(base, action.to(base.dtype), net.rest), []
    for i, (weight, bias) in enumerate(zip(net.weights, net.biases, strict=True)):
        y, mean, scale = h, None, None
        if net.gains:
            y, mean, scale = torch.native_layer_norm(h, h.shape[-1:], net.gains[i], net.offsets[i], LAYER_NORM_EPS)
        y = y.relu() if y is h else y.relu_()
        kept.append((h, y, mean, scale))
        h = affine(y, weight, bias) if len(kept) < len(net.weights) else torch.addmm(bias, _full(y), weight)
    value, g = h.squeeze(-1), net.weights[-1].squeeze(-1).to(kept[-1][1].dtype).expand_as(kept[-1][1])
    for i, (x, y, mean, scale) in reversed(list(enumerate(kept))):
        g = torch.ops.aten.threshold_backward(g, y, 0)
        if net.gains:
            arguments = (g, x, x.shape[-1:], mean, scale, net.gains[i], net.offsets[i], [True, False, False])
            g = torch.ops.aten.native_layer_norm_backward(*arguments)[0]
        g = g @ (net.weights[i - 1] if i > 0 else net.rest).mT
    return value, _full(g)


class Core:
    """What an update evaluates without training it; the calls are those of the modules themselves.

    Args:
        reference: the reference policy; a Gaussian one is a single evaluation and stays as it is.
        critic: the online critic, whose gradient moves particles.
        target: the target critic, which values them.
        gradient: the network fitted to the gradient, in place of it, or None.
        over: the ensemble's value whose gradient is meant, its "mean" or its "min".
        dtype: of the evaluations; None is the weights' own.
    """

    def __init__(
        self,
        reference: Reference,
        critic: Critic,
        target: Critic,
        gradient: VectorField | None,
        over: str,
        dtype: torch.dtype | None = None,
    ) -> None:
        self.reference, self.over = reference, over
        state = critic.observation
        nets = {"critic": critic.net, "target": target.net}
        if isinstance(reference, FlowReference):
            nets["velocity"] = reference.velocity.net
        if gradient is not None:
            nets["gradient"] = gradient.net
        self.nets = {name: Frozen(net, state, dtype) for name, net in nets.items()}
        self.holding = False

    def refresh(self) -> None:
        """Take over the weights as they are now, before an update; who only acts never asks, and keeps no memory."""
        if not self.holding:
            hardware.hold_memory()
            self.holding = True
        for net in self.nets.values():
            net.refresh()

    def forget(self) -> None:
        """Let the next `refresh` take over all weights, whether or not the host has seen them written."""
        for net in self.nets.values():
            net.version = ()

    def sample(self, observations: Tensor, noise: Tensor) -> Tensor:
        """Integrate noise [S, B, N, d] to actions at [S, B, o]: `FlowReference.sample`."""
        if not isinstance(self.reference, FlowReference):
            return self.reference.sample(observations, noise)
        net, steps = self.nets["velocity"], self.reference.steps
        base, x = net.base(observations, noise.shape[-2]), noise.flatten(1, 2)
        for i in range(steps):
            time = x.new_full((*x.shape[:-1], 1), i / steps)
            x = x + net.each(forward, base, torch.cat([x, time], -1))[0] / steps
        return x.clamp(*ACTION_BOUNDS).view_as(noise)

    def scorer(self, observations: Tensor, copies: int) -> ScoreFn:
        """Return what moves particles [S, B, N, d] at [S, B, o], N = `copies`: grad_a Q, or the network fitted to it.

        The states' share of the first layer is computed here, once for all steps of a flow.
        """
        if "gradient" not in self.nets:
            return self.critic_scorer(observations, copies, self.over)
        base = (net := self.nets["gradient"]).base(observations, copies)
        return lambda actions: net.each(forward, base, actions.flatten(1, 2))[0].view_as(actions)

    def critic_scorer(self, observations: Tensor, copies: int, over: str) -> ScoreFn:
        """Return grad_a of the online critic's "mean" or "min" over its ensemble; shapes as in `scorer`."""
        base = (net := self.nets["critic"]).base(observations, copies)

        def score(actions: Tensor) -> Tensor:
            rows = actions.flatten(1, 2).repeat_interleave(net.members, 0)
            value, gradient = net.each(value_and_gradient, base, rows)
            value, gradient = (part.unflatten(0, (net.seeds, net.members)) for part in (value, gradient))
            if over == "mean":
                return gradient.mean(1).view_as(actions)
            least = value.argmin(1, keepdim=True).unsqueeze(-1).expand_as(gradient[:, :1])
            return gradient.gather(1, least).view_as(actions)

        return score

    def value(self, observations: Tensor, actions: Tensor) -> Tensor:
        """Return the target critic's values of [S, B, N, d], [S, E, B, N]."""
        net = self.nets["target"]
        rows = actions.flatten(1, 2).repeat_interleave(net.members, 0)
        value = net.each(forward, net.base(observations, actions.shape[-2]), rows)[0]
        return value.view(net.seeds, net.members, *actions.shape[1:-1])
