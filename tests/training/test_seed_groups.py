"""Seeds apart: groups have names that can be read, go on as they began, and join to one policy."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.helpers.toy_runs import a_run
from vgf.agents import VGF, Dims, VGFConfig
from vgf.networks import SeedStreams
from vgf.training.campaign import groups
from vgf.training.checkpoints import join_seeds, one_seed
from vgf.training.seed_groups import _named, _seeds, of_group, parts

SIX = {"seeds": [0, 1, 2, 5, 7, 8]}
CONFIG = VGFConfig(particles=2, hidden=(8,), flow_steps=2)


@pytest.mark.parametrize("seeds", [[0], [0, 1, 2], [3, 5, 6, 7, 1], list(range(500)), [9, 8, 7]])
def test_a_name_tells_its_seeds(seeds: list[int]) -> None:
    assert _seeds(_named(seeds)) == seeds
    assert len(_named(list(range(500)))) < 10


def seeds_of(found: object) -> list[list[int]]:
    return [list(part.experiment.scale.seeds) for part in found]  # type: ignore[attr-defined]


def test_seeds_are_shared_out_evenly_and_only_where_there_are_fewer_runs_than_processes(tmp_path: Path) -> None:
    run = a_run(tmp_path, sizes=SIX)
    assert parts(run, 1) == [run]
    assert seeds_of(parts(run, 2)) == [[0, 1, 2], [5, 7, 8]]
    assert seeds_of(parts(run, 4)) == [[0, 1], [2, 5], [7], [8]]
    assert seeds_of(parts(run, 99)) == [[0], [1], [2], [5], [7], [8]]
    assert [groups(runs, 4) for runs in (0, 1, 2, 3, 4, 9)] == [4, 4, 2, 2, 1, 1]


def test_a_run_goes_on_as_it_began(tmp_path: Path) -> None:
    run = a_run(tmp_path, sizes=SIX)
    of_group(run, (0, 1, 2)).work.mkdir(parents=True)
    assert seeds_of(parts(run, 1)) == [[0, 1, 2], [5, 7, 8]]
    of_group(run, (1, 5)).work.mkdir(parents=True)  # of another time: it shares a seed with the first
    of_group(run, (8,)).folder.mkdir(parents=True)
    assert seeds_of(parts(run, 9)) == [[0, 1, 2], [8], [5], [7]]
    whole = a_run(tmp_path / "whole", sizes=SIX)
    whole.work.mkdir(parents=True)
    (whole.work / "checkpoint-000000004.json").write_text("{}")
    assert parts(whole, 6) == [whole]


def test_joined_seeds_act_as_each_did_alone() -> None:
    together = VGF.create(CONFIG, Dims(3, 2), (4, 0, 9))
    joined = join_seeds([one_seed(together, 4), one_seed(together, 0), one_seed(together, 9)])
    assert joined.seeds == (4, 0, 9)
    assert all(torch.equal(value, together.policy()[key]) for key, value in joined.policy().items())
    s, streams = torch.randn(3, 2, 3), [SeedStreams((4, 0, 9), "test") for _ in range(2)]
    assert torch.equal(joined.act(s, joined.budget(1), streams[0]), together.act(s, together.budget(1), streams[1]))


def test_seeds_that_were_not_trained_alike_are_not_joined() -> None:
    one, other = VGF.create(CONFIG, Dims(3, 2), (0,)), VGF.create(CONFIG, Dims(3, 2), (1,))
    other.updates = 7
    with pytest.raises(ValueError, match="policies of seeds 0, 1 were not trained alike"):
        join_seeds([one, other])
    with pytest.raises(ValueError, match="seeds must be distinct"):
        join_seeds([one, one])
