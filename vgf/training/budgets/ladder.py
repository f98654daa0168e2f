r"""The ladder of budgets that a rule chooses from, in units that the data define.

A rung is a displacement x in units of the reference's spread sigma (`vgf.agents.step_unit`) and a number of particles
N. x = 0, N = 1 is the plain clone and x = 0 is best-of-N. A rung becomes steps and a step size by the proved bound of
the Adam flow (`vgf.theory`): no particle moves farther than

    delta = step sqrt(d) sum_t C_t,      so that      MMD^2 <= 2 - 2 exp(-delta^2 / 2 sigma^2).

A rung of x sets delta = x sigma, so x bounds the displacement and the MMD before anything runs; what is moved may be
less. Adam is used whatever the policy was trained with, because its bound knows neither critic nor kernel. The
temperature is measured, too: alpha = TEMPERATURE g sigma with g the root mean square gradient of the policy's critic at
the reference's actions, so that rewards of another scale leave every step as it is. What is given up is the trained
temperature: the mixture of attraction and repulsion is the ladder's own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from vgf import theory
from vgf.flow import Budget

DISPLACEMENTS = (0.0, 0.1, 0.25, 0.5, 1.0, 2.0)  # in sigma
PARTICLES = (1, 5, 10)
LONGEST_STEP = 0.25  # sigma; a longer way is taken in more steps
TEMPERATURE = 0.1  # alpha / (g sigma): the value gained by going a tenth of sigma up the gradient


class Rung(NamedTuple):
    """One budget of the ladder: displacement in sigma, >= 0, and particles, >= 1."""

    displacement: float
    particles: int


CLONE = Rung(0.0, 1)


class Unit(NamedTuple):
    """What a rung is measured in.

    Attributes:
        sigma: spread of the reference, in action units, > 0.
        slope: g, root mean square of |grad_a Q| at the reference's actions, > 0.
        dimension: of an action.
        in_sigma: whether the policy's own flow takes step and temperature in units of sigma (`step_unit: sigma`).
    """

    sigma: float
    slope: float
    dimension: int
    in_sigma: bool = False


def ladder(
    displacements: tuple[float, ...] = DISPLACEMENTS, particles: tuple[int, ...] = PARTICLES
) -> tuple[Rung, ...]:
    """Return every pair of a displacement and a number of particles; the plain clone is always the first.

    Raises:
        ValueError: if a displacement is negative or not finite, or a number of particles below 1.
    """
    if not all(math.isfinite(x) and x >= 0 for x in displacements):
        raise ValueError(f"displacements must be finite numbers of sigma >= 0, got {displacements}")
    if not all(n >= 1 for n in particles):
        raise ValueError(f"particles must be >= 1, got {particles}")
    rungs = {Rung(float(x), int(n)) for x in displacements for n in particles} | {CLONE}
    return tuple(sorted(rungs, key=lambda rung: (rung.particles, rung.displacement)))


def checked(rungs: Iterable[Rung]) -> tuple[Rung, ...]:
    """Return a ladder of one's own in the order of `ladder`, the plain clone added where it is missing.

    Raises:
        ValueError: as `ladder` does, or if a rung is no pair of numbers.
    """
    try:
        given = [Rung(float(x), int(n)) for x, n in rungs]
    except (TypeError, ValueError):
        raise ValueError("rungs must be pairs of a displacement in sigma and a number of particles") from None
    ladder(tuple(rung.displacement for rung in given), tuple(rung.particles for rung in given))
    return tuple(sorted({*given, CLONE}, key=lambda rung: (rung.particles, rung.displacement)))


def steps_of(displacement: float) -> int:
    """Return L: as many steps as leave none longer than `LONGEST_STEP`."""
    return math.ceil(displacement / LONGEST_STEP - 1e-9)


def budget_of(rung: Rung, unit: Unit) -> Budget:
    """Return the transport budget by which no particle moves farther than the rung's displacement.

    Args:
        rung: of the ladder.
        unit: what it is measured in.
    """
    steps = steps_of(rung.displacement)
    temperature = TEMPERATURE if unit.in_sigma else TEMPERATURE * unit.slope * unit.sigma
    if steps == 0:
        return Budget(0, 0.0, temperature, "adam")
    step = rung.displacement / sum(theory.adam_step_bounds(steps))  # in sigma, over all coordinates
    return Budget(steps, step if unit.in_sigma else step * unit.sigma / unit.dimension**0.5, temperature, "adam")


def mmd2_of(displacement: float) -> float:
    """Return the proved bound on the squared MMD of a displacement in sigma, the kernel as wide as sigma."""
    return theory.mmd2_from_displacement(displacement, 1.0)
