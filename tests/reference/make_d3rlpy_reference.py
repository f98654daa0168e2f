"""Make d3rlpy_reference.npz: what d3rlpy computes for TD3+BC, ReBRAC and IQL on small networks and one batch.

d3rlpy pins gym 0.26, which the rest of this repository cannot live with, so this script runs in an environment of its
own, imports nothing of vgf, and its numbers are committed:

    python3.11 -m venv d3rlpy-env
    d3rlpy-env/bin/pip install torch==2.13.0 d3rlpy==2.8.1
    d3rlpy-env/bin/python tests/reference/make_d3rlpy_reference.py

Everything is float64, except that d3rlpy sums its critic losses in a float32 scalar. Keys are `<method>/<what>/...`;
weights are as torch.nn.Linear keeps them, [out, in], one entry for each layer. Stored are the batch, the initial
weights (targets set apart from the networks they follow), losses and gradients there, and for the two delayed
methods the weights after four updates, numbered from one, with the noise each of them drew.
"""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import d3rlpy
import numpy as np
import torch
from d3rlpy.models import VectorEncoderFactory
from d3rlpy.torch_utility import TorchMiniBatch
from torch import Tensor, nn

OBSERVATION, ACTION, ROWS, HIDDEN, UPDATES = 5, 3, 24, [16, 12], 4
SMOOTHING = {"target_smoothing_sigma": 0.4, "target_smoothing_clip": 0.5, "update_actor_interval": 2}
SETTINGS: dict[str, dict[str, Any]] = {
    "td3_bc": {"alpha": 2.5, "actor_learning_rate": 3e-3, "critic_learning_rate": 3e-3, **SMOOTHING},
    "rebrac": {
        "actor_beta": 0.05,
        "critic_beta": 0.3,
        "actor_learning_rate": 3e-3,
        "critic_learning_rate": 3e-3,
        **SMOOTHING,
    },
    "iql": {"expectile": 0.8, "weight_temp": 3.0, "max_weight": 1.5},
}
COMMON = {"gamma": 0.97, "tau": 0.05}


def make_batch(generator: torch.Generator) -> TorchMiniBatch:
    """Return random transitions, a third of them terminal."""

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return TorchMiniBatch(
        observations=normal(ROWS, OBSERVATION),
        actions=torch.tanh(normal(ROWS, ACTION)),
        rewards=normal(ROWS, 1),
        next_observations=normal(ROWS, OBSERVATION),
        next_actions=torch.tanh(normal(ROWS, ACTION)),
        returns_to_go=torch.zeros(ROWS, 1),
        terminals=(torch.arange(ROWS) % 3 == 0).double().unsqueeze(-1),
        intervals=torch.ones(ROWS, 1),
        device="cpu:0",
    )


def linears(module: nn.Module) -> list[nn.Linear]:
    """Return a network's layers from input to output."""
    return [m for m in module.modules() if isinstance(m, nn.Linear)]


def store(out: dict[str, np.ndarray], key: str, module: nn.Module, gradients: bool = False) -> None:
    """Add a network's weights, or their gradients, to `out`."""
    for i, layer in enumerate(linears(module)):
        for name in ("weight", "bias"):
            tensor = getattr(layer, name)
            out[f"{key}/{name}{i}"] = (tensor.grad if gradients else tensor).detach().numpy().copy()


def networks(impl: Any) -> dict[str, nn.Module]:
    """Return the networks of an algorithm by our names; critics are numbered."""
    modules = impl.modules
    named: dict[str, nn.Module] = {"actor": modules.policy}
    for name, attribute in (("actor_target", "targ_policy"), ("value", "value_func")):
        if hasattr(modules, attribute):
            named[name] = getattr(modules, attribute)
    for i in range(2):
        named |= {f"critic{i}": modules.q_funcs[i], f"target{i}": modules.targ_q_funcs[i]}
    return named


