"""The flow on language is the flow of `vgf.flow`, and each decoder does what its formula says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from tests.helpers.language import WORDS, little_policy, little_reward
from vgf.flow import Budget, stein_direction, transport
from vgf.rlhf.decoders import DECODERS, Decoder, PromptBatch, Proxy
from vgf.rlhf.flow import Flow, constant_direction, direction_of, move, smoothed_score, start, unit
from vgf.rlhf.parts.data import Row
from vgf.rlhf.relaxation import Relaxed, relax, to_embeddings
from vgf.rlhf.reward import embedded
from vgf.rlhf.sampling import Responses, generate, negative_log_likelihood, teacher_forced

torch.set_num_threads(1)
POLICY = little_policy()
REWARD = little_reward(POLICY)
PROMPTS, N, T = [[12, 13], [14, 15, 16, 17]], 5, 7
SCENE = PromptBatch(POLICY, PROMPTS, ["one", "two"], N, T, seed=3)
SAMPLE = SCENE.sample()
EXACT = Flow(budget=Budget(3, 0.7, 2.0), relinearise=False, normalise=False, draws=1, noise=0.0)


def captured(monkeypatch: pytest.MonkeyPatch) -> list[Proxy]:
    """Return a list that fills with what the decoder is given."""
    seen: list[Proxy] = []
    gumbel = DECODERS["gumbel"]

    def spy(scene: PromptBatch, current: Responses, proxy: Proxy, strength: float, anchor: float) -> Responses:
        seen.append(proxy)
        return gumbel(scene, current, proxy, strength, anchor)

    monkeypatch.setitem(cast("dict[str, Decoder]", DECODERS), "gumbel", spy)
    return seen


def zero_proxy(displacement: Tensor | None = None) -> Proxy:
    u = embedded(POLICY, SAMPLE.tokens)
    zero = torch.zeros_like(u) if displacement is None else displacement
    return Proxy(u + zero, zero, zero, POLICY.inputs)


@pytest.mark.parametrize("decoder", ["gumbel", "cold", "projection", "swaps"])
def test_zero_steps_are_best_of_n_bit_for_bit(decoder: Any) -> None:
    out = move(SCENE, REWARD, Flow(budget=Budget(0, 4.0), decoder=decoder), SAMPLE)
    assert all(a is b for a, b in zip(out, SAMPLE, strict=True))


@pytest.mark.parametrize("decoder", ["gumbel", "projection"])
def test_decoding_no_displacement_gives_the_sample_back(decoder: Any) -> None:
    out = DECODERS[decoder](SCENE, SAMPLE, zero_proxy(), 4.0, 2.0)
    assert torch.equal(out.tokens, SAMPLE.tokens)
    assert torch.equal(out.alive, SAMPLE.alive)
    if decoder == "gumbel":
        assert torch.equal(out.hidden, SAMPLE.hidden)


@pytest.mark.parametrize("repulsion", [True, False])
def test_particles_move_as_in_vgf_flow(monkeypatch: pytest.MonkeyPatch, repulsion: bool) -> None:
    seen, flow = captured(monkeypatch), replace(EXACT, repulsion=repulsion)
    move(SCENE, REWARD, flow, SAMPLE)

    def score_fn(u: Tensor) -> Tensor:
        return smoothed_score(SCENE, REWARD, flow, SAMPLE, u, 0)

    begin = start(SCENE, flow, SAMPLE).particles
    expected = transport(begin, score_fn, flow.budget, repulsion=repulsion)
    assert not torch.equal(expected, begin)
    torch.testing.assert_close(seen[-1].position.reshape(expected.shape), expected, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(seen[-1].total.reshape(expected.shape), expected - begin, rtol=1e-4, atol=1e-5)


def test_adam_moves_as_in_vgf_flow(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, flow = captured(monkeypatch), replace(EXACT, budget=Budget(3, 0.1, 1.0, "adam"))
    move(SCENE, REWARD, flow, SAMPLE)
    begin = start(SCENE, flow, SAMPLE).particles
    expected = transport(begin, lambda u: smoothed_score(SCENE, REWARD, flow, SAMPLE, u, 0), flow.budget)
    torch.testing.assert_close(seen[-1].position.reshape(expected.shape), expected, rtol=1e-5, atol=1e-5)


def test_the_direction_is_the_stein_direction_and_without_kernel_the_score() -> None:
    particles, score = torch.randn(2, N, T * 16), torch.randn(2, N, T * 16)
    flow = replace(EXACT, budget=Budget(1, 1.0, 0.3))
    assert torch.equal(direction_of(particles, score, flow, SAMPLE.alive), stein_direction(particles, score, 0.3))
    bare = replace(flow, kernel=False)
    torch.testing.assert_close(direction_of(particles, score, bare, SAMPLE.alive), score / 0.3)
    normal = unit(score, SAMPLE.alive).square().sum((-2, -1))
    torch.testing.assert_close(normal, SAMPLE.alive.reshape(2, -1).sum(-1).float())


def test_a_wide_kernel_shares_the_mean_gradient_of_all_particles() -> None:
    particles, score = torch.randn(2, N, T * 16), torch.randn(2, N, T * 16)
    flow = replace(EXACT, budget=Budget(1, 1.0, 0.3), widen=1e4, repulsion=False)
    expected = (score / 0.3).mean(1, keepdim=True).expand_as(score)
    torch.testing.assert_close(direction_of(particles, score, flow, SAMPLE.alive), expected, rtol=1e-4, atol=1e-5)
    median = direction_of(particles, score, replace(flow, widen=1.0), SAMPLE.alive)
    assert (median - score / (0.3 * N)).norm() < (median - expected).norm()  # at the median each hears mostly itself


@pytest.mark.parametrize("kernel", [True, False])
def test_a_shared_displacement_is_one_vector_for_all_places_of_a_response(
    monkeypatch: pytest.MonkeyPatch, kernel: bool
) -> None:
    seen, flow = captured(monkeypatch), Flow(budget=Budget(2, 0.5), shared=True, kernel=kernel, relinearise=False)
    move(SCENE, REWARD, flow, SAMPLE)
    for displacement, alive in zip(seen[-1].total, SAMPLE.alive, strict=True):
        assert displacement[alive].norm() > 0
        torch.testing.assert_close(displacement[alive], displacement[alive][:1].expand(int(alive.sum()), -1))
        assert not displacement[~alive].any()
    score = torch.randn(2, N, T * 16)
    bare = replace(EXACT, shared=True, kernel=False, budget=Budget(1, 1.0, 1.0))
    places = direction_of(torch.randn_like(score), score, bare, SAMPLE.alive).reshape(2 * N, T, 16)
    mean = torch.stack([s[a].mean(0) for s, a in zip(score.reshape(2 * N, T, 16), SAMPLE.alive, strict=True)])
    torch.testing.assert_close(places[:, 0], mean)


def test_a_constant_direction_repeats_one_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    seen, g = captured(monkeypatch), torch.randn(16)
    flow = Flow(budget=Budget(5, 0.25), constant=True, relinearise=False)
    move(SCENE, REWARD, flow, SAMPLE, g)
    expected = (5 * 0.25 * g).expand(len(SAMPLE.tokens), T, 16) * SAMPLE.alive[..., None]
    torch.testing.assert_close(seen[-1].total, expected, rtol=1e-5, atol=1e-5)
    with pytest.raises(ValueError, match="a constant flow needs its direction"):
        move(SCENE, REWARD, flow, SAMPLE)


def test_the_constant_direction_is_the_mean_gradient_and_of_norm_one() -> None:
    rows = [Row(f"r{k}", (12, 13), (2 + k, 3, 1)) for k in range(4)]
    flow = Flow(noise=0.0, draws=1)
    g = constant_direction(POLICY, REWARD, rows, flow, 0)
    u = embedded(POLICY, torch.tensor([[12, 13, *row.chosen] for row in rows])).requires_grad_(True)
    (gradient,) = torch.autograd.grad(REWARD(u, torch.ones(4, 5, dtype=torch.bool)).sum(), u)
    each = gradient[:, 2:]
    mean = (each / each.square().sum((-2, -1), keepdim=True).div(3).sqrt()).sum((0, 1))
    torch.testing.assert_close(g, mean / mean.norm(), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("space", ["embedding", "hidden"])
def test_the_score_is_the_gradient_of_the_reward(space: Any) -> None:
    flow = Flow(space=space, noise=0.0, draws=1)
    u = start(SCENE, flow, SAMPLE).particles
    score = smoothed_score(SCENE, REWARD, flow, SAMPLE, u, 0)
    ids = torch.tensor([[1] * (4 - len(p)) + list(p) for p in PROMPTS]).repeat_interleave(N, 0)
    mask = torch.tensor([[False] * (4 - len(p)) + [True] * len(p) for p in PROMPTS]).repeat_interleave(N, 0)

    def value(v: Tensor) -> float:
        z = v.reshape(len(SAMPLE.tokens), T, -1)
        z = z if space == "embedding" else to_embeddings(POLICY, z, relax(SCENE, SAMPLE), flow.tau)
        whole = torch.cat([embedded(POLICY, ids), z], 1)
        return float(REWARD(whole, torch.cat([mask, SAMPLE.alive], 1)).double().sum())

    along = torch.randn(u.shape, generator=torch.Generator().manual_seed(0))
    along = along * SAMPLE.alive[..., None].expand(-1, -1, 16).reshape(u.shape)
    slope = (value(u + 1e-2 * along) - value(u - 1e-2 * along)) / 2e-2
    assert float((score * along).sum()) == pytest.approx(slope, rel=2e-2, abs=1e-3)


def test_smoothing_averages_gradients_and_does_not_depend_on_the_batch() -> None:
    flow = Flow(draws=3, noise=1.0)
    whole = smoothed_score(SCENE, REWARD, flow, SAMPLE, start(SCENE, flow, SAMPLE).particles, 2)
    alone = PromptBatch(POLICY, PROMPTS[1:], ["two"], N, T, seed=3)
    part = SAMPLE.at(torch.arange(N, 2 * N))
    again = smoothed_score(alone, REWARD, flow, part, start(alone, flow, part).particles, 2)
    torch.testing.assert_close(again[0], whole[1], rtol=1e-3, atol=1e-4)


def test_a_cold_relaxation_is_the_sampled_token() -> None:
    relaxed = relax(SCENE, SAMPLE)
    hidden = SAMPLE.hidden * POLICY.outputs.scale
    z = to_embeddings(POLICY, hidden, relaxed, 1e-4)
    expected = embedded(POLICY, SAMPLE.tokens)
    torch.testing.assert_close(z[SAMPLE.alive], expected[SAMPLE.alive], rtol=1e-3, atol=1e-3)


def test_a_displacement_of_a_hidden_state_tilts_the_logits_by_its_inner_product() -> None:
    state, delta = torch.randn(16), torch.randn(16)
    raw = POLICY.head @ (state + delta / POLICY.outputs.scale) - POLICY.head @ state
    tilt = POLICY.outputs.table @ delta
    torch.testing.assert_close(raw - raw.mean(), tilt - tilt.mean(), rtol=1e-4, atol=1e-4)
    relaxed = Relaxed(torch.arange(len(POLICY.vocabulary))[None, None], torch.zeros(1, 1, len(POLICY.vocabulary)))
    z = to_embeddings(POLICY, (state * POLICY.outputs.scale)[None, None], relaxed, 1.0)
    expected = torch.softmax(POLICY.head @ state, -1) @ POLICY.inputs.table
    torch.testing.assert_close(z[0, 0], expected, rtol=1e-4, atol=1e-5)


def test_samples_follow_the_policy() -> None:
    names = [f"p{k}" for k in range(500)]
    got = generate(POLICY, [[12, 13]] * 500, names, 1, 0, particles=4, top=5)
    ids = torch.tensor([[12, 13]])
    log_p = POLICY.log_probs(POLICY.hidden(ids, torch.ones_like(ids, dtype=torch.bool))[:, -1])[0]
    top = log_p.topk(5)
    p = dict(zip(POLICY.vocabulary[top.indices].tolist(), torch.softmax(top.values, -1).tolist(), strict=True))
    counts = Counter(got.tokens[:, 0].tolist())
    assert set(counts) <= set(p)
    for token, share in p.items():
        assert counts[token] / 2000 == pytest.approx(share, abs=4.5 * (share * (1 - share) / 2000) ** 0.5)


def test_a_response_depends_on_its_name_and_not_on_its_batch() -> None:
    alone = generate(POLICY, PROMPTS[1:], ["two"], T, 3, particles=2, first=1)
    assert torch.equal(alone.tokens, SAMPLE.tokens[N + 1 : N + 3])
    other = generate(POLICY, PROMPTS, ["one", "three"], T, 3, particles=N)
    assert torch.equal(other.tokens[:N], SAMPLE.tokens[:N])
    assert not torch.equal(other.tokens[N:], SAMPLE.tokens[N:])


def test_a_response_is_over_after_its_end() -> None:
    ended = SAMPLE.tokens == POLICY.end
    for row in range(len(SAMPLE.tokens)):
        places = ended[row].nonzero().flatten().tolist()
        length = places[0] + 1 if places else T
        assert SAMPLE.alive[row].tolist() == [t < length for t in range(T)]
    assert bool(ended.any())  # the little language ends now and then, or this test says nothing


def test_the_likelihood_is_the_restricted_softmax_of_the_plain_model() -> None:
    got = negative_log_likelihood(POLICY, SCENE.repeated, SAMPLE.tokens, SAMPLE.alive)
    for row, prompt in enumerate(SCENE.repeated):
        words = SAMPLE.ids(row)
        logits = POLICY.model(input_ids=torch.tensor([[*prompt, *words]])).logits[0].double()
        logits = logits[len(prompt) - 1 : -1, POLICY.vocabulary]
        expected = -torch.log_softmax(logits, -1)[range(len(words)), POLICY.index[torch.tensor(words)]].sum()
        assert float(got[row]) == pytest.approx(float(expected), rel=1e-4)
    with pytest.raises(ValueError, match=r"tokens \[0\] are not in the policy's vocabulary"):
        negative_log_likelihood(POLICY, [[12]], torch.tensor([[0]]), torch.tensor([[True]]))


def test_hidden_states_of_sampling_are_those_of_a_plain_pass() -> None:
    forced = teacher_forced(POLICY, SCENE.repeated, SAMPLE.tokens, SAMPLE.alive)
    torch.testing.assert_close(forced[SAMPLE.alive], SAMPLE.hidden[SAMPLE.alive], rtol=1e-3, atol=1e-4)


def test_a_strong_tilt_takes_the_likely_token_it_points_at() -> None:
    along = torch.randn(16, generator=torch.Generator().manual_seed(1))
    out = DECODERS["gumbel"](SCENE, SAMPLE, zero_proxy(along.expand(len(SAMPLE.tokens), T, 16)), 1e4, 0.0)
    top = POLICY.log_probs(SAMPLE.hidden[:, 0]).topk(len(POLICY.vocabulary)).indices[:, : SCENE.top]
    best = (POLICY.inputs.table[top] @ along).argmax(-1, keepdim=True)
    assert torch.equal(out.tokens[:, 0], POLICY.vocabulary[top.gather(-1, best)].squeeze(-1))


def test_cold_is_greedy_where_nothing_holds_it_and_stays_where_it_is_held() -> None:
    free = DECODERS["cold"](SCENE, SAMPLE, zero_proxy(), 1.0, 0.0)
    greedy = POLICY.vocabulary[POLICY.log_probs(free.hidden).argmax(-1)]
    assert torch.equal(free.tokens[free.alive], greedy[free.alive])
    held = DECODERS["cold"](SCENE, SAMPLE, zero_proxy(), 1.0, 1e5)
    assert torch.equal(held.tokens[SAMPLE.alive], SAMPLE.tokens[SAMPLE.alive])


def test_projection_takes_the_nearest_row() -> None:
    shift = torch.randn(len(SAMPLE.tokens), T, 16, generator=torch.Generator().manual_seed(2)) * 3
    proxy = zero_proxy(shift)
    out = DECODERS["projection"](SCENE, SAMPLE, proxy, 1.0, 0.0)
    nearest = POLICY.vocabulary[torch.cdist(proxy.position, POLICY.inputs.table.expand(len(shift), -1, -1)).argmin(-1)]
    assert torch.equal(out.tokens[out.alive], nearest[out.alive])


def test_a_swap_is_the_best_single_exchange() -> None:
    shift = torch.randn(len(SAMPLE.tokens), T, 16, generator=torch.Generator().manual_seed(4))
    out = DECODERS["swaps"](SCENE, SAMPLE, zero_proxy(shift), 1.5, 0.0)
    log_p, changed = POLICY.log_probs(SAMPLE.hidden), 0
    for row in range(len(SAMPLE.tokens)):
        best, choice = 0.0, None
        for t in range(T):
            old = int(POLICY.index[SAMPLE.tokens[row, t]])
            if not SAMPLE.alive[row, t] or int(SAMPLE.tokens[row, t]) == POLICY.end:
                continue
            for new in range(len(POLICY.vocabulary)):
                if int(POLICY.vocabulary[new]) == POLICY.end or new == old:
                    continue
                gain = log_p[row, t, new] - log_p[row, t, old]
                gain += 1.5 * shift[row, t] @ (POLICY.inputs.table[new] - POLICY.inputs.table[old])
                if float(gain) > best:
                    best, choice = float(gain), (t, int(POLICY.vocabulary[new]))
        expected = SAMPLE.tokens[row].clone()
        if choice is not None:
            expected[choice[0]] = choice[1]
            changed += 1
        assert torch.equal(out.tokens[row], expected)
    assert changed > 0


@pytest.mark.parametrize("space", ["embedding", "hidden"])
def test_relinearising_goes_on_from_the_decoded_text(monkeypatch: pytest.MonkeyPatch, space: Any) -> None:
    seen = captured(monkeypatch)
    flow = Flow(budget=Budget(2, 1.5), space=space)
    first = move(SCENE, REWARD, replace(flow, budget=Budget(1, 1.5)), SAMPLE)
    assert not torch.equal(first.tokens, SAMPLE.tokens)
    seen.clear()
    move(SCENE, REWARD, flow, SAMPLE)
    begin = start(SCENE, flow, first).particles.reshape(len(first.tokens), T, -1)
    if space == "hidden":
        begin = begin + seen[0].total * first.alive[..., None]
    torch.testing.assert_close(seen[1].position - seen[1].last, begin, rtol=1e-4, atol=1e-4)


def test_the_flow_raises_the_reward() -> None:
    before = _values(SAMPLE).mean()
    after = _values(move(SCENE, REWARD, Flow(budget=Budget(2, 2.0)), SAMPLE)).mean()
    control = torch.randn(16, generator=torch.Generator().manual_seed(9))
    flow = Flow(budget=Budget(2, 2.0), constant=True)
    aimless = _values(move(SCENE, REWARD, flow, SAMPLE, control / control.norm())).mean()
    assert after > before
    assert after > aimless


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"decoder": "projection", "space": "hidden"}, "no meaning in the hidden space"),
        ({"draws": 0}, "draws >= 1"),
        ({"tau": 0.0}, "tau > 0"),
        ({"widen": 0.0}, "widen > 0"),
        ({"decoder": "gumble"}, "no 'gumble'; nearest: gumbel"),
    ],
)
def test_a_flow_without_meaning_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Flow(**change)


def test_every_word_of_the_little_language_is_known() -> None:
    assert POLICY.vocabulary.tolist() == list(range(1, len(WORDS)))
    assert POLICY.inputs.table.mean(0).abs().max() < 1e-5
    assert float(POLICY.inputs.table.square().mean()) == pytest.approx(1.0, rel=1e-4)


def _values(responses: Responses) -> Tensor:
    from vgf.rlhf.reward import rewards_of

    return rewards_of(REWARD, POLICY, SCENE.repeated, responses.tokens, responses.alive)
