r"""One flow step, changed in one thing at a time, at a length that is measured: the controls of test-time scaling.

A score that falls with every step may fall because the step leads the wrong way, or because any step that long would do
the same. Only steps of other directions and *equal length* tell these apart, and neither "number of steps" nor "step
size" is a length: what a step size moves depends on the critic, on the optimizer and on the box. So length is measured
in the reference's own spread. With a_1 ... a_N a state's particles, a'_i where they end, and v(s) the variance of the
reference's actions at s, summed over coordinates,

    sigma = sqrt( mean_s v(s) ),      displacement = sqrt( mean_{s, i} |a'_i - a_i|^2 ) / sigma,

both root mean squares, so that a displacement of 1 takes a particle as far as it stood from the mean. Every kind of
step takes `STEPS` steps, and `calibrate` finds the step size at which the displacement is the one that was asked for,
on states of the dataset. v is estimated without bias from actions of their own (`vgf.agents.step_unit`), so that sigma
neither depends on N nor is zero at N = 1; the curve's `flow/spread_before` divides by N: (N - 1) / N of sigma^2.

The price of equal displacement is that a kind has its own step size at each rung: what is compared is directions, not
settings anyone would choose. The steps are those of `vgf.flow`, with a step size for each seed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from vgf.agents import step_unit
from vgf.agents.vgf import VGF
from vgf.flow import FlowState, sized_step
from vgf.networks import SeedStreams
from vgf.reference import ACTION_BOUNDS

STEPS = 3  # of every kind at every rung: the release's L_train for OGBench
RUNGS = (0.1, 0.25, 0.5, 1.0, 2.0)  # displacement in sigma; at 0 nothing moves, and that is best-of-N
TOLERANCE = 0.01  # calibration stops within this share of a rung ...
UNREACHED = 0.02  # ... and a rung missed by more than this share was not reached
TRIES = 30  # step sizes that calibration looks at, at most


@dataclass(frozen=True)
class StepKind:
    """One kind of step: what it does otherwise than the policy's own flow.

    Attributes:
        name: in `controls.csv`.
        words: in a figure.
        moves: whether particles move at all.
        chooses: whether the action is the best of the particles by the critic, or the first of them.
        sign: of the direction.
        cooling: factor of the temperature.
        repels: whether particles repel each other, where the policy's do.
        turned: into a random direction, one for each particle, kept for all its steps; their lengths are those that
            the policy's own step would have where the particle is.
        one_norm: Adam with one second moment for a state's particles, the mean over them and their coordinates, in
            place of one for each coordinate; also where the policy takes fixed steps.
    """

    name: str
    words: str
    moves: bool = True
    chooses: bool = True
    sign: float = 1.0
    cooling: float = 1.0
    repels: bool = True
    turned: bool = False
    one_norm: bool = False


STILL = (
    StepKind("any", "one action, not chosen", moves=False, chooses=False),
    StepKind("best_of_n", "best of N, not moved", moves=False),
)
MOVING = (
    StepKind("phi", "along phi"),
    StepKind("minus_phi", "along minus phi", sign=-1.0),
    StepKind("random", "along a random direction", turned=True),
    StepKind("attraction", "without repulsion", repels=False),
    StepKind("global_norm", "one norm for all coordinates", one_norm=True),
    StepKind("cold", "at a tenth of the temperature", cooling=0.1),
)
KINDS = {kind.name: kind for kind in (*STILL, *MOVING)}


@torch.no_grad()
def move(
    agent: VGF,
    observations: Tensor,
    particles: Tensor,
    kind: StepKind,
    step_size: Tensor,
    turn: Tensor | None = None,
    steps: int = STEPS,
) -> Tensor:
    """Move particles by one kind of step.

    Args:
        agent: whose critic, kernel, temperature and optimizer they are.
        observations: [S, B, o].
        particles: reference actions, [S, B, N, d].
        kind: of the step.
        step_size: one for each seed, [S].
        turn: unit vectors, [S, B, N, d], for a kind that is `turned`; see `directions`.
        steps: how many.

    Returns:
        Where they end, in the box, [S, B, N, d].

    Raises:
        ValueError: if a turned kind is given no directions.
    """
    if kind.turned and turn is None:
        raise ValueError(f"a step {kind.words} needs directions")
    config, direct, zeros = agent.config, step_unit.Direction(agent.unit), torch.zeros_like(particles)
    size = step_size.to(particles)[:, None, None, None]
    state = FlowState(particles, zeros, zeros, 0)
    for _ in range(steps):
        x = state.particles
        repulsion = config.repulsion and kind.repels
        phi = direct(x, agent.score(observations, x), config.temperature * kind.cooling, config.bandwidth, repulsion)
        phi = kind.sign * phi
        square = phi.square().mean((-2, -1), keepdim=True) if kind.one_norm else None
        state = sized_step(state, phi, size, config.optimizer == "adam" or kind.one_norm, square)
        moved = state.particles
        if kind.turned and turn is not None:
            moved = x + (moved - x).norm(dim=-1, keepdim=True) * turn
        state = state._replace(particles=moved.clamp(*ACTION_BOUNDS))
    return state.particles


def directions(streams: SeedStreams, *shape: int) -> Tensor:
    """Draw unit vectors, [S, *shape], their directions uniform on the sphere."""
    drawn = streams.normal(*shape)
    return drawn / drawn.norm(dim=-1, keepdim=True)


def spread(agent: VGF, observations: Tensor) -> Tensor:
    """Return sigma of each seed's reference at states [S, B, o], in action units, [S]; see `vgf.agents.step_unit`."""
    streams = SeedStreams(agent.seeds, "controls, spread", agent.device)
    return step_unit.spread(agent.reference, observations, streams, agent.dims.action)


