"""The marks of a figure are read back whole, the frame is held against them, and the drawing against the table."""

from __future__ import annotations

import io
from collections.abc import Callable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes

from tests.helpers.drawn_numbers import not_in
from tests.helpers.svg_marks import Drawing, faults
from vgf.book import marks, plots

X, Y = np.linspace(1, 5, 9), np.linspace(1, 5, 9) ** 2
FRAME = pd.DataFrame({"x": X, "y": Y, "y_half": Y / 10})

Draw = Callable[[Axes], object]
KINDS: dict[str, tuple[str, Draw]] = {
    "line": ("line", lambda ax: ax.plot(X, Y)),
    "line with markers": ("line", lambda ax: ax.plot(X, Y, "o-")),
    "markers": ("points", lambda ax: ax.plot(X, Y, "o")),
    "every other marker": ("points", lambda ax: ax.plot(X, Y, "o", markevery=(0, 2))),
    "scatter": ("points", lambda ax: ax.scatter(X, Y)),
    "band": ("area", lambda ax: ax.fill_between(X, Y - Y / 10, Y + Y / 10)),
    "area from zero": ("area", lambda ax: ax.fill_between(X, Y)),
    "segments": ("segments", lambda ax: ax.vlines(X, Y - Y / 10, Y + Y / 10)),
    "bars": ("bar", lambda ax: ax.bar(X, Y, width=0.0)),
    "logarithmic": ("line", lambda ax: (ax.plot(X, Y), ax.set(xscale="log", yscale="log"))),
    "per cent": ("line", lambda ax: ax.plot(X, 100 * Y)),
}


def figure_of(draw: Draw) -> tuple[bytes, pd.DataFrame, list[dict[str, object]]]:
    """Return a drawing as SVG, its marks and its panels."""
    with plots.style():
        figure, axes = plt.subplots()
        draw(axes)
        drawn = marks.drawn_marks(figure)
        stream = io.BytesIO()
        figure.savefig(stream, format="svg", bbox_inches="tight")
        found = marks.panels(figure)
    plt.close(figure)
    return stream.getvalue(), drawn, found


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_mark_is_read_back_held_by_its_frame_and_where_the_drawing_has_it(name: str) -> None:
    kind, draw = KINDS[name]
    svg, drawn, panels = figure_of(draw)
    assert set(drawn["kind"]) == {kind}
    assert not_in(FRAME, drawn, panels).empty
    assert faults(Drawing(svg), drawn, panels) == []


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("axis", ["x", "y"])
def test_a_number_that_is_off_is_missed_in_the_frame_and_in_the_drawing(name: str, axis: str) -> None:
    svg, drawn, panels = figure_of(KINDS[name][1])
    row = drawn[axis].idxmax()
    drawn.loc[row, axis] *= 0.98
    assert row in not_in(FRAME, drawn, panels).index
    assert faults(Drawing(svg), drawn, panels)


def test_a_mark_that_is_missing_from_the_table_or_the_drawing_is_told() -> None:
    svg, drawn, panels = figure_of(lambda ax: (ax.plot(X, Y, "o"), ax.plot(X, 2 * Y)))
    assert faults(Drawing(svg), drawn, panels) == []
    assert faults(Drawing(svg), drawn.drop(index=3), panels) == ["mark-0 (points): 1 drawn are not in the table"]
    more = pd.concat([drawn, drawn[drawn["mark"] == 1].assign(mark=2)])
    assert faults(Drawing(svg), more, panels) == ["mark-2 (line) is not in the drawing"]
    assert set(not_in(FRAME, drawn, panels)["mark"]) == {1}


def test_both_coordinates_must_stand_in_one_row() -> None:
    _, drawn, panels = figure_of(lambda ax: ax.plot(X, Y[::-1], "o"))
    assert len(not_in(FRAME, drawn, panels)) == len(X) - 1  # all but the middle one


def test_a_mean_over_rows_is_held_and_another_number_is_not() -> None:
    seeds = pd.concat([pd.DataFrame({"seed": s, "x": X, "y": Y + s, "which": "a"}) for s in range(3)])
    _, mean, panels = figure_of(lambda ax: ax.plot(X, Y + 1))
    assert not_in(seeds[seeds["seed"] != 1], mean, panels).empty
    _, other, panels = figure_of(lambda ax: ax.plot(X, Y + 1.3))
    assert len(not_in(seeds, other, panels)) == len(X)


def test_categories_have_no_coordinate_but_their_values_are_asked_for() -> None:
    def draw(ax: Axes) -> None:
        ax.plot(Y, range(len(Y)), "o")
        ax.set_yticks(range(len(Y)), [f"method {i}" for i in range(len(Y))])

    _, drawn, panels = figure_of(draw)
    assert not_in(FRAME, drawn, panels).empty
    assert len(not_in(FRAME.iloc[1:], drawn, panels)) == 1


def test_ticks_at_chosen_numbers_are_no_categories() -> None:
    def draw(ax: Axes) -> None:
        ax.plot(X, Y)
        ax.set(xscale="log", xticks=[1, 2, 4], yticks=[0, 10, 20])

    _, _, (panel,) = figure_of(draw)
    assert not panel["x_words"]
    assert not panel["y_words"]


def test_an_inner_panel_whose_labels_are_hidden_has_the_numbers_of_the_outer_one() -> None:
    figure, axes = plt.subplots(2, 1, sharex=True)
    axes[1].set_xticks([1, 2])
    axes[1].set_xticklabels(["1", "2"])
    axes[0].set_yticks([])
    upper, lower = marks.panels(figure)
    plt.close(figure)
    assert (upper["x_words"], lower["x_words"]) == (False, False)
    assert (upper["y_words"], lower["y_words"]) == (True, False)


def test_what_is_no_mark_is_named_for_what_it_is() -> None:
    def draw(ax: Axes) -> None:
        grid = np.linspace(-1, 1, 20)
        ax.axhline(2.5)
        ax.contour(grid, grid, np.add.outer(grid, grid), [0.5])
        ax.imshow(np.zeros((2, 2, 3)))
        ax.imshow(np.arange(4.0).reshape(2, 2))
        ax.quiver(X, Y, X, Y)
        ax.stairs(Y, np.arange(10))
        ax.annotate("word", (1, 1), (2, 2), arrowprops={"arrowstyle": "-"})
        ax.plot(X, Y, visible=False)

    _, drawn, _ = figure_of(draw)
    assert sorted(set(drawn["kind"])) == ["arrows", "contour", "guide", "image", "picture", "steps"]
    assert drawn["mark"].nunique() == 6
    assert drawn.loc[drawn["kind"] == "guide", "y"].tolist() == [2.5]
    assert drawn.loc[drawn["kind"] == "image", "value"].tolist() == [0, 1, 2, 3]
    assert set(drawn.loc[drawn["kind"] == "contour", "value"]) == {0.5}


def test_an_unknown_kind_of_artist_is_refused() -> None:
    class Strange(mpl.artist.Artist):
        pass

    with pytest.raises(ValueError, match="Strange"):
        figure_of(lambda ax: ax.add_artist(Strange()))
