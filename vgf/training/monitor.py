"""Watching a run while it trains: TensorBoard files, or Weights & Biases.

Both get what goes into the record, when it goes there, so watching costs the device nothing and changes no number. Both
packages are optional. What is watched is no part of a record; a key for a service is read by that service's package
from the environment and goes nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

import pandas as pd

from vgf.training.runs import Run

BOARD, SERVICE = ("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")  # what options need


class Monitor:
    """Passes on the rows of one run, to nobody when nothing is asked for; a context manager.

    Args:
        run: what is trained.
        tensorboard: folder for TensorBoard's files, one below it for each seed: study/task/method/seed.
        wandb: project of Weights & Biases; one run for all seeds, its names ending in the seed.
    """

    def __init__(self, run: Run, tensorboard: Path | None = None, wandb: str | None = None) -> None:
        self.run, self.folder, self.project = run, tensorboard, wandb
        self.writers: dict[int, Any] = {}
        self.session: Any = None

    def __enter__(self) -> Monitor:
        """Return itself."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        """Close what was opened."""
        for writer in self.writers.values():
            writer.close()
        if self.session is not None:
            self.session.finish(exit_code=int(kind is not None))

    def episodes(self, rows: pd.DataFrame) -> None:
        """Pass on an evaluation as its means for each seed and budget."""
        measured = [name for name in rows if name not in ("seed", "update", "test_steps", "episode", "env_seed")]
        for steps, own in rows.groupby("test_steps"):
            means = own.groupby(["seed", "update"])[measured].mean().reset_index()
            self.curve(means.rename(columns={name: f"evaluation/{name}/{steps} steps" for name in measured}))

    def curve(self, rows: pd.DataFrame) -> None:
        """Pass on a logged row of each seed."""
        for seed, update, scalars in _scalars(rows) if self.folder or self.project else ():
            if self.folder is not None:
                writer = self.writers.get(seed) or self._open(seed, update)
                for name, value in scalars.items():
                    writer.add_scalar(name, value, update)
            if self.project is not None:
                self.session = self.session or self._join()
                self.session.log({f"{name}/seed{seed}": value for name, value in scalars.items()} | {"update": update})

    def _open(self, seed: int, update: int) -> Any:
        """Open a seed's files; what an interrupted run wrote from this update on is dropped."""
        experiment = self.run.experiment
        assert self.folder is not None
        place = self.folder / f"{experiment.study}.{experiment.scale_name}" / self.run.plan.name / self.run.method.name
        writer = self.writers[seed] = _needed(*BOARD).SummaryWriter(str(place / f"seed{seed}"), purge_step=update)
        return writer

    def _join(self) -> Any:
        """Open the session of Weights & Biases; a resumed run goes on in its own."""
        session = _needed(*SERVICE).init(
            project=self.project,
            id=f"{self.run.method.name}-{self.run.ident}",
            name=f"{self.run.plan.name} {self.run.method.name}",
            config=self.run.settings,
            resume="allow",
        )
        session.define_metric("*", step_metric="update")
        return session


def check(tensorboard: Path | None, wandb: str | None) -> None:
    """Refuse, before anything is trained, to be watched by what is not there.

    Raises:
        ValueError: naming the remedy.
    """
    if tensorboard is not None:
        _needed(*BOARD)
    if wandb is not None:
        _needed(*SERVICE)
        if not os.environ.get("WANDB_API_KEY") and os.environ.get("WANDB_MODE") not in ("offline", "disabled"):
            raise ValueError("--wandb needs WANDB_API_KEY in the environment, or WANDB_MODE=offline")


def _needed(option: str, module: str) -> Any:
    """Return an optional package's module; ValueError naming the option that needs it."""
    try:
        return import_module(module)
    except ImportError:
        raise ValueError(f"--{option} needs the package {option}; pip install {option}") from None


def _scalars(rows: pd.DataFrame) -> Iterator[tuple[int, int, dict[str, float]]]:
    """Yield seed, update and the finite numbers of each row."""
    for row in rows.to_dict("records"):
        numbers = {str(k): float(v) for k, v in row.items() if k not in ("seed", "update") and v == v}
        yield int(row["seed"]), int(row["update"]), numbers
