"""A model's size from its config: parameters as they are, what a layer keeps as autograd would, no memory taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, BertConfig, GPTNeoXConfig

from tests.helpers.language import little_model
from tests.helpers.paper_setting import write_pythia
from vgf.rlhf.models import load_model
from vgf.rlhf.study.model_size import config_of, kept, size_of

torch.set_num_threads(1)
PYTHIA = GPTNeoXConfig(
    vocab_size=100, hidden_size=64, intermediate_size=128, num_hidden_layers=3, num_attention_heads=4
)


def test_parameters_are_counted_without_making_them(tmp_path: Path) -> None:
    folder = write_pythia(tmp_path)
    found, real = size_of(config_of(folder)), load_model(folder)
    assert found.whole == sum(p.numel() for p in real.parameters())
    assert (found.layers, found.width, found.vocabulary) == (2, 16, 352)
    llama = little_model()
    assert size_of(llama.config).whole == sum(p.numel() for p in llama.parameters())
    assert size_of(llama.config).ends == 2 * (16 + 16) + 2 * (16 + 8) + 3 * (16 + 32)


def really_kept(config: Any, rows: int, length: int) -> int:
    """Return the bytes that autograd keeps for one layer of a real model with a mask."""
    model = AutoModel.from_config(type(config).from_dict(config.to_dict() | {"num_hidden_layers": 1})).bfloat16().eval()
    own = {p.untyped_storage()._cdata for p in (*model.parameters(), *model.buffers())}
    found: dict[int, tuple[Tensor, int]] = {}

    def note(x: Tensor) -> Tensor:
        if x.untyped_storage()._cdata not in own:
            found[x.untyped_storage()._cdata] = (x, x.untyped_storage().nbytes())
        return x

    given = torch.randn(rows, length, config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        model(inputs_embeds=given, attention_mask=torch.ones(rows, length, dtype=torch.long), use_cache=False)
    return sum(size for _, size in found.values())


@pytest.mark.parametrize("config", [PYTHIA, little_model().config], ids=["pythia", "llama"])
def test_what_a_layer_keeps_is_no_less_than_it_is(config: Any) -> None:
    real, said = really_kept(config, 4, 20), kept(config, 4, 20)
    assert real <= said <= 1.6 * real
    assert kept(config, 8, 20) > 1.8 * said


def test_what_is_no_such_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no config of a model"):
        config_of(tmp_path)
    with pytest.raises(ValueError, match="supported are Llama and GPT-NeoX"):
        size_of(
            BertConfig(
                hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, is_decoder=True
            )
        )
