"""A lean placement has the same loss and gradients: in parts, with layers computed again, and near them in bfloat16."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.helpers.language import little_model, little_policy, little_reward
from vgf.rlhf.parts.data import Row
from vgf.rlhf.placement import (
    LEAN_ROWS,
    WHOLE,
    Placement,
    in_parts,
    multiplies_bfloat16,
    placement_of,
    precision_of,
    recompute,
)
from vgf.rlhf.reward import embedded, preference_loss
from vgf.rlhf.settings import placed
from vgf.rlhf.stages import cloning_loss
from vgf.rlhf.training import _backward

torch.set_num_threads(1)
ROWS = [Row(str(k), (2, 3), tuple(range(2, 5 + k)), (7, 8 + k)) for k in range(7)]


def gradients(lean: bool, most: int) -> tuple[float, dict[str, Tensor]]:
    """Return the loss of cloning the rows and its gradients."""
    policy = little_policy()
    policy.model.requires_grad_(True)
    if lean:
        recompute(policy.model.base_model)
    loss = _backward(in_parts(ROWS, most, lambda rows: cloning_loss(policy, rows), lambda row: len(row.chosen)))
    assert not policy.model.training
    return loss, {name: p.grad for name, p in policy.model.named_parameters() if p.grad is not None}


def test_a_batch_in_parts_has_the_loss_and_gradients_of_the_whole() -> None:
    loss, whole = gradients(False, 0)
    for lean, most in ((True, 0), (False, 3), (True, 2)):
        other, parts = gradients(lean, most)
        assert other == pytest.approx(loss, rel=1e-5)
        assert parts.keys() == whole.keys()
        for name, gradient in whole.items():
            torch.testing.assert_close(parts[name], gradient, rtol=1e-4, atol=1e-6)


def test_a_whole_batch_is_handed_over_as_it_is() -> None:
    value = torch.tensor(1.0)
    assert in_parts(ROWS, 0, lambda rows: value, lambda row: 1.0) is value
    assert in_parts(ROWS, 7, lambda rows: value, lambda row: 1.0) is value


def held(lean: bool) -> int:
    """Return the bytes that autograd holds after a forward pass of the little model."""
    model = little_model()
    if lean:
        recompute(model.base_model)
    sizes: dict[int, int] = {}

    def note(x: Tensor) -> Tensor:
        sizes[x.untyped_storage()._cdata] = x.untyped_storage().nbytes()
        return x

    given = torch.randn(4, 12, 16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        kept = model.base_model(inputs_embeds=given, use_cache=False).last_hidden_state
    kept.sum().backward()
    return sum(sizes.values())


def test_layers_that_are_computed_again_are_not_held() -> None:
    assert held(lean=True) < held(lean=False) / 3


def test_a_lean_reward_is_the_same_but_for_bfloat16() -> None:
    policy = little_policy()
    plain, lean = little_reward(policy), little_reward(policy)
    lean.be_lean()
    tokens = torch.tensor([[2, 3, 4, 5], [7, 8, 9, 10]])
    u = embedded(policy, tokens).requires_grad_(True)
    mask = torch.ones_like(tokens, dtype=torch.bool)
    value, close = plain(u, mask), lean(u, mask)
    assert close.dtype == torch.float32
    torch.testing.assert_close(close, value, rtol=0.05, atol=0.05)
    (first,), (second,) = (torch.autograd.grad(x.sum(), u) for x in (value, close))
    assert float(torch.cosine_similarity(first.flatten(), second.flatten(), dim=0)) > 0.99
    assert all(p.dtype == torch.float32 for p in lean.parameters())
    lean.requires_grad_(True)
    preference_loss(lean, policy, ROWS, torch.Generator().manual_seed(0)).backward()
    assert all(p.grad is not None for name, p in lean.named_parameters() if "embed" not in name)


def test_only_the_papers_scale_is_lean_and_looks_for_a_gpu() -> None:
    assert placement_of("quick") == placement_of("cpu") == WHOLE == Placement()
    assert placement_of("paper", "cpu") == Placement("cpu", True, LEAN_ROWS)
    assert placed("tldr", "quick") == placed("hh", "cpu") == Placement("cpu", True, LEAN_ROWS)
    assert placed("reviews", "quick") == WHOLE
    assert placement_of("quick", lean=True) == Placement("cpu", True, LEAN_ROWS)
    assert placement_of("paper").device == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(ValueError, match="device must be auto, cpu or cuda"):
        placement_of("quick", "tpu")


def test_a_processor_says_whether_it_multiplies_in_bfloat16(tmp_path: Path) -> None:
    for name, line, expected in (
        ("plain", "flags\t: fpu avx2 avx512f avx512_vnni", False),
        ("new", "flags\t: fpu avx512f avx512_bf16", True),
        ("tiles", "flags\t: amx_bf16 amx_tile", True),
        ("arm", "Features\t: asimd", True),
    ):
        (tmp_path / name).write_text(f"processor\t: 0\n{line}\n")
        assert multiplies_bfloat16(tmp_path / name) is expected
    assert multiplies_bfloat16(tmp_path / "absent")


def test_float32_is_for_a_cpu_that_only_imitates_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vgf.rlhf.placement.multiplies_bfloat16", lambda: False)
    assert precision_of(WHOLE) == "float32"
    assert precision_of(Placement("cuda")) == precision_of(Placement("cpu", lean=True)) == "bfloat16"
    monkeypatch.setattr("vgf.rlhf.placement.multiplies_bfloat16", lambda: True)
    assert precision_of(WHOLE) == "bfloat16"
