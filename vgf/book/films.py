"""Episodes to make films of, as they look from above: played by a policy, or taken from the data.

What is seen is what MuJoCo's geometry has: walls, a goal and limbs. An environment without MuJoCo shows its `place`,
and its `home` where it has one. MuJoCo's own renderer is left out: it needs a GL, and every machine should make the
same film. The price is that heights are not seen.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from vgf.datasets import Transitions
from vgf.training.isolated_env import IsolatedEnv
from vgf.training.policy import Policy

BOX, CYLINDER, CAPSULE = 6, 5, 3  # MuJoCo's mjtGeom


class Seen(NamedTuple):
    """What is seen of an environment at one step: where it is, [2], and the ends of its limbs, [K, 2, 2]."""

    place: np.ndarray
    limbs: np.ndarray


class Ground(NamedTuple):
    """What does not move: walls as x, y, width and height, [W, 4], and the goal, [2] or empty."""

    walls: np.ndarray
    goal: np.ndarray


class Film(NamedTuple):
    """One actor's episode: what it is called, how it ended, in words, and what is seen at each step."""

    title: str
    outcome: str
    path: list[Seen]
    ground: Ground


def look(env: gymnasium.Env) -> Seen:
    """Return what is seen now.

    Raises:
        ValueError: if the environment has neither a MuJoCo model nor `place`.
    """
    core: Any = env.unwrapped
    if not hasattr(core, "model"):
        if not hasattr(core, "place"):
            raise ValueError(f"{type(core).__name__} cannot be seen from above: it has no MuJoCo model and no `place`")
        return Seen(np.array(core.place, dtype=float), np.empty((0, 2, 2)))
    bars = (core.model.geom_type == CAPSULE) & (core.model.geom_bodyid > 0)
    reach = core.data.geom_xmat.reshape(-1, 3, 3)[bars][:, :2, 2] * core.model.geom_size[bars, 1:2]
    middle = core.data.geom_xpos[bars][:, :2]
    return Seen(core.data.qpos[:2].copy(), np.stack([middle - reach, middle + reach], 1))


def ground(env: gymnasium.Env) -> Ground:
    """Return walls and goal as they are now: boxes that are fixed, and a flat mark called target."""
    core: Any = env.unwrapped
    if not hasattr(core, "model"):
        return Ground(np.empty((0, 4)), np.array(getattr(core, "home", ()), dtype=float))
    model, places = core.model, core.data.geom_xpos[:, :2]
    fixed = (model.geom_type == BOX) & (model.geom_bodyid == 0)
    sizes = model.geom_size[fixed, :2]
    marks = [i for i in np.flatnonzero(model.geom_type == CYLINDER) if "target" in model.geom(i).name]
    goal = places[marks[0]].copy() if marks else np.empty(0)
    return Ground(np.hstack([places[fixed] - sizes, 2 * sizes]), goal)


def play(env: gymnasium.Env, act: Callable[[Any, int], Any], seed: int, steps: int, title: str) -> Film:
    """Return one episode of a policy.

    Args:
        env: not reset.
        act: takes an observation and the number of the step.
        seed: fixes start and goal.
        steps: the most there are; a goal that is reached ends the episode before.
        title: what the actor is called.
    """
    played = IsolatedEnv(env)
    observation, _ = played.reset(seed=seed)
    path, still, total, success = [look(env)], ground(env), 0.0, None
    for step in range(steps):
        observation, reward, terminated, truncated, info = played.step(act(observation, step))
        path.append(look(env))
        total, success = total + float(reward), info.get("success", success)
        if terminated or truncated or success:
            break
    outcome = f"return {total:.1f}".replace("-", "\N{MINUS SIGN}")
    if success is not None:
        outcome = f"{'reaches the goal in' if success else 'not at the goal after'} {len(path) - 1} steps"
    return Film(title, outcome, path, still)


def replay(env: gymnasium.Env, data: Transitions, seed: int, title: str = "an episode of the data") -> Film:
    """Return the data's episode that begins nearest to the start of `seed`.

    Its observations must begin with what is seen: MuJoCo's positions, or the place.
    """
    start, _ = IsolatedEnv(env).reset(seed=seed)
    ends = data.terminals.nonzero().flatten().cpu().numpy()
    begins = np.concatenate([[0], ends[:-1] + 1])
    states = data.observations.cpu().numpy()
    nearest = int(np.linalg.norm(states[begins, :2] - np.asarray(start)[:2], axis=-1).argmin())
    episode = [*states[begins[nearest] : ends[nearest] + 1], data.next_observations[int(ends[nearest])].cpu().numpy()]
    path = []
    for state in episode:
        put(env.unwrapped, state)
        path.append(look(env))
    return Film(title, "", path, ground(env))


def put(core: Any, state: np.ndarray) -> None:
    """Put an environment where an observation says it was."""
    if not hasattr(core, "model"):
        core.place = state[:2]
        return
    import mujoco

    core.data.qpos[:] = state[: core.model.nq]
    mujoco.mj_forward(core.model, core.data)


def films(
    env: gymnasium.Env, data: Transitions, clone: Policy, policy: Policy, steps: int, seed: int, limit: int
) -> dict[str, Film]:
    """Return the four films by actor; `steps` is VGF's test budget, `limit` the most steps of an episode."""
    words = f"VGF, {steps} flow step{'s' * (steps != 1)}"
    return {
        "data": replay(env, data, seed),
        "clone": play(env, lambda s, t: clone.act(s, seed=t), seed, limit, "a clone of the data"),
        "best-of-n": play(env, lambda s, t: policy.act(s, 0, seed=t), seed, limit, "best-of-N, no step"),
        "vgf": play(env, lambda s, t: policy.act(s, steps, seed=t), seed, limit, words),
    }
