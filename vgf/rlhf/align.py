"""`vgf rlhf align`: every method on the same prompts, from the same reference responses and the same noise.

Prompts go in groups. A group's reference responses are sampled once, every method works on them, and its rows are
recorded before the next group begins: a run that is killed loses one group. Which prompts form a group follows from the
sizes alone, so a resumed run makes the same numbers as an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vgf import records
from vgf.records import fingerprint, note
from vgf.rlhf.data import Row, evaluation_prompts
from vgf.rlhf.decoders import Scene
from vgf.rlhf.evaluate import append, diversity, edit_share, folder_of, made_with, read_rows, seal, win
from vgf.rlhf.flow import Flow, constant_direction, move
from vgf.rlhf.loop import duration, read_done
from vgf.rlhf.methods import Method
from vgf.rlhf.minilm import Judge, load_judge
from vgf.rlhf.models import Policy
from vgf.rlhf.prepare import minilm_folder
from vgf.rlhf.reward import RewardModel, load_reward, padded, rewards_of
from vgf.rlhf.sampling import Responses, generate, negative_log_likelihood
from vgf.rlhf.settings import Setup
from vgf.rlhf.stages import open_policy, open_sft

CALIBRATION = 64  # human responses the constant direction is the mean gradient of


@dataclass
class World:
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
class Group:
    """Prompts that are worked on together, and their reference responses, N * k a prompt in k scenes of N."""

    rows: list[Row]
    scenes: list[Scene]
    drawn: list[Responses]
    reference_scores: list[list[float]]
    human_scores: list[float]


def open_world(setup: Setup, methods: Sequence[Method]) -> tuple[World, list[Row]]:
    """Return what the methods need, and the test prompts.

    Raises:
        ValueError: naming the stage that is missing.
    """
    policy, splits = open_sft(setup)
    reward = load_reward(setup.folder("reward"), policy)
    judge = load_judge(setup.folder("judge"), minilm_folder()) if setup.task == "reviews" else None
    others = {}
    for stage in sorted({method.stage for method in methods if method.stage}):
        if read_done(setup.folder(stage)) is None:
            raise ValueError(f"{stage} is not trained for these settings; `vgf rlhf train {stage}` comes first")
        others[stage] = open_policy(setup, setup.folder(stage))[0]
    constant = constant_direction(policy, reward, splits.reward[:CALIBRATION], Flow(), setup.seed)
    rows = evaluation_prompts(splits.test, setup.sizes.prompts, setup.least_rating)
    return World(setup, policy, reward, judge, constant, others), rows


def align(setup: Setup, methods: Sequence[Method], root: Path | None = None, replace: bool = False) -> list[Path]:
    """Run methods on the test prompts and record each response; return the records' folders.

    Args:
        setup: which experiment.
        methods: of `vgf.rlhf.methods`.
        root: of the records; data/results by default.
        replace: remove rows made with other settings; otherwise they are refused.

    Raises:
        ValueError: if a stage is missing, or a record was made with other settings.
    """
    world, rows = open_world(setup, methods)
    folders = {method.name: folder_of(setup.scale, setup.task_name, method.name, root) for method in methods}
    settings = {method.name: settings_of(setup, method) for method in methods}
    for name, folder in folders.items():
        _check_settings(folder, setup.seed, fingerprint(settings[name]), replace)
    size = max(1, setup.sizes.together // setup.sizes.particles)
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    started, worked, spent = time.monotonic(), 0, dict.fromkeys(folders, 0.0)
    for at, part in enumerate(parts):
        missing = [m for m in methods if not {r.name for r in part} <= _recorded(folders[m.name], setup.seed)]
        if not missing:
            continue
        group = open_group(world, part, max((m.candidates for m in missing if m.kind == "best"), default=0))
        for method in missing:
            begun = time.monotonic()
            append(folders[method.name], setup.seed, rows_of(world, group, method))
            spent[method.name] += time.monotonic() - begun
        worked += 1
        if at + 1 < len(parts):
            left = (time.monotonic() - started) / worked * (len(parts) - at - 1)
            note(f"align: {(at + 1) * size} of {len(rows)} prompts, about {duration(left)} to go")
    stages = {stage: read_done(setup.folder(stage)) for stage in ("sft", "reward", "judge")}
    for name, folder in folders.items():
        if spent[name] or _mark(folder, setup.seed).exists():
            facts = {"scale": setup.scale, "stages": stages, "device": "cpu", "seconds": round(spent[name], 1)}
            seal(folder, setup.seed, settings[name], facts)
            _mark(folder, setup.seed).unlink(missing_ok=True)
    return list(folders.values())


def settings_of(setup: Setup, method: Method) -> dict[str, Any]:
    """Return what a method's numbers depend on."""
    sizes = asdict(setup.sizes)
    sizes.pop("save_every")
    facts = {"model": setup.model, "task": setup.task, "least_rating": setup.least_rating, "sizes": sizes}
    return facts | {"method": asdict(method)}


