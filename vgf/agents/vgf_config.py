"""What can be chosen about value gradient flow, and the sets of choices that were published.

The paper's summary and the authors' public code differ, so every choice is a field and two presets are given.
`paper`: 5 particles, fixed steps along the attraction alone (the alpha -> 0 form), a reference trained first and then
frozen, a network f(s, a) in place of the gradient; it gives no step size, so the 0.1 is ours. `release`: 10 particles,
Adam on the full direction, reference and critic trained together; its scripts loop over step sizes and temperatures
without saying which was reported, so the preset takes the first of each list. `release-amortised`: the release's other
agent, 5 particles that follow f alone, without a kernel, by steps and step sizes that its scripts set for each
environment; the preset has those of D4RL, ant mazes and puzzles.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vgf.agents.base import Precision
from vgf.agents.cloning import Cloning
from vgf.flow import Budget
from vgf.support.config import check_config
from vgf.support.given import whole

Aggregate = Literal["mean", "min"]
CRITIC_METRICS = (
    "critic/loss",  # squared TD error, summed over the ensemble
    "critic/q",  # value of the dataset's actions
    "critic/target",
    "flow/displacement",  # mean distance a particle moved, in action units
    *("flow/spread_before", "flow/spread_after"),  # variance of a state's particles, summed over coordinates
)


@dataclass(frozen=True)
class VGFConfig:
    """Value gradient flow; the defaults are the `release` preset, for OGBench.

    Attributes:
        particles: N, actions sampled from the reference for each state.
        train_steps: L_train, flow steps inside the TD target.
        step_size: epsilon of a fixed step, or the learning rate of the Adam flow.
        step_unit: of `step_size` and `temperature`: "absolute", the release's, or "sigma", in units of the spread of a
            reference that is trained first, which no scale of rewards or actions changes; see
            `vgf.agents.step_unit`.
        temperature: alpha; divides the value gradient.
        optimizer: "none" (fixed steps) or "adam".
        repulsion: whether particles repel each other; False with temperature 1 is the alpha -> 0 form.
        bandwidth: sigma of the kernel, or "median".
        direction: "autograd", or "amortised": a network f(s, a) fitted to the gradient at dataset actions.
        unit_gradient: fit f to the gradient's direction alone (the release's option for the amortised variant).
        flow_q: the ensemble's value whose gradient moves particles: its "mean" or its "min".
        target_q: the same for the value of moved particles in the TD target, and for choosing an action.
        target_particles: the target is the "mean" or the "max" over particles.
        reference: "flow" or "gaussian".
        flow_steps: Euler steps of the reference flow.
        pretrain: updates of the reference alone, which is then frozen; 0 trains reference and critic together.
        bank: with a frozen reference, actions drawn once for each state of the dataset, to take the N from; 0 draws
            anew at every update.
        precision: of the products, see `vgf.agents.base.Precision`; acting is always in float32.
        hidden: widths of the hidden layers, of every network.
        layer_norm: normalise before the activations of the critic.
        learning_rate: of Adam, for every network.
        tau: rate at which the target critic follows the critic.
        discount: gamma; experiment files leave it to the task.
    """

    particles: int = 10
    train_steps: int = 3
    step_size: float = 0.01
    step_unit: Literal["absolute", "sigma"] = field(default="absolute", metadata={"before": "absolute"})
    temperature: float = 0.2
    optimizer: Literal["none", "adam"] = "adam"
    repulsion: bool = True
    bandwidth: float | Literal["median"] = "median"
    direction: Literal["autograd", "amortised"] = "autograd"
    unit_gradient: bool = False
    flow_q: Aggregate = "mean"
    target_q: Aggregate = "mean"
    target_particles: Literal["mean", "max"] = "mean"
    reference: Literal["flow", "gaussian"] = "flow"
    flow_steps: int = 10
    pretrain: int = 0
    bank: int = 0
    precision: Precision = "float32"
    hidden: tuple[int, ...] = (512, 512, 512, 512)
    layer_norm: bool = True
    learning_rate: float = 3e-4
    tau: float = 0.005
    discount: float = 0.99

    def __post_init__(self) -> None:
        """Refuse values that have no meaning."""
        positive = ("particles", "bandwidth", "flow_steps", "learning_rate", "tau", "discount")
        check_config(self, positive=positive, nonnegative=("pretrain",))
        if self.bank and (self.bank < self.particles or not self.pretrain):
            raise ValueError(f"bank must be 0, or >= particles with a reference trained first, got {self.bank}")
        if self.step_unit == "sigma" and not self.pretrain:
            raise ValueError("step_unit sigma is the spread of a reference trained first: give pretrain, or absolute")
        self.budget(whole("train_steps", self.train_steps, 0))

    @property
    def cloning(self) -> Cloning | None:
        """The reference, where it is trained first; see `Agent.cloning`."""
        reference = Cloning(self.pretrain, self.reference, self.hidden, self.learning_rate, self.precision)
        return reference if self.pretrain else None

    def budget(self, steps: int) -> Budget:
        """Return the transport budget with `steps` flow steps."""
        return Budget(steps, self.step_size, self.temperature, self.optimizer)


PRESETS = {
    "release": VGFConfig(),
    "release-amortised": VGFConfig(
        particles=5,
        train_steps=5,
        step_size=0.1,
        temperature=1.0,
        repulsion=False,
        bandwidth=1e-6,  # so narrow that no particle weighs on another
        direction="amortised",
    ),
    "paper": VGFConfig(
        particles=5,
        step_size=0.1,
        temperature=1.0,
        optimizer="none",
        repulsion=False,
        direction="amortised",
        pretrain=100_000,
        bank=5,
    ),
}
