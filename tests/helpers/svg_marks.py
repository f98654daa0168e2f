"""The marks of a figure as its SVG file has them, in pixels, to hold against the table that goes with it.

Nothing here asks matplotlib: a mark's group is found by its id, and data coordinates become pixels through the
rectangle of its panel and the panel's limits.
"""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pandas as pd

SVG, LINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}href"
NEAR = 0.25  # pixels of 1/72 inch; lines are simplified by a ninth of one when written


def vertices(path: ElementTree.Element) -> np.ndarray:
    """Return the vertices of a path of straight lines, or the ends of its curves, [n, 2]."""
    found = []
    for command, text in re.findall(r"([MLQCz])([^MLQCz]*)", path.get("d", "")):
        numbers = np.array(re.findall(r"-?[\d.]+(?:e-?\d+)?", text), dtype=float).reshape(-1, 2)
        found += [numbers[-1:]] if command in "QC" else [numbers]
    return np.concatenate(found) if found else np.empty((0, 2))


class Drawing:
    """An SVG file by matplotlib whose artists have ids."""

    def __init__(self, svg: bytes) -> None:
        self.root = ElementTree.fromstring(svg)
        self.groups = {str(g.get("id")): g for g in self.root.iter(f"{SVG}g") if g.get("id")}
        self.paths = {f"#{p.get('id')}": p for p in self.root.iter(f"{SVG}path") if p.get("id")}

    def lines(self, ident: str) -> list[np.ndarray]:
        """Return the paths of a group, each [n, 2]; a path that is used elsewhere counts where it is used."""
        group = self.groups[ident]
        defined = {id(p) for d in group.iter(f"{SVG}defs") for p in d.iter(f"{SVG}path")}
        own = [vertices(p) for p in group.iter(f"{SVG}path") if id(p) not in defined]
        return own + [vertices(self.paths[str(u.get(LINK))]) + place(u) for u in group.iter(f"{SVG}use")]

    def markers(self, ident: str) -> np.ndarray:
        """Return where the markers of a group stand, [n, 2]."""
        return np.array([place(u) for u in self.groups[ident].iter(f"{SVG}use")]).reshape(-1, 2)

    def pixels(self, mark: pd.DataFrame, panel: dict[str, Any]) -> np.ndarray:
        """Return a mark's vertices in pixels, [n, 2]."""
        box = self.lines(f"panel-{mark['panel'].iloc[0]}")[0]
        sides = {"x": (box[:, 0].min(), box[:, 0].max()), "y": (box[:, 1].max(), box[:, 1].min())}
        return np.stack([to_pixels(mark[axis].to_numpy(), panel, axis, sides[axis]) for axis in ("x", "y")], axis=1)

    def inside(self, pixels: np.ndarray, panel: int) -> np.ndarray:
        """Say which pixels are in a panel, its edge included."""
        box = self.lines(f"panel-{panel}")[0]
        return ((pixels >= box.min(0) - NEAR) & (pixels <= box.max(0) + NEAR)).all(1)


def place(use: ElementTree.Element) -> np.ndarray:
    """Return where a `use` element puts what it uses."""
    return np.array([float(use.get("x", 0)), float(use.get("y", 0))])


def to_pixels(values: np.ndarray, panel: dict[str, Any], axis: str, sides: tuple[float, float]) -> np.ndarray:
    """Return one coordinate in pixels: the limits of the panel are its sides, and between them its scale is kept."""
    rule = {"linear": lambda v: v, "log": np.log10}[panel[f"{axis}_scale"]]
    with np.errstate(all="ignore"):
        low, high, values = (np.asarray(rule(np.asarray(v, dtype=float))) for v in (*panel[axis], values))
    return sides[0] + (values - low) / (high - low) * (sides[1] - sides[0])


def distances(points: np.ndarray, line: np.ndarray) -> np.ndarray:
    """Return how far each point is from a line through vertices, both [., 2]."""
    if len(line) == 1:
        return np.linalg.norm(points - line[0], axis=1)
    start, step = line[:-1], np.diff(line, axis=0)
    along = ((points[:, None] - start) * step).sum(-1) / np.maximum((step**2).sum(-1), 1e-12)
    return np.linalg.norm(points[:, None] - start - along.clip(0, 1)[..., None] * step, axis=-1).min(1)


def astray(points: np.ndarray, others: list[np.ndarray], joined: bool) -> np.ndarray:
    """Return the points that are near none of some lines, or of their vertices alone."""
    others = [other for other in others if len(other)]
    if not len(points) or not others:
        return points
    if joined:
        return points[np.min([distances(points, line) for line in others], axis=0) > NEAR]
    ends = np.concatenate(others)
    return points[[np.abs(ends - point).max(1).min() > NEAR for point in points]]


def faults(drawing: Drawing, drawn: pd.DataFrame, panels: list[dict[str, Any]]) -> list[str]:
    """Return, a line each, the marks that table and drawing do not have at the same places."""
    found = []
    for (panel, number), mark in drawn.groupby(["panel", "mark"]):
        kind, ident = mark["kind"].iloc[0], f"mark-{number}"
        if kind in ("picture", "image"):
            continue  # pixels, which the file keeps without an id
        if ident not in drawing.groups:
            found.append(f"{ident} ({kind}) is not in the drawing")
        elif kind in ("line", "points", "area", "segments", "bar"):
            wanted = drawing.pixels(mark, panels[panel])
            shown = [drawing.markers(ident)] if kind == "points" else drawing.lines(ident)
            if kind == "line":
                shown = shown[:1]  # what follows are its markers
            joined, wanted = kind == "line", wanted[np.isfinite(wanted).all(1)]
            visible = wanted[drawing.inside(wanted, panel)]
            present = np.concatenate(shown) if shown else np.empty((0, 2))
            present = present[drawing.inside(present, panel)]
            found += [
                f"{ident} ({kind}): {len(p)} of the table are not drawn"
                for p in [astray(visible, shown, joined)]
                if len(p)
            ]
            found += [
                f"{ident} ({kind}): {len(p)} drawn are not in the table"
                for p in [astray(present, [wanted], joined)]
                if len(p)
            ]
    return found
