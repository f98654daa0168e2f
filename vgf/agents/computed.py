"""What the last bits of a computation depend on besides its settings: which code, libraries and processor did it.

What is kept between runs is named by it, so that a run never takes over what it would not have computed itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from vgf.agents.fused.build import library_name

if TYPE_CHECKING:
    from vgf.agents.base import Agent


def computed_by(agent: Agent) -> dict[str, Any]:
    """Return what an agent's numbers depend on where it computes, as JSON holds it."""
    facts: dict[str, Any] = {"torch": torch.__version__, "dtype": str(torch.get_default_dtype())}
    if agent.is_fused:
        return facts | {"core": library_name()}
    if agent.device.type == "cpu":
        capability = torch.backends.cpu.get_cpu_capability()
        return facts | {"threads": torch.get_num_threads(), "capability": capability}
    return facts | {"device": torch.cuda.get_device_name(agent.device)}
