"""Write tests/reference/rliable_reference.json: what rliable computes for fixed scores and for the draws it made.

rliable is not in the lock, so this script runs in an environment of its own, imports nothing of vgf, and its numbers
are committed:

    python3.11 -m venv rliable-env
    rliable-env/bin/pip install rliable==1.2.0 "pandas<3"
    rliable-env/bin/python tests/reference/make_rliable_reference.py

rliable ignores the random state it is given and draws from numpy's global stream, so its intervals cannot be asked for
again. What can be compared is everything else: each bootstrap sample is kept as it reached the statistic, with the
statistic of that sample and the interval made of all of them. Scores are runs x tasks, some of them tied.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rliable import library, metrics

DRAWS = 60
STATISTICS: dict[str, tuple[Callable[..., float], int]] = {
    "mean": (metrics.aggregate_mean, 1),
    "iqm": (metrics.aggregate_iqm, 1),
    "improvement": (metrics.probability_of_improvement, 2),
}


def scores(seed: int, runs: int, tasks: int = 3) -> np.ndarray:
    """Return scores [runs, tasks] in steps of five, so that there are ties."""
    rng = np.random.default_rng(seed)
    return 5.0 * np.round(10 * rng.random((runs, tasks)) + np.arange(tasks))


def watched(statistic: Callable[..., float], kept: list[dict[str, Any]]) -> Callable[..., np.ndarray]:
    """Return the statistic, keeping what it is given and what it returns."""

    def call(*samples: np.ndarray) -> np.ndarray:
        value = float(statistic(*samples))
        kept.append({"samples": [sample.tolist() for sample in samples], "value": value})
        return np.array([value])

    return call


def main() -> None:
    """Compute and write the reference."""
    out: dict[str, Any] = {"versions": {name: version(name) for name in ("rliable", "arch", "numpy", "scipy")}}
    for name, (statistic, groups) in STATISTICS.items():
        given = [scores(0, 6), scores(1, 5)][:groups]
        kept: list[dict[str, Any]] = []
        np.random.seed(0)  # noqa: NPY002  # the only stream it draws from
        value = tuple(given) if groups > 1 else given[0]
        points, intervals = library.get_interval_estimates({"x": value}, watched(statistic, kept), reps=DRAWS)
        out[name] = {
            "scores": [group.tolist() for group in given],
            "value": float(points["x"][0]),
            "interval": np.asarray(intervals["x"]).ravel().tolist(),
            "draws": kept[-DRAWS:],  # before them, the scores themselves
        }
    Path(__file__).with_name("rliable_reference.json").write_text(json.dumps(out) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
