"""The rule on critics in closed form: exact ones spend the ladder, noise stays, scale is nothing, more is no worse."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, get_args

import numpy as np
import pytest
import torch

from tests.helpers.known_critics import KnownCritics, Value, plus, quadratic, scaled, wave, world
from vgf.training.budgets.ladder import CLONE, Rung, ladder
from vgf.training.budgets.measure import HeldRows, actions_of, held_out, judge, unit_of
from vgf.training.budgets.rule import Decision, Judged, Rule, choose_by_state, decide
from vgf.training.budgets.slopes import HeldOut

SHRINK = Literal["none", "estimate", "lower"]
SHORT = ladder((0.0, 0.5, 2.0), (1, 5))
FAR = quadratic((1.0, 1.0))


def evidence(
    judges: list[Value], mover: Value, held: HeldRows, seed: int = 0, rungs: tuple[Rung, ...] = SHORT
) -> tuple[Judged, HeldOut]:
    movers, others = KnownCritics([mover], seed), KnownCritics(judges, seed + 1)
    unit = unit_of(movers, held.transitions.observations[:64])
    return judge(movers, others, held, rungs, unit, states=24), held_out(others, held, unit)


def zero(s: torch.Tensor, a: torch.Tensor) -> torch.Tensor:
    return torch.zeros(a.shape[:-1], dtype=a.dtype)


def test_on_an_exact_critic_the_rule_spends_the_whole_ladder() -> None:
    found = decide(*evidence([FAR] * 4, FAR, world(FAR, 0, noise=0.1), rungs=ladder()))
    assert found.chosen == Rung(2.0, 10)
    assert found.tails[0].slope == pytest.approx(1.0, abs=0.02)
    by = {line.rung: line for line in found.lines}
    assert all(line.bound <= line.gain for line in found.lines)
    assert [by[Rung(x, 5)].gain for x in (0.0, 0.5, 1.0, 2.0)] == sorted(
        by[Rung(x, 5)].gain for x in (0.0, 0.5, 1.0, 2.0)
    )


@pytest.mark.parametrize("centre", [(0.03, 0.0), (0.07, 0.07), (0.3, -0.2)])
def test_an_exact_critic_takes_the_rung_that_is_truly_best(centre: tuple[float, float]) -> None:
    truth, rungs = quadratic(centre, 0.2), ladder((0.0, 0.25, 0.5, 1.0, 2.0), (1, 10))
    data = world(truth, 0, noise=0.0)
    found = decide(*evidence([truth] * 4, truth, data, rungs=rungs), Rule(has_gate=False))
    movers, places = KnownCritics([truth]), data.transitions.observations
    moved = actions_of(movers, places.expand(1, -1, -1), rungs, unit_of(movers, places))[0]
    worth = truth(places.expand(len(rungs), -1, -1), moved).mean(-1)
    assert float(worth.max() - worth[rungs.index(found.chosen)]) < 0.02 * float(worth.max() - worth[0])


def test_an_exact_critic_goes_no_farther_than_the_data() -> None:
    data = world(FAR, 0, noise=0.1, trajectories=200, wide=False)  # actions of the reference itself
    found = decide(*evidence([FAR] * 4, FAR, data, rungs=ladder()))
    assert found.reach is not None
    assert found.radius is not None
    assert found.chosen.displacement <= found.radius < 2.0
    assert {line.fault for line in found.lines if line.rung.displacement > found.radius} == {"radius"}
    free = decide(*evidence([FAR] * 4, FAR, data, rungs=ladder()), Rule(has_radius=False))
    assert free.chosen == Rung(2.0, 10)


@pytest.mark.parametrize("truth", [zero, FAR], ids=["nothing to gain", "something to gain"])
def test_on_critics_of_noise_it_stays_in_95_of_100_draws(truth: Value) -> None:
    draws, stayed = 40, 0
    for seed in range(draws):
        judges = [wave(100 * seed + k) for k in range(1, 5)]
        held = world(truth, seed, noise=1.0 if truth is zero else 0.1, trajectories=24)
        stayed += decide(*evidence(judges, wave(100 * seed), held, seed)).chosen.displacement == 0
    assert stayed >= 0.95 * draws


@pytest.mark.parametrize(("factor", "shift"), [(10.0, 0.0), (1.0, 50.0), (0.01, -3.0)])
def test_rewards_times_a_factor_or_shifted_change_nothing(factor: float, shift: float) -> None:
    truth = quadratic((0.2, 0.1), 0.2)
    critics = [plus(truth, wave(k, 0.5)) for k in range(5)]

    def of(factor: float, shift: float) -> Decision:
        changed = [scaled(value, factor, shift) for value in critics]
        held = world(truth, 3, noise=0.2)
        rows = held.transitions
        held = held._replace(transitions=replace(rows, rewards=factor * rows.rewards + shift))
        return decide(*evidence(changed[1:], changed[0], held))

    plain, other = of(1.0, 0.0), of(factor, shift)
    assert plain.chosen.displacement > 0  # something is chosen that could change
    assert other.chosen == plain.chosen
    assert [line.fault for line in other.lines] == [line.fault for line in plain.lines]
    np.testing.assert_allclose(
        [x.bound for x in other.lines], [factor * x.bound for x in plain.lines], rtol=1e-4, atol=1e-6 * factor
    )


def test_more_critics_never_widen_harm() -> None:
    counts, harm, gains = (2, 4, 8), dict.fromkeys((2, 4, 8), 0), dict.fromkeys((2, 4, 8), 0.0)
    for seed in range(48):  # as `choosing` in data/rules/budget.yaml says
        centre = 0.15 * np.random.default_rng(seed).normal(size=2)
        truth = quadratic((float(centre[0]), float(centre[1])), 0.2)
        critics = [plus(truth, wave(100 * seed + k, 1.5)) for k in range(9)]
        held = world(truth, seed, noise=0.3, trajectories=24)
        movers = KnownCritics(critics[:1], seed)
        places = held.transitions.observations[:100]
        unit = unit_of(movers, places)
        moved = actions_of(movers, places.expand(1, -1, -1), SHORT, unit)[0]
        worth = truth(places.expand(len(SHORT), -1, -1), moved).mean(-1)
        for count in counts:
            chosen = decide(*evidence(critics[1 : count + 1], critics[0], held, seed)).chosen
            gain = float(worth[SHORT.index(chosen)] - worth[SHORT.index(Rung(0.0, 5))])
            harm[count] += gain < 0
            gains[count] += gain
    assert harm[2] >= harm[4] >= harm[8]
    assert gains[8] > gains[2] >= 0


def judged(gains: dict[Rung, list[float]], states: int = 20) -> Judged:
    """Return gains that are the same at every state, by judge."""
    rungs = tuple(gains)
    table = np.array([gains[rung] for rung in rungs]).T[..., None].repeat(states, -1)
    return Judged(rungs, table, np.arange(states))


def reliable(noise: float = 0.0) -> HeldOut:
    rng = np.random.default_rng(0)
    right, number = rng.normal(size=800), np.repeat(np.arange(80), 10)
    predicted = np.stack([right + 0.01 * rng.normal(size=800) for _ in range(4)])
    td = np.full((4, 800), noise)
    return HeldOut(predicted, rng.normal(size=800), right + rng.normal(size=800), 4 * rng.uniform(size=800), number, td)


def test_judges_that_differ_in_sign_refuse_a_rung_of_higher_gain() -> None:
    safe, bold = Rung(0.0, 5), Rung(1.0, 5)
    gains = judged({CLONE: [0.0] * 4, safe: [1.0, 1.1, 0.9, 1.0], bold: [6.0, -4.0, 7.0, -3.0]})
    found = decide(gains, reliable())
    assert found.chosen == safe
    assert found.lines[2].fault == "bound"
    assert decide(gains, reliable(), Rule(has_bound=False)).chosen == bold


def test_a_step_below_the_noise_is_not_taken_and_choosing_still_is() -> None:
    safe, step = Rung(0.0, 5), Rung(1.0, 5)
    gains = judged({CLONE: [0.0] * 4, safe: [1.0, 1.1, 0.9, 1.0], step: [1.5, 1.6, 1.4, 1.5]})
    assert decide(gains, reliable(noise=0.1)).chosen == step
    refused = decide(gains, reliable(noise=1.0), Rule(gate=1.0))
    assert (refused.chosen, refused.lines[2].fault) == (safe, "gate")
    assert decide(gains, reliable(noise=1.0), Rule(has_gate=False)).chosen == step
    assert decide(gains, reliable(noise=1.0), Rule(gate=0.25)).chosen == step


def test_a_promise_counts_as_far_as_such_promises_were_kept() -> None:
    rung, held = Rung(1.0, 5), reliable()
    gains = judged({CLONE: [0.0] * 4, rung: [1.0, 1.01, 0.99, 1.0]})
    half = replace(held, predicted=4 * held.predicted)  # a quarter of what is promised comes
    by = {word: decide(gains, half, Rule(shrink=word)).lines[1].kept for word in get_args(SHRINK)}
    assert by["none"] == 1.0
    assert by["estimate"] == pytest.approx(0.25, abs=0.04)
    assert 0.1 < by["lower"] < by["estimate"]
    young = replace(held, predicted=held.predicted / 4)  # more comes than is promised: still no more than the promise
    assert decide(gains, young, Rule(shrink="estimate")).lines[1].kept == 1.0


def test_without_evidence_it_is_the_best_of_n_and_against_it_the_clone() -> None:
    gains, held = judged({CLONE: [0.0] * 4, Rung(0.0, 5): [-1.0] * 4, Rung(1.0, 5): [-2.0] * 4}), reliable()
    assert decide(gains, held).chosen == Rung(0.0, 5)  # every bound is negative
    few = replace(held, trajectory=held.trajectory // 20)
    assert decide(gains, few).chosen == Rung(0.0, 5)  # too few trajectories for a slope
    wrong = decide(gains, replace(held, predicted=-held.predicted))
    assert (wrong.chosen, wrong.radius) == (CLONE, None)


def test_by_state_each_takes_its_own_rung_and_a_split_vote_is_the_clone() -> None:
    rungs, sure, split = (CLONE, Rung(1.0, 5)), [2.0, 2.1, 1.9, 2.0], [9.0, -9.0, 9.0, -9.0]
    table = np.zeros((4, 2, 2))
    table[:, 1] = np.array([sure, split]).T
    here = Judged(rungs, table, np.arange(2))
    assert choose_by_state(here, decide(here, reliable()), (0, 1)).tolist() == [1, 0]


@pytest.mark.parametrize(
    "wrong", [{"level": 0.0}, {"miss": 0.5}, {"gate": -1.0}, {"gate": float("nan")}, {"shrink": "so"}]
)
def test_constants_without_meaning_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Rule(**wrong)
