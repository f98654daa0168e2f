"""The results browser: what is chosen is drawn and tabled with the numbers of the tables, and links lead to files."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import unquote

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.helpers.browse import HOPPER, ONLINE, PAGE, go, names, rows, state
from tests.helpers.explorer import opened
from tests.helpers.site import ROOT, SITE


@pytest.fixture(scope="module")
def page(browser: Browser, site_url: str) -> Iterator[Page]:
    """Open the browser of the results once, at desk width; a test begins by going where it wants to be."""
    with opened(browser, f"{site_url}/{PAGE}") as page:
        yield page


def table(label: str, task: str) -> pd.DataFrame:
    """Return a task's rows of a committed table, of the last checkpoint."""
    every = pd.read_csv(ROOT / "data" / "tables" / f"{label}.csv")
    return every[(every["checkpoint"] == "last") & (every["statistic"] == "mean") & (every["task"] == task)]


def test_what_is_chosen_is_drawn_and_its_numbers_are_the_tables(page: Page) -> None:
    page.get_by_label("Suite", exact=True).select_option("OGBench")
    assert state(page)["study"] == "medium_maze.cpu"  # of those in which a method scores the one with most
    page.get_by_label("Suite", exact=True).select_option("D4RL")
    page.get_by_label("Task", exact=True).select_option("hopper-medium")
    page.get_by_label("Study", exact=True).select_option("d4rl.cpu")
    page.get_by_label("Test budget L", exact=True).select_option("2")
    page.get_by_role("button", name="None").click()
    assert names(page) == []
    expect(page.locator(".vgf-hint")).to_have_text("Choose a method to draw.")
    page.get_by_label("VGF", exact=True).check()
    page.get_by_label("FQL", exact=True).check()
    assert sorted(names(page)) == ["FQL", "VGF, L = 2"]
    assert page.locator(".vgf-curves .vgf-mean").count() == page.locator(".vgf-curves .vgf-band").count() == 2
    assert page.locator(".vgf-curves .vgf-seed").count() == 6
    found = table("d4rl.cpu", "hopper-medium-v2")
    shown = rows(page)
    assert len(shown) == len(found)
    keys = page.evaluate(
        "() => vgfBrowse.views.sorted(vgfBrowse.data, vgfBrowse.page.state).map(row => [row.method, row.steps])"
    )
    for (method, steps), cells in zip(keys, shown, strict=True):
        (own,) = found[(found["method"] == method) & (found["test_steps"] == steps)].itertuples()
        assert float(cells[2]) == pytest.approx(own.value, abs=0.0501)
        assert [float(end) for end in cells[3].strip("[]").split(", ")] == pytest.approx(
            [own.low, own.high], abs=0.0501
        )
        assert cells[4] == str(own.runs)
    assert page.locator(".vgf-compare tr.vgf-shown").count() == 2


def test_the_address_holds_the_choice_and_opens_it_again(page: Page, browser: Browser) -> None:
    go(page, "task=halfcheetah-medium-v2")
    page.get_by_label("Study", exact=True).select_option("longer.cpu")
    page.get_by_label("Test budget L", exact=True).select_option("1")
    page.get_by_label("BC (flow)", exact=True).uncheck()
    page.get_by_role("button", name="training minutes").click()
    with opened(browser, page.url) as other:
        assert state(other) == state(page)
        assert rows(other) == rows(page)
        assert state(other)["methods"] == ["vgf", "fql"]
        assert (state(other)["sort"], state(other)["down"]) == ("minutes", False)
        assert other.url == page.url


@pytest.mark.parametrize(
    ("address", "faults"),
    [
        ("study=none.cpu&task=hopper-medium-v2", ["study=none.cpu"]),
        (f"{HOPPER}&L=99&sort=colour&order=sideways", ["L=99", "sort=colour", "order=sideways"]),
        (f"{HOPPER}&methods=vgf,nobody&__proto__=x&toString=y", ["methods=vgf,nobody", "__proto__=x", "toString=y"]),
        ("L=<img src=x onerror=alert(1)>", ["L=<img src=x"]),
    ],
)
def test_an_address_that_cannot_be_used_is_said_and_does_no_harm(page: Page, address: str, faults: list[str]) -> None:
    page.evaluate("hash => { location.hash = hash; }", address)
    note = page.locator(".vgf-note")
    for fault in faults:
        expect(note).to_contain_text(fault)
    expect(note).to_contain_text("usual choice")
    assert rows(page)
    assert state(page)["sort"] == "score"
    if "hopper" in address and "none" not in address:
        assert state(page)["task"] == "hopper-medium-v2"
    page.get_by_role("button", name="All").click()
    expect(note).to_have_text("")


def test_an_address_of_a_section_is_left_alone(browser: Browser, site_url: str) -> None:
    with opened(browser, f"{site_url}/{PAGE}#what-is-shown") as page:
        assert page.url.endswith("#what-is-shown")
        expect(page.locator(".vgf-note")).to_have_text("")
        assert rows(page)


