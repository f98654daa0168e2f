"""House style of every figure, and the files that make a figure citable.

`save_figure` writes, for one id, a light and a dark SVG, PDF, PNG, the CSV of what is drawn, and a MyST
fragment with the numbered figure, its alternative text and the downloads. A page shows the figure by including the
fragment, so a figure without data, caption and alternative text cannot get into the book.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib.figure import Figure

FIGURES = Path(__file__).resolve().parents[1] / "data" / "figures"

# Okabe and Ito's colour-blind-safe hues (okabe2008color), the ones that stay legible on white and on near-black.
PALETTE = {
    "blue": "#0072b2",
    "orange": "#d55e00",
    "green": "#009e73",
    "purple": "#b85c9a",
    "sky": "#3f9fd6",
    "amber": "#c98a00",
}
INK, MUTED, GRID, PAPER = "#1f2328", "#59636e", "#d8dee4", "#ffffff"
DARK = {INK: "#e6edf3", MUTED: "#9aa4af", GRID: "#3a4048", PAPER: "#14181e"} | {
    PALETTE[name]: lighter  # the same hues, light enough to be read as text on near-black
    for name, lighter in {
        "blue": "#4fa8e0",
        "orange": "#f0803c",
        "green": "#22b98c",
        "purple": "#d98bc0",
        "sky": "#9ad4f6",
        "amber": "#e0a92e",
    }.items()
}
WIDTH, HEIGHT = 6.4, 3.6  # inches: one column of the book at 100 %

STYLE: dict[Any, Any] = {  # matplotlib's stubs know keys as literals only
    "figure.figsize": (WIDTH, HEIGHT),
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "axes.facecolor": PAPER,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "font.size": 10,
    "lines.linewidth": 1.8,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "svg.fonttype": "path",
    "svg.hashsalt": "vgf",  # the same figure gives the same bytes
    "pdf.fonttype": 42,
    "axes.prop_cycle": cycler(color=list(PALETTE.values())),
}


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style inside this block; nothing changes outside it."""
    with sns.axes_style("whitegrid"), mpl.rc_context(STYLE):
        yield


def save_figure(
    figure: Figure, ident: str, *, caption: str, alt: str, data: pd.DataFrame, directory: Path = FIGURES
) -> Figure:
    """Write a figure's files under `directory` and return the figure, so a notebook cell shows it.

    Files: `ident.svg`, `ident-dark.svg`, `ident.pdf`, `ident.png`, `ident.csv` and `ident.md` (the fragment a page
    includes; the figure's label is `fig-ident`).

    Args:
        figure: drawn inside `style()`.
        ident: stable id in lower-case words joined by hyphens; also the anchor of the figure in the book.
        caption: what is drawn and, first of all, what it shows. MyST; may cite and reference.
        alt: what a reader who cannot see the figure needs to know, in one or two sentences.
        data: the numbers that are drawn, one row a mark.
        directory: where the files go.

    Raises:
        ValueError: if `ident`, `caption`, `alt` or `data` is empty or malformed.
    """
    if not ident or not all((part.isalnum() and part.islower()) or part.isdigit() for part in ident.split("-")):
        raise ValueError(f"ident must be lower-case words joined by hyphens, got {ident!r}")
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise ValueError(f"{name} of figure {ident!r} is empty")
    if data.empty:
        raise ValueError(f"data of figure {ident!r} is empty")
    light = _render(figure, "svg").decode()
    dark = light
    for colour, replacement in DARK.items():
        dark = dark.replace(colour, replacement)
    write_atomically(directory / f"{ident}.svg", light.encode())
    write_atomically(directory / f"{ident}-dark.svg", dark.encode())
    write_atomically(directory / f"{ident}.pdf", _render(figure, "pdf"))
    write_atomically(directory / f"{ident}.png", _render(figure, "png"))
    write_atomically(directory / f"{ident}.csv", data.to_csv(index=False, float_format="%.8g").encode())
    write_atomically(directory / f"{ident}.md", _fragment(ident, caption, alt).encode())
    plt.close(figure)
    return figure


def _render(figure: Figure, kind: str) -> bytes:
    """Return the figure in one format, without a date, so that equal figures give equal bytes."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=kind, dpi=200, bbox_inches="tight", metadata=metadata)
    return buffer.getvalue()


def _fragment(ident: str, caption: str, alt: str) -> str:
    """Return the MyST fragment; paths start at the book's root, so any page may include it."""
    one_line = " ".join(alt.split())
    downloads = ", ".join(
        f"{{download}}`{label} </data/figures/{ident}.{suffix}>`"
        for label, suffix in (("SVG", "svg"), ("PDF", "pdf"), ("PNG", "png"), ("data (CSV)", "csv"))
    )
    return (
        f"```{{figure}} /data/figures/{ident}.svg\n:name: fig-{ident}\n:alt: {one_line}\n\n"
        f"{' '.join(caption.split())}\n```\n\n"
        f":::{{div}} figure-files\n{downloads}\n:::\n"
    )


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)
