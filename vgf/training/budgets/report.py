"""What was chosen and why: a frozen report with its ladder as a table, one sentence, and a file beside the policy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vgf.flow import Budget
from vgf.support.files import write_json
from vgf.support.json_text import read_facts
from vgf.training.budgets.ladder import CLONE, Rung, Unit, budget_of
from vgf.training.budgets.rule import Decision, Line
from vgf.training.budgets.slopes import Slope

SCHEMA = 1  # of the file; raised when a field changes its meaning
WHY = {
    "radius": "no action of the data that far away kept what the critics promised",
    "gate": "what the critics promise for it is below their own noise",
    "bound": "the critics disagree about the sign",
    "": "the lower bound of the gain rises no more",
}


@dataclass(frozen=True)
class BudgetReport:
    """The budget that was chosen for a policy from data alone, and what the choice rests on.

    Attributes:
        task: what the policy was trained on.
        policy: SHA-256 of the policy's tensors, so that a report is not taken for another policy's.
        unit: sigma and slope that displacements are measured in.
        decision: the ladder as it was judged, reach, radius, noise, kappa and slopes.
        judges: who valued the moved actions, in words.
        held_out: whether the judges had not seen the trajectories that their promises were held to.
        trajectories: number of those.
        seconds: that the choice took, training of judges included.
    """

    task: str
    policy: str
    unit: Unit
    decision: Decision
    judges: str
    held_out: bool
    trajectories: int
    seconds: float

    @property
    def rung(self) -> Rung:
        """The chosen displacement, in sigma, and N."""
        return self.decision.chosen

    @property
    def budget(self) -> Budget:
        """The chosen transport budget."""
        return budget_of(self.rung, self.unit)

    @property
    def particles(self) -> int:
        """The chosen N."""
        return self.rung.particles

    @property
    def table(self) -> pd.DataFrame:
        """The ladder, a row a rung.

        Columns displacement (sigma), particles, steps, step_size, mmd2 (the proved bound), gain and bound (value over
        the plain clone's), kept (the share of the gain that the bound starts from), step_gain (over the same particles
        unmoved), refused_by ("", "radius", "gate" or "bound") and chosen.
        """
        rows = []
        for line in self.decision.lines:
            budget = budget_of(line.rung, self.unit)
            rows.append(
                {
                    **line.rung._asdict(),
                    "steps": budget.steps,
                    "step_size": budget.step_size,
                    "mmd2": line.mmd2,
                    "gain": line.gain,
                    "bound": line.bound,
                    "kept": line.kept,
                    "step_gain": line.step_gain,
                    "refused_by": line.fault,
                    "chosen": line.rung == self.rung,
                }
            )
        return pd.DataFrame(rows)

    @property
    def slopes(self) -> pd.DataFrame:
        """Realised per promised advantage, in columns distance (sigma), slope, lower, rows, trajectories."""
        return pd.DataFrame([asdict(tail) for tail in self.decision.tails])

    @property
    def sentence(self) -> str:
        """What to do, and why no more."""
        rung, budget = self.rung, self.budget
        if rung == CLONE:
            told = "act by one action of the reference, neither moved nor chosen"
        elif budget.steps == 0:
            told = f"take the best of {rung.particles} actions and move none"
        else:
            steps = f"{budget.steps} step{'s' if budget.steps > 1 else ''} of {budget.step_size:.2g}"
            told = f"move {rung.displacement:g} sigma, {steps}"
            told += f", and take the best of {rung.particles}" if rung.particles > 1 else ", one particle"
        return f"{told}; {self._beyond()}"

    def _beyond(self) -> str:
        """Return why the next longer rung was not taken."""
        if self.decision.radius is None and self.rung == CLONE:
            return "on held-out trajectories the opposite came of what the critics promised"
        if self.decision.radius is None:
            return "held-out trajectories do not show that what the critics promise comes"
        longer = [line for line in self.decision.lines if line.rung.displacement > self.rung.displacement]
        same = [line for line in longer if line.rung.particles == self.rung.particles] or longer
        if not same:
            return "the ladder ends there"
        return f"beyond that {WHY[min(same, key=lambda line: line.rung.displacement).fault]}"

    def save(self, path: Path) -> None:
        """Write the report to a JSON file, whole or not at all."""
        told: dict[str, Any] = {"schema": SCHEMA, **asdict(self)}
        told["unit"] = self.unit._asdict()
        told["decision"] |= {name: getattr(self.decision, name)._asdict() for name in ("chosen", "fallback")}
        for line in told["decision"]["lines"]:
            line["rung"] = dict(zip(Rung._fields, line["rung"], strict=True))
        write_json(path, told)

    def __repr__(self) -> str:
        return f"BudgetReport({self.task}: {self.sentence})"


def read_report(path: Path) -> BudgetReport:
    """Return the report in a file.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    facts = read_facts(path, "choose the budget anew", schema=int, decision=dict, unit=dict)
    try:
        if facts.pop("schema") != SCHEMA:
            raise ValueError(f"this version reads schema {SCHEMA}")
        decision: dict[str, Any] = dict(facts.pop("decision"))
        decision["lines"] = tuple(Line(**{**line, "rung": _rung(line["rung"])}) for line in decision["lines"])
        decision["tails"] = tuple(Slope(**tail) for tail in decision["tails"])
        decision |= {name: _rung(decision[name]) for name in ("chosen", "fallback")}
        report = BudgetReport(unit=Unit(**facts.pop("unit")), decision=Decision(**decision), **facts)
        if report.rung not in [line.rung for line in report.decision.lines]:
            raise ValueError("the chosen rung is not on the ladder")
        report.budget  # noqa: B018  # refuses a unit without meaning
    except (ValueError, TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{path}: not a report of this version ({told}); choose the budget anew") from None
    return report


def report_path(policy: Path, seed: int) -> Path:
    """Return where the report of one seed of a policy file lies: beside it."""
    return policy.with_suffix(f".seed{seed}.budget.json")


def judges_path(report: Path) -> Path:
    """Return where the ensemble lies that a report rests on."""
    return report.with_name(report.name.replace(".budget.json", ".judges.safetensors"))


def _rung(given: Mapping[str, Any]) -> Rung:
    return Rung(float(given["displacement"]), int(given["particles"]))
