"""Curves of budgets: what is chosen without people, and what is called a turn."""

from __future__ import annotations

import pandas as pd

from vgf.rlhf.latent import overoptimisation_table as table
from vgf.rlhf.latent.overoptimisation import BEST, MOVED


def study() -> pd.DataFrame:
    """Return six seeds whose choosers like the middle budget, the judges falling after it for `vgf` alone."""
    lines = []
    for name in (BEST, *MOVED):
        for seed in range(6):
            for at, budget in enumerate((1.0, 2.0, 4.0)):
                fall = 0.5 * (at == 2) if name == "vgf" else 0.0
                for prompt in range(8):
                    chooses = -abs(at - 1) if seed else -0.5 * (at > 1)  # to seed 0 the first two are alike
                    line = {"row": name, "seed": seed, "budget": budget, "prompt": f"p{prompt}", "proxy": budget}
                    line |= {"chooses": chooses, "judges": 1 - fall + 0.01 * prompt + 0.02 * seed}
                    lines.append(line | {"people": 1.0, "others": 1.0, "distance": 4.0})
    return pd.DataFrame(lines)


ROWS = study()


def test_the_least_of_the_budgets_that_others_like_most_is_taken() -> None:
    found = table.automatic(ROWS).set_index(["row", "seed"])["budget"]
    assert found[("vgf", 0)] == 1.0
    assert {found[("vgf", seed)] for seed in range(1, 6)} == {2.0}
    changed = ROWS.assign(people=ROWS["budget"], judges=-ROWS["budget"])
    assert table.automatic(changed).reset_index(drop=True).equals(table.automatic(ROWS).reset_index(drop=True))


def test_a_fall_after_the_chosen_budget_is_a_turn() -> None:
    judges = {name: word for name, (_, word) in table.turned(ROWS, "judges", 0.1).items()}
    assert judges == {BEST: "no", "constant": "no", "no_kernel": "no", "vgf": "yes"}
    assert table.turned(ROWS, "people", 0.1)["vgf"][1] == "no"
    noisy = ROWS.assign(judges=ROWS["judges"] + (ROWS["budget"] - 2) * (ROWS["seed"] - 2.5))
    assert table.turned(noisy, "judges", 0.1)[BEST][1] == "undecided"


def test_where_the_chosen_budget_is_the_end_in_every_seed_nothing_is_said_of_a_turn() -> None:
    ended = ROWS.assign(chooses=ROWS["chooses"].where(ROWS["row"] != BEST, ROWS["budget"]))
    for column in ("judges", "people"):
        fall, word = table.turned(ended, column, 0.1)[BEST]
        assert word == table.AT_THE_END
        assert (fall.value, fall.low, fall.high) == (0, 0, 0)
    assert table.turned(ended, "judges", 0.1)["vgf"][1] == "yes"
    one = ended["seed"] == 3  # a single seed that chose otherwise, and there is something to compare
    assert table.turned(ended.mask(one, ROWS), "judges", 0.1)[BEST][1] == "no"
    liked = ended.assign(people=ended["budget"])
    found = table.predictions(liked, 0.1)
    forced = found[found["outcome"] == table.AT_THE_END]
    assert list(forced["prediction"]) == ["judges", "people", "automatic"]
    assert forced["difference"].str.startswith("best-of-N").all()
    free = table.predictions(ended, 0.1)  # people like the first budget as much, so this could have come out otherwise
    assert "automatic" not in set(free[free["outcome"] == table.AT_THE_END]["prediction"])


def test_a_proxy_that_falls_before_the_end_is_told() -> None:
    assert table.rise(ROWS[ROWS["row"] == "vgf"]).value == 2.0
    bent = ROWS.assign(proxy=ROWS["proxy"].where((ROWS["row"] != "constant") | (ROWS["budget"] < 4), 1.5))
    found = table.predictions(bent, 0.1)
    lines = found[found["difference"].str.contains("less its most before")].set_index("difference")["outcome"]
    assert lines.pop("one constant direction: proxy at the end, less its most before") == "otherwise"
    assert list(lines) == ["as predicted"] * 3


def test_each_prediction_is_held_to_its_difference() -> None:
    found = table.predictions(ROWS, 0.1)
    outcomes = found.groupby("prediction", sort=False)["outcome"].apply(list).to_dict()
    assert list(outcomes) == ["proxy", "judges", "people", "controls", "best_of_n", "automatic"]
    assert outcomes["proxy"] == ["as predicted"] * 8  # the proxy rises and ends at four, the judges near one
    assert outcomes["judges"] == ["as predicted", "otherwise", "otherwise", "as predicted"]
    assert outcomes["people"] == ["as predicted"] * 4
    assert outcomes["controls"] == ["as predicted"] * 2
    assert outcomes["best_of_n"] == ["undecided"]
    assert outcomes["automatic"] == ["as predicted"] * 4
    better = ROWS.assign(people=1.0 * (ROWS["row"] == "vgf"))
    changed = table.predictions(better, 0.1).groupby("prediction")["outcome"].apply(list)
    assert changed["controls"] == ["otherwise"] * 2
    assert changed["best_of_n"] == ["as predicted"]


def test_a_curve_has_a_line_for_each_budget_and_the_text_both_ends() -> None:
    found = table.curves(ROWS)
    assert len(found) == 12
    assert (found["judges_low"] <= found["judges"]).all()
    assert (found["judges"] <= found["judges_high"]).all()
    assert (table.at_the_end(ROWS)["budget"] == 4.0).all()
    said = table.text(ROWS, 0.1)
    assert "| VGF | automatic: 1 to 2 |" in said
    assert "| VGF | end: 4 |" in said
