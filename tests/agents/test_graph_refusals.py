"""What becomes of a graph that cannot be recorded, or that records something else than the updates."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers.graph_agents import K, data, graph, hold, make
from tests.helpers.small_agents import DIMS
from vgf.agents import BC, BCConfig
from vgf.agents.graph import GraphUpdates

pytestmark = pytest.mark.usefixtures("no_core")


def lazy(program: Callable[[], None], stream: object) -> Callable[[], None]:
    """Record nothing."""
    return lambda: None


def broken(program: Callable[[], None], stream: object) -> Callable[[], None]:
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


@pytest.mark.parametrize(("record", "reason"), [(lazy, "does not repeat the updates"), (broken, "not permitted when")])
@pytest.mark.parametrize("name", ["adam", "low paper"])
def test_a_recording_that_fails_is_given_up_with_one_warning_and_training_goes_on(
    name: str, record: Any, reason: str
) -> None:
    rows = data()
    many, singly = make(name, rows), make(name, rows)
    given_up = graph(many, record=record)
    with pytest.warns(RuntimeWarning, match=reason) as caught:
        hold(many, singly, rows, 6 * K)
    assert len(caught) == 1
    assert reason in given_up.refused
    assert "\n" not in given_up.refused
    assert not given_up.recorded


def test_a_graph_without_cuda_or_without_updates_is_refused() -> None:
    agent = make("bc", data())
    assert BC.create(BCConfig(hidden=(8,)), DIMS, (0,)).graph is None
    with pytest.raises(ValueError, match="needs an agent on cuda, this one is on cpu; use capture=False"):
        GraphUpdates(agent, K)
    with pytest.raises(ValueError, match="at least one update, got 0"):
        GraphUpdates(agent, 0, capture=False)
