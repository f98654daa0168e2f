"""Runs a trainer of TRL as our own loops run: one line on how long it takes, and nothing of its libraries' chatter.

Their bars, tables of metrics and notices of renamed settings would bury the lines that matter. Warnings stay, except
those of the libraries about their own coming releases, which pinned releases never meet.
"""

from __future__ import annotations

import io
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from vgf.rlhf.models import Policy
from vgf.rlhf.parts.hub import silence_transformers
from vgf.rlhf.rivals.watched import Finished, Watch, callback, put_best
from vgf.rlhf.training import log_time_left

OUTSIDE = -1e4  # logit of a token that may not be sampled; finite, because trainers multiply logits by probabilities


def run(trainer: Any, name: str, steps: int, watch: Watch | None = None) -> None:
    """Train to the end.

    Args:
        trainer: one of TRL's, ready.
        name: what is trained, for the progress line.
        steps: how many it will take.
        watch: where it is trained until its reward stops rising; the best policy measured is then in place.
    """
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    if watch is None:
        trainer.add_callback(_step_progress(name, steps))
    else:
        trainer.add_callback(callback(watch, trainer))
    if watch is None or not watch.over:
        with redirect_stdout(io.StringIO()), warnings.catch_warnings(), suppress(Finished):
            warnings.simplefilter("ignore", FutureWarning)
            trainer.train()
    if watch is not None:
        put_best(watch, trainer)


@contextmanager
def within_vocabulary(policy: Policy) -> Iterator[None]:
    """Keep a trainer to the tokens the policy may sample: it was tuned on them alone and is sampled from them alone.

    Without it a trainer would sample, and measure its divergence, over tokens whose logits nothing has trained.
    """
    head: nn.Module = policy.model.get_output_embeddings()
    outside = policy.index < 0

    def silence(module: nn.Module, given: Any, logits: Tensor) -> Tensor:
        return logits.masked_fill(outside[: logits.shape[-1]], OUTSIDE)

    handle = head.register_forward_hook(silence) if bool(outside.any()) else None
    try:
        yield
    finally:
        if handle is not None:
            handle.remove()


def padding_token(tokenizer: Any) -> int:
    """Return the id a trainer may pad with: a special token that is not the end, which means something of its own.

    The end itself is returned only where a tokenizer has no other special token.
    """
    end = int(tokenizer.eos_token_id)
    own = tokenizer.pad_token_id
    others = [i for i, token in sorted(tokenizer.added_tokens_decoder.items()) if token.special and i != end]
    return int(own) if own is not None and own != end else (others or [end])[0]


def silence_libraries() -> None:
    """Keep transformers and datasets from drawing bars and giving advice while a trainer is made."""
    from datasets import disable_progress_bars

    silence_transformers()
    disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|trl|peft")


def _step_progress(name: str, steps: int) -> Any:
    """Return a callback that counts steps on a bar and says once how long there is to go."""
    from transformers import TrainerCallback

    class StepProgress(TrainerCallback):
        def __init__(self) -> None:
            self.started, self.done = time.monotonic(), 0
            self.bar = tqdm(total=steps, desc=name, disable=None, leave=False)

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.done += 1
            self.bar.update()
            log_time_left(name, 0, self.done, steps, self.started)

        def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.bar.close()

    return StepProgress()
