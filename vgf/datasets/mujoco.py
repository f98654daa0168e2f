"""What every simulator of the package needs: quiet start, light models, a seed for numpy's global generator.

Nobody looks at the simulators here, so the arm's 30 MB of visual shapes, which touch nothing, give way to a pebble
before the model is compiled. A process starts in half the time and the bits stay (a test compares them).
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from xml.etree import ElementTree

import numpy as np

PEBBLE = b"v 0 0 0\nv 1 0 0\nv 0 1 0\nv 0 0 1\nf 1 3 2\nf 1 2 4\nf 1 4 3\nf 2 3 4\n"  # a Wavefront tetrahedron


def silence_simulators() -> None:
    """Drop the warnings these environments give on every use and nobody can act on; the simulator's others are kept.

    By default MuJoCo also writes its warnings to a file in whatever folder the user is in.
    """
    import mujoco

    warnings.filterwarnings("ignore", message=".*Box (low|high)'s precision lowered")
    warnings.filterwarnings("ignore", message=".*DISPLAY environment variable is missing")
    mujoco.set_mju_user_warning(_tell_unless_deprecated)


@contextmanager
def compiled_without_looks() -> Iterator[None]:
    """Have MuJoCo compile, within the block, models whose purely visual shapes are pebbles."""
    import mujoco

    compile_model = mujoco.MjModel.from_xml_string

    def compile_light(xml: str, assets: dict[str, bytes] | None = None) -> Any:
        return compile_model(xml, (assets or {}) | dict.fromkeys(_visual_files(xml), PEBBLE))

    mujoco.MjModel.from_xml_string = compile_light
    try:
        yield
    finally:
        mujoco.MjModel.from_xml_string = compile_model


@contextmanager
def global_numpy_seed(seed: int) -> Iterator[None]:
    """Seed numpy's global state, which OGBench's environments draw from, and put it back afterwards."""
    before = np.random.get_state()  # noqa: NPY002
    np.random.seed(seed)  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(before)  # noqa: NPY002


def _visual_files(xml: str) -> list[str]:
    """Return the Wavefront files of a model's meshes that only geoms of a class called visual use."""
    root = ElementTree.fromstring(xml)  # the package's own model
    solid = {geom.get("mesh") for geom in root.iter("geom") if not geom.get("class", "").endswith("visual")}
    files = [mesh.get("file", "") for mesh in root.iter("mesh") if mesh.get("name") not in solid]
    return [file for file in files if file.endswith(".obj")]


def _tell_unless_deprecated(message: str) -> None:
    """Print a simulator's warning, unless it is about how a package writes its models."""
    if "deprecated" not in message:
        print(f"MuJoCo: {' '.join(message.split())}", file=sys.stderr)
