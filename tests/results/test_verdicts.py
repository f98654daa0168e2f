"""The rules of the verdicts: every word can come about, each where it should, and rarely where there is nothing."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from vgf.results import control_results, judgement, part_verdicts, permutation, step_verdicts, verdicts
from vgf.results.judgement import LEVEL, SEEDS, TASKS, WORTH, Verdict, decide, holm
from vgf.results.part_verdicts import GATE, Contrast
from vgf.results.units import Unit

ORDERED, BLIND = (0.0, 20.0, 40.0), (30.0, 30.0, 30.0)  # of acting by the worst, any and the best action
LETTERS = "abcdefghij"


def unit(*rows: float, name: str = "a", seeds: int = 5, noise: float = 1.0, tasks: int = 1) -> Unit:
    """Return a task whose rows have these means exactly, with noise whose seeds differ by row and by name."""
    rng = np.random.default_rng([ord(name[0]), len(rows), seeds])
    luck = rng.normal(0, noise, (len(rows), seeds))
    return Unit(name, np.array(rows)[:, None] + luck - luck.mean(1, keepdims=True), tasks)


def several(*tasks: tuple[float, ...], **how: float) -> list[Unit]:
    return [unit(*rows, name=name, **how) for name, rows in zip(LETTERS, tasks, strict=False)]  # type: ignore[arg-type]


def grid(*tasks: list[list[float]], **how: float) -> list[Unit]:
    """Return tasks with scores [rows, columns, K]."""
    flat = several(*(tuple(np.ravel(task)) for task in tasks), **how)
    return [Unit(u.name, u.scores.reshape(*np.shape(t), -1), u.tasks) for u, t in zip(flat, tasks, strict=True)]


def ranked(scores: list[Unit], *kinds: tuple[float, float, float], **how: float) -> list[step_verdicts.Task]:
    return list(zip(scores, several(*kinds, **how), strict=True))


# -------------------------------------------------------------------------------------------------- what rules stand on


def test_words_of_a_rule_name_the_constants_as_they_are() -> None:
    assert (WORTH, TASKS, SEEDS, LEVEL, GATE, verdicts.MOVES) == (5.0, 3, 5, 0.05, 1.15, 0.25)


@pytest.mark.parametrize(
    ("above", "below", "status", "chance"),
    [
        (0.01, 0.9, "held", 0.02),
        (0.01, 0.02, "held in part", 0.02),
        (0.4, 0.01, "did not hold", 0.02),
        (0.4, 0.3, "undecided", 0.6),
        (LEVEL / 2, 0.9, "undecided", LEVEL),
    ],
)
def test_two_bars_make_four_words(above: float, below: float, status: str, chance: float) -> None:
    assert decide(above, below) == (status, pytest.approx(chance))


def test_holm_keeps_what_is_rare_enough_among_its_number() -> None:
    chances = {"a": 0.01, "b": 0.02, "c": 0.04, "d": 0.6}
    page = {name: Verdict("held" if p < 0.05 else "undecided", "x", chance=p) for name, p in chances.items()}
    page["e"] = Verdict("condition not met", "x")  # tested nothing, so it is none of the number
    found = {name: v.status for name, v in holm(page).items()}
    assert found == {"a": "held", "b": "undecided", "c": "undecided", "d": "undecided", "e": "condition not met"}
    assert "by itself it would be 'held'" in holm(page)["c"].lacks
    assert "4 claims" in holm(page)["c"].lacks
    alone = {name: Verdict("did not hold", "x", chance=0.04) for name in "a"}
    assert holm(alone) == alone
    assert [v.status for v in holm({"a": page["a"], "b": Verdict("held", "x", chance=0.049)}).values()] == ["held"] * 2


def test_a_task_counts_with_five_runs_of_three_seeds_or_more() -> None:
    counts = {(seeds, tasks): judgement.enough(unit(9.0, seeds=seeds, tasks=tasks)) for seeds, tasks in
              [(5, 1), (4, 1), (3, 1), (3, 5), (2, 5), (3, 2)]}  # fmt: skip
    assert [key for key, enough in counts.items() if enough] == [(5, 1), (3, 5), (3, 2)]


def test_what_a_verdict_needs_names_the_tasks_that_do_not_count_and_why() -> None:
    units = [*several((9.0,), (1.0,)), unit(9.0, name="c", seeds=3)]
    text = judgement.needs(units, units[:1], "of a kind", "a ranking")
    for part in ("3 tasks of a kind", "5 seeds", "a ranking", "1 of 3 are", "3 seeds on c", "nobody scores on b"):
        assert part in text


RULES = (verdicts.ahead, verdicts.td_alone, verdicts.best_train_steps_vary, verdicts.amortised_no_worse)
RULES += (part_verdicts.online, part_verdicts.language, step_verdicts.steps_help, step_verdicts.zero_is_safe)


@pytest.mark.parametrize("of", RULES)
def test_a_rule_says_what_decides_each_word(of: Callable[..., Verdict]) -> None:
    text = judgement.rule(of)
    assert [w for w in (*judgement.DECIDED, "undecided", "condition not met") if f"- **{w}**: " not in text] == []
    assert text.startswith("**Claim.** ")
    assert "Args:" not in text


@pytest.mark.parametrize("of", [*RULES, step_verdicts.generalises, control_results.verdict])
def test_a_rule_shows_a_reader_no_name_of_a_constant_and_no_line_for_programmers(of: Callable[..., Verdict]) -> None:
    text = judgement.rule(of)
    assert re.findall(r"`[A-Z_]+`|\(\s*\)", text) == []
    assert text.split()[0] not in ("Return", "Say", "Judge")


def test_a_rule_shows_values_in_place_of_constants() -> None:
    text = " ".join(judgement.rule(control_results.verdict).split())
    assert f"with a chance below {control_results.LEVEL:g}, by" in text
    assert f"is clearly below {control_results.MARGIN:g} of the mean of the two" in text
    assert text.startswith("This rule was written before any policy was looked at.")
    assert "perplexity is at most 1.15 times the rival's. Its tilt" in " ".join(
        judgement.rule(part_verdicts.language).split()
    )
    assert "clearly less than five points more" in " ".join(judgement.rule(verdicts.best_train_steps_vary).split())


def test_a_rule_that_names_a_constant_its_module_lacks_is_refused() -> None:
    def of() -> str:
        """Return it.

        Below `NO_SUCH_LEVEL`.
        """
        return ""

    with pytest.raises(KeyError, match="NO_SUCH_LEVEL"):
        judgement.rule(of)


# ------------------------------------------------------------------------------------------------------ permutations


def test_equal_scores_share_their_ranks() -> None:
    assert permutation.ranks(np.array([3.0, 1.0, 3.0, 0.0])).tolist() == [1.5, 3.0, 1.5, 4.0]


@pytest.mark.parametrize("tasks", [1, 2, 3])
def test_first_everywhere_is_as_rare_as_drawing_it_everywhere(tasks: int) -> None:
    best = [np.array([5.0, 4.0, 3.0, 2.0, 1.0])] * tasks
    assert permutation.rank_sum(best) == pytest.approx((tasks, 5.0**-tasks, 1.0))
    assert permutation.rank_sum([-own for own in best]) == pytest.approx((5 * tasks, 1.0, 5.0**-tasks))


def test_a_sum_of_ranks_is_what_counting_every_draw_gives() -> None:
    tasks = [np.array([2.0, 3.0, 1.0, 2.0]), np.array([4.0, 4.0, 4.0, 0.0]), np.array([0.0, 2.0, 1.0, 5.0])]
    every = [sum(own) for own in product(*(permutation.ranks(task) for task in tasks))]
    total, low, high = permutation.rank_sum(tasks)
    assert total == 2.5 + 2 + 4
    assert low == pytest.approx(np.mean([s <= total for s in every]))
    assert high == pytest.approx(np.mean([s >= total for s in every]))


def test_half_of_the_tasks_is_a_fair_coin() -> None:
    assert [permutation.at_most_half(k, 4) for k in range(5)] == pytest.approx([1 / 16, 5 / 16, 11 / 16, 15 / 16, 1])


def test_the_best_gain_of_one_budget_is_a_plain_flip_of_signs() -> None:
    assert permutation.best_gain([np.ones((1, 5))]) == (1.0, 1 / 32)
    assert permutation.best_gain([np.array([[3.0, 2.0, -1.0]])]) == (pytest.approx(4 / 3), 2 / 8)
    both = permutation.best_gain([np.ones((1, 5)), np.ones((1, 4))])
    assert both == (1.0, 2.0**-9)
    assert permutation.best_gain([np.ones((1, 20))])[1] == pytest.approx(1 / permutation.DRAWS)  # drawn, not counted


def test_looking_for_the_best_budget_costs_unless_it_is_clearly_worse_than_none() -> None:
    gains = np.array([4.0, 1.0, 2.0, -0.5, 3.0])
    one = permutation.best_gain([gains[None]])[1]
    wild = np.array([9.0, -9.0, 9.0, -9.0, 0.5])
    assert permutation.best_gain([np.stack([gains, wild])])[1] > one
    assert permutation.best_gain([np.stack([gains, gains - 40])])[1] == one


def test_one_level_for_all_loses_nothing_where_it_is_best_everywhere() -> None:
    tasks = [unit(10.0, 0.0, name=name).scores[:, None] for name in "abc"]
    assert permutation.best_by_task(tasks) == (0.0, 1.0)


def test_levels_exchanged_within_seeds_give_the_chance_of_choosing_by_task() -> None:
    a = np.array([[10.0, 10.0], [0.0, 0.0]])[:, None]  # two levels, two seeds: two of the 16 exchanges are as good
    gain, chance = permutation.best_by_task([a, a[::-1]])
    assert gain == 5.0
    assert chance == pytest.approx(2 / 16, abs=0.02)


# ----------------------------------------------------------------------------------------------- ahead of the rivals

FIRST, SECOND, THIRD, LAST = (9.0, 8, 7, 6, 5), (8.0, 9, 7, 6, 5), (7.0, 8, 9, 6, 5), (5.0, 9, 8, 7, 6)


@pytest.mark.parametrize(
    ("tasks", "status"),
    [
        ([FIRST] * 3, "held"),
        ([FIRST] * 2, "undecided"),
        ([FIRST, FIRST, SECOND], "undecided"),  # 4 of 125 draws are as low, in both directions 6 %
        ([FIRST, FIRST, FIRST, THIRD], "held"),  # 15 of 625
        ([FIRST, FIRST, SECOND, SECOND], "held in part"),  # half is not most
        (
            [SECOND] * 6,
            "did not hold",
        ),  # a sum of 12 is what chance gives with 882 of 15,625, first on none with 1 / 64
        ([SECOND] * 10, "held in part"),  # a sum of 20 with 1.6 %: clearly ahead of the rivals together, not of each
        ([LAST] * 3, "did not hold"),
        ([THIRD] * 5, "undecided"),  # first on none of 5 is what a coin gives with 1 / 32
        ([THIRD] * 6, "did not hold"),  # with 1 / 64
        ([FIRST, LAST, THIRD, THIRD], "undecided"),
        ([(0.0, 1, 0, 1, 0)] * 3, "condition not met"),
        ([(0.0, 1, 0, 1, 0)] * 2 + [FIRST] * 2, "undecided"),
    ],
)
def test_ahead_of_the_rivals(tasks: list[tuple[float, ...]], status: str) -> None:
    found = verdicts.ahead(several(*tasks, noise=0.1))
    assert found.status == status
    assert bool(found.lacks) == (status not in judgement.DECIDED)


def test_ahead_tells_what_it_does_not_judge() -> None:
    few = verdicts.ahead(several(FIRST, FIRST, FIRST, seeds=3, noise=0.1), others=[unit(*LAST, name="h", noise=0.1)])
    assert few.status == "undecided"
    assert "VGF is first on a, b and c by its mean score" in few.evidence
    assert "0 of 1 other task" in few.evidence
    assert "3 seeds on each" in few.lacks
    assert verdicts.ahead(several(FIRST, FIRST, FIRST, seeds=3, tasks=5, noise=0.1)).status == "held"
    assert "no task" in verdicts.ahead([]).evidence
    silent = unit(0.0, 0, 0, name="quiet")
    told = verdicts.ahead([unit(*LAST, name="h"), unit(*FIRST, name="i"), silent]).text
    assert told.startswith("Of 5 methods VGF is first on i and fifth on h by its mean score")
    assert "None of them reaches 5 points on quiet" in told
    many = verdicts.ahead(several(FIRST, FIRST, FIRST, FIRST, LAST)).text  # too many to name
    assert "VGF is first on 4 of 5 tasks and number 1.8 on average" in many
    close = verdicts.ahead([unit(9.02, 9.0, 0.0, name="h", noise=0.0)]).text
    assert "first on h (by under 0.1)" in close
    assert "is number 1.5 on h" in verdicts.ahead([unit(9.0, 9.0, 0.0, name="h", noise=0.0)]).text
    assert "nobody scores on the 1 task" in verdicts.ahead(several((0.0, 0, 0))).evidence


# ---------------------------------------------------------------------------------------- paired differences by Student


@pytest.mark.parametrize(
    ("tasks", "noise", "status"),
    [
        ([(30.0, 50.0)] * 3, 1.0, "held"),
        ([(30.0, 32.0)] * 3, 0.5, "held in part"),  # clearly more, clearly less than five points more
        ([(30.0, 60.0), (30.0, 29.9), (30.0, 29.9)], 1.0, "held in part"),  # on one of three
        ([(30.0, 30.0)] * 3, 1.0, "did not hold"),
        ([(30.0, 20.0)] * 3, 1.0, "did not hold"),
        ([(30.0, 33.0)] * 3, 9.0, "undecided"),
        ([(30.0, 50.0)] * 2, 1.0, "undecided"),
        ([(1.0, 0.0)] * 4, 1.0, "condition not met"),
    ],
)
def test_td_learning_alone(tasks: list[tuple[float, ...]], noise: float, status: str) -> None:
    assert verdicts.td_alone(several(*tasks, noise=noise)).status == status


def test_too_few_seeds_decide_nothing_and_the_difference_is_told() -> None:
    found = verdicts.td_alone(several((30.0, 50.0), (30.0, 50.0), (30.0, 50.0), seeds=3))
    assert found.status == "undecided"
    assert "+20.0 points" in found.evidence
    assert "3 seeds on each" in found.lacks
    assert verdicts.td_alone([]).status == "undecided"
    assert verdicts.td_alone([unit(30.0, 50.0, seeds=1)]).status == "undecided"


@pytest.mark.parametrize(
    ("gap", "noise", "moved", "status"),
    [
        (0.0, 1.0, 0.5, "held"),
        (10.0, 1.0, 0.5, "held"),
        (-2.0, 0.3, 0.5, "held in part"),
        (-20.0, 1.0, 0.5, "did not hold"),
        (-3.0, 14.0, 0.5, "undecided"),
        (0.0, 1.0, 0.12, "condition not met"),
    ],
)
def test_the_network_is_no_worse_than_autograd(gap: float, noise: float, moved: float, status: str) -> None:
    units = grid(*[[[40.0, 30.0], [40.0 + gap, 30.0 + gap]]] * 3, noise=noise)
    found = verdicts.amortised_no_worse(units, dict.fromkeys("abc", moved))
    assert found.status == status
    assert f"{moved:.2f} of the spread" in found.evidence


def test_only_tasks_on_which_the_flow_moves_judge_the_network() -> None:
    units = grid(*[[[40.0], [40.0]]] * 3)
    found = verdicts.amortised_no_worse(units, {"a": 0.5, "b": 0.5, "c": 0.1})
    assert found.status == "undecided"
    assert "2 of 3 are" in found.lacks


# --------------------------------------------------------------------------------------------------- training steps

A, B, C = [[50.0, 40.0], [20.0, 10.0]], [[20.0, 10.0], [50.0, 40.0]], [[30.0, 10.0], [30.0, 10.0]]


@pytest.mark.parametrize(
    ("tasks", "noise", "status"),
    [
        ([A, B, C], 1.0, "held"),
        ([[[30.0], [28.0]], [[28.0], [30.0]], [[30.0], [28.0]]], 0.3, "held in part"),
        ([A, A, A], 1.0, "did not hold"),
        ([C, C, C], 1.0, "did not hold"),
        ([[[30.0], [20.0]], [[20.0], [30.0]], [[30.0], [30.0]]], 12.0, "undecided"),
        ([A, B], 1.0, "undecided"),
        ([[[1.0], [0.0]]] * 3, 0.1, "condition not met"),
    ],
)
def test_the_best_training_steps_vary(tasks: list[list[list[float]]], noise: float, status: str) -> None:
    found = verdicts.best_train_steps_vary(grid(*tasks, noise=noise), (0, 3))
    assert found.status == status
    if tasks == [A, B, C]:
        assert "0 on a, 3 on b" in found.evidence


# ------------------------------------------------------------------------------------------------------ test steps


@pytest.mark.parametrize(
    ("scores", "noise", "kind"),
    [
        (ORDERED, 1.0, "yes"),
        (BLIND, 1.0, "no"),
        ((20.0, 20.0, 40.0), 1.0, "unclear"),  # knows the best and not the worst
        ((0.0, 20.0, 20.0), 1.0, "no"),
        ((0.0, 20.0, 40.0), 60.0, "unclear"),
    ],
)
def test_a_critic_generalises_where_best_any_and_worst_are_in_order(
    scores: tuple[float, ...], noise: float, kind: str
) -> None:
    assert step_verdicts.generalises(unit(*scores, noise=noise)) == kind
    assert step_verdicts.generalises(unit(*scores, noise=noise, seeds=4)) == "unclear"
    assert step_verdicts.generalises(None) == "unclear"


UP, FLAT, DOWN, CRASH = (40.0, 50.0, 60.0), (40.0, 40.0, 40.0), (40.0, 30.0, 20.0), (40.0, 50.0, 0.0)


@pytest.mark.parametrize(
    ("tasks", "kinds", "noise", "helps", "safe"),
    [
        ([UP] * 3, [ORDERED] * 3, 1.0, "held", "condition not met"),
        ([CRASH] * 3, [ORDERED] * 3, 1.0, "held", "condition not met"),  # one number of steps is enough
        ([DOWN] * 3, [ORDERED] * 3, 1.0, "did not hold", "condition not met"),
        ([FLAT] * 3, [ORDERED] * 3, 0.5, "did not hold", "condition not met"),
        ([(40.0, 42.0, 41.0)] * 3, [ORDERED] * 3, 0.5, "held in part", "condition not met"),
        ([(40.0, 43.0, 41.0)] * 3, [ORDERED] * 3, 9.0, "undecided", "condition not met"),
        ([UP] * 3, [BLIND] * 3, 1.0, "condition not met", "did not hold"),
        ([DOWN] * 3, [BLIND] * 3, 1.0, "condition not met", "held"),
        ([FLAT] * 3, [BLIND] * 3, 0.5, "condition not met", "held"),
        ([(40.0, 42.0, 41.0)] * 3, [BLIND] * 3, 0.5, "condition not met", "held in part"),
        ([(40.0, 43.0, 41.0)] * 3, [BLIND] * 3, 9.0, "condition not met", "undecided"),
        ([UP, UP, DOWN, DOWN], [ORDERED, ORDERED, BLIND, BLIND], 1.0, "undecided", "undecided"),
        ([UP] * 3 + [DOWN] * 3, [ORDERED] * 3 + [BLIND] * 3, 1.0, "held", "held"),
    ],
)
def test_more_steps_and_none_are_each_judged_where_the_critic_is_of_their_kind(
    tasks: list[tuple[float, ...]], kinds: list[tuple[float, float, float]], noise: float, helps: str, safe: str
) -> None:
    case = ranked(several(*tasks, noise=noise), *kinds)
    assert (step_verdicts.steps_help(case).status, step_verdicts.zero_is_safe(case).status) == (helps, safe)


def test_a_gain_on_one_task_of_three_is_not_one_on_most() -> None:
    tasks = (40.0, 90.0), (40.0, 38.0), (40.0, 38.0)
    found = {n: step_verdicts.steps_help(ranked(several(*tasks, seeds=n), *[ORDERED] * 3)) for n in (5, 6)}
    assert [own.status for own in found.values()] == ["undecided", "held in part"]  # the least chances: 1 / 32, 1 / 64
    assert "more than zero on 1 of 3 tasks" in found[6].evidence


def test_tasks_without_a_ranking_judge_nothing() -> None:
    found = step_verdicts.steps_help([(own, None) for own in several(UP, UP, UP)])
    assert found.status == "undecided"
    assert "a ranking" in found.lacks
    assert "; 3 tasks were not ranked" in found.evidence


def test_each_seeds_budget_is_the_best_of_the_others() -> None:
    gains = np.array([[1.0, 1.0, 9.0], [2.0, 2.0, 0.0]])
    assert step_verdicts.chosen_elsewhere(gains).tolist() == [1.0, 1.0, 0.0]


# ------------------------------------------------------------------------------------------------- claims with parts

OURS, THEIRS = [60.0, 12.0, 75.0], [40.0, 2.0, 50.0]  # start, gain, end


@pytest.mark.parametrize(
    ("rival", "own", "noise", "status"),
    [
        (THEIRS, OURS, 1.0, "held"),
        (OURS, THEIRS, 1.0, "did not hold"),
        ([40.0, 12.0, 50.0], OURS, 1.0, "held in part"),
        ([40.0, 12.0, 75.0], [40.0, 14.0, 75.0], 9.0, "undecided"),
        ([40.0, 12.0, 75.0], [40.0, 12.0, 78.0], 6.0, "undecided"),  # some parts fail, none holds
        ([1.0, 1.0, 2.0], [2.0, 1.0, 3.0], 0.5, "condition not met"),
    ],
)
def test_online_has_three_parts(rival: list[float], own: list[float], noise: float, status: str) -> None:
    found = part_verdicts.online(grid(*[[rival, own]] * 3, noise=noise))
    assert found.status == status
    assert all(part in found.evidence for part in ("start", "gain", "end"))


def test_online_needs_three_tasks_and_five_seeds() -> None:
    assert part_verdicts.online(grid(*[[THEIRS, OURS]] * 2)).status == "undecided"
    assert part_verdicts.online(grid(*[[THEIRS, OURS]] * 3, seeds=4)).status == "undecided"


def contrast(wins: float, ratio: float = 1.0, seeds: int = 5, noise: float = 1.0, in_full: bool = True) -> Contrast:
    rng = np.random.default_rng([abs(int(wins)), seeds])
    table = wins + rng.normal(0, noise, (seeds, 40))
    return Contrast(table, np.log(ratio) + rng.normal(0, 0.01 * noise, seeds), in_full)


@pytest.mark.parametrize(
    ("rivals", "controls", "status"),
    [
        ([contrast(20), contrast(30)], [contrast(10), contrast(9)], "held"),
        ([contrast(20), contrast(30)], [contrast(10), contrast(-9)], "held in part"),  # a control does better
        (
            [contrast(20), contrast(30)],
            [contrast(10, 1.4), contrast(9)],
            "held in part",
        ),  # ... or as well, more fluently
        ([contrast(20), contrast(-30)], [contrast(10), contrast(9)], "held in part"),
        ([contrast(20), contrast(30, in_full=False)], [contrast(10), contrast(9)], "held in part"),
        ([contrast(0), contrast(-3)], [contrast(10), contrast(9)], "did not hold"),
        (
            [contrast(20, 1.5), contrast(30, 1.5)],
            [contrast(10), contrast(9)],
            "did not hold",
        ),  # at the price of fluency
        ([contrast(20, 1.17, noise=9), contrast(30, 1.17, noise=9)], [contrast(10), contrast(9)], "undecided"),
        ([contrast(2, noise=20), contrast(1, noise=20)], [contrast(10), contrast(9)], "undecided"),
        ([contrast(20, seeds=4), contrast(30)], [contrast(10), contrast(9)], "undecided"),
        ([contrast(20, in_full=False)], [contrast(10), contrast(9)], "condition not met"),
    ],
)
def test_language_wins_by_the_flow_or_not(rivals: list[Contrast], controls: list[Contrast], status: str) -> None:
    names = [{f"{word} {i}": c for i, c in enumerate(own)} for word, own in (("rival", rivals), ("control", controls))]
    found = part_verdicts.language(*names)
    assert found.status == status
    assert bool(found.lacks) == (status in ("undecided", "condition not met"))


def test_a_rival_that_was_cut_short_counts_neither_way_and_how_it_stands_is_told() -> None:
    found = part_verdicts.language(
        {"best-of-N": contrast(20), "DPO": contrast(-9, in_full=False)}, {"constant": contrast(10)}
    )
    assert found.status == "held in part"
    assert (
        "DPO was not trained to the end, so neither wins nor losses against it count; so far VGF has -"
        in found.evidence
    )


def test_a_win_has_to_be_clear_over_prompts_too() -> None:
    table = np.tile(np.r_[np.full(38, 0.0), 400.0, 400.0], (5, 1)) + np.arange(5)[:, None]  # two prompts of forty win
    assert part_verdicts.against(Contrast(table, np.linspace(-0.01, 0.01, 5))).status == "undecided"


# --------------------------------------------------------------------------------------------- how often chance decides

REPEATS = 300
GENERAL = unit(*ORDERED)
NOISE: dict[str, Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]] = {
    "normal": lambda rng, shape: rng.normal(40, 10, shape),
    "success": lambda rng, shape: 100 * rng.binomial(50, rng.beta(4, 4, shape)) / 50,
    "a third of seeds fail": lambda rng, shape: np.where(rng.random(shape) < 1 / 3, 0.0, rng.normal(60, 5, shape)),
}


def ranks_alike(rng: np.random.Generator, draw: Callable[..., np.ndarray], shift: float) -> Verdict:
    return verdicts.ahead([Unit(n, draw(rng, (5, 5)) + shift * (np.arange(5) == 0)[:, None]) for n in "abcd"])


def paired(rng: np.random.Generator, draw: Callable[..., np.ndarray], shift: float) -> Verdict:
    return verdicts.td_alone([Unit(n, draw(rng, (2, 5)) + shift * np.array([[0], [1]])) for n in "abcd"])


def stepped(rng: np.random.Generator, draw: Callable[..., np.ndarray], shift: float) -> Verdict:
    gains = shift * np.array([[0], [1], [0], [0], [0]])
    return step_verdicts.steps_help([(Unit(n, draw(rng, (5, 5)) + gains), GENERAL) for n in "abcd"])


def levelled(rng: np.random.Generator, draw: Callable[..., np.ndarray], shift: float) -> Verdict:
    """Half of the tasks prefer one level, half another, by twice the shift: choosing by task is worth the shift."""
    prefer = [2 * shift * (np.arange(4) == level)[:, None, None] for level in (0, 0, 3, 3)]
    cases = zip("abcd", prefer, strict=True)
    return verdicts.best_train_steps_vary([Unit(n, draw(rng, (4, 3, 5)) + up) for n, up in cases], (0, 1, 3, 5))


def three_parts(rng: np.random.Generator, draw: Callable[..., np.ndarray], shift: float) -> Verdict:
    return part_verdicts.online([Unit(n, draw(rng, (2, 3, 5)) + shift * np.array([[[0]], [[1]]])) for n in "abcd"])


@pytest.mark.parametrize("noise", list(NOISE))
@pytest.mark.parametrize("case", [ranks_alike, paired, stepped, levelled, three_parts], ids=lambda c: c.__name__)
def test_how_often_chance_decides(case: Callable[..., Verdict], noise: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permutation, "DRAWS", 200)
    repeats = REPEATS // 2 if case is levelled else REPEATS
    shares = {}
    for shift in (0.0, WORTH):
        rng = np.random.default_rng(7)
        words = [case(rng, NOISE[noise], shift).status for _ in range(repeats)]
        shares[shift] = {word: words.count(word) / repeats for word in ("held", "held in part", "did not hold")}
    false = shares[0.0]["held"] + shares[0.0]["held in part"]
    denied = shares[WORTH]["did not hold"] if case is not ranks_alike else 0.0
    print(
        f"{case.__name__}, {noise}: held without a gain {false:.3f}, denied with one of {WORTH:g} points {denied:.3f}"
    )
    assert false <= LEVEL / 2 + 3 * (LEVEL / 2 / repeats) ** 0.5
    assert denied <= LEVEL + 3 * (LEVEL / repeats) ** 0.5


@pytest.mark.parametrize("rule", [permutation.rank_sum, permutation.best_gain])
@pytest.mark.parametrize(("tasks", "message"), [([], "no task"), ([np.array([[1.0, np.nan]])], "not finite")])
def test_ranks_and_gains_of_what_is_not_finite_are_refused(rule: Any, tasks: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        rule(tasks)
