"""Films: light, of one clock, ending as their still; and the row of a page that a button starts."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.helpers.site import ROOT, SITE
from tests.helpers.small_agents import SMALL
from vgf import fit
from vgf.agents import BCConfig
from vgf.book import loops, practice
from vgf.book.films import Film, Ground, Seen
from vgf.book.loops import COLOURS, FRAMES, LIGHT, draw, encode, view, write
from vgf.datasets.own import own_transitions

LIMB = np.array([[-0.5, 0.5], [-0.5, 1.0]])
HERE = Ground(np.array([[-2.0, -2.0, 1.0, 4.0], [1.0, -2.0, 1.0, 4.0]]), np.zeros(2))


SQUARE = np.array([[-2.0, -2.0], [2.0, 2.0]])


def film(steps: int, limbs: int = 2) -> Film:
    """Return a walk along a line, with limbs about it."""
    places = np.stack([np.linspace(-1, 1, steps + 1), np.zeros(steps + 1)], 1)
    return Film("a walk", "return 1.0", [Seen(p, p + np.tile(LIMB, (limbs, 1, 1))) for p in places], HERE)


def frames_of(path: Path) -> list[np.ndarray]:
    """Return the frames of a film, [H, W, 4] each."""
    found = []
    with Image.open(path) as image:
        for index in range(image.n_frames):  # type: ignore[attr-defined]
            image.seek(index)
            found.append(np.asarray(image.convert("RGBA")))
    return found


def test_a_film_is_light_and_ends_as_its_still(tmp_path: Path) -> None:
    write(tmp_path, "walk", {"data": film(20), "vgf": film(7)}, "a test")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("walk-data-still.png", "walk-data.webp", "walk-vgf-still.png", "walk-vgf.webp", "walk.json"),
    ]
    for actor in ("data", "vgf"):
        path = tmp_path / f"walk-{actor}.webp"
        assert path.stat().st_size <= LIGHT
        with Image.open(path) as image:
            assert image.info["loop"] == 0
        still = np.asarray(Image.open(tmp_path / f"walk-{actor}-still.png").convert("RGBA"))
        seen = still[..., 3] > 0  # where nothing is drawn a colour means nothing
        assert seen.any()
        assert not seen.all()  # the ground is transparent
        np.testing.assert_array_equal(frames_of(path)[-1][seen], still[seen])
    told = json.loads((tmp_path / "walk.json").read_text())
    assert told == {
        "made": "a test",
        "films": {actor: {"title": "a walk", "outcome": "return 1.0"} for actor in ("data", "vgf")},
    }


def test_one_that_ends_early_rests_until_the_last_has_ended() -> None:
    early, late = (draw(film(steps), COLOURS["vgf"], 40, SQUARE) for steps in (10, 40))
    assert len(early) == len(late) == FRAMES
    quarter = FRAMES // 4
    assert [early[i].tobytes() == early[-1].tobytes() for i in (0, quarter // 2, quarter + 1)] == [False, False, True]
    assert late[quarter + 1].tobytes() != late[-1].tobytes()


def test_the_view_holds_walls_or_else_all_ways_and_the_goal() -> None:
    np.testing.assert_allclose(view([film(3), film(5)]), SQUARE)  # the walls
    far = film(3)._replace(ground=Ground(np.empty((0, 4)), np.array([0.0, 2.0])))
    (left, bottom), (right, top) = view([far])
    assert left < -1 < 1 < right
    assert bottom < 0 < 2 < top
    assert right - left == pytest.approx(top - bottom)


def test_what_is_too_heavy_loses_quality_and_then_is_refused() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (4, 60, 60, 4), dtype=np.uint8)
    frames = [Image.fromarray(one) for one in noise]
    whole = len(encode(frames, 10**6))
    assert len(encode(frames, whole - 1)) < whole
    with pytest.raises(ValueError, match="more than 100; play fewer steps"):
        encode(frames, 100)


def test_limbs_walls_and_goal_are_drawn() -> None:
    bare = film(3, limbs=0)._replace(ground=HERE._replace(goal=np.empty(0)))
    drawn = [np.asarray(draw(one, COLOURS["data"], 3, SQUARE)[-1]) for one in (bare, film(3, limbs=0), film(3))]
    assert (drawn[0][..., 3] > 0).sum() < (drawn[1][..., 3] > 0).sum() < (drawn[2][..., 3] > 0).sum()


def test_the_command_makes_four_from_policy_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flights = practice.flights(episodes=3, seed=0)
    np.savez(tmp_path / "flights.npz", **flights)  # type: ignore[arg-type]
    sizes = {"updates": 2, "batch_size": 4}
    fit(flights, tmp_path / "vgf", SMALL, **sizes)
    fit(flights, tmp_path / "bc", BCConfig(hidden=(8, 8)), method="bc", **sizes)
    row = type("Row", (), {"name": "drone", "episode_steps": 3})
    monkeypatch.setattr(loops, "get_task", lambda name: row)
    monkeypatch.setattr(loops, "make_env", lambda name: practice.Drone())
    monkeypatch.setattr(loops, "load", lambda name, path: own_transitions(path))
    words = ["drone", "--data", "flights.npz", "--clone", "bc", "--policy", "vgf", "--steps", "1", "--out", "films"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["loops", *words])
    assert loops.main(loops.loops, loops.MODULE) == 0
    assert len(list(Path("films").glob("*.webp"))) == len(list(Path("films").glob("*-still.png"))) == 4
    made = json.loads(Path("films/drone.json").read_text())["made"]
    assert made.startswith("python -m vgf.book.loops drone --data")
    assert str(tmp_path) not in made
    monkeypatch.setattr(sys, "argv", ["loops", *words[:3], "--clone", "none", *words[5:]])
    assert loops.main(loops.loops, loops.MODULE) == 2


def sets() -> list[str]:
    """Return the sets of films that are there."""
    places = [folder.glob("*-vgf.webp") for folder in (ROOT / "data/figures", ROOT / "book/_static/loops")]
    return sorted(path.name.removesuffix("-vgf.webp") for place in places for path in place)


def test_every_film_of_the_site_is_light() -> None:
    heavy = [path for path in (SITE / "_static" / "loops").glob("*.webp") if path.stat().st_size > LIGHT]
    assert heavy == []
    assert {path.name for path in (SITE / "_static" / "loops").glob("*.webp")} == {
        f"{name}-{actor}.webp" for name in sets() for actor in COLOURS
    }


def test_a_button_starts_the_films_of_its_row_and_stops_them(browser: Browser, site_url: str) -> None:
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{site_url}/notebooks/20_your_data.html")
    row = page.locator(".loops").first
    pictures, button = row.locator("img"), page.locator(".loops-button").first
    expect(button).to_have_text("Play the films")
    assert [url for url in asked if url.endswith(".webp")] == []  # nothing moves or loads by itself
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Stop the films")
    for index in range(len(COLOURS)):
        expect(pictures.nth(index)).to_have_attribute("src", re.compile(r"\.webp$"))
    page.wait_for_function("[...document.querySelectorAll('.loops img')].every(i => i.complete && i.naturalWidth)")
    button.click()
    expect(button).to_have_text("Play the films")
    for index in range(len(COLOURS)):
        expect(pictures.nth(index)).to_have_attribute("src", re.compile(r"-still\.png$"))
    page.close()
