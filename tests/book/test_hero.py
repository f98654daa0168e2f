"""The front page's moving picture: it tells what the walk does, is light, and rests within five seconds."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from vgf.book import hero, plots
from vgf.book.explorer import presets

LIGHT = 300_000
ANIMATED = re.compile(r"<animate(?:Transform)? [^>]*>")


@pytest.fixture(scope="module")
def walk() -> hero.Walk:
    """Return the walk that the picture shows."""
    return hero.the_walk()


@pytest.fixture(scope="module")
def pictures(walk: hero.Walk) -> tuple[str, str]:
    """Return the film and its last frame."""
    return hero.render(walk)


def test_the_executed_action_gets_better_then_worse_than_at_the_start_while_it_promises_more(walk: hero.Walk) -> None:
    true, promised = walk.true.tolist(), walk.promised.tolist()
    assert 0 < walk.peak < len(true) - 1
    assert true[walk.peak] > true[0] > true[-1]
    assert promised[-1] > promised[0]


def test_the_numbers_in_the_picture_are_those_of_the_walk(monkeypatch: pytest.MonkeyPatch, walk: hero.Walk) -> None:
    monkeypatch.setitem(plots.STYLE, "svg.fonttype", "none")  # text as text
    picture = hero.render(walk)[0]
    for value in (walk.true[0], walk.true[walk.peak], walk.true[-1], walk.promised[-1]):
        assert f"{float(value):.2f}" in picture


def test_it_moves_once_and_rests_within_five_seconds(pictures: tuple[str, str]) -> None:
    settings = next(preset.settings for preset in presets() if preset.ident == hero.PRESET)
    films = ANIMATED.findall(pictures[0])
    assert len(films) == 2 * settings.particles + 1 + 4  # each particle and both dots of the chart in x and y
    for film in films:
        assert float(re.search(r'dur="([\d.]+)s"', film)[1]) < 5  # type: ignore[index]
        assert 'fill="freeze"' in film
        assert "repeat" not in film
        assert film.count(";") == settings.steps


def test_the_still_is_the_end_of_the_film(pictures: tuple[str, str]) -> None:
    ET.fromstring(pictures[0])
    ET.fromstring(pictures[1])
    assert ANIMATED.findall(pictures[1]) == []
    places = r'<circle cx="([\d.]+)" cy="([\d.]+)"'
    assert re.findall(places, pictures[1]) == re.findall(places, pictures[0])
    for name, value in zip(("cx", "cy"), re.findall(places, pictures[0])[0], strict=True):
        film = re.search(rf'attributeName="{name}"[^>]*values="([^"]*)"', pictures[0])
        assert film
        assert film[1].split(";")[-1] == value


def test_all_files_are_written_light_and_in_both_colours(tmp_path: Path) -> None:
    hero.write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((*hero.NAMES, hero.CARD))
    for name in hero.NAMES:
        text = (tmp_path / name).read_text()
        assert len(text) < LIGHT
        assert (plots.DARK[plots.PALETTE["blue"]] in text) == ("dark" in name)
    assert (tmp_path / hero.CARD).stat().st_size < LIGHT
