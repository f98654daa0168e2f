"""A bank of reference actions in a file, mapped into memory: drawn once, read by every run of the dataset.

A bank is a function of the reference's weights, the states and the noise, so it is named by a digest of these, and
every run that would draw the same takes the file: other methods, other tasks of the dataset, a run that goes on after
a kill. Processes that map one file share its memory. A file under way has another name and a note of how many rows are
written; it goes on from there. It counts once its checksum stands beside it. The price is the space, 2 S T K d bytes:
where that does not fit, the bank is drawn into memory as before and lives as long as the run.
"""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vgf.agents.computed import computed_by
from vgf.datasets.transitions import digest
from vgf.networks import SeedStreams
from vgf.support.files import held, sha256, write_bytes, write_json
from vgf.support.json_text import read_facts
from vgf.support.progress import log
from vgf.support.provenance import fingerprint

if TYPE_CHECKING:
    from vgf.agents.vgf import VGF

SAVE_SECONDS = 30.0  # between two notes of how far it is
SPARE = 2 * 2**30  # bytes of the disk that a bank leaves free


class BankFile:
    """The file of one bank; see the module.

    Args:
        folder: of the banks that are kept.
        facts: all that determines the bank, as JSON holds it.
        shape: of the bank, [S, T, K, d].
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], shape: tuple[int, ...]) -> None:
        self.facts, self.shape = dict(facts), shape
        self.path = folder / f"{fingerprint(facts)}.float16"
        self.part = self.path.with_suffix(".part")
        self.progress = self.path.with_suffix(".progress")
        self.size = 2 * math.prod(shape)  # bytes
        self.saved = time.monotonic()

    def filled(self, streams: SeedStreams, fill: Callable[[Tensor, int], None]) -> Tensor:
        """Return the bank, from the file or filled now, on the CPU.

        Args:
            streams: source of the noise, which `fill` draws from.
            fill: writes all rows of a bank but the first so many, and calls `save` as it goes on.
        """
        waiting = "reference actions: another process draws them; this one waits"
        with held(self.path.parent, self.path.stem, waiting):
            found = self._read()
            if found is not None:
                return found
            if not self._fits():
                actions = torch.empty(self.shape, dtype=torch.float16)
                fill(actions, 0)
                return actions
            log(f"reference actions: drawn once and kept in {self.path}, {self.size / 1e9:.2f} GB")
            fill(*self._begin(streams))
            return self._finish()

    def save(self, rows: int, streams: SeedStreams) -> None:
        """Note how many rows are written, from time to time, once they are on the disk."""
        if not self.part.exists() or time.monotonic() - self.saved < SAVE_SECONDS:
            return
        self._flush()
        state = {"rows": torch.tensor(rows), "streams": streams.state()}
        write_bytes(self.progress, safetensors.torch.save(state))
        self.saved = time.monotonic()

    def _read(self) -> Tensor | None:
        """Return the bank, mapped, where it is whole; a damaged file is named and removed."""
        facts = self.path.with_suffix(".json")
        if not facts.exists():
            return None
        try:
            if read_facts(facts, sha256=str)["sha256"] == sha256(self.path):
                return self._mapped(self.path, shared=False)
            fault = "its bytes are not those that were written"
        except (OSError, ValueError) as error:
            fault = " ".join(str(error).split())
        log(f"{self.path}: damaged, made anew ({fault})")
        facts.unlink(missing_ok=True)
        return None

    def _fits(self) -> bool:
        """Return whether there is room for it; if not, say so."""
        there = self.part.stat().st_size if self.part.exists() else 0
        free = shutil.disk_usage(self.path.parent).free + there
        if self.size + SPARE > free:
            log(
                f"reference actions: not kept, for they take {self.size / 1e9:.2f} GB and {self.path.parent} has "
                f"{free / 1e9:.2f} GB; each run draws them anew"
            )
        return self.size + SPARE <= free

    def _begin(self, streams: SeedStreams) -> tuple[Tensor, int]:
        """Return the bank to be written, mapped, and how many rows are there; the streams go on from them."""
        rows = 0
        if self.part.exists() and self.part.stat().st_size == self.size and self.progress.exists():
            try:
                state = safetensors.torch.load_file(self.progress)
                streams.set_state(state["streams"])
                rows = int(state["rows"])
            except (OSError, KeyError, safetensors.SafetensorError):
                log(f"{self.progress}: damaged, so the reference actions are drawn from the first on")
        if rows == 0:
            self.part.unlink(missing_ok=True)
        return self._mapped(self.part, shared=True), rows

    def _finish(self) -> Tensor:
        """Give the file that is all written its name and its checksum, and return the bank."""
        self._flush()
        told = {"sha256": sha256(self.part), "shape": list(self.shape), "facts": self.facts}
        self.part.replace(self.path)
        write_json(self.path.with_suffix(".json"), told)
        self.progress.unlink(missing_ok=True)
        return self._mapped(self.path, shared=False)

    def _mapped(self, path: Path, shared: bool) -> Tensor:
        return torch.from_file(str(path), shared=shared, size=self.size // 2, dtype=torch.float16).view(self.shape)

    def _flush(self) -> None:
        with self.part.open("rb+") as stream:
            os.fsync(stream.fileno())


def of_agent(agent: VGF, states: Tensor) -> BankFile | None:
    """Return where an agent's bank of some states [T, o] is kept; None without a cache, or on a GPU.

    A GPU draws a bank faster than a disk is read.
    """
    if agent.cache is None or agent.device.type != "cpu":
        return None
    c, shape = agent.config, (len(agent.seeds), len(states), agent.config.bank, agent.dims.action)
    facts = {
        "reference": digest(*agent.reference.state_dict().values()),
        "kind": c.reference,
        "flow_steps": c.flow_steps,
        "low": c.precision != "float32",
        "states": digest(states),
        "seeds": list(agent.seeds),
        "shape": list(shape),
        **computed_by(agent),
    }
    return BankFile(agent.cache / "banks", facts, shape)
