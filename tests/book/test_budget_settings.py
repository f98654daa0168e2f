"""The parts of the study share no data, no agent and no start, and are otherwise alike."""

from __future__ import annotations

from vgf.book.budget_settings import settings
from vgf.results.budget_cells import rules_file

PARTS = {part: rules_file(part) for part in ("tuning", "reporting")}


def test_both_parts_have_the_same_settings_under_names_of_their_own() -> None:
    every = {part: list(settings(plan)) for part, plan in PARTS.items()}
    names = {part: [(setting.task, setting.method) for setting in own] for part, own in every.items()}
    assert names["tuning"] == names["reporting"]
    assert len(set(names["tuning"])) == 16
    assert sum(setting.varies for setting in every["reporting"]) == 8
    for one, other in zip(*every.values(), strict=True):
        assert one.config == other.config
        assert one.world != other.world


def test_no_seed_of_the_tuning_part_is_reported() -> None:
    tuning, reporting = (plan["cells"] for plan in PARTS.values())
    assert not {*tuning["seeds"]} & {*reporting["seeds"]}
    assert {*reporting["movers"]} <= {*reporting["seeds"]}
    for world in ("drone", "bandit"):
        seeds = [{one["seed"] for one in cells[world]["data"].values()} for cells in (tuning, reporting)]
        assert not seeds[0] & seeds[1]
    assert tuning["drone"]["starts"]["seed"] != reporting["drone"]["starts"]["seed"]
