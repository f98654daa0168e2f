"""Parts of the language chain alone: splits, rewards, judges, low rank, checkpoints, sources; closed forms first."""

from __future__ import annotations

import itertools
import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from little_language import WORDS, little_model, little_policy, little_preferences, little_reward, little_tokenizer
from torch import nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from vgf.flow import Budget
from vgf.rlhf import hub, preferred, prepare, sources, table
from vgf.rlhf.data import SHARES, Row, evaluation_prompts, parse_snippets, split_of
from vgf.rlhf.decoders import Proxy, Scene, decode
from vgf.rlhf.evaluate import best_of_n_kl, diversity, edit_share, win
from vgf.rlhf.flow import Flow, move
from vgf.rlhf.hub import local_or_hub
from vgf.rlhf.loop import order, schedule, train
from vgf.rlhf.lora import add_low_rank, merge_low_rank
from vgf.rlhf.methods import METHODS, TILT, chosen, get_method, order_of
from vgf.rlhf.minilm import ridge
from vgf.rlhf.models import check_rows, load_model, load_tokenizer, make_policy
from vgf.rlhf.preferences import dialogue, read_jsonl, read_preferences
from vgf.rlhf.reward import embedded, load_reward, pair_accuracy, preference_loss, rewards_of
from vgf.rlhf.sampling import left_padded, negative_log_likelihood
from vgf.rlhf.settings import SIZES, Setup, Sizes
from vgf.rlhf.stages import cloning_loss, perplexity

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


# --- models


def test_a_bad_model_is_one_line(tmp_path: Path) -> None:
    little_model().save_pretrained(tmp_path / "no_tokenizer")
    with pytest.raises(ValueError, match=r"no tokenizer|knows no word") as told:
        load_tokenizer(tmp_path / "no_tokenizer")
    assert "\n" not in str(told.value)
    little_tokenizer().save_pretrained(tmp_path / "no_model")
    with pytest.raises(ValueError, match="no causal language model with safetensors weights"):
        load_model(tmp_path / "no_model")
    with pytest.raises(ValueError, match="do not belong together"):
        make_policy(little_model(size=8), little_tokenizer(), [Row("x", (9,), (10,))])
    rows = [Row("long", tuple([5] * 60), (2,))]
    with pytest.raises(
        ValueError, match="long: a prompt of 60 tokens and a response of 22 pass the model's context of 64"
    ):
        check_rows(POLICY, rows, 22)
    with pytest.raises(ValueError, match="its prompt is empty"):
        check_rows(POLICY, [Row("empty", (), (2,))], 22)


def test_padding_on_the_left_changes_nothing() -> None:
    ids, mask = left_padded([[3, 4], [5, 6, 7, 8]], POLICY.end, POLICY.device)
    together = POLICY.hidden(ids, mask)
    alone = POLICY.hidden(torch.tensor([[3, 4]]), torch.ones(1, 2, dtype=torch.bool))
    torch.testing.assert_close(together[0, -2:], alone[0], rtol=1e-4, atol=1e-5)


def test_perplexity_of_a_policy_that_knows_nothing_is_its_vocabulary() -> None:
    model = little_model()
    nn.init.zeros_(model.model.norm.weight)
    policy = make_policy(model, little_tokenizer(), None)
    rows = [Row("a", (3,), (4, 5, 1)), Row("b", (3, 4), (6,))]
    assert perplexity(policy, rows) == pytest.approx(len(WORDS), rel=1e-5)
    assert float(cloning_loss(policy, rows)) == pytest.approx(math.log(len(WORDS)), rel=1e-5)


def test_the_cloning_loss_is_the_weighted_likelihood() -> None:
    rows = [Row("a", (3,), (4, 5, 1)), Row("b", (3, 4), (6, 1))]
    nats = [
        float(
            negative_log_likelihood(POLICY, [r.prompt], torch.tensor([r.chosen]), torch.ones(1, len(r.chosen)).bool())
        )
        for r in rows
    ]
    assert float(cloning_loss(POLICY, rows)) == pytest.approx(sum(nats) / 5, rel=1e-4)
    weighted = float(cloning_loss(POLICY, rows, torch.tensor([2.0, 0.5])))
    assert weighted == pytest.approx((2 * nats[0] + 0.5 * nats[1]) / (2 * 3 + 0.5 * 2), rel=1e-4)


