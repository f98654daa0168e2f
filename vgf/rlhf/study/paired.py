"""Experiments on preferences, before and after: what they need and cost is asked first, a model judges at the end.

TL;DR and HH have no judge of their own, and a model of the paper's size takes hours. So before a stage begins the model
is looked for, each task's rows are read, the judge is asked one question, and memory and hours are told; what the
device cannot hold is refused. The price is a minute before anything is trained.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from vgf.rlhf.models import find_model, load_tokenizer
from vgf.rlhf.parts.data import Row, Splits
from vgf.rlhf.parts.prepare import model_folder
from vgf.rlhf.settings import SMOLLM2, Setup
from vgf.rlhf.stages import load_splits
from vgf.rlhf.study import verdicts
from vgf.rlhf.study.align import complete
from vgf.rlhf.study.api_judge import Pair, estimate
from vgf.rlhf.study.asking import KEY, ApiJudge, api_key, ask
from vgf.rlhf.study.cost import Costs, Machine, StageCost, check_fits, in_words, machine_of
from vgf.rlhf.study.methods import Method
from vgf.rlhf.study.model_size import config_of
from vgf.rlhf.study.plan import JudgePlan, Plan
from vgf.rlhf.training import read_done
from vgf.support.progress import log

Work = Sequence[tuple[Setup, list[Method]]]
QUESTION = "Reply with one word and nothing else: TIE."  # is there a judge, and does it do as it is asked


def check(name: str, plan: Plan, work: Work, root: Path | None = None) -> None:
    """Ask for everything that an experiment on preferences needs, and tell what it costs.

    Args:
        name: of the file, for messages.
        plan: its content.
        work: each setup with its methods.
        root: of the records.

    Raises:
        ValueError: if model, rows or judge are missing, or the device is too small, in one line with the remedy.
    """
    folder = find_model(plan.model, model_folder(), SMOLLM2)
    tokenizer = load_tokenizer(folder)
    first = {setup.task: setup for setup, _ in work}
    rows = {task: load_splits(setup, tokenizer) for task, setup in first.items()}
    judge = judge_of(name, plan)
    for task in first if plan.judge and "ref" in plan.judge.against else ():
        if not any(method.name == "sft" for setup, methods in work if setup.task == task for method in methods):
            raise ValueError(f"{name}: {task} is judged against ref; add sft to its methods")
    missing = [(setup, methods) for setup, methods in work if not complete(setup, methods, root)]
    if not missing:
        return
    key = api_key()
    log(f"judge {judge.model}: questions and the key of {KEY} go to {judge.server}")
    reply = ask(judge, judge.address(), key, QUESTION, "a first question")
    dollars = sum(_dollars(judge, plan.judge, setup, methods, rows[setup.task]) for setup, methods in missing)
    log(f"judge {judge.model}: answers ({reply['served'] or 'unnamed'}), about {dollars:.2f} dollars in all")
    if plan.judge and dollars > plan.judge.most_dollars:
        raise ValueError(f"about {dollars:.2f} dollars, more than judge.most_dollars {plan.judge.most_dollars:g}")
    machine = machine_of(missing[0][0].placement.device)
    config, every = config_of(folder), list[StageCost]()
    for task in dict.fromkeys(setup.task for setup, _ in missing):
        own = [(setup, methods) for setup, methods in missing if setup.task == task]
        costs = _costs(config, own, rows[task], machine)
        log(f"{task}\n{in_words(costs, machine, len({setup.seed for setup, _ in own}))}")
        every += costs
    check_fits(every, machine)


def judge_of(name: str, plan: Plan) -> ApiJudge:
    """Return who judges; ValueError with the remedy where nobody is named, or there is no address."""
    if plan.judge is None:
        raise ValueError(
            f"{name}: {plan.language} has no judge of its own; name one with --judge MODEL, of any OpenAI-compatible "
            f"server (--base-url), its key in {KEY}"
        )
    judge = ApiJudge(plan.judge.model, plan.judge.base_url, answer_tokens=plan.judge.answer_tokens)
    judge.address()
    return judge


def judged(plan: Plan, work: Work, root: Path | None = None) -> Iterator[str]:
    """Yield what the judge says of each task and seed, a line a method."""
    done = set()
    for setup, _ in work:
        if plan.judge is None or (key := (setup.task_name, setup.seed)) in done:
            continue
        done.add(key)
        judge = judge_of("", plan)
        for against in plan.judge.against:
            told = verdicts.judged(setup, judge, (), against, plan.judge.most_dollars, root)
            yield f"{setup.task_name}, {setup.scale}, seed {setup.seed}, judge {judge.model}\n\n{told}"


def _costs(config: object, work: Work, splits: Splits, machine: Machine) -> list[StageCost]:
    """Return the cost of each stage of one task, summed over the seeds where it is not done; comparisons are last."""
    lengths = [len(row.prompt) for row in (*splits.sft, *splits.reward, *splits.test)]
    found, seen = dict[tuple[str, ...], StageCost](), set[Path]()

    def add(key: tuple[str, ...], cost: StageCost) -> None:
        found[key] = replace(cost, hours=cost.hours + (found[key].hours if key in found else 0.0))

    for setup, methods in work:
        costs = Costs(config, setup, float(np.mean(lengths)), max(lengths), machine)
        for stage in ("sft", "reward", *(method.stage for method in methods if method.stage)):
            folder = setup.folder(stage)
            if folder not in seen and read_done(folder) is None:
                add((stage,), costs.stage(stage))
            seen.add(folder)
        add(("comparison", *(method.name for method in methods)), costs.align(methods))
    return [found[key] for key in sorted(found, key=lambda key: key[0] == "comparison")]


def _dollars(judge: ApiJudge, plan: JudgePlan | None, setup: Setup, methods: Sequence[Method], splits: Splits) -> float:
    """Return about what the judge costs for some methods, from the lengths of people's texts."""
    texts: list[Row] = splits.test[: setup.sizes.prompts]
    pairs = [Pair("", " " * 4 * len(row.prompt), *[" " * 4 * setup.sizes.tokens] * 2) for row in texts]
    count = sum(method.name not in ("human", "sft") for method in methods) * len(plan.against if plan else ())
    return count * estimate(judge, pairs)[1]
