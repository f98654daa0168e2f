"""Whether the numbers of a drawing, as `vgf.book.marks` reads them back, are in the frame that goes with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

HALF = "half"  # ends the name of a column that holds half-widths of intervals


def not_in(data: pd.DataFrame, drawn: pd.DataFrame, of_panels: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the drawn vertices whose numbers a frame does not hold.

    Asked of lines, points, areas, segments, bars and steps. A vertex is held when one row has both its coordinates:
    each as a column has it, times 100 (a share drawn as a percentage), plus or minus the row's `half` or `x_half` (the
    end of an interval about `x`), or as the mean of a column over the rows that agree in the other coordinate and in
    all words. Bars and areas may also start at zero, and a category has no coordinate.

    Args:
        data: the frame behind the figure.
        drawn: what `drawn_marks` returns.
        of_panels: what `panels` returns; where words stand on an axis, its coordinate is not asked for.
    """
    asked = drawn[drawn["kind"].isin(["line", "points", "area", "segments", "bar", "steps"])]
    columns, held = _columns(data), []
    for (panel, _), mark in asked.groupby(["panel", "mark"]):
        free = {axis: mark[axis].isna() | of_panels[panel][f"{axis}_words"] for axis in ("x", "y")}
        if mark["kind"].iloc[0] in ("area", "bar"):
            free = {axis: free[axis] | (mark[axis] == 0) for axis in free}
        held.append(_held(mark, columns, free) if len(columns) else mark["x"].isna())
    return asked[~pd.concat(held).reindex(asked.index)] if held else asked


def _columns(data: pd.DataFrame) -> list[np.ndarray]:
    """Return all columns of numbers a figure may draw from a frame, row by row."""
    numbers = data.select_dtypes("number").astype(float)
    found = dict(numbers.items())
    for name in numbers:
        if str(name) == HALF or str(name).endswith(f"_{HALF}"):
            base = [c for c in numbers if c != name] if name == HALF else [str(name).removesuffix(f"_{HALF}")]
            for other in base:
                if other in numbers:
                    found |= {f"{other}+": numbers[other] + numbers[name], f"{other}-": numbers[other] - numbers[name]}
    words = [c for c in data if c not in numbers]
    for by in numbers:
        means = data.groupby([by, *words], dropna=False)[list(numbers)].transform("mean") if len(data) else numbers
        found |= {f"mean of {c} by {by}": means[c] for c in numbers if c != by and not means[c].equals(numbers[c])}
    return [column.to_numpy() for column in found.values()] + [100 * column.to_numpy() for column in found.values()]


def _held(mark: pd.DataFrame, columns: list[np.ndarray], free: dict[str, pd.Series]) -> pd.Series:
    """Say of each vertex of a mark whether some row of the columns has it."""
    x, y = ([_places(column, mark[axis].to_numpy()) for column in columns] for axis in ("x", "y"))
    some_x, some_y = (np.any([hit for _, hit, _ in places], axis=0) for places in (x, y))
    held = (free["x"] & some_y) | (free["y"] & some_x) | (free["x"] & free["y"])
    for i, (of_x, hit_x, rows_x) in enumerate(x):
        for j, (of_y, hit_y, rows_y) in enumerate(y):
            both = hit_x & hit_y & ~held.to_numpy()
            if i != j and both.any():
                pairs = np.isin(of_x * len(rows_x) + of_y, rows_x * len(rows_x) + rows_y)
                held |= both & pairs
        if held.all():
            break
    return held


def _places(column: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return for each value its place among a column's distinct numbers, whether it is there, and each row's place."""
    distinct, rows = np.unique(column[np.isfinite(column)], return_inverse=True)
    places_of_rows = np.full(len(column), -(2**31), dtype=np.int64)
    places_of_rows[np.isfinite(column)] = rows
    if not len(distinct):
        return np.zeros(len(values), dtype=np.int64), np.zeros(len(values), dtype=bool), places_of_rows
    above = np.searchsorted(distinct, values).clip(1, max(len(distinct) - 1, 1)).clip(max=len(distinct) - 1)
    below = (above - 1).clip(min=0)
    place = np.where(np.abs(distinct[above] - values) < np.abs(distinct[below] - values), above, below)
    return place, np.abs(distinct[place] - values) <= 1e-6 * np.abs(values) + 1e-12, places_of_rows
