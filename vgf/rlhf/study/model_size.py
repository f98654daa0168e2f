"""How big a language model is, from its config alone: built without memory, so that it can be asked before a download.

Parameters are counted on torch's meta device. What one layer keeps for its backward pass is counted there too, from
the tensors that autograd would save, so no rule of thumb about an architecture is needed. Attention is counted as the
plain kernel keeps it, which a fused one undercuts: the count is an upper end.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vgf.rlhf.parts.hub import silence_transformers


@dataclass(frozen=True)
class ModelSize:
    """A language model in numbers.

    Attributes:
        layers, width, vocabulary: of its config.
        layer: parameters of one layer.
        rest: of embeddings, last norm and head.
        ends: inputs and outputs of a layer's linear maps, added up; a rank-r update has r times as many parameters.
    """

    layers: int
    width: int
    vocabulary: int
    layer: int
    rest: int
    ends: int

    @property
    def whole(self) -> int:
        """All parameters."""
        return self.layers * self.layer + self.rest


def config_of(folder: Path) -> Any:
    """Return the config of the model in a folder; ValueError with the remedy where there is none."""
    silence_transformers()
    from transformers import AutoConfig

    try:
        return AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
    except Exception as error:  # transformers raises many types for a folder without a config
        reason = " ".join(str(error).split())[:100]
        raise ValueError(f"{folder}: no config of a model ({reason}); give the folder of a causal model") from None


def size_of(config: Any) -> ModelSize:
    """Return the size of a causal language model of this config."""
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16, trust_remote_code=False)
    layers = getattr(model.base_model, "layers", None)
    if not isinstance(layers, nn.ModuleList):
        name = type(model).__name__
        raise ValueError(f"{name}: its layers are in no list; supported are Llama and GPT-NeoX (Pythia)")
    one = sum(p.numel() for p in layers[0].parameters())
    whole = sum(p.numel() for p in model.parameters())
    ends = sum(m.in_features + m.out_features for m in layers[0].modules() if isinstance(m, nn.Linear))
    width, vocabulary = model.get_input_embeddings().weight.shape[1], model.get_input_embeddings().weight.shape[0]
    return ModelSize(len(layers), width, vocabulary, one, whole - len(layers) * one, ends)


def kept(config: Any, rows: int, length: int) -> int:
    """Return the bytes that one layer keeps for its backward pass, of a batch in bfloat16 that needs gradients.

    Args:
        config: of the model.
        rows: of the batch.
        length: of its rows, in tokens.
    """
    from transformers import AutoModel

    one = type(config).from_dict(config.to_dict() | {"num_hidden_layers": 1})
    with torch.device("meta"):
        model: Any = AutoModel.from_config(one, dtype=torch.bfloat16, trust_remote_code=False)
        given = torch.zeros(rows, length, model.config.hidden_size, dtype=torch.bfloat16, requires_grad=True)
        mask = torch.zeros(rows, 1, length, length, dtype=torch.bool)  # whole, as no mask is computed without numbers
        places = torch.zeros(rows, length, dtype=torch.long)
    own = {p.untyped_storage()._cdata for p in (*model.parameters(), *model.buffers())}
    found: dict[int, tuple[Tensor, int]] = {}

    def note(x: Tensor) -> Tensor:
        storage = x.untyped_storage()
        if storage._cdata not in own:
            found[storage._cdata] = (x, storage.nbytes())  # held, so that no later storage takes its place
        return x

    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        model.eval()(inputs_embeds=given, attention_mask=mask, position_ids=places, use_cache=False)
    return sum(size for _, size in found.values())