def test_the_table_sorts_by_each_column_both_ways(page: Page) -> None:
    go(page, HOPPER)
    heads = page.locator(".vgf-compare thead button")
    for column in range(heads.count()):
        seen = []
        for _ in range(2):
            heads.nth(column).click()
            cells = [row[column] for row in rows(page)]
            order = page.locator(".vgf-compare thead th").nth(column).get_attribute("aria-sort")
            plain = [cell.strip("[").split(", ")[0].replace(",", "").replace("–", "0") for cell in cells]
            values = [cell.lower() for cell in cells] if column == 0 else [float(cell) for cell in plain]
            assert values == sorted(values, reverse=order == "descending")
            seen.append(order)
        assert sorted(map(str, seen)) == ["ascending", "descending"]
        assert page.locator(".vgf-compare th[aria-sort=none]").count() == heads.count() - 1


def test_tasks_on_which_nobody_scores_stand_last_and_say_so(page: Page) -> None:
    page.get_by_label("Suite", exact=True).select_option("OGBench")
    groups = page.evaluate(
        "[...document.querySelectorAll('#vgf-task optgroup')].map(g => [g.label, g.children.length])"
    )
    assert [label for label, _ in groups] == ["A method scores", "No method scores"]
    expect(page.locator(".vgf-silent")).to_be_hidden()
    page.get_by_label("Task", exact=True).select_option("cube-double-task1")
    best = table("ogbench.cpu", "cube-double-play-singletask-task1-v0")["value"].max()
    expect(page.locator(".vgf-silent")).to_contain_text("Nobody scores here")
    expect(page.locator(".vgf-silent")).to_contain_text(f", {best:.1f}.")
    page.get_by_label("Task", exact=True).select_option("puzzle-3x3-task1")
    expect(page.locator(".vgf-silent")).to_be_hidden()


def test_the_numbers_of_the_curves_have_a_row_for_each_point_and_each_seeds_score(page: Page) -> None:
    go(page, f"{HOPPER}&methods=vgf,iql&L=5")
    page.locator(".vgf-numbers summary").click()
    page.locator(".vgf-numbers tbody tr").first.wait_for()  # the table is filled after the click, by an event
    shown = page.evaluate(
        "() => [...document.querySelectorAll('.vgf-numbers tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    view = page.evaluate("vgfBrowse.page.state.view")
    known = {record["method"]: record["budgets"] for record in view["records"]}
    assert len(shown) == len(known["vgf"]["5"]["curve"]) + len(known["iql"]["0"]["curve"])
    last = known["iql"]["0"]["curve"][-1]
    (cells,) = [row for row in shown if row[0] == "IQL" and row[1] == f"{last[0]:,}"]
    assert [float(cell) for cell in cells[4:]] == pytest.approx(last[4], abs=0.0501)


def test_every_view_is_drawn_with_no_error_and_no_request(browser: Browser, site_url: str) -> None:
    with opened(browser, "about:blank") as page:
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: faults.append(request.url) if not request.url.startswith(site_url) else None)
        page.goto(f"{site_url}/{PAGE}", wait_until="networkidle")
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        views = page.evaluate("vgfBrowse.data.views.map(view => [view.study, view.task, view.records.length])")
        for study, task, count in views:
            go(page, f"study={study}&task={task}")
            page.get_by_role("button", name="All").click()
            page.get_by_label("Test budget L", exact=True).select_option(index=0)  # which every method has
            assert page.locator(".vgf-curves .vgf-mean").count() == count
            assert "NaN" not in page.locator(".vgf-curves").inner_html()
            assert (state(page)["study"], state(page)["task"]) == (study, task)
        assert {address.rpartition("/")[2] for address in asked} <= {"favicon.svg"}  # asked anew with each address
        assert faults == []


def test_links_lead_to_the_record_its_table_and_its_chapters(page: Page) -> None:
    for address in (HOPPER, "study=medium_maze.cpu"):
        go(page, address)
        links = page.evaluate("[...document.querySelectorAll('.vgf-compare td a')].map(a => a.href)")
        places = {link.partition("/tree/HEAD/")[2] for link in links}
        assert [place for place in places if not (ROOT / place / "run.json").exists()] == []
        assert len(places) == page.evaluate("vgfBrowse.page.state.view.records.length")
        study = state(page)["study"]
        found = dict(
            page.evaluate(
                "[...document.querySelectorAll('.vgf-files a')].map(a => [a.textContent, a.getAttribute('href')])"
            )
        )
        csv = found.pop(f"table of {study} (CSV)")
        folder = (SITE / PAGE).parent
        assert (folder / csv).read_text() == (ROOT / "data" / "tables" / f"{study}.csv").read_text()
        place, _, anchor = found.pop("its records in the index").partition("#")
        assert f'id="{anchor}"' in (folder / place).read_text()
        assert [link for link in found.values() if not (folder / unquote(link)).exists()] == []
        assert any("notebooks/" in link for link in found.values())


def test_the_start_of_a_training_online_and_intervals_beyond_the_chart_are_said(page: Page) -> None:
    go(page, ONLINE)
    expect(page.locator(".vgf-online text").first).to_have_text("online from here")
    go(page, f"{HOPPER}&methods=bc")
    expect(page.locator(".vgf-hint")).to_contain_text("wider than the chart: BC (flow)")
    assert page.locator(".vgf-online text").count() == 0
    go(page, "study=tuning.cpu&task=hopper-medium-v2&L=1")
    expect(page.locator(".vgf-hint")).to_contain_text("One seed has no interval")
    expect(page.locator(".vgf-hint")).to_contain_text("one evaluation")
