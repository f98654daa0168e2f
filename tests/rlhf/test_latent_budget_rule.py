"""The rule on a little world of sentences: networks are critics of a wish, texts are trajectories, people pay."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.helpers.latent import SIZES, Straight, little_space
from vgf.results.budget_cells import rules_file
from vgf.rlhf.latent.budget_rule import WishCritics, cell, held_of, main, played
from vgf.rlhf.latent.models import BOX, Prior
from vgf.rlhf.latent.wishes import Wish, wishes
from vgf.training.budgets.ladder import Rung
from vgf.training.budgets.measure import unit_of

SPACE, WISHES = little_space(), wishes(1.0)
PRIOR = Prior(SIZES, 2, 0)


def critics(wish: Wish, members: tuple[int, ...] = (0, 1)) -> WishCritics:
    return WishCritics(wish, SPACE, PRIOR, Straight(), members, 3, "test")


def test_networks_value_a_latent_as_the_wish_does_at_the_prompt_s_mark() -> None:
    own = critics(WISHES["conditional"])
    states = torch.tensor([[0.0, 0.0, 1.0], [0.0, 0.0, -1.0]]).expand(2, -1, -1)
    drawn = own.sample(states, 5)
    assert drawn.shape == (2, 2, 5, 4)
    assert torch.equal(own.value(states, drawn), BOX * drawn[..., 0] * torch.tensor([1.0, -1.0])[:, None])
    assert torch.equal(own.value(states, drawn[:, :, 0]), own.value(states, drawn)[..., 0])
    slope = own.slope(states, drawn)
    assert torch.allclose(slope[:, 0, :, 0], torch.tensor(BOX))
    assert torch.allclose(slope[:, 1, :, 0], torch.tensor(-BOX))


def test_texts_are_trajectories_of_one_step_whose_reward_is_people_s() -> None:
    held = held_of(WISHES["target"], SPACE.tuning)
    rows = held.transitions
    assert len(np.unique(held.trajectory)) == len(rows) == 40
    assert not bool(rows.masks.any())
    marks = torch.tensor([-2.0, 0.0, 2.0]).repeat(14)[:40]
    assert torch.allclose(rows.rewards, -(SPACE.tuning.ratings - marks).square())
    assert torch.equal(rows.observations[:, -1], marks)


def test_people_pay_for_the_nearest_text_and_moving_up_a_true_rating_pays() -> None:
    wish = WISHES["conditional"]
    mover, judge = critics(wish, (0,)), critics(wish, (1,))
    unit = unit_of(mover, held_of(wish, SPACE.tuning).transitions.observations)
    rungs = (Rung(0.0, 1), Rung(0.0, 10), Rung(1.0, 10))
    table = played(mover, judge, SPACE.report, rungs, unit, {"tuning": 4, "reporting": 30}).set_index("displacement")
    assert table["value"].iloc[2] > table["value"].iloc[1] > table["value"].iloc[0]
    assert table["error"].iloc[1] == 0.0
    assert (table["disagreement"] == 0).all()  # the networks say the same
    people = SPACE.report.ratings.abs().max()
    assert table["value"].max() <= float(people)


def test_a_cell_has_a_row_a_rung_and_one_a_rule() -> None:
    plan = rules_file("language")
    plan["ladder"] = {"displacements": [0, 1], "particles": [1, 10]}
    plan["language"] = {"seeds": [3], "prompts": {"tuning": 4, "reporting": 20}}
    found = cell(WISHES["conditional"], SPACE, (PRIOR, Straight()), 3, plan)
    assert len(found["cells"]) == 4
    assert set(found["choices"]["rule"]) < set(plan["rules"])
    value = found["choices"].set_index("rule")["value"]
    assert value["oracle"] >= value["ours"] >= value["clone"]  # all networks are right here
    assert set(found["cells"]["task"]) == {"language-conditional"}


def test_words_are_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["foo", "bar"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("budget_rule: no word is taken, got 'foo bar'")