def displacement(start: Tensor, end: Tensor) -> Tensor:
    """Return the root mean square distance of particles [S, B, N, d] from where they started, action units, [S]."""
    return (end - start).square().sum(-1).mean((1, 2)).sqrt()


@torch.no_grad()
def calibrate(
    agent: VGF, observations: Tensor, particles: Tensor, kind: StepKind, target: Tensor, turn: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return the step size at which one kind of step has the displacement asked for, and the displacement it has.

    Bisection between a step that is too short and one that is too long, found by doubling; every other try is where
    the chord from no step would hit the target, for displacement is nearly proportional to the step. Nothing is drawn,
    so the same arguments give the same steps. Where the box, or a critic without gradient, keeps the target out of
    reach, the nearest of the tried steps is returned: the caller compares what it reached with what was asked.

    Args:
        agent: whose flow it is.
        observations: states to set it on, [S, B, o].
        particles: reference actions there, [S, B, N, d].
        kind: of the step.
        target: displacement in action units, [S], > 0.
        turn: as of `move`.

    Returns:
        Step sizes and displacements in action units, [S] each.
    """
    size = target / (STEPS * agent.dims.action**0.5)  # what Adam needs, nearly
    low, high = torch.zeros_like(size), torch.full_like(size, torch.inf)
    best, reached = size.clone(), torch.zeros_like(size)
    for number in range(TRIES):
        found = displacement(particles, move(agent, observations, particles, kind, size, turn))
        gap = (reached - target).abs()
        nearer = (gap > TOLERANCE * target) & ((found - target).abs() < gap)  # what is near enough stays
        best, reached = torch.where(nearer, size, best), torch.where(nearer, found, reached)
        if bool(((reached - target).abs() <= TOLERANCE * target).all()):
            break
        low, high = torch.where(found < target, size, low), torch.where(found < target, high, size)
        half = torch.where(high.isinf(), 2 * size, (low + high) / 2)
        chord = size * target / found
        inside = (chord > low) & (chord < high) & chord.isfinite()
        size = torch.where(inside, chord, half) if number % 2 == 0 else half
    return best, reached
