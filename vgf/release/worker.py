"""The process that times the authors' own agents: run by their interpreter, in a clone of what they published.

Nothing of a release is kept here; this imports its agent, sets its config to the sizes compared, and speaks the
protocol of `vgf.bench.worker`. The batch is on the device already and the same each time, which spares the
release the sampling that its own training loop does on the host.
"""

import importlib
import json
import resource
import sys
import time

import jax
import numpy as np

AGENTS = {"vgf": "VGFAgent", "a_vgf": "AVGFAgent", "fql": "FQLAgent", "iql": "IQLAgent", "rebrac": "ReBRACAgent"}


def main() -> None:
    """Serve one agent at one size until stdin ends."""
    size = json.loads(sys.argv[1])
    sys.path.insert(0, "")  # the clone is the working directory
    module = importlib.import_module(f"agents.{size['agent']}")
    config = module.get_config()
    asked = {
        "batch_size": size["batch"],
        "value_hidden_dims": tuple(size["hidden"]),
        "actor_hidden_dims": tuple(size["hidden"]),
        "vgf_particles": size["particles"],
        "train_vgf_steps": size["train_steps"],
        "bc_flow_steps": size["flow_steps"],
        "flow_steps": size["flow_steps"],
        "train_q_agg": "mean",
        "vgf_lr": 0.01,
        "vgf_alpha": 0.2,
    }
    config.update({name: value for name, value in asked.items() if name in config})
    delay = config.get("actor_freq", 1)
    rng, rows = np.random.default_rng(0), size["batch"]
    observation, action = size["dims"]
    batch = {
        "observations": rng.normal(size=(rows, observation)),
        "next_observations": rng.normal(size=(rows, observation)),
        "actions": rng.uniform(-1, 1, size=(rows, action)),
        "next_actions": rng.uniform(-1, 1, size=(rows, action)),
        "rewards": -np.ones(rows),
        "masks": np.ones(rows),
        "terminals": np.zeros(rows),
    }
    batch = {name: jax.numpy.asarray(value, dtype="float32") for name, value in batch.items()}
    create = getattr(module, AGENTS[size["agent"]]).create
    agent = create(0, np.asarray(batch["observations"]), np.asarray(batch["actions"]), config)
    done = 0

    def update() -> object:
        nonlocal agent, done
        options = {"full_update": done % delay == 0} if delay > 1 else {}
        agent, info = agent.update(batch, **options)
        done += 1
        return info

    for _ in range(2 * delay):
        jax.block_until_ready(update())
    print(json.dumps({"jax": jax.__version__, "device": jax.devices()[0].platform}), flush=True)
    for line in sys.stdin:
        updates = -(-int(line) // delay) * delay
        start = time.perf_counter()
        for _ in range(updates):
            info = update()
        jax.block_until_ready((agent, info))
        taken = {"seconds": time.perf_counter() - start, "updates": updates}
        kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(json.dumps(taken | {"process_memory": 1024 * kilobytes}), flush=True)


main()
