"""How far the rivals were trained: what their records say of the reward on the way, and whether it had stopped rising.

A win against a rival that was cut short is no win against the rival. So the claim is held only to those whose reward
had stopped rising by the rule (`vgf.rlhf.stopping`) in every recorded seed, or that had the paper scale's steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from vgf import records
from vgf.rlhf.settings import SIZES
from vgf.rlhf.stopping import TO_STOP
from vgf.rlhf.study.records import read_curve

COLUMNS = ("rival", "seed", "before", "highest", "kept", "last", "steps", "stopped")


def trainings(study: Path) -> pd.DataFrame:
    """Return a line for each recorded rival and seed that was trained by the rule; none where there is none.

    Args:
        study: the folder of a task's records.

    Returns:
        Columns `COLUMNS`: the stage's name, the seed, the reward on development prompts before training, at its
        highest and at the end, the step of the highest, which is the policy compared, the steps, and whether the
        reward had stopped rising.

    Raises:
        ValueError: if a curve is missing or was changed since it was recorded.
    """
    lines = []
    for stage in TO_STOP:
        if not (study / stage / "run.json").exists():
            continue
        for run in records.read_runs(study / stage):
            told = run["stages"][stage]
            curve = read_curve(study / stage, run["seeds"][0]).set_index("step")["reward"]
            ends = (curve.iloc[0], curve.loc[told["kept"]], told["kept"], curve.iloc[-1], told["steps"])
            lines.append((stage, run["seeds"][0], *ends, told["stopped"]))
    return pd.DataFrame(lines, columns=list(COLUMNS))


def longest(studies: Sequence[Path], name: str) -> tuple[str, bool]:
    """Return the method under which a rival's longest training is recorded, and whether that was to its end.

    Args:
        studies: folders of records of one task, where seeds were trained on several machines.
        name: dpo, ppo or rloo.
    """
    found = pd.concat([trainings(study) for study in studies])
    own = found[found["rival"] == f"{name}_trained"]
    if len(own):
        return f"{name}_trained", bool(own["stopped"].all())
    runs = [run for at in studies if (at / name / "run.json").exists() for run in records.read_runs(at / name)]
    steps = [run["settings"]["sizes"]["bc_steps"] for run in runs]
    return name, bool(steps) and min(steps) >= SIZES["paper"].bc_steps
