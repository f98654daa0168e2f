"""Sizes of the language experiments, and the folder each stage leaves its work in.

A stage's folder is named by a digest of all content and every setting its result depends on, so that unequal ones never
mix and an interrupted one is found again. The price is that a changed size starts a stage anew.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from vgf.rlhf.made_of import model_of, task_of
from vgf.rlhf.parts.registry import cache_folder
from vgf.rlhf.placement import WHOLE, Placement, placement_of, precision_of
from vgf.rlhf.stopping import STOPPING, TO_STOP, Stopping
from vgf.support.config import check_config
from vgf.support.given import place, whole
from vgf.support.provenance import fingerprint
from vgf.support.scales import ScaleName

SMOLLM2 = "smollm2-135m"
TaskName = Literal["reviews", "tldr", "hh"]
PAIRED = ("tldr", "hh")  # tasks of preferences, which have no judge of their own
VERSION = 1  # raise it when the same settings would give other numbers


@dataclass(frozen=True)
class Sizes:
    """How much is done.

    Attributes:
        sft_steps, sft_batch, sft_rate, rank: supervised steps, responses a step, Adam's rate, rank of the update.
        reward_steps, reward_batch, reward_rate, reward_layers: the same of the reward model, and its depth.
        prompts: test prompts.
        particles: responses a prompt, N.
        tokens: most tokens of a response; a prompt's are its own.
        most: the most responses best-of-N draws for a prompt.
        together: responses sampled at once.
        save_every: training steps between checkpoints.
        bc_prompts, bc_steps: prompts weighted behaviour cloning samples from, and its steps.
        prompt_tokens: of preferences, rows with a longer prompt are left out; 0 leaves none out.
        value_rank: rank of the update of PPO's value model; 0 trains all of its weights.
    """

    sft_steps: int = 100
    sft_batch: int = 16
    sft_rate: float = 1e-3
    rank: int = 16
    reward_steps: int = 150
    reward_batch: int = 64
    reward_rate: float = 1e-3
    reward_layers: int = 1
    prompts: int = 100
    particles: int = 8
    tokens: int = 22
    most: int = 32
    together: int = 128
    save_every: int = 20
    bc_prompts: int = 64
    bc_steps: int = 30
    prompt_tokens: int = field(default=0, metadata={"before": 0})
    value_rank: int = field(default=0, metadata={"before": 0})

    def __post_init__(self) -> None:
        """Refuse sizes that have no meaning."""
        may_be_zero = ("prompt_tokens", "value_rank")
        positive = [one.name for one in fields(self) if one.name not in may_be_zero]
        check_config(self, positive=positive, nonnegative=may_be_zero)
        if self.particles > self.most:
            raise ValueError(f"most ({self.most}) must be at least particles ({self.particles})")


SIZES: dict[str, Sizes] = {
    "quick": Sizes(
        sft_steps=30, reward_steps=60, prompts=16, most=16, together=64, bc_prompts=16, bc_steps=5, value_rank=16
    ),
    "cpu": Sizes(reward_steps=200, bc_prompts=200, bc_steps=30),
    "paper": Sizes(
        sft_steps=2000,
        sft_batch=64,
        sft_rate=2e-4,
        rank=64,
        reward_steps=2000,
        reward_rate=2e-4,
        reward_layers=12,
        prompts=512,
        tokens=128,
        together=32,
        value_rank=64,
        save_every=200,
        bc_prompts=4000,
        bc_steps=1000,
    ),
}
DEPENDS = {
    "sft": ("sft_steps", "sft_batch", "sft_rate", "rank"),
    "reward": ("reward_steps", "reward_batch", "reward_rate", "reward_layers"),
    "bc": ("bc_prompts", "bc_steps", "particles"),
}


@dataclass(frozen=True)
class Setup:
    """Which experiment, at which size.

    Attributes:
        model: smollm2-135m, a model's name on the hub, or a folder that holds one.
        task: reviews, or a preference task: tldr, hh.
        scale: quick, cpu or paper; every record says it.
        seed: of training, sampling and smoothing.
        sizes: how much is done.
        preferences: a file of rows in place of the task's own dataset.
        least_rating: of reviews, prompts whose human continuation is rated lower are left out of the test.
        development: choose on prompts from the other end of the test split than the reported ones.
        placement: where and how it is worked on; see `vgf.rlhf.placement`.
        stopping: when the rivals that are trained to a stop are.
        again: whether records are kept apart, for a seed that was trained before on another machine. Rounding makes
            its models others, and rows of two policies must not be paired.
    """

    model: str = SMOLLM2
    task: TaskName = "reviews"
    scale: ScaleName = "quick"
    seed: int = 0
    sizes: Sizes = SIZES["quick"]
    preferences: Path | None = None
    least_rating: float = -4.0
    development: bool = False
    placement: Placement = WHOLE
    stopping: Stopping = STOPPING
    again: bool = False

    def __post_init__(self) -> None:
        """Take paths and numbers as people have them."""
        object.__setattr__(self, "model", str(self.model))
        object.__setattr__(self, "seed", whole("seed", self.seed, 0))
        if self.preferences is not None:
            object.__setattr__(self, "preferences", place("preferences", self.preferences))

    @property
    def task_name(self) -> str:
        """The task as records call it: with the least rating, and marked when trained again or in development."""
        name = self.task if self.least_rating <= -4 else f"{self.task}-{self.least_rating:g}"
        name += "-again" if self.again else ""
        return f"{name}-development" if self.development else name

    @property
    def made_of(self) -> dict[str, Any]:
        """What everything is made of, by content: the model and the data; see `vgf.rlhf.made_of`."""
        return {"model": model_of(self.model), "task": task_of(self.task, self.preferences)}

    def precision(self, stage: str = "") -> str:
        """Return what a stage works in: float32 where bfloat16 drops most of an update, else as it is placed."""
        return "float32" if stage in TO_STOP else precision_of(self.placement)

    def folder(self, stage: str) -> Path:
        """Return the folder of a stage: of content and settings it and the stages before it depend on."""
        sizes = asdict(self.sizes)
        upstream = {"judge": (), "sft": ("sft",), "reward": ("sft", "reward")}.get(stage, ("sft", "reward", "bc"))
        chosen: dict[str, Any] = {key: sizes[key] for part in upstream for key in DEPENDS[part]}
        chosen["tokens"] = self.sizes.tokens
        if self.sizes.prompt_tokens and self.task != "reviews" and stage != "judge":
            chosen["prompt_tokens"] = self.sizes.prompt_tokens
        if self.sizes.value_rank and stage in ("ppo", "ppo_trained"):
            chosen["value_rank"] = self.sizes.value_rank
        if stage in TO_STOP:
            chosen |= {"stopping": asdict(self.stopping)}
        facts = {"version": VERSION, **self.made_of, **chosen}
        slug = self.model.rstrip("/").split("/")[-1]
        seed = () if stage == "judge" else (f"seed{self.seed}",)
        return cache_folder().joinpath("work", f"{slug}-{self.task}-{fingerprint(facts)}", stage, *seed)


def placed(task: str, scale: str, device: str = "") -> Placement:
    """Return where and how a task is worked on: preferences, whose texts are long, leanly at every scale."""
    return placement_of(scale, device, lean=task in PAIRED)
