"""Acting by a report: one rung for the task, or a rung for each state where judges are at hand.

By state, every rung that the report left is tried at every state, each judged by critics that moved nothing: some ten
times the work of one rung. What it assumes beyond the report: that the judges' spread at one state says how far their
mean errs there.
"""

from __future__ import annotations

import torch
from torch import Tensor

from vgf.agents.vgf import VGF
from vgf.datasets.transitions import digest
from vgf.networks import SeedStreams
from vgf.training.budgets.critics import AgentCritics
from vgf.training.budgets.measure import actions_of, gains_of
from vgf.training.budgets.report import BudgetReport
from vgf.training.budgets.rule import Judged, choose_by_state


@torch.no_grad()
def act_by(agent: VGF, report: BudgetReport, observations: Tensor, streams: SeedStreams | None = None) -> Tensor:
    """Return actions [1, B, d] of one seed at observations [1, B, o], by the rung of a report.

    Args:
        agent: one seed.
        report: whose rung is taken.
        observations: states.
        streams: of noise; the agent's own acting stream by default.
    """
    movers = _drawing_from(agent, streams or agent.streams["acting"])
    return actions_of(movers, observations, (report.rung,), report.unit)[:, 0]


@torch.no_grad()
def act_by_state(
    agent: VGF, judges: VGF, report: BudgetReport, observations: Tensor, streams: SeedStreams | None = None
) -> tuple[Tensor, Tensor]:
    """Return actions [1, B, d] by each state's own rung, and the number of that rung on the report's ladder, [B].

    Args:
        agent: one seed, which moves.
        judges: two critics or more that moved nothing.
        report: whose radius, gate, kappa and shrinkage hold.
        observations: states, [1, B, o].
        streams: of noise; the agent's own acting stream by default.
    """
    movers = _drawing_from(agent, streams or agent.streams["acting"])
    lines = report.decision.lines
    rungs = tuple(line.rung for line in lines)
    left = tuple(line.rung for line in lines if line.rung == report.decision.fallback or line.fault in ("", "bound"))
    tried = actions_of(movers, observations, left, report.unit)
    gains = gains_of(movers, AgentCritics(judges, "by state"), observations[0], tried)
    kept = [rungs.index(rung) for rung in left]
    chosen = choose_by_state(Judged(left, gains, gains[0, 0]), report.decision, kept)
    number = torch.as_tensor(chosen, device=observations.device)
    actions = tried[0].gather(0, number[None, :, None].expand(1, -1, tried.shape[-1]))
    return actions, torch.as_tensor(kept, device=observations.device)[number]


def policy_digest(policy: VGF) -> str:
    """Return the SHA-256 of a policy's tensors, by which a report knows it."""
    tensors = policy.policy()
    return digest(*(tensors[name] for name in sorted(tensors)))


def _drawing_from(agent: VGF, streams: SeedStreams) -> AgentCritics:
    critics = AgentCritics(agent)
    critics.streams = streams
    return critics
