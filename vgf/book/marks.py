"""What a figure shows, read back from the drawing itself.

The frame a chapter hands to `save_figure` says what its author meant to draw; the artists of the axes say what was
drawn. `drawn_marks` turns them into one table, a row a vertex, and gives each artist an id that the SVG carries, so
that anyone can hold table and drawing against each other; the tests compare the table with the author's frame. The
price is a module that knows matplotlib's kinds of artist; one it does not know it refuses, so that nothing is left out
in silence. Pictures (arrays of colours) have no numbers to read back and are named without vertices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import Collection, PathCollection, PolyCollection, QuadMesh
from matplotlib.container import BarContainer
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch, StepPatch
from matplotlib.quiver import Quiver
from matplotlib.spines import Spine
from matplotlib.ticker import FixedLocator, NullLocator

COLUMNS = ["panel", "mark", "kind", "x", "y", "value"]


def drawn_marks(figure: Figure) -> pd.DataFrame:
    """Return every mark of a figure in data coordinates, and give its artist the id `mark-K`.

    Returns:
        One row a vertex: panel (number of the axes, from 0), mark (K), kind, x, y, value. `kind` is line, points, area,
        segments, bar, steps, arrows, contour, image, picture, shape or guide (a line across the whole panel). A
        coordinate a mark does not have is nan; a contour's value is its level, an arrow's x and y are its foot's, and
        an image is one row a cell with x and y the cell's column and row.

    Raises:
        ValueError: for an artist of a kind that is not known here.
    """
    frames, count = [], 0
    for panel, axes in enumerate(figure.axes):
        axes.patch.set_gid(f"panel-{panel}")
        for artist in axes.get_children():
            for kind, x, y, value in _read(artist, axes):
                columns = np.broadcast_arrays(*(_numbers(c) for c in (x, y, value)))
                frame = pd.DataFrame(dict(zip(("x", "y", "value"), columns, strict=True)))
                known = frame[["x", "y", "value"]].notna().any(axis=1) | (kind == "picture")
                frames.append(frame[known].assign(panel=panel, mark=count, kind=kind))
                artist.set_gid(f"mark-{count}")
            count += bool(frames) and str(artist.get_gid()).startswith("mark-")
    return pd.concat(frames, ignore_index=True)[COLUMNS] if frames else pd.DataFrame(columns=COLUMNS)


def panels(figure: Figure) -> list[dict[str, Any]]:
    """Return each panel's axes as they are after drawing.

    Returns:
        A panel's keys are x and y (limits, low and high), x_scale and y_scale, x_words and y_words (whether words stand
        on the axis instead of numbers).
    """
    found = []
    for axes in figure.axes:
        panel: dict[str, Any] = {}
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            panel |= {name: [float(limit) for limit in axis.get_view_interval()]}
            panel |= {f"{name}_scale": axis.get_scale(), f"{name}_words": _has_words(axis)}
        found.append(panel)
    return found


def _has_words(axis: Axis) -> bool:
    """Say whether an axis places categories: its labels are words, or it has no ticks at all."""
    if not isinstance(axis.get_major_locator(), NullLocator | FixedLocator):
        return False
    places = axis.get_majorticklocs()  # labels of inner panels are hidden, so they are asked of the formatter
    labels = axis.get_major_formatter().format_ticks(list(places)) if len(places) else ["none"]
    return any(re.search("[A-Za-z]", re.sub(r"\\[a-z]+", "", str(label))) for label in labels)


def _numbers(values: Any) -> np.ndarray:
    return np.atleast_1d(np.ma.filled(np.ma.asarray(values, dtype=float), np.nan)).ravel()


def _read(artist: Artist, axes: Axes) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield (kind, x, y, value) of one artist; nothing for what belongs to the axes and for words."""
    if not artist.get_visible() or artist is axes.patch or isinstance(artist, Spine):
        return
    if isinstance(artist, Line2D):
        x_is_data, y_is_data = artist.get_transform().contains_branch_seperately(axes.transData)
        x, y = (_numbers(c) for c in artist.get_data(orig=False))
        if x_is_data and y_is_data:
            every, alone = _every(artist, len(x)), artist.get_linestyle() == "None" or len(x) == 1
            yield "points" if alone else "line", x[every], y[every], np.nan
        elif x_is_data or y_is_data:
            yield "guide", x[:1] if x_is_data else np.nan, y[:1] if y_is_data else np.nan, np.nan
    elif isinstance(artist, ContourSet):
        for level, path in zip(artist.levels, artist.get_paths(), strict=False):
            yield "contour", *np.asarray(path.vertices).T, level
    elif isinstance(artist, Collection):
        yield from _collection(artist, axes)
    elif isinstance(artist, AxesImage):
        array: Any = np.ma.asarray(artist.get_array())
        if array.ndim == 3:
            yield "picture", np.nan, np.nan, np.nan
        else:
            rows, columns = np.indices(array.shape)
            yield "image", columns, rows, array
    elif isinstance(artist, StepPatch):
        values, edges, baseline = artist.get_data()
        yield "steps", edges, np.append(values, np.nan), np.nan
    elif isinstance(artist, Patch) and not isinstance(artist, FancyArrowPatch):
        yield from _patch(artist, axes)
    elif type(artist).__module__.partition(".")[0] not in ("matplotlib", "mpl_toolkits"):
        raise ValueError(f"a figure holds a {type(artist).__name__}; say in vgf/book/marks.py how its data are read")


def _every(line: Line2D, length: int) -> slice:
    """Return which vertices of a line are drawn: with markers alone, those `markevery` picks."""
    every = line.get_markevery()
    if line.get_linestyle() != "None" or every is None:
        return slice(length)
    start, step = every if isinstance(every, tuple) else (0, every)
    return slice(start, None, step)


def _collection(artist: Collection, axes: Axes) -> Iterator[tuple[str, Any, Any, Any]]:
    if isinstance(artist, QuadMesh):
        corners = np.asarray(artist.get_coordinates())
        centres = (corners[1:, 1:] + corners[:-1, :-1]) / 2
        yield "image", centres[..., 0], centres[..., 1], artist.get_array()
    elif isinstance(artist, Quiver):
        yield "arrows", *_numbers_of_offsets(artist), np.nan
    elif isinstance(artist, PathCollection):
        yield "points", *_numbers_of_offsets(artist), np.nan
    elif all(artist.get_transform().contains_branch_seperately(axes.transData)):
        kind = "area" if isinstance(artist, PolyCollection) else "segments"
        for path in artist.get_paths():
            vertices = np.asarray(path.vertices)
            yield kind, *vertices[np.isfinite(vertices).all(1)].T, np.nan


def _numbers_of_offsets(artist: Collection) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.ma.filled(np.ma.asarray(artist.get_offsets(), dtype=float), np.nan).T
    return x, y


def _patch(artist: Patch, axes: Axes) -> Iterator[tuple[str, Any, Any, Any]]:
    """Yield a patch by the box around it: a bar by its four corners, another shape by two."""
    x_is_data, y_is_data = artist.get_data_transform().contains_branch_seperately(axes.transData)
    if x_is_data or y_is_data:
        box = artist.get_path().get_extents(artist.get_patch_transform())
        bars = [bar for group in axes.containers if isinstance(group, BarContainer) for bar in group.patches]
        kind = "bar" if artist in bars else "shape"
        (x0, y0), (x1, y1) = box.min, box.max
        x, y = ([x0, x1, x1, x0], [y0, y0, y1, y1]) if kind == "bar" else ([x0, x1], [y0, y1])
        yield kind, x if x_is_data else np.nan, y if y_is_data else np.nan, np.nan
