"""What the page with the explorer is told: the bandit, the samples, the controls and the presets.

The page moves particles in JavaScript; whatever it shares with the package comes from here in one JSON, so no constant
is written twice, and `tests/book/test_explorer.py` holds the two computations equal. `vgf.book.explorer_figure` draws
the same presets. Trade-off: samples travel in the page (some kilobytes), because a second random generator in the page
would be a second definition of the reference.

The error of the reward is one bump beyond the higher mode, where there are no data: a caricature of what the learnt
reward of the chapter on the bandit gets wrong, with the closed-form Lipschitz constant the bounds need.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from vgf import toy
from vgf.agents.vgf_config import PRESETS
from vgf.book import plots
from vgf.flow import ADAM_BETAS, ADAM_EPS, Budget, transport
from vgf.kernels import median_bandwidth
from vgf.support.paths import data_folder
from vgf.toy import Bandit, Bumps
from vgf.training.experiments import read_experiment

ERROR_CENTRE, ERROR_WIDTH = (0.95, 0.95), 0.3
CONTOUR_STEP = 0.2  # of the reward's lines on the map
SAMPLES, MOST = 4, 500  # samples of the reference in the page, and particles of each
SCRIPTS = data_folder() / "experiments" / "d4rl.yaml"  # holds the authors' settings


@dataclass(frozen=True)
class Settings:
    """One position of all controls; the field names are the page's too.

    Attributes:
        steps, step_size, temperature, optimizer: the budget, see `vgf.flow.Budget`.
        particles: N.
        repulsion: whether particles repel each other.
        bandwidth: "fixed" uses `sigma` throughout, "median" sets it anew at every step.
        sigma: the fixed bandwidth.
        error: height of the bump the followed reward has too much; 0 follows the true reward.
    """

    steps: int
    step_size: float
    temperature: float
    particles: int
    optimizer: Literal["none", "adam"] = "adam"
    repulsion: bool = True
    bandwidth: Literal["fixed", "median"] = "median"
    sigma: float = 0.3
    error: float = 1.5

    @property
    def budget(self) -> Budget:
        """The transport budget."""
        return Budget(self.steps, self.step_size, self.temperature, self.optimizer)


class Range(NamedTuple):
    """A slider: its label and what it can be set to."""

    label: str
    low: float
    high: float
    step: float


RANGES = {
    "steps": Range("Steps L", 0, 40, 1),
    "step_size": Range("Step size ε", 0.005, 0.2, 0.005),
    "temperature": Range("Temperature α", 0.05, 2.0, 0.05),
    "particles": Range("Particles N", 1, MOST, 1),
    "sigma": Range("Bandwidth σ", 0.05, 1.5, 0.05),
    "error": Range("Reward error", 0.0, 2.0, 0.05),
}


class Preset(NamedTuple):
    """A setting worth looking at, and what there is to see; `see` holds no number."""

    ident: str
    name: str
    settings: Settings
    see: str


def authors_settings() -> Settings:
    """Return the settings of the authors' D4RL scripts, read from the experiment file that holds them."""
    methods = read_experiment(SCRIPTS, "paper").task("hopper-medium-v2").methods
    vgf = next(method.config for method in methods if method.name == "vgf")
    return Settings(vgf.train_steps, vgf.step_size, vgf.temperature, vgf.particles, vgf.optimizer, vgf.repulsion)


def paper_settings() -> Settings:
    """Return the flow as the paper has it, with the budget of the agent's preset `paper`."""
    vgf = PRESETS["paper"]
    return Settings(
        vgf.train_steps, vgf.step_size, vgf.temperature, vgf.particles, vgf.optimizer, vgf.repulsion, "fixed"
    )


