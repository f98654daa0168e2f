"""What a stage of the language pipeline is made of: content, never a name alone.

A folder `model`, a file `mine.jsonl` or a name of the hub may hold something else tomorrow. So a stage's folder is
named by digests: of the model's weights, config and tokenizer, of the preferences' bytes. What `vgf rlhf prepare` made,
and nobody changed since, goes by its short name, which its manifest ties to the same content everywhere. The price is
reading the weights once a process.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from vgf.rlhf.parts.hub import local_or_hub
from vgf.rlhf.parts.registry import PARTS, cache_folder
from vgf.support.content import content_of
from vgf.support.json_text import read_facts
from vgf.support.provenance import fingerprint

MODEL_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
NOT_MODEL = ("done.json", "manifest.json", "trainer_state.json")
MODEL, TASK = "smollm2-135m", "reviews"  # what `vgf rlhf prepare` makes


def model_of(name: str) -> Any:
    """Return what names a model by its content: its short name where it is the prepared one, else digests.

    Raises:
        ValueError: if it is neither here nor to be had, with the remedy.
    """
    folder = cache_folder() / name if name == MODEL else local_or_hub(name)
    if name == MODEL and (not folder.exists() or _is_prepared(folder, "smollm2")):
        return name
    files = sorted({file for pattern in MODEL_FILES for file in folder.glob(pattern) if file.name not in NOT_MODEL})
    return {"model": fingerprint({file.name: content_of(file) for file in files})}


def task_of(task: str, preferences: Path | None) -> Any:
    """Return what names the data by its content: the file's digest, the hub's fingerprint, or the short name.

    Raises:
        ValueError: if the file is not there.
    """
    if preferences is not None:
        if not preferences.is_file():
            raise ValueError(f"{preferences}: no such file; give a jsonl of prompt, chosen, rejected")
        return {"preferences": content_of(preferences)}
    if task != TASK:
        return {"task": task, "fingerprint": _hub_fingerprint(task)}
    folder = cache_folder() / "ratings"
    if not folder.exists() or _is_prepared(folder, "ratings"):
        return task
    return {"task": task, "content": content_of(folder, ("snippets.json",))}


def _is_prepared(folder: Path, part: str) -> bool:
    """Return whether a folder holds what `vgf rlhf prepare` made of today's archive, byte for byte."""
    try:
        facts = read_facts(folder / "manifest.json", files=dict)
        kept = all(content_of(folder / name) == row["sha256"] for name, row in facts["files"].items())
        return kept and facts["archive"] == PARTS[part].sha256
    except (OSError, ValueError, KeyError, TypeError):
        return False


@cache
def _hub_fingerprint(task: str) -> str:
    """Return what the library `datasets` names the version of a hub's dataset by."""
    from vgf.rlhf.parts.preferences import hub_table

    table = hub_table(task)
    files = [Path(file["filename"]) for file in getattr(table, "cache_files", ())]
    if not files:
        return str(getattr(table, "_fingerprint", ""))
    # the folder of a cached set is named by the commit it came from
    return fingerprint({"files": sorted("/".join(file.parts[-2:]) for file in files)})
