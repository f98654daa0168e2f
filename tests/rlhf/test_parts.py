"""Data, rewards, judges and measures of the language chain alone; closed forms first."""

from __future__ import annotations

import itertools
import math
from dataclasses import astuple
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from tests.helpers.language import little_policy, little_preferences, little_reward, little_tokenizer
from vgf.rlhf.parts.data import SHARES, Row, evaluation_prompts, parse_snippets, split_of
from vgf.rlhf.parts.minilm import ridge
from vgf.rlhf.parts.preferences import dialogue, read_jsonl, read_preferences
from vgf.rlhf.reward import load_reward, pair_accuracy, preference_loss, rewards_of
from vgf.rlhf.study import table
from vgf.rlhf.study.records import diversity, edit_share, win

torch.set_num_threads(1)
POLICY = little_policy()


# --- data


def test_snippets_are_read_and_split_without_overlap() -> None:
    texts = [f"this is snippet number {k} of many" for k in range(2000)]
    truth = "\n".join(f"{k}\t{k % 5 - 2}\t{text}" for k, text in enumerate(texts)).encode()
    ratings = "\n".join(f"{k}\t0\t1\t[1, 2, 3]" for k in range(2000)).encode()
    snippets = parse_snippets(truth, ratings)
    assert [s.text for s in snippets] == texts
    assert {s.raters for s in snippets} == {3}
    counts = {name: sum(split_of(s.text) == name for s in snippets) / 2000 for name in SHARES}
    assert counts == pytest.approx(SHARES, abs=4 * 0.5 / math.sqrt(2000))
    assert split_of(texts[7]) == split_of(texts[7])
    with pytest.raises(ValueError, match="line 2 of the ratings is not number, rating, text"):
        parse_snippets(b"1\t2.0\tgood\n2\tbad", b"")
    with pytest.raises(ValueError, match=r"line 1 of the ratings: 5.0 is outside \[-4, 4\]"):
        parse_snippets(b"1\t5.0\tgood", b"")


def test_test_prompts_differ_and_may_be_the_well_rated_ones() -> None:
    rows = [Row(f"r{k}", (k % 7, 1), (2,), (), float(k % 4)) for k in range(40)]
    found = evaluation_prompts(rows, 7)
    assert len({row.prompt for row in found}) == 7
    assert evaluation_prompts(list(reversed(rows)), 7) == found
    assert all(row.rating >= 2 for row in evaluation_prompts(rows, 5, 2.0))
    assert not set(evaluation_prompts(rows, 3)) & set(evaluation_prompts(rows, 3, development=True))
    with pytest.raises(ValueError, match="8 prompts were asked for, the test split has 7 that qualify"):
        evaluation_prompts(rows, 8)


def test_preferences_are_read_strictly(tmp_path: Path) -> None:
    splits = read_preferences("hh", little_preferences(tmp_path / "p.jsonl"), little_tokenizer(), 4)
    names = [row.name for part in (splits.sft, splits.reward, splits.test) for row in part]
    assert len(names) == 120
    assert splits.judge == []
    prompts = [{row.prompt for row in part} for part in (splits.sft, splits.reward, splits.test)]
    assert not any(a & b for a, b in itertools.combinations(prompts, 2))
    bad = tmp_path / "bad.jsonl"
    for text, message in [
        ("", "empty; give a jsonl of prompt, chosen, rejected"),
        ('{"prompt": "a", "chosen": "b"}\n', "line 1: no text 'rejected'; it has prompt, chosen"),
        ('{"prompt": "a", "chosen": "", "rejected": "c"}\n', "line 1: no text 'chosen'"),
        ("[1]\n", "line 1: expected an object"),
        ("{oops\n", "line 1: not JSON"),
    ]:
        bad.write_text(text)
        with pytest.raises(ValueError, match=message):
            list(read_jsonl(bad))
    with pytest.raises(ValueError, match="no such file"):
        list(read_jsonl(tmp_path / "none.jsonl"))


