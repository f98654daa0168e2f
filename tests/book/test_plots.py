"""Figures are complete, legible in both themes, and the same bytes for the same figure."""

from __future__ import annotations

import json
import re
from pathlib import Path

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.figure import Figure

from tests.helpers.site import ROOT
from vgf.book import plots

FILES = (".svg", "-dark.svg", ".pdf", ".png", ".small.png", ".csv", ".drawn.csv", ".bib", ".json", ".md")
DATA = pd.DataFrame({"x": [0, 1, 2], "y": [0.1, 0.25, 1 / 3]})


def draw() -> Figure:
    """Return a small figure in the house style."""
    with plots.style():
        figure, axes = plt.subplots()
        axes.plot(DATA.x, DATA.y, label="a line")
        axes.set_xlabel("steps $L$")
        axes.set_ylabel("value (units)")
    return figure


def save(directory: Path, **changes: object) -> Figure:
    """Save the small figure, with some arguments changed."""
    arguments = {"caption": "It rises.", "alt": "A rising line.", "data": DATA, "directory": directory} | changes
    ident = str(arguments.pop("ident", "a-line"))
    return plots.save_figure(draw(), ident, **arguments)  # type: ignore[arg-type]


def luminance(colour: str) -> float:
    """Return the relative luminance of a colour, as WCAG defines it."""
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in mpl.colors.to_rgb(colour)]
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours, from 1 to 21."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_a_figure_leaves_all_its_files(tmp_path: Path) -> None:
    save(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(f"a-line{end}" for end in FILES)
    assert all(path.stat().st_size for path in tmp_path.iterdir())


def test_the_same_figure_gives_the_same_bytes(tmp_path: Path) -> None:
    save(tmp_path / "one")
    save(tmp_path / "two")
    for end in FILES:
        assert (tmp_path / "one" / f"a-line{end}").read_bytes() == (tmp_path / "two" / f"a-line{end}").read_bytes(), end


def test_the_data_of_a_figure_can_be_read_back(tmp_path: Path) -> None:
    save(tmp_path)
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "a-line.csv"), DATA, rtol=1e-7)


def test_every_mark_of_a_figure_can_be_read_back(tmp_path: Path) -> None:
    save(tmp_path)
    drawn = pd.read_csv(tmp_path / "a-line.drawn.csv")
    pd.testing.assert_frame_equal(drawn[["x", "y"]].astype(float), DATA.astype(float), rtol=1e-7)
    assert 'id="mark-0"' in (tmp_path / "a-line.svg").read_text()


def test_a_figure_keeps_its_words_and_what_is_aside(tmp_path: Path) -> None:
    save(tmp_path, aside="the jitter")
    words = json.loads((tmp_path / "a-line.json").read_text())
    assert (words["id"], words["caption"], words["alt"]) == ("a-line", "It rises.", "A rising line.")
    assert words["panels"][0]["x"][0] < 0 < words["panels"][0]["x"][1]
    assert "the jitter" in (tmp_path / "a-line.md").read_text()


def test_the_fragment_numbers_describes_and_offers_the_figure(tmp_path: Path) -> None:
    save(tmp_path, alt="A rising\nline.", caption="It rises\nto {eq}`x`.")
    text = (tmp_path / "a-line.md").read_text()
    assert ":name: fig-a-line\n" in text
    assert ":alt: A rising line.\n" in text
    assert "\nIt rises to {eq}`x`.\n" in text
    offered = re.findall(r"\{download\}`[^<]+</data/figures/([\w.-]+)>`", text)
    assert offered == [f"a-line{end}" for end in (".svg", ".pdf", ".png", ".csv", ".drawn.csv", ".bib")]
    assert (tmp_path / "a-line.bib").read_text() in text


def test_the_dark_version_has_no_light_paper_or_ink(tmp_path: Path) -> None:
    save(tmp_path)
    dark = (tmp_path / "a-line-dark.svg").read_text()
    assert not [colour for colour in plots.DARK if re.search(colour, dark, re.IGNORECASE)]
    assert plots.DARK[plots.PAPER] in dark
    assert plots.DARK[plots.INK] in dark


@pytest.mark.parametrize(("ink", "paper"), [(plots.INK, plots.PAPER), (plots.MUTED, plots.PAPER)])
def test_text_is_legible_in_both_themes(ink: str, paper: str) -> None:
    assert contrast(ink, paper) >= 4.5
    assert contrast(plots.DARK[ink], plots.DARK[paper]) >= 4.5


@pytest.mark.parametrize("name", plots.PALETTE)
def test_marks_stand_out_from_both_papers(name: str) -> None:
    colour = plots.PALETTE[name]
    assert contrast(colour, plots.PAPER) >= 2.5
    assert contrast(plots.DARK[colour], plots.DARK[plots.PAPER]) >= 4.5  # lines are labelled in their own colour


def test_replacing_one_colour_never_replaces_another() -> None:
    assert set(plots.DARK) & set(plots.DARK.values()) == set()
    assert len(set(plots.DARK.values())) == len(plots.DARK)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"ident": ""}, "ident"),
        ({"ident": "Upper"}, "ident"),
        ({"ident": "two words"}, "ident"),
        ({"ident": "../up"}, "ident"),
        ({"caption": " "}, "caption"),
        ({"alt": ""}, "alt"),
        ({"data": DATA.iloc[:0]}, "data"),
    ],
)
def test_an_incomplete_figure_is_refused_and_leaves_nothing(
    tmp_path: Path, change: dict[str, object], named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        save(tmp_path, **change)
    assert list(tmp_path.iterdir()) == []


def test_a_saved_figure_is_closed() -> None:
    before = plt.get_fignums()
    figure = draw()
    assert figure.number in plt.get_fignums()
    plt.close(figure)
    assert plt.get_fignums() == before


def test_saving_closes_the_figure(tmp_path: Path) -> None:
    before = plt.get_fignums()
    save(tmp_path)
    assert plt.get_fignums() == before


def test_the_style_ends_with_its_block() -> None:
    before = dict(mpl.rcParams)
    with plots.style():
        assert mpl.rcParams["axes.grid"]
        assert mpl.rcParams["font.size"] == plots.STYLE["font.size"]
    assert dict(mpl.rcParams) == before


FRAGMENTS = sorted((ROOT / "data" / "figures").glob("*.svg"))


def test_every_figure_of_the_book_has_a_dark_version_and_its_data() -> None:
    light = [path for path in FRAGMENTS if not path.stem.endswith("-dark")]
    assert light, "no figure; `make book` draws them"
    for path in light:
        assert all(path.with_name(f"{path.stem}{end}").exists() for end in FILES), path.stem
