"""The cells that the rule for budgets is judged on, as `data/rules/budget.yaml` lists them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, NamedTuple

from vgf.agents.vgf_config import VGFConfig
from vgf.book.budget_worlds import BanditWorld, DroneWorld, World
from vgf.support.strict import build


class Setting(NamedTuple):
    """One training of all seeds: the world, and what is varied in it."""

    task: str
    method: str
    world: World
    config: VGFConfig
    updates: int
    varies: bool  # whether other settings differ from it in L_train alone


def settings(plan: dict[str, Any]) -> Iterator[Setting]:
    """Yield every setting of a part, drone and bandit in turn."""
    return itertools.chain.from_iterable(zip(_drones(plan), _bandits(plan), strict=True))


def _drones(plan: dict[str, Any]) -> Iterator[Setting]:
    cells = plan["cells"]
    config: VGFConfig = build(VGFConfig, cells["config"], "config")
    drone = cells["drone"]
    starts = drone["starts"]
    for (name, data), steps, updates in itertools.product(
        drone["data"].items(), drone["train_steps"], drone["updates"]
    ):
        world = DroneWorld(**data, tuning=starts["tuning"], reporting=starts["reporting"], starts_seed=starts["seed"])
        own = replace(config, train_steps=steps)
        yield Setting(f"drone-{name}", f"train{steps}-{updates}", world, own, updates, True)


def _bandits(plan: dict[str, Any]) -> Iterator[Setting]:
    bandit = plan["cells"]["bandit"]
    config: VGFConfig = build(VGFConfig, plan["cells"]["config"], "config")
    for (place, where), (name, data), updates in itertools.product(
        bandit["worlds"].items(), bandit["data"].items(), bandit["updates"]
    ):
        plot = BanditWorld(**where, **data, noise=bandit["noise"], **bandit["draws"])
        own = replace(config, train_steps=2)
        yield Setting(f"bandit-{place}-{name}", f"train2-{updates}", plot, own, updates, False)
