"""What is timed: an agent of a preset, at a size, on a path; `vgf.bench.updates` builds and runs it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, NamedTuple

from vgf.agents import AGENTS, CONFIGS, Dims, VGFConfig, fused, hardware
from vgf.agents.base import Precision
from vgf.agents.fused.build import fault
from vgf.agents.fused.job import PRECISIONS
from vgf.agents.graph import UPDATES
from vgf.agents.vgf_config import PRESETS


class Size(NamedTuple):
    """Sizes of networks, batch and flow; observation and action are those of OGBench's single cube."""

    hidden: tuple[int, ...]
    particles: int
    train_steps: int
    flow_steps: int
    batch: int = 256
    dims: Dims = Dims(28, 5)


SIZES = {  # "paper" is what xu2026vgf's public scripts train, "small" and "tiny" what a processor core can
    "paper": Size((512,) * 4, particles=10, train_steps=3, flow_steps=10),
    "small": Size((256,) * 3, particles=5, train_steps=3, flow_steps=5),
    "tiny": Size((128,) * 3, particles=5, train_steps=3, flow_steps=5, batch=128),
}
SizeName = Literal["paper", "small", "tiny"]
PathName = Literal["eager", "fast", "fused", "graph"]
AgentName = Literal["vgf", "best_of_n", "fql", "iql", "idql", "rebrac", "td3_bc", "diffusion_ql", "bc"]
PresetName = Literal["paper", "release", "banked", "amortised"]
_BANKED = replace(PRESETS["release"], pretrain=1, bank=10)
TIMED: dict[str, VGFConfig] = {
    "release": PRESETS["release"],
    "paper": PRESETS["paper"],
    "banked": _BANKED,  # the release's flow with what this project's small scales add: a frozen reference and a bank
    "amortised": replace(_BANKED, direction="amortised"),
}


class UpdatePath(NamedTuple):
    """How a path updates.

    Attributes:
        quick: with a bank and the precision asked for; otherwise with the modules themselves, in float32.
        at_once: updates of one call of `update_many`; 1 is `update`.
        whole: whether a call must have all of `at_once`.
        device: the only kind of device it runs on, or None.
    """

    quick: bool
    at_once: int = 1
    whole: bool = False
    device: str | None = None


PATHS: dict[PathName, UpdatePath] = {
    "eager": UpdatePath(quick=False),
    "fast": UpdatePath(quick=True),
    "fused": UpdatePath(quick=True, at_once=50, device="cpu"),  # training asks for all up to the next update it logs
    "graph": UpdatePath(quick=True, at_once=UPDATES, whole=True, device="cuda"),
}
MEANS = ("one call", "memory", "bank", "amortised", "many at once")  # what can be taken from a quick path


@dataclass(frozen=True)
class Case:
    """One thing to time.

    Attributes:
        preset: of `TIMED`; "default" for a method without them.
        size: of `SIZES`.
        path: "eager": the modules themselves, the reference integrated anew; "fast": one call of `Agent.update` an
            update, with what `vgf.agents.fast` and a bank offer; "fused": `Agent.update_many` in the fused core;
            "graph": the fast path, several updates in one CUDA graph.
        seeds: trained together.
        particles, train_steps: N and L_train, where they differ from the size's.
        device, threads: where.
        without: what a quick path is denied, of `MEANS`.
        compiled: whether `torch.compile` is let loose on the chains of `vgf.agents.fast`.
        agent: the method.
        precision: of products on a quick path; see `vgf.agents.base.Precision`.
    """

    preset: str
    size: str
    path: PathName
    seeds: int = 1
    particles: int | None = None
    train_steps: int | None = None
    device: str = "cpu"
    threads: int | None = None
    without: tuple[str, ...] = ()
    compiled: bool = False
    agent: str = "vgf"
    precision: Precision = "bfloat16"

    @property
    def config(self) -> Any:
        """The agent's config; a reference that is trained first counts as trained already."""
        size, way = SIZES[self.size], PATHS[self.path]
        precision = self.precision if way.quick else "float32"
        if self.preset == "default":
            default = CONFIGS[self.agent]["default"]
            known = {field.name for field in fields(default)}
            own = {"hidden": size.hidden, "flow_steps": size.flow_steps, "precision": precision}
            return replace(default, **{name: value for name, value in own.items() if name in known})
        preset = TIMED[self.preset]
        particles = self.particles or size.particles
        still = self.agent == "best_of_n"
        steps = 0 if still else size.train_steps if self.train_steps is None else self.train_steps
        banked = way.quick and preset.pretrain and "bank" not in self.without
        return replace(
            preset,
            hidden=size.hidden,
            particles=particles,
            train_steps=steps,
            flow_steps=size.flow_steps,
            pretrain=min(1, preset.pretrain),
            bank=max(preset.bank, particles) if banked else 0,
            direction="autograd" if still or "amortised" in self.without else preset.direction,
            precision=precision,
        )

    @property
    def dtype(self) -> str:
        """The kind of number most of its products multiply, whose peak it is held against."""
        return "float32" if self.config.precision == "float32" else "bfloat16"

    @property
    def exists(self) -> bool:
        """Whether the path has the precision: `update` and some processors have fewer of them."""
        if self.path == "fused" and self.device == "cpu" and fused.reason() is None:
            return fault(PRECISIONS[self.precision]) is None
        if self.path in ("eager", "fused"):
            return True
        return self.precision in AGENTS[self.agent].eager_precisions

    @property
    def theirs(self) -> str | None:
        """The authors' own agent that does what this does, of `vgf.release.worker`; None where there is none."""
        if self.agent == "vgf" and self.config.direction == "amortised":
            return "a_vgf"
        return self.agent if self.agent in ("vgf", "fql", "iql", "rebrac") else None

    @property
    def at_once(self) -> int:
        """Updates of one call."""
        return 1 if "many at once" in self.without else PATHS[self.path].at_once

    def facts(self) -> dict[str, Any]:
        """Return the case for a line of JSON, what config and size decide spelled out."""
        config = self.config
        names = ("particles", "train_steps", "bank", "precision")
        own = {name: getattr(config, name, None) for name in names}
        return asdict(self) | own | {"theirs": self.theirs}


def lowest_precision(path: PathName, device: str) -> Precision:
    """Return the lowest precision that a path has on a device without it being emulated."""
    if path == "fused":
        return "bfloat16_all" if fault(PRECISIONS["bfloat16_all"]) is None else "float32"
    return "bfloat16" if device != "cpu" or hardware.FUSED else "float32"


def check_path(path: PathName, device: str) -> None:
    """Refuse a path that does not run here.

    Raises:
        ValueError: with the reason.
    """
    if PATHS[path].device not in (None, device):
        raise ValueError(f"--path {path} needs {PATHS[path].device}, this is {device}; leave it out here")
    if path == "fused" and (reason := fused.reason()) is not None:
        raise ValueError(f"--path fused: no fused core here ({reason}); leave it out")
