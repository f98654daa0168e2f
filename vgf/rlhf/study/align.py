"""`vgf rlhf align`: every method on the same prompts, from the same reference responses and the same noise.

Prompts go in groups. A group's reference responses are sampled once, every method works on them, and its rows are
recorded before the next group begins: a run that is killed loses one group. Which prompts form a group follows from the
sizes alone, so a resumed run makes the same numbers as an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from vgf import records
from vgf.rlhf.flow import Flow, constant_direction
from vgf.rlhf.models import find_model, load_tokenizer
from vgf.rlhf.parts.data import Row, evaluation_prompts
from vgf.rlhf.parts.minilm import load_judge
from vgf.rlhf.parts.prepare import minilm_folder, model_folder
from vgf.rlhf.reward import load_reward
from vgf.rlhf.settings import SMOLLM2, Setup
from vgf.rlhf.stages import load_splits, open_policy, open_sft
from vgf.rlhf.stopping import TO_STOP
from vgf.rlhf.study.group import AlignmentContext, open_group, rows_of
from vgf.rlhf.study.methods import Method
from vgf.rlhf.study.records import SHARED, append, folder_of, made_from, mark_of, read_rows, seal, write_curve
from vgf.rlhf.training import duration, read_done
from vgf.support.files import sha256, write_bytes
from vgf.support.places import check_writable
from vgf.support.progress import log
from vgf.support.provenance import fingerprint
from vgf.support.strict import recorded_fields

CALIBRATION = 64  # human responses the constant direction is the mean gradient of


def open_context(setup: Setup, methods: Sequence[Method]) -> tuple[AlignmentContext, list[Row]]:
    """Return what the methods need, and the test prompts.

    Raises:
        ValueError: naming the stage that is missing.
    """
    policy, splits = open_sft(setup)
    reward = load_reward(setup.folder("reward"), policy)
    if setup.placement.lean:
        reward.be_lean()
    judge = load_judge(setup.folder("judge"), minilm_folder()) if setup.task == "reviews" else None
    others = {}
    for stage in sorted({method.stage for method in methods if method.stage}):
        if read_done(setup.folder(stage)) is None:
            raise ValueError(f"{stage} is not trained for these settings; `vgf rlhf train {stage}` comes first")
        others[stage] = open_policy(setup, setup.folder(stage), stage)[0]
    constant = constant_direction(policy, reward, splits.reward[:CALIBRATION], Flow(), setup.seed)
    rows = evaluation_prompts(splits.test, setup.sizes.prompts, setup.least_rating, setup.development)
    return AlignmentContext(setup, policy, reward, judge, constant, others), rows


def align(setup: Setup, methods: Sequence[Method], root: Path | None = None, replace: bool = False) -> list[Path]:
    """Run methods on the test prompts and record each response; return the records' folders.

    Records that are complete are left as they are. Rows to be added must come from the models of those beside them.

    Args:
        setup: which experiment.
        methods: of `vgf.rlhf.study.methods`.
        root: of the records; data/results by default.
        replace: remove rows made with other settings; otherwise they are refused.

    Raises:
        ValueError: if a stage is missing, or a record was made with other settings or from other models.
    """
    folders = {method.name: folder_of(setup.scale, setup.task_name, method.name, root) for method in methods}
    if complete(setup, methods, root):
        return list(folders.values())
    for folder in folders.values():
        check_writable(folder)
    context, rows = open_context(setup, methods)
    settings = {method.name: settings_of(setup, method) for method in methods}
    stages = _shared(setup)
    check_beside(setup, methods, root, replace)
    wanted = {name: (fingerprint(settings[name]), fingerprint(stages)) for name in folders}
    for name, folder in folders.items():
        _check_settings(folder, setup.seed, wanted[name], replace)
    size = max(1, setup.sizes.together // setup.sizes.particles)
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    started, worked, spent = time.monotonic(), 0, dict.fromkeys(folders, 0.0)
    for at, part in enumerate(parts):
        missing = [m for m in methods if not {r.name for r in part} <= _recorded(folders[m.name], setup.seed)]
        if not missing:
            continue
        group = open_group(context, part, max((m.candidates for m in missing if m.kind == "best"), default=0))
        for method in missing:
            begun = time.monotonic()
            _unseal(folders[method.name], setup.seed, wanted[method.name])
            append(folders[method.name], setup.seed, rows_of(context, group, method))
            spent[method.name] += time.monotonic() - begun
        worked += 1
        if at + 1 < len(parts):
            left = (time.monotonic() - started) / worked * (len(parts) - at - 1)
            log(f"align: {(at + 1) * size} of {len(rows)} prompts, about {duration(left)} to go")
    own = {
        method.name: {method.stage: read_done(setup.folder(method.stage))} if method.stage else {} for method in methods
    }
    for name, folder in folders.items():
        if spent[name] or mark_of(folder, setup.seed).exists():
            facts = {
                "scale": setup.scale,
                "stages": stages | own[name],
                "device": setup.placement.device,
                "precision": setup.precision(),
                "seconds": round(spent[name], 1),
            }
            for told in filter(None, (own[name].get(stage) for stage in TO_STOP)):
                write_curve(folder, setup.seed, told["curve"])
            seal(folder, setup.seed, settings[name], facts)
            mark_of(folder, setup.seed).unlink(missing_ok=True)
    return list(folders.values())


def complete(setup: Setup, methods: Sequence[Method], root: Path | None = None) -> bool:
    """Return whether every prompt has a row of every method, made with these settings."""
    tokenizer = load_tokenizer(find_model(setup.model, model_folder(), SMOLLM2))
    splits = load_splits(setup, tokenizer)
    names = {
        r.name for r in evaluation_prompts(splits.test, setup.sizes.prompts, setup.least_rating, setup.development)
    }
    for method in methods:
        folder = folder_of(setup.scale, setup.task_name, method.name, root)
        if mark_of(folder, setup.seed).exists():
            return False
        made = made_from(folder, setup.seed)
        if not made or made[0] != fingerprint(settings_of(setup, method)) or names - _recorded(folder, setup.seed):
            return False
    return True


def settings_of(setup: Setup, method: Method) -> dict[str, Any]:
    """Return what a method's numbers depend on."""
    sizes = recorded_fields(setup.sizes)
    sizes.pop("save_every")
    model = Path(setup.model).name if Path(setup.model).is_dir() else setup.model  # a record names no one's folders
    facts = {"model": model, "task": setup.task, "least_rating": setup.least_rating, "sizes": sizes}
    facts["development"] = setup.development
    if (content := setup.made_of["model"]) != setup.model:
        facts["content"] = content
    if setup.preferences:
        facts["preferences"] = sha256(setup.preferences)
    if method.stage in TO_STOP:
        facts["stopping"] = asdict(setup.stopping)
    return facts | {"method": asdict(method)}