def test_merging_a_low_rank_update_keeps_the_function() -> None:
    model, ids = little_model(), torch.tensor([[3, 4, 5]])
    plain = model(input_ids=ids).logits
    parameters = add_low_rank(model, 4, 0)
    torch.testing.assert_close(model(input_ids=ids).logits, plain)
    assert all(name.endswith(("down", "up")) for name in parameters)
    for p in parameters.values():
        p.data += 0.1
    tuned = model(input_ids=ids).logits
    assert float((tuned - plain).detach().abs().max()) > 1e-2
    merge_low_rank(model)
    torch.testing.assert_close(model(input_ids=ids).logits, tuned, rtol=1e-4, atol=1e-4)
    assert not [name for name, _ in model.named_parameters() if "down" in name and "proj.down" in name]


def test_half_precision_keeps_zero_steps_bit_for_bit() -> None:
    policy = little_policy()
    half = make_policy(policy.model.to(torch.bfloat16), policy.tokenizer, None)
    scene = Scene(half, [[12, 13], [14]], ["a", "b"], 4, 6, 0)
    sample = scene.sample()
    u = embedded(half, sample.tokens)
    zero = Proxy(u, torch.zeros_like(u), torch.zeros_like(u), half.inputs)
    again = decode("gumbel", scene, sample, zero, 4.0, 2.0)
    assert torch.equal(again.tokens, sample.tokens)
    moved = move(scene, little_reward(half), Flow(budget=Budget(2, 2.0)), sample)
    assert not torch.equal(moved.tokens, sample.tokens)


def test_other_architectures_of_the_paper_go_the_same_way(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GPTNeoXConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
    )
    policy = make_policy(GPTNeoXForCausalLM(config).eval().requires_grad_(False), little_tokenizer(), None)
    reward = little_reward(policy)
    reward.save(tmp_path)
    scene = Scene(policy, [[12, 13], [14]], ["a", "b"], 4, 6, 0)
    sample = scene.sample()
    tokens, alive = sample.tokens, sample.alive
    for space in ("embedding", "hidden"):
        moved = move(scene, load_reward(tmp_path, policy), Flow(budget=Budget(2, 4.0), space=space), sample)
        assert not torch.equal(moved.tokens, sample.tokens)
        after = rewards_of(reward, policy, scene.repeated, moved.tokens, moved.alive)
        assert after.mean() > rewards_of(reward, policy, scene.repeated, tokens, alive).mean()
    nats = negative_log_likelihood(policy, scene.repeated, tokens, alive)
    logits = policy.model(input_ids=torch.tensor([[12, 13, *sample.ids(0)]])).logits[0]
    log_p = torch.log_softmax(logits[1:-1], -1)[range(len(sample.ids(0))), sample.ids(0)]
    assert float(nats[0]) == pytest.approx(-float(log_p.sum()), rel=1e-4)


# --- training


def test_training_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    def run(folder: Path, stop: int | None) -> torch.Tensor:
        torch.manual_seed(0)
        layer = nn.Linear(3, 1)

        def loss_of(step: int) -> torch.Tensor:
            if stop is not None and step == stop:
                raise KeyboardInterrupt
            x = torch.randn(8, 3, generator=torch.Generator().manual_seed(step))
            return (layer(x).squeeze(-1) - x.sum(-1)).square().mean()

        train("test", folder, dict(layer.named_parameters()), loss_of, 12, 0.1, 5)
        return layer.weight.detach().clone()

    whole = run(tmp_path / "whole", None)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "cut", 8)
    assert torch.equal(run(tmp_path / "cut", None), whole)


def test_a_loss_that_is_no_number_is_named(tmp_path: Path) -> None:
    p = nn.Parameter(torch.zeros(1))
    with pytest.raises(ValueError, match="bad: the loss is nan at step 0; lower its rate"):
        train("bad", tmp_path, {"p": p}, lambda step: p.sum() * math.nan, 2, 0.1, 1)


