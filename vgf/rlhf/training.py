"""One training loop for the policy and the reward model: Adam, checkpoints, progress, and how long it will take.

A step is a function of its number alone (its data order and noise follow from it), so a run that was killed goes on
from its last checkpoint to the same bits. A checkpoint holds the trained parameters with Adam's moments, as
safetensors.
"""

from __future__ import annotations

import contextlib
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from vgf.support.content import content_of
from vgf.support.files import write_json
from vgf.support.json_text import read_facts
from vgf.support.places import check_writable
from vgf.support.progress import log
from vgf.support.provenance import fingerprint
from vgf.training.checkpoints import load_checkpoint, save_checkpoint

DONE = "done.json"
WARMUP = 0.1  # share of the steps in which the rate rises; it falls to zero over the rest
CLIP = 1.0
CHECKPOINTS = 9  # times the trained numbers: two checkpoints and the next, each with Adam's two moments
TIMED = 3  # steps before the time that is left is told


def train(
    name: str,
    folder: Path,
    parameters: Mapping[str, nn.Parameter],
    loss_of: Callable[[int], Tensor | Iterator[Tensor]],
    steps: int,
    rate: float,
    save_every: int,
) -> dict[str, Any]:
    """Minimise a loss; go on from the folder's last checkpoint.

    Args:
        name: what is trained, for the progress line.
        folder: of the checkpoints.
        parameters: what Adam may change, by name.
        loss_of: the loss of a step, a scalar that depends on the step's number alone, or parts that add up to it.
        steps: how many.
        rate: Adam's highest.
        save_every: steps between checkpoints.

    Returns:
        The mean loss of the last tenth of the steps, and the seconds spent.

    Raises:
        ValueError: if the folder cannot be written, or the loss stops being finite, naming the step.
    """
    check_writable(folder, CHECKPOINTS * sum(p.nbytes for p in parameters.values()))
    adam = torch.optim.AdamW(list(parameters.values()), lr=rate, betas=(0.9, 0.99), weight_decay=0.0)
    first, losses, spent = _resume(folder, parameters, adam)
    started = time.monotonic()
    bar = tqdm(range(first, steps), desc=name, initial=first, total=steps, disable=None, leave=False)
    for step in bar:
        for group in adam.param_groups:
            group["lr"] = rate * schedule(step, steps)
        loss = _backward(loss_of(step))
        torch.nn.utils.clip_grad_norm_(list(parameters.values()), CLIP)
        adam.step()
        adam.zero_grad(set_to_none=True)
        losses.append(loss)
        if not math.isfinite(losses[-1]):
            raise ValueError(f"{name}: the loss is {losses[-1]} at step {step}; lower its rate")
        log_time_left(name, first, step + 1, steps, started)
        if (step + 1) % save_every == 0 or step + 1 == steps:
            facts = {"losses": losses, "seconds": spent + time.monotonic() - started}
            save_checkpoint(folder, step + 1, _state(parameters, adam), facts)
    return {
        "loss": float(np.mean(losses[-max(1, steps // 10) :])),
        "first_loss": float(np.mean(losses[: max(1, steps // 10)])),
        "seconds": round(spent + time.monotonic() - started, 1),
    }


def _backward(loss: Tensor | Iterator[Tensor]) -> float:
    """Add a loss's gradient to the parameters, part by part, each freed before the next; return the loss."""
    total = 0.0
    for part in (loss,) if isinstance(loss, Tensor) else loss:
        part.backward()
        total += float(part.detach())
    return total


def log_time_left(name: str, first: int, done: int, steps: int, started: float) -> None:
    """Say once, after a few steps, how long there is to go: `done` of `steps`, begun at `first` and then `started`."""
    if done - first == TIMED and steps - done >= TIMED:
        left = (time.monotonic() - started) / TIMED * (steps - done)
        log(f"{name}: step {done} of {steps}, about {duration(left)} to go")


def schedule(step: int, steps: int) -> float:
    """Return the share of the highest rate at a step: up over the first tenth, then down to zero."""
    warm = max(1, round(WARMUP * steps))
    return min((step + 1) / warm, (steps - step) / max(1, steps - warm), 1.0)


def order(rows: int, batch: int, step: int, seed: int) -> list[int]:
    """Return which rows a step takes: every row once an epoch, in an order that depends on seed and epoch."""
    taken: list[int] = []
    for place in range(step * batch, (step + 1) * batch):
        epoch, at = divmod(place, rows)
        taken.append(int(_shuffled(rows, seed, epoch)[at]))
    return taken


@lru_cache(maxsize=4)
def _shuffled(rows: int, seed: int, epoch: int) -> np.ndarray:
    """Return the order of an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


def duration(seconds: float) -> str:
    """Return a length of time as people say it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def read_done(folder: Path) -> dict[str, Any] | None:
    """Return what a finished stage said of itself, or None if it is not finished.

    Raises:
        ValueError: if a file of the stage is not as it was written, naming it. Stages of before had no checksums.
    """
    path, remedy = folder / DONE, f"remove {folder.name}, and do this stage again"
    if not path.exists():
        return None
    facts = read_facts(path, remedy)
    if len({"files", "seal"} & facts.keys()) == 1 or ("seal" in facts and facts.pop("seal") != fingerprint(facts)):
        raise ValueError(f"{path}: changed since it was written; {remedy}")
    for name, sealed in facts.get("files", {}).items():
        if not (folder / name).is_file() or content_of(folder / name) != sealed:
            raise ValueError(f"{folder / name}: missing, or changed since it was written; {remedy}")
    return facts


def find_done(folder: Path) -> dict[str, Any] | None:
    """Return what `read_done` does, to who would do the stage; drop checkpoints that a kill left after its end."""
    facts = read_done(folder)
    if facts is not None:
        _drop_checkpoints(folder)
    return facts


def write_done(folder: Path, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Mark a stage as finished, with the checksums of what it leaves; drop its checkpoints, and return what it says."""
    left = [
        path for path in folder.iterdir() if path.is_file() and not path.name.startswith((".", "checkpoint-", DONE))
    ]
    told = dict(facts) | {"files": {path.name: content_of(path) for path in sorted(left)}}
    told = json.loads(json.dumps(told))
    write_json(folder / DONE, told | {"seal": fingerprint(told)})
    _drop_checkpoints(folder)
    return told


def _drop_checkpoints(folder: Path) -> None:
    """Remove a stage's checkpoints; where the folder may only be read they stay."""
    with contextlib.suppress(OSError):
        for path in folder.glob("checkpoint-*"):
            path.unlink(missing_ok=True)


def _state(parameters: Mapping[str, nn.Parameter], adam: torch.optim.AdamW) -> dict[str, Tensor]:
    """Return parameters and Adam's moments by name."""
    state = {f"p.{name}": p.detach() for name, p in parameters.items()}
    for name, p in parameters.items():
        state |= {f"{key}.{name}": adam.state[p][key] for key in ("exp_avg", "exp_avg_sq")}
    return state


def _resume(
    folder: Path, parameters: Mapping[str, nn.Parameter], adam: torch.optim.AdamW
) -> tuple[int, list[float], float]:
    """Put the last checkpoint's numbers in place; return the next step, the losses so far and the seconds spent."""
    checkpoint = load_checkpoint(folder) if folder.exists() else None
    if checkpoint is None:
        folder.mkdir(parents=True, exist_ok=True)
        return 0, [], 0.0
    for name, p in parameters.items():
        p.data.copy_(checkpoint.tensors[f"p.{name}"])
        moments = {key: checkpoint.tensors[f"{key}.{name}"].to(p.device) for key in ("exp_avg", "exp_avg_sq")}
        adam.state[p] = {"step": torch.tensor(float(checkpoint.update)), **moments}
    log(f"{folder.parent.name}: goes on after step {checkpoint.update}")
    return checkpoint.update, list(checkpoint.facts["losses"]), float(checkpoint.facts["seconds"])