def record(out: dict[str, np.ndarray], method: str, algo: Any, batch: TorchMiniBatch) -> None:
    """Add one method's weights, losses and gradients, and the weights after some updates, to `out`."""
    algo.create_impl((OBSERVATION,), ACTION)
    impl = algo.impl
    named = networks(impl)
    for i, (name, module) in enumerate(named.items()):
        module.double()
        generator = torch.Generator().manual_seed(100 + i)
        with torch.no_grad():  # larger biases than the initial ones, and targets unlike their networks
            for layer in linears(module):
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) / layer.in_features**0.5)
                layer.bias.copy_(0.3 * torch.randn(layer.bias.shape, generator=generator))
        store(out, f"{method}/initial/{name}", module)
    if method == "iql":  # advantages of both signs, some large enough to be clipped
        with torch.no_grad():
            advantage = impl._compute_weight(batch).log().mean() / SETTINGS["iql"]["weight_temp"]
            linears(named["value"])[-1].bias.add_(advantage)
        store(out, "iql/initial/value", named["value"])
    noise = torch.stack([seeded_noise(update) for update in range(UPDATES + 1)])
    out[f"{method}/noise"] = noise.numpy()

    torch.manual_seed(0)
    out[f"{method}/target"] = impl.compute_target(batch).squeeze(-1).numpy()
    torch.manual_seed(0)
    loss = impl.compute_critic_grad(batch)
    for name in ("critic_loss", "q_loss", "v_loss"):
        if hasattr(loss, name):
            out[f"{method}/{name}"] = getattr(loss, name).detach().numpy()
    trained = [name for name in named if "target" not in name and name != "actor"]
    for name in trained:
        store(out, f"{method}/gradient/{name}", named[name], gradients=True)
    loss = impl.compute_actor_grad(batch)
    out[f"{method}/actor_loss"] = loss.actor_loss.detach().numpy()
    store(out, f"{method}/gradient/actor", named["actor"], gradients=True)

    if method == "iql":
        spread = impl.modules.policy._logstd  # before its sigmoid
        out["iql/raw_log_std"], out["iql/gradient/raw_log_std"] = spread.detach().numpy(), spread.grad.numpy()
        with torch.no_grad():
            out["iql/weights"] = impl._compute_weight(batch).squeeze(-1).numpy()
            out["iql/log_std"] = impl.modules.policy(batch.observations).logstd.numpy()
        return
    for update in range(1, UPDATES + 1):
        torch.manual_seed(update)
        impl.inner_update(batch, update)
    for name, module in named.items():
        store(out, f"{method}/final/{name}", module)


def seeded_noise(seed: int) -> Tensor:
    """Return what d3rlpy draws first after this seed."""
    torch.manual_seed(seed)
    return torch.randn(ROWS, ACTION)


def main() -> None:
    """Write the file beside this script."""
    torch.set_default_dtype(torch.float64)
    torch.set_num_threads(1)
    encoder = VectorEncoderFactory(HIDDEN)
    encoders = {"actor_encoder_factory": encoder, "critic_encoder_factory": encoder}
    makers = {
        "td3_bc": lambda **k: d3rlpy.algos.TD3PlusBCConfig(**k),
        "rebrac": lambda **k: d3rlpy.algos.ReBRACConfig(**k),
        "iql": lambda **k: d3rlpy.algos.IQLConfig(value_encoder_factory=encoder, **k),
    }
    batch = make_batch(torch.Generator().manual_seed(7))
    out: dict[str, np.ndarray] = {
        f"batch/{name}": getattr(batch, name).squeeze(-1).numpy()
        for name in ("observations", "actions", "rewards", "next_observations", "next_actions", "terminals")
    }
    for method, settings in SETTINGS.items():
        record(out, method, makers[method](**settings, **COMMON, **encoders).create(device="cpu:0"), batch)
        out |= {f"{method}/settings/{key}": np.array(value) for key, value in (settings | COMMON).items()}
    versions = {"d3rlpy": d3rlpy.__version__, "torch": torch.__version__, "numpy": np.__version__}
    out |= {f"versions/{name}": np.array(version) for name, version in versions.items()}
    out["versions/python"] = np.array(platform.python_version())
    path = Path(__file__).with_name("d3rlpy_reference.npz")
    np.savez_compressed(path, **out)
    print(f"{path.name}: {len(out)} arrays, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