def open_group(world: World, rows: list[Row], most: int) -> Group:
    """Sample the reference responses of some prompts and judge them."""
    sizes, policy = world.setup.sizes, world.policy
    prompts, names = [row.prompt for row in rows], [row.name for row in rows]
    scenes = [
        Scene(policy, prompts, names, sizes.particles, sizes.tokens, world.setup.seed, first)
        for first in range(0, max(most, sizes.particles), sizes.particles)
    ]
    drawn = [scene.sample() for scene in scenes]
    ids = [drawn[0].ids(k) for k in range(len(drawn[0].tokens))]
    scores = world.judged(scenes[0].repeated, ids)
    n = sizes.particles
    human = world.judged(prompts, [row.chosen for row in rows])
    return Group(rows, scenes, drawn, [scores[k * n : (k + 1) * n] for k in range(len(rows))], human)


def rows_of(world: World, group: Group, method: Method) -> list[dict[str, Any]]:
    """Return the record rows of one method on a group."""
    scene, count = group.scenes[0], len(group.rows)
    prompts = [row.prompt for row in group.rows]
    if method.kind == "human":
        tokens, alive = padded([row.chosen for row in group.rows], world.policy.end, world.policy.device)
        candidates = Responses(tokens, alive, tokens[..., None].float())
        n = 1
    else:
        candidates, n = candidates_of(world, group, method)
    repeated = [prompt for prompt in prompts for _ in range(n)]
    value = world.values(repeated, candidates).reshape(count, n)
    best = value.argmax(-1)
    flat = torch.arange(count, device=best.device) * n + best
    picked = candidates.at(flat)
    nats = negative_log_likelihood(world.policy, prompts, picked.tokens, picked.alive)
    ids = [picked.ids(k) for k in range(count)]
    judged = world.judged(prompts, ids)
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
                "win_ref": win(judged[k], group.reference_scores[k]) if world.judge else float("nan"),
                "win_chosen": win(judged[k], [group.human_scores[k]]) if world.judge else float("nan"),
                "nats": float(nats[k]),
                "length": len(ids[k]),
                "edit": float("nan") if method.kind == "human" else edit_share(ids[k], origin),
                "diversity": diversity(others),
                "drawn": drawn,
                "gradients": gradients,
                "response": "" if method.kind == "human" else world.policy.text(ids[k]),
            }
        )
    return found


def candidates_of(world: World, group: Group, method: Method) -> tuple[Responses, int]:
    """Return a method's responses, those of a prompt next to each other, and how many a prompt has."""
    scene, n = group.scenes[0], group.scenes[0].particles
    if method.kind == "flow" and method.flow is not None:
        return move(scene, world.reward, method.flow, group.drawn[0], world.constant), n
    if method.kind == "policy":
        n = method.candidates or n
        args = (scene.prompts, scene.names, scene.tokens, scene.seed)
        return generate(world.others[method.stage], *args, particles=n), n
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


def _origin(group: Group, prompt: int, particle: int) -> list[int]:
    """Return the reference response of the same noise."""
    scene, at = divmod(particle, group.scenes[0].particles)
    return group.drawn[scene].ids(prompt * group.scenes[0].particles + at)


def _recorded(folder: Path, seed: int) -> set[str]:
    return set(read_rows(folder, seed)["prompt"])


def _check_settings(folder: Path, seed: int, wanted: str, replace: bool) -> None:
    """Refuse or remove rows made with other settings; until a run is sealed a side file says which it has."""
    path, mark = records.seed_file(folder, seed), _mark(folder, seed)
    made = mark.read_text(encoding="utf-8") if mark.exists() else made_with(folder, seed)
    if path.exists() and made != wanted:
        if not replace:
            raise ValueError(f"{path}: made with other settings; --replace removes it")
        path.unlink()
    if made_with(folder, seed) != wanted or not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mark.write_text(wanted, encoding="utf-8")


def _mark(folder: Path, seed: int) -> Path:
    return folder / f".seed{seed}.unsealed"