def test_every_row_comes_once_an_epoch_and_the_rate_falls_to_zero() -> None:
    taken = [k for step in range(5) for k in order(10, 4, step, 3)]
    assert sorted(taken[:10]) == sorted(taken[10:]) == list(range(10))
    assert taken[:10] != taken[10:]
    rates = [schedule(step, 100) for step in range(100)]
    assert max(rates) == 1.0
    assert rates[0] == pytest.approx(0.1)
    assert rates[-1] == pytest.approx(1 / 90)


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


def test_the_divergence_of_best_of_n_is_exact_without_ties() -> None:
    cells = 200_000  # best of N of a uniform law on ranks: p(k) = ((k + 1)^N - k^N) / cells^N
    for n in (1, 2, 8):
        edge = (np.arange(cells + 1) / cells) ** n
        p = np.diff(edge)
        exact = float(np.sum(p * np.log(np.where(p > 0, p * cells, 1.0))))
        assert best_of_n_kl(n) == pytest.approx(exact, abs=1e-4)
    with pytest.raises(ValueError, match="n must be >= 1"):
        best_of_n_kl(0)


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


# --- settings and methods


def test_every_flow_of_one_family_has_one_total_tilt_and_a_control_differs_in_one_thing() -> None:
    for prefix in ("vgf_L", "vgf_hidden_L", "no_kernel_L", "constant_L"):
        tilts = {
            m.flow.budget.steps * m.flow.budget.step_size for n, m in METHODS.items() if n.startswith(prefix) and m.flow
        }
        assert tilts == {TILT}
    plain = METHODS["vgf_L4"].flow
    for name in ("no_kernel_L4", "no_repulsion_L4", "constant_L4", "vgf_one_line_L4", "vgf_hidden_L4"):
        other = METHODS[name].flow
        assert plain is not None
        assert other is not None
        assert sum(getattr(plain, f) != getattr(other, f) for f in plain.__dataclass_fields__) == 1
    assert [m.name for m in chosen((), 8, 8) if m.name.startswith("best")] == ["best_of_8"]
    with pytest.raises(ValueError, match="best_of_32 draws 32 responses a prompt, at most 16"):
        chosen(("best_of_32",), 16, 8)
    with pytest.raises(ValueError, match="no method 'magic'"):
        chosen(("magic",), 16, 8)


def test_a_tilt_after_the_name_scales_the_budget_alone() -> None:
    method, plain = get_method("vgf_L4@1.5"), METHODS["vgf_L4"].flow
    assert plain is not None
    assert method.flow == replace(plain, budget=replace(plain.budget, step_size=1.5 / 4))
    assert method.name == "vgf_L4@1.5"
    for name in ("sft@2", "cold_L0@2", "vgf_L4@-1", "vgf_L4@much"):
        with pytest.raises(ValueError, match=r"a tilt is a number > 0 after the name of a flow"):
            get_method(name)
    assert order_of(["vgf_L4@2", "sft", "vgf_L4@0.5", "vgf_L1", "gone"]) == ["sft", "vgf_L1", "vgf_L4@0.5", "vgf_L4@2"]


@pytest.mark.parametrize(
    ("packages", "message"),
    [((), "trl, peft, datasets, accelerate: not installed"), (("trl",), r"trl 9.9 is installed")],
)
def test_trl_is_asked_for_by_its_release(packages: tuple[str, ...], message: str, monkeypatch: Any) -> None:
    found = (lambda name: object()) if packages else (lambda name: None)
    monkeypatch.setattr(preferred.importlib.util, "find_spec", found)
    monkeypatch.setattr(preferred, "version", lambda name: "9.9")
    with pytest.raises(ValueError, match=message):
        preferred.train(Setup(), "dpo")


def test_a_stage_is_found_by_what_it_depends_on_alone() -> None:
    one, other = Setup(), Setup(sizes=Sizes(prompts=3, reward_steps=5, sft_steps=SIZES["quick"].sft_steps))
    assert one.folder("sft") == other.folder("sft")
    assert one.folder("reward") != other.folder("reward")
    assert one.folder("judge") == Setup(seed=1).folder("judge")
    assert one.folder("dpo") != Setup(sizes=replace(one.sizes, bc_steps=7)).folder("dpo")
    assert one.folder("reward") == Setup(sizes=replace(one.sizes, bc_steps=7)).folder("reward")
    assert one.folder("sft") != Setup(seed=1).folder("sft")
    assert Setup(least_rating=1.5).task_name == "reviews-1.5"
    with pytest.raises(ValueError, match="tokens must be > 0"):
        Sizes(tokens=0)
    with pytest.raises(ValueError, match=r"most \(4\) must be at least particles \(8\)"):
        Sizes(most=4)


