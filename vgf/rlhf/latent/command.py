"""`vgf rlhf latent`: parsing and printing; the work is done in `vgf.rlhf.latent.study`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from vgf.support.progress import log
from vgf.support.scales import ScaleName


@dataclass(frozen=True)
class Latent:
    """Do an experiment in a small space of sentences: wishes that particles fulfil each in its way, or budgets."""

    experiment: tyro.conf.Positional[Path]
    """A file of data/experiments whose `language` is latent or latent-budget."""
    scale: ScaleName = "quick"
    """Which of its scales."""
    results: Path | None = None
    """Where records go; data/results by default."""
    threads: int | None = None
    """Processor threads; torch's own choice by default."""

    def run(self) -> None:
        """Print its tables."""
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        from vgf.rlhf.latent.plan import language_of, read_budget_plan, read_latent_plan
        from vgf.rlhf.latent.study import Study
        from vgf.rlhf.latent.table import text
        from vgf.rlhf.parts import prepare

        of_budgets = language_of(self.experiment) == "latent-budget"
        # a faulty file is told of before anything is fetched
        (read_budget_plan if of_budgets else read_latent_plan)(self.experiment, self.scale)
        log("\n".join(prepare.prepare()))
        if of_budgets:
            from vgf.rlhf.latent import overoptimisation_table
            from vgf.rlhf.latent.overoptimisation import BudgetStudy

            budgets = BudgetStudy(self.experiment, self.scale, self.results)
            print(overoptimisation_table.text(budgets.run(), budgets.plan.worth))
            return
        study = Study(self.experiment, self.scale, self.results)
        study.run()
        print(text(study.plan, self.scale, self.results))
