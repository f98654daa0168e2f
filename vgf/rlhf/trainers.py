"""Runs a trainer of TRL as our own loops run: one line on how long it takes, and nothing of its libraries' chatter.

Their bars, tables of metrics and notices of renamed settings would bury the lines that matter. Warnings stay, except
those of the libraries about their own coming releases, which pinned releases never meet.
"""

from __future__ import annotations

import io
import time
import warnings
from contextlib import redirect_stdout
from typing import Any

from tqdm import tqdm

from vgf.rlhf.loop import tell
from vgf.rlhf.models import quiet


def run(trainer: Any, name: str, steps: int) -> None:
    """Train to the end.

    Args:
        trainer: one of TRL's, ready.
        name: what is trained, for the progress line.
        steps: how many it will take.
    """
    from transformers import PrinterCallback

    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(_told(name, steps))
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        trainer.train()


def hush() -> None:
    """Keep transformers and datasets from drawing bars and giving advice while a trainer is made."""
    from datasets import disable_progress_bars

    quiet()
    disable_progress_bars()
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers|trl|peft")


def _told(name: str, steps: int) -> Any:
    """Return a callback that counts steps on a bar and says once how long there is to go."""
    from transformers import TrainerCallback

    class Told(TrainerCallback):
        def __init__(self) -> None:
            self.started, self.done = time.monotonic(), 0
            self.bar = tqdm(total=steps, desc=name, disable=None, leave=False)

        def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.done += 1
            self.bar.update()
            tell(name, 0, self.done, steps, self.started)

        def on_train_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
            self.bar.close()

    return Told()
