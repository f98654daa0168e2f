"""A reference that is trained once and serves every run that would train the same one, with the same bits.

Methods that clone the data first (VGF, best-of-N, IDQL with a flow) or do nothing else (BC) train the same reference
where data, network, seeds, batches and path of computation are equal, whatever comes after and whichever of a dataset's
tasks it is for: rewards have no part in it. So the first run to need one trains it into the cache, and the others take
it from there: weights, Adam, streams, and the loss of each update, so that record, curve and all that follows are as
if they had trained it themselves. Whoever needs it meanwhile waits.

A reference is named by a digest of all that determines it, the data's numbers and the text of the code included. It
is kept at each age it was asked for; a later age goes on from an earlier one. Files are written whole and hold their
checksums; a damaged one is named and made anew, and a training that was killed goes on from its last checkpoint. The
price is the space: some ten megabytes a reference, in a folder that may be removed at any time.
"""

from __future__ import annotations

import hashlib
import inspect
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgf.agents import AGENTS, BC, Agent, BCConfig, Reported
from vgf.agents.cloning import Cloning
from vgf.agents.computed import computed_by
from vgf.datasets import Transitions
from vgf.datasets.transitions import digest
from vgf.networks import MLP, SeedStreams, VectorField, join
from vgf.reference import FlowReference, GaussianReference
from vgf.support.files import held, write_json
from vgf.support.progress import Progress, log
from vgf.support.provenance import code_provenance, fingerprint
from vgf.training.batches import PURPOSE, draw_rows, next_count
from vgf.training.checkpoints import Checkpoint, load_checkpoint, save_checkpoint
from vgf.training.clock import Clock
from vgf.training.metrics import check_finite
from vgf.training.sizes import Scale

LOSS = "reference/loss"
OWN = ("reference/", "adam.reference/", "stream.reference")  # of an agent's state: what its reference has in it
#: What the numbers depend on in code: the text of these, or of the fused core.
CODE = (FlowReference, GaussianReference, MLP, VectorField, SeedStreams, Agent, BC, Transitions, join, draw_rows)


@dataclass(frozen=True)
class Clone:
    """A trained reference, as a run takes it over.

    Attributes:
        update: its age.
        tensors: of an agent's state those that `OWN` names, and the stream of batches.
        losses: of each update, [update, S].
        facts: what it is, where it is kept, and what it took to train, for the record.
        spent: seconds of training that were done for this call.
    """

    update: int
    tensors: dict[str, Tensor]
    losses: Tensor
    facts: dict[str, Any]
    spent: float

    def give(self, agent: Agent, batches: SeedStreams, every: int) -> Iterator[Reported]:
        """Let an agent and its stream of batches be where they would be had they done the updates.

        Args:
            agent: of the same reference, not older.
            batches: where its batches are drawn from.
            every: updates between two rows of the curve.

        Yields:
            What the updates would have reported, up to each row of the curve in turn; `agent.updates` is then there.
        """
        first = agent.updates
        for last in (*range(first - first % every + every, self.update, every), self.update):
            if last == self.update:
                own = {key: value for key, value in self.tensors.items() if key.startswith(OWN)}
                agent.load_state_dict(agent.state_dict() | own)
                batches.set_state(self.tensors[f"stream.{PURPOSE}"])
            agent.updates = last
            yield Reported(range(first + 1, last + 1), {LOSS: self.losses[first:last].to(agent.device)})
            first = last


def clone(cache: Path, agent: Agent, transitions: Transitions, batch_size: int, age: int) -> Clone:
    """Return the reference an agent would have after its first `age` updates, trained now if it is not kept.

    Args:
        cache: where references are kept, in a folder of their own.
        agent: one with a `cloning` that lasts so long; it is not changed.
        transitions: the whole dataset, on the agent's device.
        batch_size: transitions an update draws for each seed.
        age: an update.

    Raises:
        ValueError: if the agent does not train its reference alone, or a loss or weight becomes NaN or infinite.
    """
    cloning = agent.cloning
    if cloning is None or not 1 <= age <= cloning.until:
        raise ValueError(f"{agent.name} has no reference that is trained alone for {age} updates")
    asked, folder = key(agent, cloning, transitions, batch_size), cache / "references"
    place = folder / fingerprint(asked)
    with held(folder, place.name, f"reference of {age} updates: another process trains it; this one waits"):
        kept = load_checkpoint(_of_age(place, age))
        if kept is not None:
            shutil.rmtree(_work(place, age), ignore_errors=True)  # of a process that was killed before it did so
            return _clone(kept, place, 0.0)
        started = time.monotonic()
        write_json(place / "key.json", asked)
        kept = _Training(place, agent, cloning, transitions, batch_size, age).run()
        return _clone(kept, place, time.monotonic() - started)


def key(agent: Agent, cloning: Cloning, transitions: Transitions, batch_size: int) -> dict[str, Any]:
    """Return all that determines a reference, as JSON holds it."""
    return {
        "data": digest(transitions.observations, transitions.actions),
        "rows": len(transitions),
        "reference": cloning.reference,
        "hidden": list(cloning.hidden),
        "learning_rate": cloning.learning_rate,
        "seeds": list(agent.seeds),
        "batch_size": batch_size,
        "low": agent.is_fused and cloning.precision == "bfloat16_all",  # of the precisions only this one learns in less
        "code": hashlib.sha256("".join(inspect.getsource(part) for part in CODE).encode()).hexdigest()[:16],
        **computed_by(agent),
    }


