"""L_train from data: a swollen critic is refused by its index, a worse policy by fitted Q evaluation."""

from __future__ import annotations

import pandas as pd
import pytest

from vgf.results.budget_train_steps import by_fitted_q, choices, summary


def group(asymptotes: dict[int, float], fitted: dict[int, list[float]], values: dict[int, float]) -> pd.DataFrame:
    rows = [
        {"train_steps": steps, "network": k, "fitted_q": one, "value": values[steps], "asymptote": asymptotes[steps]}
        for steps, every in fitted.items()
        for k, one in enumerate(every)
    ]
    return pd.DataFrame(rows).assign(task="drone-many", updates=500, seed=1)


def test_each_rule_takes_what_it_says() -> None:
    rows = group({0: -10.0, 1: -9.6, 2: -8.0}, {0: [1.0, 1.1], 1: [1.0, 1.2], 2: [3.0, 3.2]}, {0: 5.0, 1: 7.0, 2: 4.0})
    found = choices(rows).set_index("rule")
    assert found["train_steps"].to_dict() == {"index": 1, "fitted_q": 2, "smallest": 0, "largest": 2, "oracle": 1}
    assert found["lost"].to_dict() == {"index": 0.0, "fitted_q": 3.0, "smallest": 2.0, "largest": 3.0, "oracle": 0.0}
    assert found.loc["index", "index"] == pytest.approx(1.2)
    assert found["is_best"].sum() == 2


def test_where_every_critic_is_swollen_it_is_no_step_at_all() -> None:
    rows = group({0: 10.0, 2: 12.0}, {0: [1.0, 1.0], 2: [1.0, 1.0]}, {0: 1.0, 2: 2.0})
    assert choices(rows).set_index("rule").loc["index", "train_steps"] == 0


@pytest.mark.parametrize(("gap", "taken"), [([0.5, 0.5, 0.6], 2), ([0.5, -0.6, 0.2], 0), ([-0.1, -0.1, -0.1], 0)])
def test_within_the_networks_own_error_the_smaller_is_taken(gap: list[float], taken: int) -> None:
    assert by_fitted_q(pd.DataFrame({0: [1.0, 2.0, 3.0], 2: [1.0 + gap[0], 2.0 + gap[1], 3.0 + gap[2]]})) == taken


def test_a_summary_counts_the_groups_in_which_a_rule_takes_the_best() -> None:
    one = group({0: 10.0, 2: 10.1}, {0: [1.0, 1.0], 2: [2.0, 2.1]}, {0: 1.0, 2: 4.0})
    other = group({0: 10.0, 2: 12.0}, {0: [1.0, 1.0], 2: [2.0, 2.1]}, {0: 3.0, 2: 2.0}).assign(seed=2)
    table = summary(choices(pd.concat([one, other])))
    assert table.loc["index"].tolist() == [2, 0.5, 1.0, 0.0]
    assert table.loc["fitted_q"].tolist() == [2, 1.0, 0.5, 0.5]
    assert table.loc["smallest", "lost"] == 1.5
