"""`vgf rlhf run`: parsing and printing; the work is done in `vgf.rlhf.study.run`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from vgf.support.scales import ScaleName


@dataclass(frozen=True)
class Run:
    """Do a whole experiment file, from the parts to the table; whatever is done already is left as it is."""

    experiment: tyro.conf.Positional[Path]
    """A file of data/experiments with a `language`."""
    scale: ScaleName = "quick"
    """Which of its scales."""
    results: Path | None = None
    """Where records go; data/results by default."""
    model: str = ""
    """A model's folder, or its name on the hub, in place of the file's."""
    tldr: Path | None = None
    """A file of TL;DR's rows in place of the hub's dataset."""
    hh: Path | None = None
    """A file of HH's rows in place of the hub's dataset."""
    judge: str = ""
    """Name of the judge's model on its server, in place of the file's; the key is read from OPENAI_API_KEY."""
    base_url: str = ""
    """The judge's server; OPENAI_BASE_URL or OpenAI's own by default."""
    device: str = ""
    """auto, cpu or cuda; the CPU by default, at paper scale a GPU where there is one."""

    def run(self) -> None:
        """Print the tables."""
        from vgf.rlhf.parts.hub import local_or_hub
        from vgf.rlhf.settings import SMOLLM2
        from vgf.rlhf.study import run as study
        from vgf.rlhf.study.plan import Given

        if self.model and self.model != SMOLLM2:
            local_or_hub(self.model)  # so that a refusal comes at once
        files = tuple((task, path) for task, path in (("tldr", self.tldr), ("hh", self.hh)) if path is not None)
        given = Given(self.model, files, self.judge, self.base_url, self.device)
        print(study.run(self.experiment, self.scale, self.results, given))