def presets() -> tuple[Preset, ...]:
    """Return the presets; their words hold no number."""
    authors = authors_settings()
    far = replace(authors, steps=40, particles=100)
    return (
        Preset(
            "best-of-n",
            "Best-of-N",
            replace(authors, steps=0),
            "Nothing moves. The best of the sample is executed, which is no better than the sample holds; MMD and both "
            "bounds are zero.",
        ),
        Preset(
            "rise",
            "Rise and fall",
            replace(far, step_size=0.025, particles=60),
            "Steps small enough to be watched. First promise and truth rise together; near the true top they part, and "
            "then the truth falls while the promise stays high. The curve shows every second number of steps.",
        ),
        Preset(
            "paper",
            "The paper's flow",
            paper_settings(),
            "The flow as the paper writes it: fixed steps along the attraction alone, few particles, one bandwidth. "
            "The step size, the number of steps and the bandwidth are ours: the summary we worked from names none.",
        ),
        Preset(
            "authors",
            "The authors' code",
            authors,
            "The settings of the authors' D4RL scripts: a few Adam steps, the median bandwidth. Particles that began "
            "near the foot of the higher hill climb it and stop close to its top, though the reward they follow rises "
            "further. Draw other samples: in some, none begins there, and all stay on the lower hill.",
        ),
        Preset(
            "too-far",
            "Too far: the error wins",
            far,
            "The same step, more particles and a long walk. Those on the higher hill pass its top and gather on the "
            "false one: the promise rises, the true reward falls below best-of-N's. The MMD stays small, for they are "
            "few.",
        ),
        Preset(
            "bounds",
            "Where the bounds apply",
            Settings(5, 0.015, 1.0, 100, "none", True, "fixed", 0.5, 1.5),
            "Fixed steps, a fixed and wide bandwidth, a small budget: both bounds hold and say something, ours is "
            "below the paper's, and the measured MMD is far below both. So small a budget also gains little.",
        ),
        *repulsion_presets(),
    )


def repulsion_presets() -> tuple[Preset, Preset]:
    """Return two presets that differ in the repulsion alone."""
    apart = Settings(40, 0.02, 0.1, 100, "none", True, "fixed", 0.3, 0.0)
    return (
        Preset(
            "no-repulsion",
            "No repulsion",
            replace(apart, repulsion=False),
            "No error, and nothing keeps the particles apart: nearly all collapse onto the two tops.",
        ),
        Preset(
            "repulsion",
            "The same with repulsion",
            apart,
            "Only the switch differs. The particles keep their distance, a cloud around each top. Which tops are found "
            "is the same as without.",
        ),
    )


def bandit() -> Bandit:
    """Return the book's bandit, in float64."""
    return toy.bimodal_bandit(*toy.MAIN)


def followed(reward: Bumps, error: float) -> Bumps:
    """Return the reward the particles follow: the true one and, for an error > 0, a bump of that height beyond it."""
    return reward.adding(list(ERROR_CENTRE), ERROR_WIDTH, error) if error > 0 else reward


def samples() -> list[list[float]]:
    """Return samples of the reference inside the box, each a flat [x0, y0, x1, ...] of `MOST` actions, 4 digits."""
    drawn = []
    for seed in range(SAMPLES):
        pool = bandit().reference.sample(2 * MOST, generator=torch.Generator().manual_seed(seed))
        inside = pool[(pool >= toy.BOX[0]).all(-1) & (pool <= toy.BOX[1]).all(-1)][:MOST]
        drawn.append([round(x, 4) for x in inside.flatten().tolist()])
    return drawn


def start(settings: Settings, sample: int = 0) -> Tensor:
    """Return the particles a walk of these settings begins with, [N, 2]."""
    return torch.tensor(samples()[sample], dtype=torch.float64).reshape(-1, 2)[: settings.particles]


def walk(settings: Settings, particles: Tensor) -> Tensor:
    """Return where `vgf.flow` takes the particles, [N, 2] to [L + 1, N, 2]: what the page must agree with."""
    return transport(
        particles,
        followed(bandit().reward, settings.error).score,
        settings.budget,
        bandwidth="median" if settings.bandwidth == "median" else settings.sigma,
        repulsion=settings.repulsion,
        bounds=toy.BOX,
        trace=True,
    ).particles


def page_data() -> dict[str, Any]:
    """Return everything the page needs to know, ready for JSON."""
    reward, reference = bandit().reward, bandit().reference
    coincident = torch.zeros(1, 1, dtype=torch.float64)
    light = plots.PALETTE | {"ink": plots.INK, "muted": plots.MUTED, "grid": plots.GRID, "paper": plots.PAPER}
    return {
        "box": toy.BOX,
        "reward": {name: getattr(reward, name).tolist() for name in ("centres", "widths", "heights")},
        "reference": {name: getattr(reference, name).tolist() for name in ("means", "stds")},
        "error": {"centre": ERROR_CENTRE, "width": ERROR_WIDTH},
        "adam": {"beta1": ADAM_BETAS[0], "beta2": ADAM_BETAS[1], "eps": ADAM_EPS},
        "contour_step": CONTOUR_STEP,
        "median_floor": median_bandwidth(coincident).square().item(),
        "ranges": {name: span._asdict() for name, span in RANGES.items()},
        "presets": [preset._asdict() | {"settings": asdict(preset.settings)} for preset in presets()],
        "colours": {"light": light, "dark": {name: plots.DARK[colour] for name, colour in light.items()}},
        "samples": samples(),
    }
