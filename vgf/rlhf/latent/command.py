"""`vgf rlhf latent`: parsing and printing; the work is done in `vgf.rlhf.latent.study`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from vgf.support.progress import log
from vgf.support.scales import ScaleName


@dataclass(frozen=True)
class Latent:
    """Do the testbeds in which a direction must depend on the particle, in a small space of sentences."""

    experiment: tyro.conf.Positional[Path]
    """A file of data/experiments whose `language` is latent."""
    scale: ScaleName = "quick"
    """Which of its scales."""
    results: Path | None = None
    """Where records go; data/results by default."""
    threads: int | None = None
    """Processor threads; torch's own choice by default."""

    def run(self) -> None:
        """Print the table of each testbed."""
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        from vgf.rlhf.latent.plan import read_latent_plan
        from vgf.rlhf.latent.study import Study
        from vgf.rlhf.latent.table import text
        from vgf.rlhf.parts import prepare

        read_latent_plan(self.experiment, self.scale)  # a faulty file is told of before anything is fetched
        log("\n".join(prepare.prepare()))
        study = Study(self.experiment, self.scale, self.results)
        study.run()
        print(text(study.plan, self.scale, self.results))
