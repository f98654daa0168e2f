"""How the fused core does an update of `VGF`: networks, noise, settings and metrics, by their places in C++."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vgf.agents import fused
from vgf.agents.vgf_config import CRITIC_METRICS
from vgf.reference import FlowReference

if TYPE_CHECKING:
    from vgf.agents.vgf import VGF

MOST_PARTICLES = 64  # of the fused core, which looks at all pairs at once


def vgf_recipe(agent: VGF, batch: int) -> fused.Recipe:
    """Return how the fused core does the updates of an agent's phase, for batches of `batch` transitions a seed.

    Raises:
        fused.Unavailable: if it cannot, with the reason.
    """
    c, flag, role = agent.config, fused.Flag, fused.Role
    cloning, critic = agent.updates < c.pretrain or c.pretrain == 0, agent.updates >= c.pretrain
    bank = agent.bank.actions if agent.bank is not None and critic else None
    if not isinstance(agent.reference, FlowReference):
        raise fused.Unavailable("its reference is a Gaussian")
    if c.particles > MOST_PARTICLES:
        raise fused.Unavailable(f"it takes at most {MOST_PARTICLES} particles, not {c.particles}")
    chosen = {
        flag.TRAIN_CRITIC: critic,
        flag.CLONE: cloning,
        flag.ADAM_FLOW: c.optimizer == "adam",
        flag.REPULSION: c.repulsion,
        flag.FLOW_MIN: c.flow_q == "min",
        flag.TARGET_MIN: c.target_q == "min",
        flag.TARGET_MAX: c.target_particles == "max",
        flag.UNIT_GRADIENT: c.unit_gradient,
    }
    networks = {role.REFERENCE: fused.Network.of(agent.reference.velocity.net, "reference" if cloning else None)}
    noise, metrics = {}, {}
    if critic:
        networks[role.CRITIC] = fused.Network.of(agent.critic.net, "critic")
        networks[role.TARGET] = fused.Network.of(agent.target.net)
        metrics = {name: place for place, name in enumerate(CRITIC_METRICS)}
        if c.direction == "amortised":
            networks[role.FIT], metrics["gradient/loss"] = fused.Network.of(agent.gradient.net, "gradient"), 6
        if bank is None:
            noise[0] = agent.particle_draw(batch, None)
    if cloning:
        noise |= dict(enumerate(agent.clone_draws(batch), 1))
        metrics["reference/loss"] = 7
    sigma = 0.0 if isinstance(c.bandwidth, str) else c.bandwidth
    return fused.Recipe(
        fused.Method.VGF,
        networks,
        noise,
        (c.discount, c.tau, c.step_size, c.temperature, sigma),
        fused.Flag.of(chosen),
        metrics,
        counts={"particles": c.particles, "flow_steps": c.flow_steps, "train_steps": c.train_steps},
        bank=bank,
        until=c.pretrain if agent.updates < c.pretrain else None,
        sigma=agent.unit.sigma if agent.unit is not None and critic else None,
    )
