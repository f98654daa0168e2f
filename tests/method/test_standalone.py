"""The program printed in the first chapter, taken from the chapter itself, against the package."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import jupytext
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from tests.helpers.site import ROOT
from vgf.flow import Budget, best_of, stein_direction, transport, value_gradient
from vgf.kernels import median_bandwidth

CHAPTER = ROOT / "notebooks" / "00_standalone_vgf.md"
PROGRAM = [
    cell.source
    for cell in jupytext.read(CHAPTER).cells
    if cell.cell_type == "code" and "standalone" in cell.metadata.get("tags", [])
]


@pytest.fixture(scope="module")
def program() -> dict[str, Any]:
    """Names the program defines, run on its own."""
    names: dict[str, Any] = {}
    for source in PROGRAM:
        exec(compile(source, str(CHAPTER), "exec"), names)  # the repository's own chapter
    return names


def normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def wavy(d: int, seed: int) -> Callable[[Tensor], Tensor]:
    """A critic with many hills whose curvature is of order 1."""
    waves, phases = normal(seed, 3, d) / math.sqrt(d), normal(seed + 1, 3)
    return lambda a: torch.sin(a @ waves.T + phases).sum(-1)


def test_it_is_at_most_eighty_lines_and_needs_only_torch() -> None:
    lines = [line.strip() for source in PROGRAM for line in source.splitlines() if line.strip()]
    assert 20 < len(lines) <= 80
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert imports == ["import math", "import torch"]


@pytest.mark.parametrize("adam", [False, True])
@pytest.mark.parametrize("box", [None, (-1.0, 1.0)])
@pytest.mark.parametrize("sigma", [None, 0.6])
@settings(deadline=None)  # the first case pays for warming up
@given(n=st.integers(1, 24), d=st.integers(1, 6), steps=st.integers(0, 10), seed=st.integers(0, 2**20))
def test_every_particle_goes_where_the_package_moves_it(
    program: dict[str, Any],
    adam: bool,
    box: tuple[float, float] | None,
    sigma: float | None,
    n: int,
    d: int,
    steps: int,
    seed: int,
) -> None:
    start, critic = normal(seed, n, d), wavy(d, seed + 7)
    step_size, temperature = (torch.rand(2, generator=torch.Generator().manual_seed(seed)) * 0.1 + 0.01).tolist()
    temperature = 0.3 + 10 * temperature
    budget = Budget(steps, step_size, temperature, "adam" if adam else "none")
    expected = transport(start, value_gradient(critic), budget, bandwidth=sigma or "median", bounds=box)
    got = program["vgf"](start, critic, steps, step_size, temperature, sigma, adam, box)
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@settings(deadline=None)  # the first case pays for warming up
@given(n=st.integers(1, 30), d=st.integers(1, 6), seed=st.integers(0, 2**20))
def test_each_part_equals_its_twin(program: dict[str, Any], n: int, d: int, seed: int) -> None:
    a, score = normal(seed, n, d), normal(seed + 1, n, d)
    critic = wavy(d, seed)
    torch.testing.assert_close(program["median_bandwidth"](a), median_bandwidth(a).squeeze(), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        program["direction"](a, score, 0.7), stein_direction(a, score, 0.7), rtol=1e-10, atol=1e-12
    )
    assert torch.equal(program["value_gradient"](critic, a), value_gradient(critic)(a))
    assert torch.equal(program["best_of"](a, critic), best_of(a, critic(a)))


def test_no_steps_leave_the_particles_bit_for_bit(program: dict[str, Any]) -> None:
    start = normal(0, 10, 3)
    for adam in (False, True):
        assert torch.equal(program["vgf"](start, wavy(3, 0), 0, 0.1, 1.0, None, adam, (-1.0, 1.0)), start)
