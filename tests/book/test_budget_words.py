"""What the chapter says of the study in sentences is counted: harm, promises, misses, L_train, costs, the finding."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.helpers.budget_parts import a_part
from vgf.book import budget_pictures, budget_words
from vgf.results import budget_rules

PART = a_part()
TABLE = budget_rules.scores(PART.cells, PART.every).set_index(["world", "rule"])


def test_harm_stands_beside_the_cells_in_which_it_was_possible() -> None:
    every = PART.every.assign(displacement=PART.every["displacement"].fillna(0.0))
    text = budget_words.harm_text(PART._replace(every=every))
    assert text.startswith("The rule moved particles in 0 of 2 cells and did harm in 0.")
    assert text.endswith("0 to 84 % of all cells.")  # 1 - 0.025^(1/2)


def test_promises_are_counted_by_world() -> None:
    text = budget_words.promises_text(budget_pictures.promises(PART))
    told = ("Drone: 1 of 1 within the radius, 0 of 1 beyond it.", "Bandit: 1 of 1 within the radius, 0 of 1 beyond it.")
    assert text == " ".join(told)


def test_what_missed_and_what_broke_are_counted() -> None:
    assert budget_words.misses_text(PART) == (
        "In 2 of 2 cells with a real gain the rule captured less than half of it. "
        "In 2 of these the best rung promised less than the gate asks."
    )
    text = budget_words.broken_text(PART)
    assert text.startswith("So the radius is not what failed most.")
    assert "below no step in 0 of 2 cells" in text
    assert "The median radius of drone is 0.5 sigma, and the best rung lies at 0.5." in text
    far = PART.cells.assign(value=PART.cells["displacement"], fault="radius")
    end = budget_words.broken_text(PART._replace(cells=far))
    assert end.startswith("So the assumption that broke is that the data's own actions say how far to go.")
    assert "the best rung lies at the ladder's end, 2." in end


@pytest.mark.parametrize(
    ("lost", "said"), [((0.4, 0.1, 0.03), "Always taking the largest lost less"), ((0.0, 0.1, 0.3), "loses 0.10")]
)
def test_rules_for_train_steps_are_counted_in_pairs(lost: tuple[float, float, float], said: str) -> None:
    rows = [
        {"rule": rule, "task": "drone-many", "updates": updates, "seed": 1, "index": 1.1, "lost": one}
        | {"train_steps": 2 if rule == "largest" else 0, "is_best": updates == 500}
        for rule, one in zip(("index", "fitted_q", "largest"), lost, strict=True)
        for updates in (500, 2000)
    ]
    pairs = pd.DataFrame(rows)
    text = budget_words.train_text(pairs)
    assert text.startswith("There are 2 pairs of the drone, one seed each")
    assert said in text
    table = budget_words.train_table(pairs, {"index": "by the index", "fitted_q": "by Q", "largest": "largest"})
    assert table.loc["by the index"].tolist() == ["0 of 2", "1 of 2", f"{lost[0]:.2f}"]
    assert table.loc["largest", "takes the largest"] == "2 of 2"


def test_costs_are_told_by_world_and_from_the_dearest_cell() -> None:
    cells = PART.cells.assign(judging_seeds=[0.5] * 4 + [0.7] * 4)
    costs = budget_pictures.costs(cells)
    text = budget_words.costs_text(costs, 0.1, "ensemble")
    assert "On the drone a training takes 10.0 seconds a seed, an ensemble 5.0." in text
    assert "at most 10 % of a training of 7 seconds or more" in text
    assert text.endswith("the default on these cells should be the ensemble.")
    assert budget_words.costs_text(costs, 0.1, "auto").endswith("and an ensemble elsewhere.")


def test_the_campaign_s_cells_are_told_or_said_to_be_left_out() -> None:
    own = {"task": "drone-many", "rows": ["train2-500", "gone"], "episodes": {"tuning": 5, "reporting": 15}}
    success = {"harm": 0.05, "capture": 0.5}
    assert "left out here: no policy of the study was at hand" in budget_words.campaign_text(None, own, success)
    cells, every = (each[each["task"] == "drone-many"] for each in (PART.cells, PART.every))
    one = PART._replace(cells=cells, every=every.assign(displacement=every["displacement"].fillna(0.0)))
    text = budget_words.campaign_text(one, own, success)
    assert text.startswith("On drone-many there are 1 cells, one a seed of train2-500, with 15 episodes a rung.")
    assert "The rung that a critic itself values most has a regret of 1.00 there. The rule moved particles in 0" in text
    assert "Judged by the record's other seeds, the same rule has a regret of" in text
    assert text.endswith("Without a policy, and left out: gone.")


def test_the_finding_is_six_sentences_with_what_it_misses() -> None:
    verdict = budget_rules.verdict(TABLE.reset_index(), {"harm": 0.05, "capture": 0.5})
    every = PART.every.assign(displacement=PART.every["displacement"].fillna(0.0))
    text = budget_words.found_text(PART._replace(every=every), TABLE, verdict, {"harm": 0.05, "capture": 0.5})
    assert "It misses two of three conditions set before: capture and regret." in text
    assert "where at most 5 % was allowed" in text
    assert "% of the real gain, where 50 % was asked" in text
    assert "Without the radius of the algorithm below, regret is 1.00, not 0.46, and harm 100 %; by promise" in text
    assert text.count(". ") == 5
    assert budget_words.misses_of(dict.fromkeys(verdict, True)) == "It misses none of three conditions set before."


def test_the_rule_s_kinds_stand_side_by_side_on_shared_cells() -> None:
    shared = budget_rules.shared(PART.cells, PART.every, budget_pictures.SHARED)
    table = budget_pictures.shared_table(shared)
    assert table["cells"].tolist() == [2, 2, 2]
    assert table.index[0] == "the rule"