def _recorded(folder: Path, seed: int) -> set[str]:
    return set(read_rows(folder, seed)["prompt"])


def _shared(setup: Setup) -> dict[str, Any]:
    return {stage: read_done(setup.folder(stage)) for stage in SHARED}


def check_beside(setup: Setup, methods: Sequence[Method], root: Path | None = None, replace: bool = False) -> None:
    """Refuse rows beside those of a seed that another policy, reward model or judge made: they would be paired.

    Asked when the shared stages are done, it spares the hours of the other policies.

    Raises:
        ValueError: naming the folder of such rows.
    """
    folders = [folder_of(setup.scale, setup.task_name, method.name, root) for method in methods]
    models, seed = fingerprint(_shared(setup)), setup.seed
    there = {path.parent for folder in folders for path in folder.parent.glob("*/run.json")}
    for folder in sorted(there - set(folders if replace else ())):
        made = made_from(folder, seed)
        if made and made[1] != models:
            raise ValueError(
                f"{folder}: seed {seed} was made from another policy, reward model or judge than are here now; "
                "take a seed that has no record, another --results, `again: true` in the file's comparison, "
                "or remove this one's"
            )


def _check_settings(folder: Path, seed: int, wanted: tuple[str, str], replace: bool) -> None:
    """Refuse or remove rows of other settings or models; until a run is sealed a side file says which it has."""
    path, mark = records.seed_file(folder, seed), mark_of(folder, seed)
    made = tuple(mark.read_text(encoding="utf-8").split()) if mark.exists() else made_from(folder, seed)
    if made != wanted:
        if path.exists() and not replace:
            other = "with other settings" if not made or made[0] != wanted[0] else "from other models"
            raise ValueError(f"{path}: made {other}; --replace removes it")
        path.unlink(missing_ok=True)
        mark.unlink(missing_ok=True)  # after the rows: they must not pass for those of another mark
    if made_from(folder, seed) != wanted or not path.exists():
        _unseal(folder, seed, wanted)


def _unseal(folder: Path, seed: int, wanted: tuple[str, str]) -> None:
    """Say what a seed's rows are made with, until they are sealed; whole or not at all, as a kill may come here."""
    if not mark_of(folder, seed).exists():
        write_bytes(mark_of(folder, seed), " ".join(wanted).encode())