class _Training:
    """The loop that trains a reference to an age: an agent that is nothing else, on the path of the one who asked."""

    EVERY = 5000  # updates between two checkpoints

    def __init__(
        self, place: Path, agent: Agent, cloning: Cloning, transitions: Transitions, batch_size: int, age: int
    ) -> None:
        """Begin anew, or with the latest of the states there are that is not too old."""
        self.place, self.transitions, self.batch_size, self.age = place, transitions, batch_size, age
        config = BCConfig(
            reference="flow" if cloning.reference == "flow" else "gaussian",
            hidden=cloning.hidden,
            learning_rate=cloning.learning_rate,
            precision=agent.config.precision,
        )
        self.agent = AGENTS["bc"].create(config, agent.dims, agent.seeds, agent.device)
        self.singly = self.agent.is_fused and not agent.is_fused
        self.batches = SeedStreams(agent.seeds, PURPOSE, agent.device)
        self.losses = [torch.zeros(0, len(agent.seeds))]
        self.seconds = 0.0
        begun = max(_states(place, age), key=lambda state: state.update, default=None)
        if begun is not None:
            for _ in _clone(begun, place, 0.0).give(self.agent, self.batches, begun.update):
                self.losses, self.seconds = [begun.tensors["losses"]], begun.facts["seconds"]

    def run(self) -> Checkpoint:
        """Train to the age and keep what was reached."""
        agent, at_once = self.agent, 1
        log(f"reference of {self.age} updates: trained once and kept in {self.place}")
        with Progress("reference", self.age, "reference update", done=agent.updates) as progress:
            while agent.updates < self.age:
                before, start = agent.updates, time.monotonic()
                count = min(at_once, self.age - before, self.EVERY - before % self.EVERY)
                self.losses.append(self._update(draw_rows(self.transitions, self.batches, self.batch_size, count)))
                seconds = time.monotonic() - start
                self.seconds += seconds
                at_once = next_count(count, seconds)
                progress.update(count)
                if agent.updates % self.EVERY == 0 and agent.updates < self.age:
                    self._save(_work(self.place, self.age))
        self._save(_of_age(self.place, self.age))
        shutil.rmtree(_work(self.place, self.age), ignore_errors=True)
        kept = load_checkpoint(_of_age(self.place, self.age))
        assert kept is not None, "it was written a moment ago"
        return kept

    def _update(self, index: Tensor) -> Tensor:
        """Do some updates; return their losses, [k, S], on the CPU."""
        if self.singly:
            return torch.stack([self.agent.update(self.transitions.rows(rows))[LOSS] for rows in index])
        return torch.cat([reported.metrics[LOSS] for reported in self.agent.update_many(self.transitions, index)]).cpu()

    def _save(self, folder: Path) -> None:
        """Write a checkpoint.

        Raises:
            NotFinite: if a loss or a weight is not finite.
        """
        state = {name: value for name, value in self.agent.state_dict().items() if name.startswith(OWN)}
        self.losses = [torch.cat(self.losses)]
        state |= {f"stream.{PURPOSE}": self.batches.state(), "losses": self.losses[0]}
        check_finite(state, self.agent.updates)
        facts = {"seconds": round(self.seconds, 3), "made": code_provenance()}
        save_checkpoint(folder, self.agent.updates, state, facts)


def served_until(cache: Path | None, agent: Agent, scale: Scale, clock: Clock, stop_at: int | None) -> int | None:
    """Return the update up to which a reference that is kept stands in for training one, None where it does not.

    Args:
        cache: where references are kept, if anywhere.
        agent: which may train one alone.
        scale: sizes of the run.
        clock: of the run; a run that trained its own goes on as it began.
        stop_at: an update at which the run is to be left (tests).
    """
    cloning, done = agent.cloning, agent.updates
    if cache is None or cloning is None or (done and clock.served is None):
        return None
    age = min(cloning.until, scale.updates)
    if cloning.until > scale.updates:  # an agent that is nothing but its reference is evaluated meanwhile
        age = min(age, done - done % scale.evaluate_every + scale.evaluate_every)
    return None if done >= age or (stop_at is not None and done < stop_at < age) else age


def _clone(kept: Checkpoint, place: Path, spent: float) -> Clone:
    """Return a kept state as a run takes it over."""
    facts = {"kept": place.name, "updates": kept.update, "seconds": kept.facts["seconds"]}
    facts |= {"commit": kept.facts["made"]["commit"], "trained_here": spent > 0}
    return Clone(kept.update, kept.tensors, kept.tensors["losses"], facts, spent)


def _of_age(place: Path, age: int) -> Path:
    """Return the folder of a reference of one age."""
    return place / f"age{age:09d}"


def _work(place: Path, age: int) -> Path:
    """Return the folder of the checkpoints on the way to an age."""
    return place / f"age{age:09d}.work"


def _states(place: Path, age: int) -> Iterator[Checkpoint]:
    """Yield the states that a training to `age` can go on from."""
    for folder in sorted(place.glob("age*")):
        kept = load_checkpoint(folder)
        if kept is not None and kept.update <= age:
            yield kept