def test_a_dialogue_is_cut_before_its_last_answer() -> None:
    row = {"chosen": "\n\nHuman: hi\n\nAssistant: hello", "rejected": "\n\nHuman: hi\n\nAssistant: go away"}
    assert dialogue(row) == {"prompt": "\n\nHuman: hi\n\nAssistant:", "chosen": " hello", "rejected": " go away"}
    with pytest.raises(ValueError, match="a dialogue's rejected has no answer"):
        dialogue({"chosen": row["chosen"], "rejected": "nothing"})


# --- reward


def test_the_preference_loss_is_bradley_and_terrys() -> None:
    model, generator = little_reward(POLICY), torch.Generator()
    rows = [Row(str(k), (12,), (2 + k, 3, 1)[: 2 + k % 2], (), float(k % 3)) for k in range(5)]
    value = [float(_reward(model, row.prompt, row.chosen)) for row in rows]
    pairs = [(i, j) for i in range(5) for j in range(5) if rows[i].rating > rows[j].rating]
    expected = np.mean([math.log1p(math.exp(value[j] - value[i])) for i, j in pairs])
    assert float(preference_loss(model, POLICY, rows, generator, 0.0)) == pytest.approx(expected, rel=1e-4)
    paired = [Row("a", (12,), (2, 1), (7, 8, 1)), Row("b", (13, 14), (3,), (9, 1))]
    gaps = [float(_reward(model, r.prompt, r.rejected) - _reward(model, r.prompt, r.chosen)) for r in paired]
    expected = np.mean([math.log1p(math.exp(gap)) for gap in gaps])
    assert float(preference_loss(model, POLICY, paired, generator, 0.0)) == pytest.approx(expected, rel=1e-4)
    with pytest.raises(ValueError, match="no two rows of a batch have different ratings"):
        preference_loss(model, POLICY, [row._replace(rating=1.0) for row in rows], generator)


def test_a_reward_model_comes_back_and_not_for_another_vocabulary(tmp_path: Path) -> None:
    model = little_reward(POLICY)
    model.save(tmp_path)
    again = load_reward(tmp_path, POLICY)
    torch.testing.assert_close(_reward(again, (12,), (2, 3, 1)), _reward(model, (12,), (2, 3, 1)))
    other = little_policy()
    other.tokenizer = little_tokenizer()
    other.tokenizer.add_tokens(["new"])
    with pytest.raises(ValueError, match="reads another vocabulary than the policy writes"):
        load_reward(tmp_path, other)
    with pytest.raises(ValueError, match="`vgf rlhf reward` trains it"):
        load_reward(tmp_path / "none", POLICY)


def test_pair_accuracy_counts_pairs() -> None:
    found = pair_accuracy([3.0, 2.0, 2.0, 0.0], [2.0, 0.0, 1.0, 1.6], (0.5, 1.5))
    assert found["over 0.5"] == pytest.approx(
        (1 + 1 + 0.5 + 0 + 0) / 5
    )  # 0>1, 0>2, 2=1, 3<1, 3<2; 0 and 3 are too close
    assert found["over 1.5"] == pytest.approx((1 + 0) / 2)


def _reward(model: Any, prompt: tuple[int, ...], response: tuple[int, ...]) -> torch.Tensor:
    tokens = torch.tensor([response])
    return rewards_of(model, POLICY, [prompt], tokens, torch.ones_like(tokens, dtype=torch.bool))[0]


# --- judge of the default


@pytest.mark.parametrize(("n", "d"), [(20, 6), (8, 15)])
def test_the_ridge_penalty_is_the_one_of_least_leave_one_out_error(n: int, d: int) -> None:
    rng = np.random.default_rng(0)
    x, noise = rng.normal(size=(n, d)), rng.normal(size=n)
    y = x @ rng.normal(size=d) + noise
    penalties = (0.1, 1.0, 10.0, 100.0)

    def left_out(penalty: float) -> float:
        errors = []
        for k in range(n):
            keep = np.arange(n) != k
            xm, ym = x[keep].mean(0), y[keep].mean()
            a = (x[keep] - xm).T @ (x[keep] - xm) + penalty * np.eye(d)
            w = np.linalg.solve(a, (x[keep] - xm).T @ (y[keep] - ym))
            errors.append(y[k] - ym - (x[k] - xm) @ w)
        return float(np.sqrt(np.mean(np.square(errors))))

    expected = {penalty: left_out(penalty) for penalty in penalties}
    _, penalty, error = ridge(x - x.mean(0), y - y.mean(), penalties)
    assert penalty == min(expected, key=expected.__getitem__)
    assert error == pytest.approx(expected[penalty], rel=1e-8)


