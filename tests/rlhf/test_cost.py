"""What is told beforehand: a 24 GB card holds Pythia-1b, and only leanly; a bigger model is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest
from transformers import GPTNeoXConfig

from vgf.rlhf.placement import Placement, placement_of
from vgf.rlhf.settings import SIZES, Setup
from vgf.rlhf.stopping import Stopping
from vgf.rlhf.study import methods
from vgf.rlhf.study.cost import GB, Costs, Machine, StageCost, check_fits, in_words, machine_of

CARD = Machine("a card", 24e9, speed=1e14, drawn=5e7, wait=5e-4)
PYTHIA_1B = GPTNeoXConfig(
    vocab_size=50304, hidden_size=2048, intermediate_size=8192, num_hidden_layers=16, num_attention_heads=8
)
PYTHIA_7B = GPTNeoXConfig(
    vocab_size=50432, hidden_size=4096, intermediate_size=16384, num_hidden_layers=32, num_attention_heads=32
)
STAGES = ("sft", "reward", "bc", "dpo", "ppo", "rloo")
CHOSEN = [methods.get_method(name) for name in ("human", "sft", "best_of_32", "vgf_L4", "cold_L1")]


def costs_of(config: GPTNeoXConfig, place: Placement, prompt: int = 512, machine: Machine = CARD) -> list[StageCost]:
    setup = Setup(scale="paper", sizes=replace(SIZES["paper"], prompt_tokens=prompt), placement=place)
    costs = Costs(config, setup, prompt / 2, prompt, machine)
    return [*(costs.stage(name) for name in STAGES), costs.align(CHOSEN)]


def test_a_card_of_24_gb_holds_every_stage_of_pythia_1b_and_only_leanly() -> None:
    found = costs_of(PYTHIA_1B, placement_of("paper", "cpu"))
    check_fits(found, CARD)
    assert max(one.memory for one in found) > 12e9
    assert all(0 < one.hours < 24 for one in found)
    with pytest.raises(ValueError, match=r"a card has 24\.0 GB; give a smaller model"):
        check_fits(costs_of(PYTHIA_1B, Placement("cpu")), CARD)
    with pytest.raises(ValueError, match="needs about"):
        check_fits(costs_of(PYTHIA_7B, placement_of("paper", "cpu")), CARD)


def test_longer_prompts_and_slower_machines_cost_more() -> None:
    place = placement_of("paper", "cpu")
    short, long = costs_of(PYTHIA_1B, place, 128), costs_of(PYTHIA_1B, place, 512)
    slow = costs_of(PYTHIA_1B, place, 128, replace(CARD, speed=1e13, drawn=5e6, wait=5e-3))
    for a, b, c in zip(short, long, slow, strict=True):
        assert a.memory < b.memory
        assert a.hours < b.hours
        assert c.hours == pytest.approx(10 * a.hours)


def test_weights_and_moments_are_counted_in_full() -> None:
    found = {one.name: one.memory for one in costs_of(PYTHIA_1B, placement_of("paper", "cpu"), 16)}
    layer = 50_358_272  # of Pythia-1b, whose parameters are 1,011,781,632
    assert found["reward"] > 12 * layer * 16 + 2 * 1_011_781_632
    assert found["sft"] < 10e9


def test_a_rival_trained_to_its_stop_is_counted_to_its_most_steps_in_float32() -> None:
    sizes, place = SIZES["paper"], placement_of("paper", "cpu")
    setup = Setup(scale="paper", sizes=sizes, placement=place, stopping=Stopping(most=2 * sizes.bc_steps))
    costs = Costs(PYTHIA_1B, setup, 256, 512, CARD)
    few, many = costs.stage("ppo"), costs.stage("ppo_trained")
    assert many.memory == pytest.approx(2 * few.memory)
    assert many.hours == pytest.approx(4 * few.hours)
    assert costs.stage("ppo") == few


def test_the_words_name_each_stage_the_largest_and_what_was_assumed() -> None:
    said = in_words([StageCost("sft", 2 * GB, 0.5), StageCost("reward", 3 * GB, 2.0)], CARD, seeds=2)
    assert "sft: 2.0 GB, 30 min" in said
    assert "in all, 2 seeds: at most 3.0 GB (reward) of 24.0 GB on a card, about 2.5 h" in said
    assert "of which 35% are counted" in said


def test_a_machine_is_measured() -> None:
    found = machine_of("cpu")
    assert found.speed > 1e8
    assert found.drawn > 1e5
    assert found.memory > 1e9
    assert found.wait == 0
