"""The policy and its training: padding, likelihood, low rank, half precision, GPT-NeoX, and resuming to the bit."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from torch import nn
from transformers import GPTNeoXConfig, GPTNeoXForCausalLM

from tests.helpers.language import WORDS, little_model, little_policy, little_reward, little_tokenizer
from vgf.flow import Budget
from vgf.rlhf.decoders import DECODERS, PromptBatch, Proxy
from vgf.rlhf.flow import Flow, move
from vgf.rlhf.lora import add_low_rank, merge_low_rank
from vgf.rlhf.models import check_rows, load_model, load_tokenizer, make_policy
from vgf.rlhf.parts.data import Row
from vgf.rlhf.reward import embedded, load_reward, rewards_of
from vgf.rlhf.sampling import Noise, left_padded, negative_log_likelihood
from vgf.rlhf.stages import cloning_loss, perplexity
from vgf.rlhf.training import order, schedule, train

torch.set_num_threads(1)
POLICY = little_policy()


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


def test_a_token_s_noise_depends_on_its_place_alone_and_is_gumbel_s() -> None:
    """What is read beside it changes nothing, so decoders that look at other tokens share their noise."""
    size, names, device = 5000, ["one", "two"], torch.device("cpu")
    every = torch.arange(size).expand(2, -1)
    some = torch.tensor([[7, 4999, 0], [3, 3, 12]])
    whole, part = Noise(names, 3, size, device), Noise(names, 3, size, device)
    for _ in range(3):
        assert torch.equal(whole.step(every).gather(-1, some), part.step(some))
    sample = whole.step(every).double()
    assert abs(sample.mean() - 0.5772) < 5 * math.pi / math.sqrt(6 * sample.numel())
    assert abs(sample.var() - math.pi**2 / 6) < 0.1
    assert not torch.equal(sample[0], sample[1])


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
    scene = PromptBatch(half, [[12, 13], [14]], ["a", "b"], 4, 6, 0)
    sample = scene.sample()
    u = embedded(half, sample.tokens)
    zero = Proxy(u, torch.zeros_like(u), torch.zeros_like(u), half.inputs)
    again = DECODERS["gumbel"](scene, sample, zero, 4.0, 2.0)
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
    scene = PromptBatch(policy, [[12, 13], [14]], ["a", "b"], 4, 6, 0)
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
