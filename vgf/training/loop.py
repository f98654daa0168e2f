"""The only training loop: a method's seeds train together, offline and then perhaps online, and are evaluated.

A run that was killed goes on from its last checkpoint exactly as if it had not been: the checkpoint holds weights,
Adam, target and random streams, and what is drawn depends on nothing else. The loop asks the device for a number only
at a logged update; acting online waits for the device, because the environment does.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import pandas as pd
from torch import Tensor

from vgf.agents import AGENTS, VGF, Reported
from vgf.agents.hardware import bfloat16_speedup
from vgf.agents.reported import one_update
from vgf.networks import SeedStreams
from vgf.support.places import check_writable
from vgf.support.progress import Progress, log
from vgf.training.batches import PURPOSE, counted, draw_rows, next_count
from vgf.training.checkpoints import KEPT, Checkpoint, load_checkpoint
from vgf.training.choices import rank
from vgf.training.clock import Clock
from vgf.training.clones import clone, served_until
from vgf.training.evaluate import evaluate
from vgf.training.inputs import TrainingInputs, check_fit
from vgf.training.metrics import MetricWindow, NotFinite
from vgf.training.monitor import Monitor
from vgf.training.online import FineTuning
from vgf.training.publishing import publish
from vgf.training.record_place import leave_nothing
from vgf.training.runs import Run, append
from vgf.training.saving import Saver


def train(run: Run, inputs: TrainingInputs, monitor: Monitor | None = None, stop_at: int | None = None) -> bool:
    """Train one method to the end, going on from its last checkpoint, and leave a record.

    Args:
        run: what to train.
        inputs: data, environments and device.
        monitor: who watches.
        stop_at: leave after this update as an interruption would (tests).

    Returns:
        Whether it came to the end.

    Raises:
        ValueError: if data and environment do not fit each other, or a metric or a weight becomes NaN or infinite; the
            checkpoints of before stay, and without one nothing does.
    """
    try:
        return _Training(run, inputs, monitor or Monitor(run)).execute(stop_at)
    except NotFinite as error:
        last = load_checkpoint(run.work)
        kept = f"the last good checkpoint is that of update {last.update}" if last else "there is no checkpoint yet"
        leave_nothing(run.work)
        raise ValueError(f"{run.method.name} on {run.plan.name}: {error}; {kept}; {REMEDY}") from None


REMEDY = "give a smaller learning_rate, or scale rewards and observations to about 1"
STATES = 3  # of a checkpoint's numbers are the weights and Adam's two moments
SLOWER = 0.9  # warn if bfloat16 runs below this share of float32's speed; smaller differences are timing noise


class _Training:
    """The loop and what it holds: agent, streams, rows not yet written."""

    def __init__(self, run: Run, inputs: TrainingInputs, monitor: Monitor) -> None:
        """Begin anew, or as the last checkpoint left it."""
        self.run, self.inputs, self.monitor, self.scale = run, inputs, monitor, run.scale
        seeds = self.scale.seeds
        dims = check_fit(run.task.name, inputs.transitions, inputs.envs)
        self.agent = AGENTS[run.method.agent].create(run.method.config, dims, seeds, inputs.device)
        weights = sum(value.nbytes for value in self.agent.policy().values())
        check_writable(run.work, (KEPT + 1) * STATES * weights)
        self.agent.cache = inputs.cache
        self.batches, self.clock = SeedStreams(seeds, PURPOSE, inputs.device), Clock()
        self.window, self.rows, self.saver = MetricWindow(), list[pd.DataFrame](), Saver(run)
        self.at_once = 1  # updates of one call; grows with what they take
        self.online: FineTuning | None = None
        if self.scale.online is not None:
            assert inputs.acting is not None, "fine-tuning online needs environments to act in"
            sizes = (self.scale.online, seeds, self.scale.updates)
            self.online = FineTuning(*sizes, inputs.transitions, inputs.acting, run.task, inputs.reward)
        self._check_precision()
        checkpoint = load_checkpoint(run.work)
        if checkpoint is not None:
            self._resume(checkpoint)

    def execute(self, stop_at: int | None) -> bool:
        """Train to the end, or to an update after which to leave; see `train`."""
        scale, agent = self.scale, self.agent
        stages = (scale.updates, scale.all_updates)  # ends of the offline and of the online phase
        if stop_at is not None and agent.updates >= stop_at:  # it was killed between that checkpoint and its end
            return False
        alone = getattr(agent.config, "pretrain", 0)  # until then there is no critic to act by
        if agent.updates == 0:
            self._evaluate(scale.test_steps[:1])
        self.clock.start()
        told = f"train {self.run.method.name}"
        with self.saver.on_interruption(), Progress(told, stages[-1], "update", done=agent.updates) as progress:
            while agent.updates < stages[-1]:
                before = agent.updates
                if (age := served_until(self.inputs.cache, agent, scale, self.clock, stop_at)) is None:
                    for reported in counted(agent, before, self._update(stop_at)):
                        self.window.add(reported)
                else:
                    self._take_over(age)
                progress.update(agent.updates - before)
                done, stage = agent.updates, agent.updates in stages
                if stage or done % scale.log_every == 0:
                    self._log()
                if stage or (done > alone and done % scale.evaluate_every == 0):
                    self._evaluate(scale.test_steps)
                if stage or done % scale.log_every == 0:
                    self._checkpoint(stage or done % scale.checkpoint_every == 0)
                if done == stop_at:
                    return False
        publish(self.run, agent, self.clock)
        return True

    def _check_precision(self) -> None:
        """Say where a lower precision is slower here, or is not what trains."""
        agent, name = self.agent, self.run.method.name
        precision = getattr(agent.config, "precision", "float32")
        if precision != "float32" and (gain := bfloat16_speedup(agent.device)) < SLOWER:
            log(
                f"train {name}: products in bfloat16 take {1 / gain:.1f} times as long as in float32 here; "
                "precision: float32 is faster"
            )
        if not agent.is_fused and precision not in agent.eager_precisions:
            log(f"train {name}: precision {precision} needs the fused core; what learns is in float32 without it")

    def _take_over(self, age: int) -> None:
        """Take a reference that is kept in place of training it, and log what its updates reported."""
        assert self.inputs.cache is not None, "it is kept there"
        kept = clone(self.inputs.cache, self.agent, self.inputs.transitions, self.scale.batch_size, age)
        self.clock.serve(kept.facts, kept.spent)
        for reported in kept.give(self.agent, self.batches, self.scale.log_every):
            self.window.add(reported)
            if self.agent.updates < age:
                self._log()

    def _update(self, stop_at: int | None) -> list[Reported]:
        """Do some updates: as many as fit in a call before something else is due, or one where the agent acts too."""
        agent, size = self.agent, self.scale.batch_size
        if self.online is not None and agent.updates >= self.scale.updates:
            self.online.advance(agent)
            metrics = agent.update(self.online.batch(self.batches, size))
            return [one_update(agent.name, agent.updates, metrics, agent.metric_names, len(agent.seeds))]
        data = self.inputs.transitions
        count, start = min(self.at_once, self._until_due(stop_at)), time.monotonic()
        reported = agent.update_many(data, draw_rows(data, self.batches, size, count))
        self.at_once = next_count(count, time.monotonic() - start)
        return reported

    def _until_due(self, stop_at: int | None) -> int:
        """Return how many updates there are until the loop has something else to do, or the reference is done."""
        done, scale = self.agent.updates, self.scale
        marks = (scale.updates, getattr(self.agent.config, "pretrain", 0), stop_at or 0)
        every = (scale.log_every, scale.evaluate_every, scale.checkpoint_every)
        return min([mark - done for mark in marks if mark > done] + [each - done % each for each in every])

    def _log(self) -> None:
        """Add a row a seed to the curve."""
        rows = self.window.rows(self.agent)
        self.rows.append(rows if self.online is None else self.online.report(rows))
        self.monitor.curve(self.rows[-1])

    def _evaluate(self, test_steps: Sequence[int]) -> None:
        """Evaluate and keep the rows, where there is an environment."""
        if self.inputs.envs is None:
            return
        self.clock.stop("training")
        run, agent = self.run, self.agent
        rows = evaluate(
            agent,
            self.inputs.envs,
            test_steps=test_steps,
            episodes=self.scale.episodes,
            episode_steps=run.task.episode_steps,
            signals=run.plan.signals,
            progress=f"evaluate {run.method.name} after {agent.updates} updates",
            starts=self.scale.starts,
        )
        rows.insert(1, "update", agent.updates)
        if self.online is not None:
            rows.insert(2, "environment_steps", self.online.steps)
        append(run, rows, "episodes")
        self.monitor.episodes(rows)
        self.clock.stop("evaluation")
        if self.scale.ranking_episodes and isinstance(agent, VGF) and agent.updates > agent.config.pretrain:
            told = f"rank the actions of {run.method.name} after {agent.updates} updates"
            ranked = rank(agent, self.inputs.envs, self.scale.ranking_episodes, run.task.episode_steps, told)
            append(run, pd.concat(ranked).assign(update=agent.updates), "ranking")
            self.clock.stop("ranking")

    def _checkpoint(self, is_due: bool) -> None:
        """Write a logged update where that is due, by the sizes or by the clock; keep it for an interruption else."""
        acts = self.online is not None and self.agent.updates >= self.scale.updates
        if acts and not is_due:  # a checkpoint breaks off the episodes under way, which is part of the numbers
            return
        if self.online is not None and is_due:
            self.online.restart()
        if is_due or self.saver.is_late():
            self.saver.save(self.agent.updates, self._state(), self.clock, self.rows)
            self.rows.clear()
        else:
            self.saver.keep(self.agent.updates, self._state(), self.clock, self.rows)

    def _state(self) -> dict[str, Tensor]:
        """Return everything the next update depends on."""
        state = self.agent.state_dict() | {"stream.batches": self.batches.state()}
        return state | (self.online.state() if self.online is not None and self.online.steps else {})

    def _resume(self, checkpoint: Checkpoint) -> None:
        """Go on from a checkpoint.

        Raises:
            ValueError: if it belongs to another run.
        """
        path, found = checkpoint.path, checkpoint.facts.get("ident")
        if found != self.run.ident:
            other = checkpoint.facts.get("method")
            raise ValueError(f"{path}: a checkpoint of another run, of method {other}; remove {path.parent}")
        self.agent.load_state_dict(checkpoint.tensors)
        self.batches.set_state(checkpoint.tensors["stream.batches"])
        if self.online is not None and "online.rows" in checkpoint.tensors:
            self.online.set_state(checkpoint.tensors)
        self.clock = Clock(checkpoint.facts["clock"])
        log(f"train {self.run.method.name}: goes on from update {self.agent.updates}")
