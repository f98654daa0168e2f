"""What judging costs as trainings grow: means over movers, lines, and the verdicts that were written before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from vgf.book import budget_lengths as lengths

SCORES = pd.DataFrame(
    {"world": "all", "rule": ["ours", "ours_seeds"], "cells": 16, "regret": [0.19, 0.18], "harm": 0.0}
)
SIZES = {"chapter": {"updates": [1000, 100]}}
PLAN: dict[str, Any] = {"cost": {"long": 1000, "sizes": SIZES}, "success": {"harm": 0.05}}


def costs(short_regret: float = 0.2) -> pd.DataFrame:
    """Return a size whose training takes 0.01 seconds an update, and judges of given seconds."""
    rows = []
    for length in (100, 1000):
        for judges, judging in (("seeds", 0.5), ("short", 2.0), ("whole", 0.002 * length)):
            for seed in (0, 1):
                found = {"seed": seed, "judges": judges, "training": 0.01 * length, "judging": judging + seed - 0.5}
                found |= {"members": np.nan if judges == "seeds" else 0.5, "gains": 0.1, "promises": 0.4}
                regret = short_regret if judges == "short" else 0.2
                rows.append(
                    found
                    | {
                        "regret": regret,
                        "harm": False,
                        "displacement": 0.5,
                        "particles": 10,
                        "method": f"updates{length}",
                    }
                )
    return pd.DataFrame(rows).assign(task="drone-chapter")


def test_means_are_over_movers_and_short_trainings_come_first() -> None:
    table = lengths.by_length(costs())
    assert table["length"].tolist() == [100] * 3 + [1000] * 3
    assert table["share"].tolist() == pytest.approx([0.5, 2.0, 0.2, 0.05, 0.2, 0.2])
    assert table["members"].tolist() == [0.0, 0.5, 0.5] * 2
    shown = lengths.lengths_table(table)
    assert shown["updates"].tolist() == ["100", "1,000"]
    assert shown["other seeds, %"].tolist() == ["50", "5"]


def test_judging_is_cheap_from_where_its_line_meets_a_tenth_of_the_training_s() -> None:
    table = lengths.by_length(costs())
    assert lengths.cheap_from(table, "drone-chapter", "seeds") == pytest.approx(500)
    assert lengths.cheap_from(table, "drone-chapter", "short") == pytest.approx(2000)
    assert lengths.cheap_from(table, "drone-chapter", "whole") == np.inf
    text = lengths.lengths_text(table, PLAN)
    assert "With this page's networks and 1,000 updates a seed trains in 10 seconds." in text
    assert "Other seeds judge in 0.5, 5 % of that, and a short ensemble in 2.0, 20 %." in text
    assert (
        "by other seeds from 1,000 updates on and by a short ensemble from 2,000 updates on (beyond what was run)"
        in text
    )
    assert "25 % are its training and 20 % the held-out promises" in text


@pytest.mark.parametrize(("regret", "kind"), [(0.2, "short"), (0.22, "short"), (0.23, "whole")])
def test_a_short_ensemble_suffices_where_it_chooses_as_well(regret: float, kind: str) -> None:
    table = lengths.by_length(costs(regret).assign(displacement=[*[0.5] * 9, 1.0, 0.5, 0.5]))
    assert "the same rung for 1 of 2 policies" in lengths.short_text(table, PLAN)
    assert lengths.short_suffices(table, 1000) is (kind == "short")
    assert lengths.short_text(table, PLAN).endswith(f"the default ensemble is the {kind} one.")


def test_the_rule_for_judges_is_asked_with_the_longest_training_of_each_size() -> None:
    table = lengths.by_length(costs())
    assert lengths.default_at_length(table, 1000, SCORES, PLAN["success"]) == "auto"  # 20 % by ensemble, 5 % by seeds
    assert "`vgf.choose_budget` uses the ensemble unless told otherwise." in lengths.default_text(
        table, PLAN, SCORES, "ensemble"
    )
    other = pd.concat([costs(), costs().assign(task="drone-campaign", training=0.1)])
    dear = lengths.by_length(other)
    assert lengths.default_at_length(dear, 1000, SCORES, PLAN["success"]) == "ensemble"


def test_one_short_training_alone_has_no_line_and_no_verdict() -> None:
    every = costs()
    text = lengths.lengths_text(lengths.by_length(every[every["method"] == "updates100"]), PLAN)
    assert "By the lines" not in text
    assert "Not both ensembles judged trainings of 1,000 updates or more" in text


def test_a_kind_that_was_not_run_on_all_movers_is_no_verdict() -> None:
    every = costs()
    few = every[(every["judges"] != "whole") | (every["seed"] == 0)]
    table = lengths.by_length(few)
    assert "the default stays the whole one" in lengths.short_text(table, PLAN)
    assert lengths.missing(table, PLAN) == [f"{n} updates with this page's networks" for n in ("100", "1,000")]
    none = lengths.by_length(every[every["judges"] != "whole"])
    assert "One as old" not in lengths.lengths_text(none, PLAN)
    assert lengths.lengths_table(none)[f"{lengths.KINDS['whole']}, %"].tolist() == ["", ""]
    assert lengths.by_length(every[every["judges"] == "seeds"]).empty


def test_trainings_that_are_not_run_are_named_and_leave_the_default() -> None:
    table, plan = lengths.by_length(costs()), {"cost": {"sizes": SIZES | {"campaign": {"updates": [7000, 500]}}}}
    gone = ["500 updates with networks of the longer training", "7,000 updates with networks of the longer training"]
    assert lengths.missing(table, plan) == gone
    text = lengths.default_text(table, plan, SCORES, "ensemble")
    assert text.startswith(f"Not run yet, or not with every kind of judges: {gone[0]}; {gone[1]}.")
    assert text.endswith("so the default judges stay the ensemble.")
    more = {"cost": {"long": 1000, "sizes": {"chapter": {"updates": [1000, 5000]}}}}
    assert lengths.short_text(table, more).endswith(
        "The rule asks for more of these, so the default stays the whole one."
    )


def test_the_table_is_read_from_its_record(tmp_path: Path) -> None:
    folder = tmp_path / "budget.cost"
    folder.mkdir()
    costs().to_csv(folder / lengths.FILE, index=False)
    assert lengths.by_length(lengths.read(tmp_path)).equals(lengths.by_length(costs()))
