"""Train the seeds of one run in groups, in several processes, and join the groups to one record.

A seed's numbers do not depend on which seeds are trained beside it (`vgf.networks.SeedStreams`), so a run may be taken
apart. Each group of seeds is then a run of its own, with its own checkpoints, whose small record lies in the work
folder of the whole until all are there; they are then joined to what one process would have left: the same rows, one
policy with all seeds, one entry of run.json, whose seconds are the sum of the groups'. The price is data and simulators
once a group, and a loss where networks are so small that seeds trained together share more than half of an update.

A run goes on as it began: checkpoints of all seeds together are not taken apart, and those of groups not joined.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from vgf import records
from vgf.agents import Agent
from vgf.support.files import locked
from vgf.training import critic_age
from vgf.training.checkpoints import add_policy, join_seeds, load_agent, one_seed
from vgf.training.publishing import PUBLISHING, make_way
from vgf.training.record_place import UNFINISHED
from vgf.training.runs import Run, add_rows, is_recorded

PREFIX = "group"  # of the folders of groups: group0..2,5 and group0..2,5.work


def of_group(run: Run, seeds: Sequence[int]) -> Run:
    """Return some seeds of a run as a run of its own, with its places below the work folder of the whole."""
    experiment = replace(run.experiment, scale=replace(run.experiment.scale, seeds=tuple(seeds)))
    name = PREFIX + _named(seeds)
    return replace(run, experiment=experiment, folder=run.work / name, work=run.work / f"{name}.work")


def parts(run: Run, groups: int) -> list[Run]:
    """Return what is to be trained: the run, or groups of its seeds where it began so, or where it begins so now.

    Args:
        run: the whole.
        groups: how many to make of seeds that no group of before has; 1 leaves a run together that has not begun.
    """
    seeds = run.experiment.scale.seeds
    begun = _begun(run.work, set(seeds))
    if any(run.work.glob("checkpoint-*.json")) or (not begun and min(groups, len(seeds)) == 1):
        return [run]
    rest = [seed for seed in seeds if not any(seed in group for group in begun)]
    count = max(1, min(groups - len(begun), len(rest)))
    fresh = [[int(seed) for seed in group] for group in np.array_split(rest, count) if len(group)]
    return [of_group(run, group) for group in [*begun, *fresh]]


def is_finished(part: Run) -> bool:
    """Say whether a part has left its record."""
    return is_recorded(part, replace=True)


def join(run: Run, trained: Sequence[Run]) -> None:
    """Make the record of a run from those of its groups, run.json last, and clear its work folder.

    A process killed on the way leaves the groups' records; joining them again changes nothing that is there.
    """
    seeds = run.experiment.scale.seeds
    with locked(run.folder, PUBLISHING):
        make_way(run)
        _join(run, trained, seeds)
    shutil.rmtree(run.work, ignore_errors=True)


def _join(run: Run, trained: Sequence[Run], seeds: Sequence[int]) -> None:
    """Put the rows, policies and facts of groups into the run's record."""
    entries: list[dict[str, Any]] = []
    agents: dict[int, Agent] = {}
    for part in trained:
        own = part.experiment.scale.seeds
        add_rows(part.folder, run.folder, own)
        entries.append(records.read_runs(part.folder)[-1])
        agents |= dict.fromkeys(own, load_agent(part.folder)[0])
    joined = join_seeds([one_seed(agents[seed], seed) for seed in seeds])
    add_policy(run.folder, joined, run.task.name)
    last: dict[str, Any] = max(entries, key=lambda entry: entry["finished"])
    seconds = {what: round(sum(entry["seconds"][what] for entry in entries), 3) for what in last["seconds"]}
    measured: dict[str, dict[str, float]] = {}
    for entry in entries:
        for name, numbers in entry.get("measured", {}).items():
            measured.setdefault(name, {}).update(numbers)
    facts = {
        **({"measured": measured} if measured else {}),
        "id": run.ident,
        "seeds": list(seeds),
        "groups": [entry["seeds"] for entry in entries],
        "started": min(entry["started"] for entry in entries),
        "seconds": seconds,
        **critic_age.facts(run.folder, run.settings, seeds),
    }
    records.merge_run(run.folder, last | facts)
    (run.folder / UNFINISHED).unlink()


def _begun(work: Path, seeds: set[int]) -> list[list[int]]:
    """Return the groups that have left something in a run's work folder; of two that share a seed, the first."""
    found: list[list[int]] = []
    for name in sorted({path.name.removesuffix(".work") for path in work.glob(f"{PREFIX}*")}):
        group = _seeds(name.removeprefix(PREFIX))
        if seeds.issuperset(group) and not any(set(group) & set(other) for other in found):
            found.append(group)
    return found


def _named(seeds: Sequence[int]) -> str:
    """Return seeds as a short name: 0..2,5 for 0, 1, 2, 5."""
    spans: list[list[int]] = []
    for seed in seeds:
        if spans and seed == spans[-1][1] + 1:
            spans[-1][1] = seed
        else:
            spans.append([seed, seed])
    return ",".join(f"{a}..{b}" if b > a else str(a) for a, b in spans)


def _seeds(name: str) -> list[int]:
    """Return the seeds of such a name."""
    spans = [[int(end) for end in span.split("..")] for span in name.split(",")]
    return [seed for span in spans for seed in range(span[0], span[-1] + 1)]
