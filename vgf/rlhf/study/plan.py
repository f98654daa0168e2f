"""The experiment file of a comparison on language: which methods meet, on which prompts, with which seeds and model.

A file names its parts: `smollm2-135m` and the reviews that the package fetches, or a model and preferences of the
hub's. Each name may be a folder or a file instead, in the file or on the command line, so a machine without a network
runs the same experiment from what lies on its disk.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from vgf.rlhf.settings import PAIRED, SIZES, SMOLLM2, Setup, TaskName, placed
from vgf.rlhf.stopping import STOPPING, Stopping
from vgf.rlhf.study import methods
from vgf.rlhf.study.asking import check_server
from vgf.support.scales import SCALES, ScaleName
from vgf.support.strict import build, known, mapping
from vgf.support.yaml_text import read_yaml_file

AGAINST = ("ref", "chosen")


@dataclass(frozen=True)
class Comparison:
    """Methods on one set of prompts.

    Attributes:
        seeds: of the whole pipeline, from the supervised policy on.
        methods: names, as `vgf rlhf align --method`; the core ones by default.
        least_rating: of reviews, prompts whose human continuation is rated lower are left out.
        development: on the prompts for choosing, not the reported ones.
        prompts: how many, in place of the scale's.
        task: in place of the file's `language`.
        again: the pipeline of a seed that has records, trained anew on another machine; see `Setup.again`.
    """

    seeds: tuple[int, ...]
    methods: tuple[str, ...] = ()
    least_rating: float = -4.0
    development: bool = False
    prompts: int | None = None
    task: str = ""
    again: bool = False


@dataclass(frozen=True)
class JudgePlan:
    """Who compares responses to preferences: a model behind an OpenAI-compatible address; its key is never in a file.

    Attributes:
        model: name that the server knows.
        base_url: of the server; OPENAI_BASE_URL or OpenAI's own by default. A host other than OpenAI's must be given on
            the command line or in OPENAI_BASE_URL too, so that no file sends the key elsewhere.
        against: opponents of each method: ref, the supervised policy's response, and chosen, the human one.
        most_dollars: do not begin if the estimate is higher.
        answer_tokens: most tokens of an answer.
    """

    model: str
    base_url: str = ""
    against: tuple[str, ...] = AGAINST
    most_dollars: float = 50.0
    answer_tokens: int = 8

    def __post_init__(self) -> None:
        """Refuse an opponent that there is not."""
        known(self.against, AGAINST, "judge.against")


@dataclass(frozen=True)
class Plan:
    """An experiment file.

    Attributes:
        about: one sentence.
        language: the task.
        scales: comparisons by scale.
        model: smollm2-135m, a name of the hub or a folder.
        preferences: by task, a file of rows in place of the hub's dataset.
        prompt_tokens: of preferences, rows with a longer prompt are left out; 0 leaves none out.
        judge: of preferences.
        stopping: when the rivals that are trained until their reward stops rising are done.
    """

    about: str
    language: str
    scales: dict[str, list[dict[str, object]]]
    model: str = SMOLLM2
    preferences: dict[str, Any] | None = None
    prompt_tokens: int = 0
    judge: JudgePlan | None = None
    stopping: Stopping | None = None


@dataclass(frozen=True)
class Given:
    """What a machine has in place of the names in a file; empty where the file's own are taken."""

    model: str = ""
    preferences: tuple[tuple[str, Path], ...] = ()
    judge: str = ""
    base_url: str = ""
    device: str = ""


def read_plan(path: Path, scale: str, given: Given | None = None) -> tuple[Plan, list[Comparison]]:
    """Return an experiment file, with what is given in its place, and its comparisons at a scale.

    Raises:
        ValueError: naming the place in the file that is missing, unknown or wrong, or a judge's server that only the
            file names.
    """
    plan: Plan = build(Plan, read_yaml_file(path), path.name)
    known([plan.language], typing.get_args(TaskName), f"{path.name}: language")
    known(mapping(plan.scales, f"{path.name}: scales"), SCALES, f"{path.name}: scales")
    known(mapping(plan.preferences or {}, f"{path.name}: preferences"), PAIRED, f"{path.name}: preferences")
    if scale not in plan.scales:
        raise ValueError(f"{path.name} has no scale {scale!r}; it has {', '.join(plan.scales)}")
    rows, where = plan.scales[scale], f"{path.name}: scales.{scale}"
    if not isinstance(rows, list) or not rows:
        raise ValueError(f"{where} must be a list of comparisons")
    found = [build(Comparison, row, f"{where}[{k}]") for k, row in enumerate(rows)]
    for at, comparison in enumerate(found):
        methods.chosen(comparison.methods, SIZES[scale].most, SIZES[scale].particles)
        if comparison.task:
            known([comparison.task], typing.get_args(TaskName), f"{where}[{at}].task")
    given = given or Given()
    if plan.judge and not given.base_url:
        check_server(plan.judge.base_url, f"{path.name}: judge.base_url")
    return _with(plan, given), found


def _with(plan: Plan, given: Given) -> Plan:
    """Return a plan with what is given in place of its names."""
    files = (plan.preferences or {}) | {task: str(path) for task, path in given.preferences}
    judge = plan.judge
    if given.judge:
        judge = replace(judge, model=given.judge) if judge else JudgePlan(given.judge)
    if judge and given.base_url:
        judge = replace(judge, base_url=given.base_url)
    return replace(plan, model=given.model or plan.model, preferences=files, judge=judge)


def setups_of(plan: Plan, comparison: Comparison, scale: ScaleName, device: str = "") -> Iterator[Setup]:
    """Yield the experiment of each seed."""
    asked = {"prompts": comparison.prompts or SIZES[scale].prompts}
    task = typing.cast(TaskName, comparison.task or plan.language)
    file = (plan.preferences or {}).get(task)
    if task in PAIRED and plan.prompt_tokens:
        asked["prompt_tokens"] = plan.prompt_tokens
    for seed in comparison.seeds:
        yield Setup(
            plan.model,
            task,
            scale,
            seed,
            replace(SIZES[scale], **asked),
            None if file is None else Path(str(file)),
            least_rating=comparison.least_rating,
            development=comparison.development,
            placement=placed(task, scale, device),
            stopping=plan.stopping or STOPPING,
            again=comparison.again,
        )
