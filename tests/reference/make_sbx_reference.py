"""Write tests/reference/sbx_reference.json: what the training library's own actor computes for known weights.

Run in an environment that has sbx-rl; the tests then hold the numpy policy to these numbers without it:

    python tests/reference/make_sbx_reference.py
"""

from __future__ import annotations

import json
from importlib.metadata import version
from pathlib import Path

import numpy as np

OBSERVATION, HIDDEN, ACTION, ROWS = 5, 16, 2, 12


def weights() -> list[tuple[np.ndarray, np.ndarray]]:
    """Return two hidden layers and the two heads, as weight [in, out] and bias [out]."""
    rng = np.random.default_rng(0)
    sizes = [(OBSERVATION, HIDDEN), (HIDDEN, HIDDEN), (HIDDEN, ACTION), (HIDDEN, ACTION)]
    return [
        (rng.standard_normal(size, dtype=np.float32) / 5, rng.standard_normal(size[1], dtype=np.float32) / 5)
        for size in sizes
    ]


def inputs() -> tuple[np.ndarray, np.ndarray]:
    """Return observations [ROWS, OBSERVATION] and the policy's noise [ROWS, ACTION]."""
    rng = np.random.default_rng(1)
    return (
        3 * rng.standard_normal((ROWS, OBSERVATION), dtype=np.float32),
        rng.standard_normal((ROWS, ACTION), dtype=np.float32),
    )


def main() -> None:
    """Compute and write the reference."""
    import jax.numpy as jnp
    from sbx.common.policies import SquashedGaussianActor

    params = {f"Dense_{i}": {"kernel": w, "bias": b} for i, (w, b) in enumerate(weights())}
    observations, noise = inputs()
    policy = SquashedGaussianActor(net_arch=[HIDDEN, HIDDEN], action_dim=ACTION).apply({"params": params}, observations)
    gaussian = policy.distribution
    actions = jnp.tanh(gaussian.mean() + gaussian.stddev() * noise)
    reference = {
        "versions": {name: version(name) for name in ("sbx-rl", "jax", "flax")},
        "mode": np.asarray(policy.mode()).tolist(),
        "actions": np.asarray(actions).tolist(),
        "log_density": np.asarray(policy.log_prob(actions)).tolist(),
    }
    Path(__file__).with_name("sbx_reference.json").write_text(json.dumps(reference, indent=1) + "\n")


if __name__ == "__main__":
    main()
