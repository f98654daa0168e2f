"""Cells of the study of budgets made by hand: one cell with a given worth of its rungs, and a part of two worlds."""

from __future__ import annotations

import pandas as pd

from vgf.book import budget_pictures
from vgf.results import budget_rules
from vgf.results.budget_cells import Part
from vgf.training.budgets.ladder import Rung, ladder

RUNGS = ladder((0.0, 0.1, 0.25, 1.0), (1, 10))


def a_cell(value: dict[Rung, float], task: str = "drone-many", seed: int = 0) -> pd.DataFrame:
    rows = [{**rung._asdict(), "value": value.get(rung, 0.0)} for rung in RUNGS]
    table = pd.DataFrame(rows).assign(task=task, method="train2-500", seed=seed, error=0.5)
    far = table["displacement"]
    return table.assign(promise=far, disagreement=1 + far, simulated=-far - 0.01 * table["particles"])


LADDER = (Rung(0.0, 1), Rung(0.0, 10), Rung(0.5, 10), Rung(2.0, 10))


def a_part() -> Part:
    """Return two worlds of a cell each: a step within the radius pays, and one beyond it does not."""
    cells = []
    for task, far in (("drone-many", -6.0), ("bandit-far-few", -1.0)):
        for rung, value, gain, fault in zip(
            LADDER, (-1.0, 0.0, 2.0, far), (0.0, 1.0, 2.0, 5.0), ("", "", "gate", "radius"), strict=True
        ):
            cells.append({**rung._asdict(), "value": value, "gain": gain, "fault": fault, "task": task})
    table = pd.DataFrame(cells).assign(method="train2-500", seed=0, error=0.1, radius=0.5)
    table = table.assign(training=10.0, judging=5.0, judging_seeds=0.5)
    taken = {rule: 1 for rule in budget_pictures.RULES if rule != "hindsight"} | {"without_bound": 1, "promise": 3}
    taken |= {"without_radius": 3, "without_gate": 2}
    rows = [
        {"rule": rule, "task": task, "value": table["value"][4 * k + place], "error": 0.1}
        for rule, place in taken.items()
        for k, task in enumerate(("drone-many", "bandit-far-few"))
    ]
    choices = pd.DataFrame(rows).assign(method="train2-500", seed=0)
    fixed = budget_rules.fixed_choices(budget_rules.with_regret(table))
    return Part(table, pd.concat([choices, fixed], ignore_index=True))