# --- measures and table


def test_measures_have_their_closed_forms() -> None:
    assert edit_share([1, 2, 3], [1, 2, 3]) == 0
    assert edit_share([1, 2, 3], [1, 3]) == pytest.approx(1 / 3)
    assert edit_share([], [1]) == 1
    assert edit_share([], []) == 0
    assert diversity([[1, 2], [1, 3], [1, 2]]) == pytest.approx((0.5 + 0 + 0.5) / 3)
    assert math.isnan(diversity([[1]]))
    assert win(1.0, [0.0, 1.0, 2.0, 0.5]) == pytest.approx((1 + 0.5 + 0 + 1) / 4)


def test_the_same_prompts_answered_alike_by_three_seeds_are_no_more_evidence_than_by_one() -> None:
    rng = np.random.default_rng(0)
    one = pd.DataFrame({"prompt": [f"p{i}" for i in range(40)], "judge": rng.normal(size=40)})
    one = one.assign(nats=rng.uniform(5, 9, 40), length=rng.integers(3, 9, 40), method="a", seed=0)
    three = pd.concat([one.assign(seed=seed) for seed in range(3)], ignore_index=True)
    assert astuple(table.estimate(three, "judge")) == pytest.approx(astuple(table.estimate(one, "judge")))
    assert astuple(table.perplexity(three)) == pytest.approx(astuple(table.perplexity(one)))
    found = table.estimate(one, "judge")
    error = one["judge"].std(ddof=0) / 40**0.5
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.1)
    # seeds that answer independently are more evidence
    apart = three.assign(judge=rng.normal(size=120))
    wide, narrow = (table.estimate(rows, "judge") for rows in (apart[apart["seed"] == 0], apart))
    assert narrow.high - narrow.low < 0.75 * (wide.high - wide.low)
    assert np.isnan(table.estimate(one.assign(judge=np.nan), "judge").value)


def test_the_table_pairs_prompts_and_keeps_nats_with_their_tokens() -> None:
    def rows(method: str, judges: list[float]) -> pd.DataFrame:
        base = dict.fromkeys(("reward", "win_ref", "win_chosen", "edit", "diversity"), 0.5)
        return pd.DataFrame(
            [
                base
                | {"method": method, "seed": 0, "prompt": f"p{k}", "judge": j, "nats": 2.0 * (k + 1), "length": k + 1}
                | {"drawn": 8, "gradients": 0}
                for k, j in enumerate(judges)
            ]
        )

    both = pd.concat([rows("best_of_16", [1, 2, 3, 4]), rows("vgf_L1", [2, 2, 1, 5]).sample(frac=1, random_state=0)])
    found = table.summarise(both.reset_index(drop=True)).set_index("method")
    assert found.loc["vgf_L1", "win_best_of_16"] == pytest.approx((1 + 0.5 + 0 + 1) / 4)
    assert found.loc["best_of_16", "win_best_of_16"] == 0.5
    assert found.loc["vgf_L1", "judge"] == 2.5
    assert found.loc["vgf_L1", "judge_low"] < 2.5 < found.loc["vgf_L1", "judge_high"]
    assert found.loc["vgf_L1", ["perplexity", "perplexity_low", "perplexity_high"]].tolist() == pytest.approx(
        [math.e**2] * 3
    )
    assert "| vgf_L1 | 0.50 [0.50, 0.50] | 2.50 [" in table.text(found.reset_index())
