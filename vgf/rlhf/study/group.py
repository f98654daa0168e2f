"""What a method makes of some prompts, and what is measured of it: the part of the comparison without files.

A group is a few prompts with their reference responses, sampled once and shared by every method on the same noise.
Best-of-N takes the best of them, a flow moves the first N, a trained policy answers with the same noise; all end in
the same row of measures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vgf.rlhf.decoders import PromptBatch
from vgf.rlhf.flow import move
from vgf.rlhf.models import Policy
from vgf.rlhf.parts.data import Row
from vgf.rlhf.parts.minilm import Judge
from vgf.rlhf.reward import RewardModel, padded, rewards_of
from vgf.rlhf.sampling import Responses, generate, negative_log_likelihood
from vgf.rlhf.settings import Setup
from vgf.rlhf.study.methods import Method
from vgf.rlhf.study.records import diversity, edit_share, win


@dataclass
class AlignmentContext:
    """Everything a method may use.

    Attributes:
        setup: which experiment.
        policy: the supervised one.
        reward: the proxy.
        judge: None where the task has none of its own.
        constant: direction of the constant control, [d].
        others: trained policies by stage.
    """

    setup: Setup
    policy: Policy
    reward: RewardModel
    judge: Judge | None
    constant: Tensor
    others: dict[str, Policy]

    def values(self, prompts: Sequence[Sequence[int]], responses: Responses) -> Tensor:
        """Return proxy rewards, [B]."""
        return rewards_of(self.reward, self.policy, prompts, responses.tokens, responses.alive)

    def judged(self, prompts: Sequence[Sequence[int]], ids: Sequence[Sequence[int]]) -> list[float]:
        """Return the judge's score of each response with its prompt; NaN without a judge."""
        if self.judge is None:
            return [float("nan")] * len(ids)
        texts = [self.policy.text([*prompt, *words]) for prompt, words in zip(prompts, ids, strict=True)]
        return [float(score) for score in self.judge.scores(texts)]


@dataclass
class ReferenceSamples:
    """Prompts that are worked on together, and their reference responses, N * k a prompt in k scenes of N."""

    rows: list[Row]
    scenes: list[PromptBatch]
    drawn: list[Responses]
    reference_scores: list[list[float]]
    human_scores: list[float]


def open_group(context: AlignmentContext, rows: list[Row], most: int) -> ReferenceSamples:
    """Sample the reference responses of some prompts and judge them."""
    sizes, policy = context.setup.sizes, context.policy
    prompts, names = [row.prompt for row in rows], [row.name for row in rows]
    scenes = [
        PromptBatch(policy, prompts, names, sizes.particles, sizes.tokens, context.setup.seed, first)
        for first in range(0, max(most, sizes.particles), sizes.particles)
    ]
    drawn = [scene.sample() for scene in scenes]
    ids = [drawn[0].ids(k) for k in range(len(drawn[0].tokens))]
    scores = context.judged(scenes[0].repeated, ids)
    n = sizes.particles
    human = context.judged(prompts, [row.chosen for row in rows])
    return ReferenceSamples(rows, scenes, drawn, [scores[k * n : (k + 1) * n] for k in range(len(rows))], human)


def rows_of(context: AlignmentContext, group: ReferenceSamples, method: Method) -> list[dict[str, Any]]:
    """Return the record rows of one method on a group."""
    scene, count = group.scenes[0], len(group.rows)
    prompts = [row.prompt for row in group.rows]
    if method.kind == "human":
        tokens, alive = padded([row.chosen for row in group.rows], context.policy.end, context.policy.device)
        candidates = Responses(tokens, alive, tokens[..., None].float())
        n = 1
    else:
        candidates, n = candidates_of(context, group, method)
    repeated = [prompt for prompt in prompts for _ in range(n)]
    value = context.values(repeated, candidates).reshape(count, n)
    best = value.argmax(-1)
    flat = torch.arange(count, device=best.device) * n + best
    picked = candidates.at(flat)
    nats = negative_log_likelihood(context.policy, prompts, picked.tokens, picked.alive)
    ids = [picked.ids(k) for k in range(count)]
    judged = context.judged(prompts, ids)
    drawn, gradients = cost_of(method, n)
    found = []
    for k, row in enumerate(group.rows):
        others = [candidates.ids(k * n + j) for j in range(min(n, scene.particles))]
        origin = _origin(group, k, int(best[k]))
        found.append(
            {
                "prompt": row.name,
                "reward": float(value[k, best[k]]),
                "judge": judged[k],
                "win_ref": win(judged[k], group.reference_scores[k]) if context.judge else float("nan"),
                "win_chosen": win(judged[k], [group.human_scores[k]]) if context.judge else float("nan"),
                "nats": float(nats[k]),
                "length": len(ids[k]),
                "edit": float("nan") if method.kind == "human" else edit_share(ids[k], origin),
                "diversity": diversity(others),
                "drawn": drawn,
                "gradients": gradients,
                "response": "" if method.kind == "human" else context.policy.text(ids[k]),
            }
        )
    return found


def candidates_of(context: AlignmentContext, group: ReferenceSamples, method: Method) -> tuple[Responses, int]:
    """Return a method's responses, those of a prompt next to each other, and how many a prompt has."""
    scene, n = group.scenes[0], group.scenes[0].particles
    if method.kind == "flow" and method.flow is not None:
        return move(scene, context.reward, method.flow, group.drawn[0], context.constant), n
    if method.kind == "policy":
        n = method.candidates or n
        args = (scene.prompts, scene.names, scene.tokens, scene.seed)
        return generate(context.others[method.stage], *args, particles=n), n
    count, wanted = len(group.rows), method.candidates or n
    parts = [[x.reshape(count, n, *x.shape[1:]) for x in drawn] for drawn in group.drawn]
    whole = [torch.cat(piece, 1)[:, :wanted].flatten(0, 1) for piece in zip(*parts, strict=True)]
    return Responses(*whole), min(wanted, n * len(group.drawn))


def cost_of(method: Method, n: int) -> tuple[int, int]:
    """Return responses passed through the language model and reward gradients taken, for one prompt."""
    if method.kind == "human":
        return 0, 0
    if method.flow is None:
        return n, 0
    own = 0 if method.flow.constant else method.flow.budget.steps * method.flow.draws
    return n * (1 + method.flow.decodings), n * own


def _origin(group: ReferenceSamples, prompt: int, particle: int) -> list[int]:
    """Return the reference response of the same noise."""
    scene, at = divmod(particle, group.scenes[0].particles)
    return group.drawn[scene].ids(prompt * group.scenes[0].particles + at)
