"""What a run is given besides its settings: data, environments and device, and whether they fit each other."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium.vector import VectorEnv

from vgf.agents import Dims
from vgf.datasets import TASKS, Transitions
from vgf.support.environment import bounds_fault, scale_note, stretch_note
from vgf.support.progress import log


@dataclass(frozen=True)
class TrainingInputs:
    """What a run is given: data, environments and device.

    Attributes:
        transitions: what it learns from, on the device.
        envs: for evaluation, an equal number for each seed; None where there is no environment to evaluate in.
        device: where it computes.
        acting: for fine-tuning online, one environment a seed; None where there is none.
        reward: scale and offset of the environment's rewards; see `vgf.training.online.reward_rule`.
        cache: folder of what runs share: references that are trained once (`vgf.training.clones`), banks of their
            actions; None shares nothing, with the same numbers.
    """

    transitions: Transitions
    envs: VectorEnv[Any, Any, Any] | None
    device: torch.device
    acting: VectorEnv[Any, Any, Any] | None = None
    reward: tuple[float, float] = (1.0, 0.0)
    cache: Path | None = None


def check_fit(task: str, transitions: Transitions, envs: VectorEnv[Any, Any, Any] | None) -> Dims:
    """Return the widths of observations and actions.

    Raises:
        ValueError: if those of the data are not those of the environment, or its actions are not in [-1, 1].
    """
    dims = Dims(transitions.observations.shape[-1], transitions.actions.shape[-1])
    if envs is None:
        return dims
    remedy = "name a file of this task" if task in TASKS else "give the environment that the data are from"
    check_spaces(task, "the dataset", dims, envs, remedy)
    for note, space, values in (
        (scale_note, envs.single_observation_space, transitions.observations),
        (stretch_note, envs.single_action_space, transitions.actions),
    ):
        if told := note(space, values.amin(0).cpu().numpy(), values.amax(0).cpu().numpy()):
            log(f"{task}: {told}")
    return dims


def check_spaces(task: str, owner: str, dims: Dims, envs: VectorEnv[Any, Any, Any], remedy: str) -> None:
    """Refuse environments of other widths than a dataset's or a policy's, or with actions out of [-1, 1].

    Args:
        task: its name, for the message.
        owner: what has the widths, as "the dataset".
        dims: its widths.
        envs: the environments.
        remedy: what to do where the widths differ.

    Raises:
        ValueError: naming what differs.
    """
    spaces = Dims(*(int(np.prod(s.shape or ())) for s in (envs.single_observation_space, envs.single_action_space)))
    if dims != spaces:
        raise ValueError(
            f"{task}: {owner} has observations of {dims.observation} and actions of {dims.action}, the environment "
            f"of {spaces.observation} and {spaces.action}; {remedy}"
        )
    if fault := bounds_fault(envs.single_action_space):
        raise ValueError(f"{task}: {fault}")
