"""The process that times the authors' release (ryanxhr/vgf): run by its interpreter, in a clone of it.

Nothing of the release is kept here; this imports its agent, sets its config to the sizes compared, and speaks the
protocol of `vgf.bench.worker`. The batch is on the device already and the same each time, which spares the
release the sampling that its own training loop does on the host.
"""

import json
import sys
import time

import jax
import numpy as np


def main() -> None:
    """Serve one size until stdin ends."""
    size = json.loads(sys.argv[1])
    sys.path.insert(0, "")  # the clone is the working directory
    from agents.vgf import VGFAgent, get_config

    config = get_config()
    config.update(
        {
            "batch_size": size["batch"],
            "value_hidden_dims": tuple(size["hidden"]),
            "actor_hidden_dims": tuple(size["hidden"]),
            "vgf_particles": size["particles"],
            "train_vgf_steps": size["train_steps"],
            "bc_flow_steps": size["flow_steps"],
            "train_q_agg": "mean",
            "vgf_lr": 0.01,
            "vgf_alpha": 0.2,
        }
    )
    rng, rows = np.random.default_rng(0), size["batch"]
    observation, action = size["dims"]
    batch = {
        "observations": rng.normal(size=(rows, observation)),
        "next_observations": rng.normal(size=(rows, observation)),
        "actions": rng.uniform(-1, 1, size=(rows, action)),
        "rewards": -np.ones(rows),
        "masks": np.ones(rows),
        "terminals": np.zeros(rows),
    }
    batch = {name: jax.numpy.asarray(value, dtype="float32") for name, value in batch.items()}
    agent = VGFAgent.create(0, np.asarray(batch["observations"]), np.asarray(batch["actions"]), config)
    agent, _ = agent.update(batch)
    print(json.dumps({"jax": jax.__version__, "device": jax.devices()[0].platform}), flush=True)
    for line in sys.stdin:
        start = time.perf_counter()
        for _ in range(int(line)):
            agent, info = agent.update(batch)
        jax.block_until_ready((agent.critic.params, info))
        print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)


main()
