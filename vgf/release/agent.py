"""The authors' release (ryanxhr/vgf), trained and asked for actions: run by its interpreter, in a clone of it.

Nothing of the release is kept here; this imports its agent, sets its config to what `vgf.results.release_check` asks
for, trains one agent a seed on that file of transitions, and then answers on stdout: for each line of JSON on stdin
(how many flow steps, how many observations) followed by their bytes, the bytes of as many actions, float32 both ways.
"""

import json
import sys

import jax
import numpy as np


def main() -> None:
    """Train, say so in a line of JSON, then act until stdin ends."""
    asked = json.loads(sys.argv[1])
    answers, sys.stdout = sys.stdout.buffer, sys.stderr  # what libraries print must not get between answers
    sys.path.insert(0, "")  # the clone is the working directory
    from agents.vgf import VGFAgent, get_config

    with np.load(asked["file"], allow_pickle=False) as stored:
        data = {name: stored[name] for name in stored.files}
    agents = []
    for k, seed in enumerate(asked["seeds"]):
        config = get_config().lock()  # a name it does not know is an error, not a new field
        config.update({name: tuple(v) if isinstance(v, list) else v for name, v in asked["config"].items()})
        agent = VGFAgent.create(seed, data["observations"][:1], data["actions"][:1], config)
        rng = np.random.default_rng(seed)
        for update in range(asked["updates"]):
            rows = rng.integers(len(data["rewards"]), size=config["batch_size"])
            agent, _ = agent.update({name: values[rows] for name, values in data.items()})
            if update % 500 == 0:
                total = len(asked["seeds"]) * asked["updates"]
                print(f"release: {k * asked['updates'] + update}/{total} updates", file=sys.stderr, flush=True)
        agents.append(agent)

    def act(agent: object, observations: jax.Array, keys: jax.Array, steps: int) -> jax.Array:
        return jax.vmap(lambda s, key: agent.sample_actions(s, seed=key, eval_vgf_steps=steps))(observations, keys)  # type: ignore[attr-defined]

    act = jax.jit(act, static_argnums=3)
    keys = [jax.random.PRNGKey(seed) for seed in asked["seeds"]]
    answers.write((json.dumps({"jax": jax.__version__}) + "\n").encode())
    answers.flush()
    for line in sys.stdin.buffer:
        wanted = json.loads(line)
        shape = wanted["shape"]  # seeds, observations of each, numbers in one
        observations = np.frombuffer(sys.stdin.buffer.read(4 * int(np.prod(shape))), np.float32).reshape(shape)
        actions = []
        for k, agent in enumerate(agents):
            keys[k], *own = jax.random.split(keys[k], shape[1] + 1)
            actions.append(np.asarray(act(agent, observations[k], jax.numpy.stack(own), wanted["steps"])))
        answers.write(np.stack(actions).astype(np.float32).tobytes())
        answers.flush()


main()
