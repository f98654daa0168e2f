"""The command `vgf` with a pause at each checkpoint, here and in its processes, so that a test can step in."""

from __future__ import annotations

import sys
import time
from typing import Any

from vgf import cli


def _paced() -> None:
    """Run the command with a pause at each checkpoint, here and in its processes, so that a test can step in."""
    from vgf.training import loop

    save = loop.save_checkpoint

    def slowly(*arguments: Any) -> None:
        save(*arguments)
        time.sleep(0.5)

    loop.save_checkpoint = slowly


if __name__ in ("__main__", "__mp_main__"):
    _paced()
if __name__ == "__main__":
    sys.exit(cli.main())
