"""The explorer's tasks: open at first, solved by their solution, and by nothing that was not asked for."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.helpers.explorer import FALSE_HILL, drag, press, settled

TASKS = ("stop", "trap", "idle", "pushed", "valley")


@pytest.mark.parametrize("ident", TASKS)
def test_a_task_is_open_at_first_and_its_solution_solves_it(page: Page, ident: str) -> None:
    task = page.evaluate(
        "ident => { const { name, text, why } = vgfExplorer.tasks.find(task => task.ident === ident);"
        " return { name, text, why }; }",
        ident,
    )
    press(page, task["name"])
    expect(page.locator(".vgf-see")).to_have_text(task["text"])
    press(page, "Show a solution")
    expect(page.locator(".vgf-see")).to_have_text(f"One solution. {task['why']}")
    assert page.locator("[aria-pressed=true]").all_inner_texts() == [task["name"]]  # and no tick: it was shown
    press(page, task["name"])
    expect(page.locator(".vgf-see")).to_have_text(task["text"])


def judged(
    page: Page, ident: str, changes: dict[str, Any], edits: dict[str, Any] | None = None, chosen: int = -1
) -> bool:
    """Return whether a task counts as solved in a state of its own beginning with these changes."""
    return page.evaluate(
        """([ident, changes, edits, chosen]) => {
          const vgf = vgfExplorer, task = vgf.tasks.find(task => task.ident === ident);
          const begun = vgf.task.begin(vgf.data, task);
          const state = { settings: { ...begun.settings, ...changes }, edits: { ...begun.edits, ...edits } };
          state.chosen = chosen < 0 ? null : { kind: "particle", index: chosen };
          const walk = vgf.whole({ ...state.settings, steps: 40 }, state.edits);
          walk.settings.steps = state.settings.steps;
          return vgf.task.solved(vgf.data, task, state, walk, task.at ?? state.settings.steps);
        }""",
        [ident, changes, edits or {}, chosen],
    )


def test_no_task_is_solved_by_what_it_does_not_ask_for(page: Page) -> None:
    for ident in TASKS:
        assert not judged(page, ident, {})
    assert not judged(page, "stop", {"steps": 20})
    assert not judged(page, "stop", {"steps": 9, "error": 0})
    assert not judged(page, "trap", {"error": 2.0})
    assert not judged(page, "trap", {}, {"wrong": [[-0.9, 0.9]]})
    assert not judged(page, "trap", {"steps": 40})  # it loses, but not by the hill
    for other in ({"step_size": 0.055}, {"particles": 51}, {"error": 1.45}, {"steps": 21}, {"sample": 1}):
        assert not judged(page, "idle", other)
    assert judged(page, "idle", {"temperature": 2.0})
    ratios = [judged(page, "pushed", {}, chosen=index) for index in range(30)]
    assert 1 <= sum(ratios) <= 10
    assert not judged(page, "valley", {"sample": 0})
    assert not judged(page, "valley", {}, {"dropped": [[0.4, 0.4]]})
    assert judged(page, "valley", {"temperature": 2.0, "steps": 40}) or judged(page, "valley", {"particles": 100})


def test_a_reader_solves_a_task_by_hand_and_it_is_ticked(page: Page) -> None:
    press(page, "Stop in time")
    page.locator("#vgf-steps").fill("9")
    settled(page)
    expect(page.locator(".vgf-see")).to_contain_text("Solved.")
    expect(page.get_by_role("button", name="✓ Stop in time")).to_be_visible()
    press(page, "Set a trap")
    drag(page, FALSE_HILL, [0.0, 0.0])
    settled(page)
    expect(page.locator(".vgf-see")).to_contain_text("Solved.")