# --- without a network


DEAD = "http://127.0.0.1:9"  # the discard port: refused at once


def test_a_part_that_cannot_be_fetched_is_one_line_soon(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, DEAD)
    monkeypatch.setenv("PIP_INDEX_URL", f"{DEAD}/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)
    with pytest.raises(ValueError, match=r"vaderSentiment 3\.3\.2 could not be fetched \(.*\); try again") as told:
        sources.fetch("ratings", tmp_path)
    assert "\n" not in str(told.value)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_download_is_fetched_anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    part = sources.PARTS["ratings"]
    (tmp_path / part.file).write_bytes(b"half")
    asked: list[Any] = []

    def offline(command: list[str], **options: Any) -> Any:
        asked.append((command, Path(command[command.index("-r") + 1]).read_text()))
        return subprocess.CompletedProcess(command, 1, "", "ERROR: NewConnectionError")

    monkeypatch.setattr(sources.subprocess, "run", offline)
    with pytest.raises(ValueError, match="no network"):
        sources.fetch("ratings", tmp_path)
    ((command, wanted),) = asked
    assert wanted == f"vaderSentiment==3.3.2 --hash=sha256:{part.sha256}\n"
    assert "--require-hashes" in command
    assert not (tmp_path / part.file).exists()


def test_a_folder_counts_when_its_manifest_and_files_agree(tmp_path: Path) -> None:
    assert prepare.manifest(tmp_path) is None
    (tmp_path / "a").write_bytes(b"123")
    (tmp_path / "manifest.json").write_text(json.dumps({"files": {"a": {"bytes": 3}}}))
    assert prepare.manifest(tmp_path) is not None
    (tmp_path / "a").write_bytes(b"12")
    assert prepare.manifest(tmp_path) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("sft", "--model", "EleutherAI/pythia-70m", "--task", "tldr"),
            "model EleutherAI/pythia-70m: not in the cache",
        ),
        (("sft", "--model", "./nowhere"), "no such folder; give a folder with a model"),
        (("sft", "--preferences", "x.jsonl"), "--preferences goes with --task tldr or hh"),
        (("sft",), "smollm2-135m is not here; `vgf rlhf prepare` fetches it"),
        (("judge", "--api", "gpt"), "`vgf rlhf prepare` fetches it"),
        (("align",), "no supervised policy|not here"),
        (("table",), "`vgf rlhf align --scale quick` makes them"),
        (("align", "--method", "magic"), "no method 'magic'"),
    ],
)
def test_without_network_and_data_a_command_says_what_to_do(
    words: tuple[str, ...], message: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Any
) -> None:
    import re

    from vgf import cli

    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_ENDPOINT", DEAD)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    started = time.monotonic()
    assert cli.main(["rlhf", *words]) == 2
    told = capsys.readouterr().err
    assert re.search(message, told), told
    assert told.count("\n") == 1
    assert time.monotonic() - started < 15  # a second when idle; the hub's client alone would retry for half a minute


def test_a_hub_that_is_switched_off_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ValueError, match="HF_HUB_OFFLINE is set; unset it, or `--model FOLDER`"):
        local_or_hub("EleutherAI/pythia-70m")


def test_a_name_that_is_never_looked_up_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setattr(hub, "PROBE_SECONDS", 0.1)

    def lost(*args: Any, **options: Any) -> Any:
        time.sleep(1)
        raise OSError("too late")

    monkeypatch.setattr(hub.socket, "create_connection", lost)
    with pytest.raises(ValueError, match=r"model x: not in the cache and .* \(no answer\); use the other one"):
        hub.require_hub("model x", "the other one")


def test_the_package_loads_without_transformers() -> None:
    check = (
        "import sys, vgf.rlhf.commands; assert not {'torch', 'transformers'} & set(sys.modules), sorted(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]
