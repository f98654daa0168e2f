"""What TRL's trainers are told of the policy: which tokens it may sample, and what is no token at all."""

from __future__ import annotations

import torch

from tests.helpers.language import WORDS, little_policy, little_tokenizer
from vgf.rlhf.rivals.trainers import OUTSIDE, padding_token, within_vocabulary

torch.set_num_threads(1)


def test_a_trainer_never_sees_a_token_the_policy_may_not_sample() -> None:
    policy = little_policy()
    ids = torch.tensor([[2, 7, 12]])
    before = policy.model(ids).logits
    with within_vocabulary(policy):
        inside = policy.model(ids).logits
        drawn = policy.model.generate(
            ids, do_sample=True, top_k=0, max_new_tokens=40, eos_token_id=None, pad_token_id=1
        )
    outside = policy.index < 0
    assert outside.nonzero().flatten().tolist() == [WORDS.index("<unk>")]
    assert (inside[..., outside] == OUTSIDE).all()
    torch.testing.assert_close(inside[..., ~outside], before[..., ~outside], rtol=0, atol=0)
    chances = inside.softmax(-1)
    entropy = torch.logsumexp(inside, -1) - (chances * inside).sum(-1)
    assert entropy.isfinite().all()
    assert WORDS.index("<unk>") not in drawn[0].tolist()
    torch.testing.assert_close(policy.model(ids).logits, before, rtol=0, atol=0)


def test_padding_is_not_the_end_where_there_is_another_token() -> None:
    tokenizer = little_tokenizer()
    assert tokenizer.pad_token_id == tokenizer.eos_token_id == 1
    assert padding_token(tokenizer) == 0
    tokenizer.pad_token = "<unk>"
    assert padding_token(tokenizer) == 0
