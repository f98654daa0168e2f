"""How long a run has trained and evaluated, across interruptions, and whether it took a reference that was kept."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any


class Clock:
    """Seconds spent on training and on evaluation, across interruptions."""

    def __init__(self, facts: dict[str, Any] | None = None) -> None:
        self.seconds: dict[str, float] = {"training": 0.0, "evaluation": 0.0} if facts is None else facts["seconds"]
        self.started: str = datetime.now(UTC).isoformat(timespec="seconds") if facts is None else facts["started"]
        self.served: dict[str, Any] | None = (facts or {}).get("reference")
        self.start()

    def start(self) -> None:
        """Begin to count."""
        self._since = time.monotonic()

    def stop(self, what: str) -> None:
        """Count the time since the last `start` or `stop` for "training", "evaluation" or "ranking"."""
        self.seconds[what] = self.seconds.get(what, 0.0) + time.monotonic() - self._since
        self.start()

    def serve(self, facts: dict[str, Any], spent: float) -> None:
        """Note that a reference that is kept was taken; of the time, only what was spent on training it counts."""
        self.served = (
            facts if self.served is None else facts | {"trained_here": self.served["trained_here"] or spent > 0}
        )
        self.seconds["training"] += spent
        self.start()

    def facts(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""
        served = {} if self.served is None else {"reference": self.served}
        return {"started": self.started, "seconds": {what: round(s, 3) for what, s in self.seconds.items()}, **served}
