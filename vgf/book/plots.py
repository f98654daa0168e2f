"""House style of every figure, and the files that make a figure citable.

`save_figure` writes, for one id, a light and a dark SVG, PDF, PNG, the CSV behind it, every mark as it is drawn,
BibTeX, its provenance, and a MyST fragment with the numbered figure, its alternative text and the downloads. A page
shows the figure by including the fragment, so a figure without data, caption and alternative text cannot get into the
book. `vgf.book.citable` renders what is words, `vgf.book.marks` reads the drawing back.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from cycler import cycler
from matplotlib.figure import Figure
from matplotlib.transforms import Bbox
from PIL import Image

from vgf.book import citable, marks
from vgf.support.files import write_bytes

FIGURES = citable.FIGURES

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
METHODS = {  # one colour for a method in every figure, by the name it has in records; others are drawn in `MUTED`
    "vgf": PALETTE["blue"],
    "fql": PALETTE["orange"],
    "best_of_n": PALETTE["green"],
    "iql": PALETTE["purple"],
    "bc": PALETTE["amber"],
    "vgf_in_step": PALETTE["sky"],
}
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
THUMBNAIL = 440  # pixels of the longer side
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


def method_colour(method: str) -> str:
    """Return the colour of a method: its own, or the muted one of all that have none."""
    return METHODS.get(method, MUTED)


@contextmanager
def style() -> Iterator[None]:
    """Draw in the house style inside this block; nothing changes outside it."""
    with sns.axes_style("whitegrid"), mpl.rc_context(STYLE):
        yield


def save_figure(
    figure: Figure,
    ident: str,
    *,
    caption: str,
    alt: str,
    data: pd.DataFrame,
    experiment: str | None = None,
    seeds: Sequence[int] | None = None,
    aside: str | None = None,
    source: dict[str, Any] | None = None,
    directory: Path = FIGURES,
) -> Figure:
    """Write a figure's files under `directory` and return the figure, so a notebook cell shows it.

    Files: `ident.svg`, `ident-dark.svg`, `ident.pdf`, `ident.png`, `ident.small.png` (for the gallery), `ident.csv`
    (the data), `ident.drawn.csv` (every mark as drawn; `marks.drawn_marks`), `ident.bib`, `ident.json` (its words and
    provenance) and `ident.md` (the fragment a page includes; the figure's label is `fig-ident`).

    Args:
        figure: drawn inside `style()`.
        ident: stable id in lower-case words joined by hyphens; also the anchor of the figure in the book.
        caption: what is drawn and, first of all, what it shows. MyST; may cite and reference.
        alt: what a reader who cannot see the figure needs to know, in one or two sentences.
        data: the numbers that are drawn, one row a mark.
        experiment: name of the file in `data/experiments/` behind this figure, if there is one.
        seeds: the seeds behind it, where no column `seed` says.
        aside: what of the drawing `data` does not hold, in words, such as positions that were jittered. Without it
            the tests ask for every number (`tests/helpers/drawn_numbers.py`).
        source: where it comes from, as `vgf.book.chapter` says it for a chapter; else `experiment` and `seeds` count.
        directory: where the files go.

    Raises:
        ValueError: if `ident`, `caption`, `alt` or `data` is empty or malformed, or the drawing cannot be read back.
    """
    _check(ident, caption, alt, data)
    caption, alt = " ".join(caption.split()), " ".join(alt.split())
    source = (source or citable.provenance(ident, data, experiment=experiment, seeds=seeds)) | {"aside": aside or ""}
    drawn = marks.drawn_marks(figure)
    box = _settled(figure)
    light = _render(figure, "svg", box).decode()
    words = {"id": ident, "caption": caption, "alt": alt} | source | {"panels": marks.panels(figure)}
    files = {
        ".svg": light.encode(),
        "-dark.svg": in_dark(light).encode(),
        ".pdf": _render(figure, "pdf", box),
        ".png": (picture := _render(figure, "png", box)),
        ".small.png": thumbnail(picture),
        ".csv": _csv(data),
        ".drawn.csv": _csv(drawn),
        ".bib": citable.bibtex(ident, caption, source).encode(),
        ".json": json.dumps(words, indent=1, ensure_ascii=False).encode(),
        ".md": citable.fragment(ident, caption, alt, source).encode(),
    }
    for end, content in files.items():
        write_bytes(directory / f"{ident}{end}", content)
    plt.close(figure)
    return figure


def _check(ident: str, caption: str, alt: str, data: pd.DataFrame) -> None:
    """Refuse a figure that is not complete."""
    if not ident or not all((part.isalnum() and part.islower()) or part.isdigit() for part in ident.split("-")):
        raise ValueError(f"ident must be lower-case words joined by hyphens, got {ident!r}")
    for name, text in (("caption", caption), ("alt", alt)):
        if not text.strip():
            raise ValueError(f"{name} of figure {ident!r} is empty")
    if data.empty:
        raise ValueError(f"data of figure {ident!r} is empty")


def in_dark(picture: str) -> str:
    """Return an SVG in the colours of a dark page."""
    for colour, replacement in DARK.items():
        picture = picture.replace(colour, replacement)
    return picture


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False, float_format="%.8g").encode()


def _settled(figure: Figure) -> Bbox:
    """Lay the figure out for good and return what its drawing covers, in inches.

    Each `savefig` with a tight box would lay the figure out and draw it once more to measure it, which is half of the
    time that three formats take.
    """
    with mpl.rc_context(STYLE):
        figure.draw_without_rendering()
        figure.set_layout_engine(None)  # "none" keeps a placeholder, which is drawn once more too
        return figure.get_tightbbox().padded(mpl.rcParams["savefig.pad_inches"])


def _render(figure: Figure, kind: str, box: Bbox) -> bytes:
    """Return the figure in one format, without a date, so that equal figures give equal bytes."""
    buffer = io.BytesIO()
    metadata = {"svg": {"Date": None}, "pdf": {"CreationDate": None}, "png": {}}[kind]
    with mpl.rc_context(STYLE):
        figure.savefig(buffer, format=kind, dpi=200, bbox_inches=box, metadata=metadata)
    return buffer.getvalue()


def thumbnail(picture: bytes) -> bytes:
    """Return a PNG as a small one of few colours, a tenth of its bytes: the gallery shows dozens of them at once."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.quantize(64).save(buffer, format="png", optimize=True)
    return buffer.getvalue()
