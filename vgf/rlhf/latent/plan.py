"""The experiment file of the latent testbeds: wishes, predictions, rule and sizes."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vgf.rlhf.latent.wishes import wishes
from vgf.support.scales import SCALES
from vgf.support.strict import build, known, mapping
from vgf.support.yaml_text import read_yaml_file

LANGUAGES = ("latent", "latent-budget")  # wishes for which a direction depends on the particle; how far to go


@dataclass(frozen=True)
class Sizes:
    """How much is done at a scale.

    Attributes:
        seeds: reported; each trains prior and ratings anew.
        tuning_seeds: for choosing settings; of these none is reported. None where nothing is chosen beforehand.
        prompts: of each half.
        dimensions: d of the latent.
        particles: N.
        steps: L.
        flow_steps: Euler steps of the prior.
        prior_steps, prior_width: of its training; three layers.
        rating_steps, rating_width: of the rating networks; two layers.
        condition_noise, rating_noise: standard deviations of what is added while training.
        batch: of a training step.
        rate: Adam's.
    """

    seeds: tuple[int, ...]
    tuning_seeds: tuple[int, ...] = ()
    prompts: int = 128
    dimensions: int = 32
    particles: int = 8
    steps: int = 10
    flow_steps: int = 10
    prior_steps: int = 1000
    prior_width: int = 256
    rating_steps: int = 200
    rating_width: int = 128
    condition_noise: float = 0.5
    rating_noise: float = 0.3
    batch: int = 256
    rate: float = 1e-3

    def __post_init__(self) -> None:
        """Refuse sizes without meaning, and seeds that choose and are reported."""
        for name, value in asdict(self).items():
            if not isinstance(value, tuple) and not value > 0:
                raise ValueError(f"{name} must be > 0, got {value!r}")
        if not self.seeds or set(self.seeds) & set(self.tuning_seeds):
            raise ValueError("seeds must be given, and none may be in both seeds and tuning_seeds")


@dataclass(frozen=True)
class Testbed:
    """A wish, as the file has it.

    Attributes:
        wish: the reward in words.
        prediction: written before the run.
        worth: the smallest difference of people's values that would matter.
    """

    wish: str
    prediction: str
    worth: float


@dataclass(frozen=True)
class Plan:
    """An experiment file.

    Attributes:
        about: one sentence.
        language: "latent".
        topics: in words; the sentence encoder makes vectors of them.
        testbeds: by the names of `vgf.rlhf.latent.wishes`.
        displacements, temperatures: what settings are chosen from.
        gate: most distance to the nearest text, in that of no step, where particles shall stay near texts.
        rule: how they are chosen and what is called a benefit, in words.
        scales: sizes by scale.
    """

    about: str
    language: str
    topics: tuple[str, ...]
    testbeds: dict[str, Any]
    displacements: tuple[float, ...]
    temperatures: tuple[float, ...]
    gate: float
    rule: str
    scales: dict[str, Any]

    @property
    def names(self) -> dict[str, Testbed]:
        """The testbeds."""
        return {name: build(Testbed, row, f"testbeds.{name}") for name, row in self.testbeds.items()}


@dataclass(frozen=True)
class BudgetPlan:
    """An experiment file of a study of budgets.

    Attributes:
        about: one sentence.
        language: "latent-budget".
        topics: in words, as in `Plan`; the space is the same.
        predictions: by name, written before the run.
        displacements: budgets of what moves, in the latent's standard deviations.
        samples: budgets of best-of-N.
        worth: the smallest difference of people's ratings that would matter.
        rule: how a budget is chosen and what is called over-optimisation, in words.
        scales: sizes by scale.
    """

    about: str
    language: str
    topics: tuple[str, ...]
    predictions: dict[str, str]
    displacements: tuple[float, ...]
    samples: tuple[int, ...]
    worth: float
    rule: str
    scales: dict[str, Any]


def read_latent_plan(path: Path, scale: str) -> tuple[Plan, Sizes]:
    """Return an experiment file and its sizes at a scale.

    Raises:
        ValueError: naming the place in the file that is missing, unknown or wrong.
    """
    plan: Plan = build(Plan, read_yaml_file(path), path.name)
    known([plan.language], ["latent"], f"{path.name}: language")
    known(plan.names, list(wishes(1.0)), f"{path.name}: testbeds")
    known(mapping(plan.scales, f"{path.name}: scales"), SCALES, f"{path.name}: scales")
    if len(plan.topics) != wishes(1.0)["modes"].modes:
        raise ValueError(f"{path.name}: topics: two are needed, got {len(plan.topics)}")
    if scale not in plan.scales:
        raise ValueError(f"{path.name} has no scale {scale!r}; it has {', '.join(plan.scales)}")
    sizes: Sizes = build(Sizes, plan.scales[scale], f"{path.name}: scales.{scale}")
    if not sizes.tuning_seeds:
        raise ValueError(f"{path.name}: scales.{scale}.tuning_seeds is missing; settings are chosen on them")
    return plan, sizes


def language_of(path: Path) -> str:
    """Return what an experiment file says of its language: "latent" or "latent-budget"; ValueError for another."""
    found = mapping(read_yaml_file(path), path.name).get("language", "latent")
    known([found], LANGUAGES, f"{path.name}: language")
    return str(found)


def read_budget_plan(path: Path, scale: str) -> tuple[BudgetPlan, Sizes]:
    """Return the experiment file of a study of budgets and its sizes at a scale; ValueError as `read_latent_plan`."""
    plan: BudgetPlan = build(BudgetPlan, read_yaml_file(path), path.name)
    known([plan.language], LANGUAGES[1:], f"{path.name}: language")
    known(mapping(plan.scales, f"{path.name}: scales"), SCALES, f"{path.name}: scales")
    for name in ("displacements", "samples"):
        ladder = getattr(plan, name)
        if not ladder or min(ladder) <= 0 or list(ladder) != sorted(set(ladder)):
            raise ValueError(f"{path.name}: {name} must be rising numbers > 0, got {list(ladder)}")
    if scale not in plan.scales:
        raise ValueError(f"{path.name} has no scale {scale!r}; it has {', '.join(plan.scales)}")
    return plan, build(Sizes, plan.scales[scale], f"{path.name}: scales.{scale}")
