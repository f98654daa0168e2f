"""Checkpoints to go on from, and policies to act with: safetensors, which hold numbers and never code.

A checkpoint counts once its json is there and names the sha256 of its tensors, and its own digest; it is written last,
so a killed process leaves the checkpoint before. Two are kept: a damaged one is named and the other used. A policy
file carries its agent's name, config and sizes in its header and is complete on its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vgf.agents import AGENTS, CONFIGS, Agent, Dims
from vgf.datasets.transitions import digest
from vgf.support.files import locked, sha256, write_bytes, write_json
from vgf.support.given import whole
from vgf.support.json_text import parse_json, read_facts
from vgf.support.progress import log
from vgf.support.provenance import fingerprint
from vgf.support.strict import build, known

KEPT = 2
POLICY = "policy.safetensors"
AGAIN = "train or export it again"
POLICY_FACTS = ("agent", "config", "dims", "seeds", "task", "updates", "sha256")  # of its header


class Checkpoint(NamedTuple):
    """Named tensors, the facts beside them, and where they lie."""

    tensors: dict[str, Tensor]
    facts: dict[str, Any]
    path: Path

    @property
    def update(self) -> int:
        """After which update it was taken."""
        return int(self.facts["update"])


def save_checkpoint(folder: Path, update: int, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    """Write the checkpoint of an update, and remove all but the newest two."""
    path = folder / f"checkpoint-{update:09d}.safetensors"
    _write(path, tensors, {})
    told = {"sha256": sha256(path), "update": update, **facts}
    write_json(path.with_suffix(".json"), told | {"seal": fingerprint(told)})
    for old in sorted(folder.glob("checkpoint-*.json"))[:-KEPT]:
        old.unlink()
    alive = {p.stem for p in folder.glob("checkpoint-*.json")}
    for tensors_file in folder.glob("checkpoint-*.safetensors"):
        if tensors_file.stem not in alive:
            tensors_file.unlink()


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """Return the newest intact checkpoint, on the CPU; None where there is none. Damaged ones are named on stderr."""
    for path in sorted(folder.glob("checkpoint-*.json"), reverse=True):
        tensors = path.with_suffix(".safetensors")
        try:
            facts = read_facts(path, sha256=str, seal=str, update=int)
            if facts.pop("seal") != fingerprint(facts) or sha256(tensors) != facts["sha256"]:
                raise ValueError("its bytes are not those that were written")
            return Checkpoint(safetensors.torch.load_file(tensors), facts, tensors)
        except (OSError, ValueError, safetensors.SafetensorError) as error:
            log(f"{tensors}: damaged checkpoint, not used ({' '.join(str(error).split())})")
    return None


def save_policy(path: Path, agent: Agent, task: str) -> None:
    """Write the networks of an agent to a file, with all that `load_agent` needs."""
    facts = {
        "agent": agent.name,
        "config": asdict(agent.config),
        "dims": list(agent.dims),
        "seeds": list(agent.seeds),
        "task": task,
        "updates": agent.updates,
    }
    tensors = agent.policy()
    facts["sha256"] = _policy_digest(facts, tensors)  # safetensors keep no checksum of their own
    _write(path, tensors, {"policy": json.dumps(facts)})


def _policy_digest(facts: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of a policy file's facts and tensors."""
    names = sorted(tensors)
    told = json.dumps([{key: value for key, value in facts.items() if key != "sha256"}, names], sort_keys=True)
    return hashlib.sha256(f"{told} {digest(*(tensors[name] for name in names))}".encode()).hexdigest()


def add_policy(folder: Path, agent: Agent, task: str) -> None:
    """Put the policies of an agent's seeds into a record's folder, beside those of other seeds that are there.

    A seed that is there stays as it is, as its rows do; seeds trained one call or one process at a time all remain.
    """
    path = folder / POLICY
    with locked(folder, "policy"):
        agents = [agent]
        if path.exists():
            try:
                agents.insert(0, load_agent(path)[0])
            except ValueError as error:
                log(f"{error}; it is replaced")
        seeds = sorted({seed for one in agents for seed in one.seeds})
        if len(agents) == 1 or set(agents[0].seeds) == set(agent.seeds):
            joined = agents[0]
        else:
            own = {seed: one for one in reversed(agents) for seed in one.seeds}
            joined = join_seeds([_on_cpu(one_seed(own[seed], seed)) for seed in seeds])
        save_policy(path, joined, task)


