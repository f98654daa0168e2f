"""What every part of the study does alike: the rule file is sound, and rungs are told as the rule judged them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.helpers.budget_reports import STEP, a_report
from vgf.results import budget_cells
from vgf.training.budgets.ladder import CLONE, Rung, ladder
from vgf.training.budgets.rule import Rule


def test_the_rule_file_has_constants_that_mean_something_and_within_what_they_may_be() -> None:
    plan = budget_cells.rules_file()
    assert Rule(**budget_cells.constants(plan)) == Rule()
    assert all(entry["value"] in entry["may"] for entry in plan["constants"].values())
    assert budget_cells.rungs_of(plan) == ladder()


def test_a_part_has_what_tuning_has_where_it_says_nothing_else() -> None:
    tuning, reporting = (budget_cells.rules_file(part)["cells"] for part in ("tuning", "reporting"))
    assert reporting["config"] == tuning["config"]
    assert reporting["seeds"] != tuning["seeds"]
    with pytest.raises(KeyError):
        budget_cells.rules_file("nothing")


def test_a_paired_error_is_of_differences() -> None:
    one = np.array([1.0, 2.0, 5.0])
    assert budget_cells.paired_error(one, one - 3.0) == 0.0
    assert budget_cells.paired_error(one, np.zeros(3)) == pytest.approx(one.std(ddof=1) / 3**0.5)


def test_rungs_are_told_with_what_the_rule_said() -> None:
    decision = a_report(radius=None).decision
    table = pd.DataFrame([{**line.rung._asdict(), "value": k, "error": 0.1} for k, line in enumerate(decision.lines)])
    found = budget_cells.told(table, decision)
    assert found["fault"].tolist() == ["", "", "", "bound"]
    assert found["bound"].tolist() == [0.0, 0.2, 0.5, -0.5]
    assert found["radius"].isna().all()
    assert set(found["slope"]) == {1.0}
    taken = budget_cells.worth(table, {"a": STEP, "b": CLONE})
    assert taken[["rule", "value", "displacement"]].to_numpy().tolist() == [["a", 2, 0.5], ["b", 0, 0.0]]
    with pytest.raises(KeyError):
        budget_cells.worth(table, {"c": Rung(3.0, 1)})