def _on_cpu(agent: Agent) -> Agent:
    """Return an agent that acts alike on the CPU."""
    twin = type(agent).create(agent.config, agent.dims, agent.seeds)
    twin.load_policy({key: value.cpu() for key, value in agent.policy().items()})
    twin.updates = agent.updates
    return twin


def one_seed(agent: Agent, seed: int | None = None) -> Agent:
    """Return an agent of one of the seeds alone, to act as that seed does; its Adam and streams are new.

    Args:
        agent: of one or more seeds.
        seed: which; may be left out where there is one.

    Raises:
        ValueError: naming the seeds there are.
    """
    if seed not in agent.seeds and (seed is not None or len(agent.seeds) > 1):
        raise ValueError(f"it has seeds {', '.join(map(str, agent.seeds))}; name one of them")
    index = 0 if seed is None else agent.seeds.index(seed)
    alone = type(agent).create(agent.config, agent.dims, agent.seeds[index : index + 1], agent.device)
    shapes = {key: value.shape for key, value in alone.policy().items()}
    tensors = agent.policy()
    alone.load_policy({key: t if t.shape == shapes[key] else t[index : index + 1] for key, t in tensors.items()})
    alone.updates = agent.updates
    return alone


def join_seeds(agents: Sequence[Agent]) -> Agent:
    """Return an agent of all the seeds of agents that differ in nothing else, in their order, to act as each does.

    Raises:
        ValueError: if they were not trained alike, or two have the same seed.
    """
    first, seeds = agents[0], [seed for agent in agents for seed in agent.seeds]
    if any(
        (a.name, a.config, a.dims, a.updates) != (first.name, first.config, first.dims, first.updates) for a in agents
    ):
        raise ValueError(f"policies of seeds {', '.join(map(str, seeds))} were not trained alike")
    whole, parts = type(first).create(first.config, first.dims, seeds, first.device), [a.policy() for a in agents]
    joined = {}
    for key, value in whole.policy().items():
        tensors = [part[key] for part in parts]
        joined[key] = tensors[0] if len(agents) == 1 or tensors[0].shape == value.shape else torch.cat(tensors)
    whole.load_policy(joined)
    whole.updates = first.updates
    return whole


def load_agent(path: Path, device: torch.device | str = "cpu") -> tuple[Agent, str]:
    """Return the agent in a policy file, or in a record's folder, and the task it was trained on.

    Raises:
        ValueError: naming the file and what is wrong with it.
    """
    path = path / POLICY if path.is_dir() else path
    if not path.exists():
        raise ValueError(f"no policy at {path}; training leaves it once it is done (weights are not in git)")
    facts, tensors = _read_policy(path)
    try:
        known(facts, POLICY_FACTS, "its header")
        if missing := [name for name in POLICY_FACTS[:-1] if name not in facts]:
            raise ValueError(f"its header has no {missing[0]}")
        known([facts["agent"]], AGENTS, "vgf.agents")
        config = build(type(CONFIGS[facts["agent"]]["default"]), facts["config"], "config")
        agent = AGENTS[facts["agent"]].create(config, Dims(*facts["dims"]), facts["seeds"], device)
        agent.load_policy(tensors)
        agent.updates, task = whole("updates", facts["updates"], 0), str(facts["task"])
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        told = f"it has no {error}" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise ValueError(f"{path}: a policy of another version of vgf ({told}); {AGAIN}") from None
    return agent, task


def _read_policy(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return a policy file's facts and tensors, whole as they were written.

    Raises:
        ValueError: naming the file, if it is damaged or no policy at all.
    """
    try:
        with safetensors.safe_open(path, "pt") as file:
            text = (file.metadata() or {}).get("policy")
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118  # not a mapping
        facts = None if text is None else parse_json(text)
        if isinstance(facts, dict) and "sha256" in facts and facts["sha256"] != _policy_digest(facts, tensors):
            raise ValueError("its bytes are not those that were written")
    except (OSError, ValueError, TypeError, safetensors.SafetensorError) as error:
        told = " ".join(str(error).split())
        raise ValueError(f"{path}: damaged, or not a safetensors file ({told}); {AGAIN}") from None
    if not isinstance(facts, dict):
        raise ValueError(f"{path}: holds tensors, but its header no policy of vgf; name one that vgf left")
    return facts, tensors


def _write(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    content = safetensors.torch.save({key: value.contiguous() for key, value in tensors.items()}, metadata)
    write_bytes(path, content)
