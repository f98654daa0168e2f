"""The front page's moving picture: one walk on the bandit whose executed action gets better, then worse.

It is the explorer's preset `rise` as `vgf.flow` computes it, so the picture, the explorer and the chapter on the bandit
cannot tell different stories. The drawing is an SVG whose marks move by themselves (SMIL), a tenth of the bytes of a
film and sharp on any screen. It plays once, for less than five seconds, and then rests: longer movement that starts by
itself would need a control to stop it. Beside it a still of the same end, for readers who ask for less motion and for
print. Trade-off: it cannot be paused or played again; the explorer further down the page can.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from vgf.book import plots
from vgf.book.explorer import bandit, followed, presets, start, walk
from vgf.book.explorer_figure import draw_rewards
from vgf.flow import best_of
from vgf.support.files import write_bytes

PRESET = "rise"
SECONDS = 4.8
SIZE = (4.6, 5.0)  # inches
CARD = "card.png"
NAMES = ("hero.svg", "hero-dark.svg", "hero-still.svg", "hero-still-dark.svg")


class Walk(NamedTuple):
    """The walk, step by step, and what the executed action is worth.

    Attributes:
        particles: [L + 1, N, 2].
        executed: the action of highest promised value after each number of steps, [L + 1, 2].
        promised: its value under the reward with the error, [L + 1].
        true: its value under the true reward, [L + 1].
    """

    particles: Tensor
    executed: Tensor
    promised: Tensor
    true: Tensor

    @property
    def peak(self) -> int:
        """The number of steps after which the executed action is truly worth most."""
        return int(self.true.argmax())


def the_walk() -> Walk:
    """Return the walk of the preset."""
    settings = next(preset.settings for preset in presets() if preset.ident == PRESET)
    seen = followed(bandit().reward, settings.error)
    particles = walk(settings, start(settings))
    executed = best_of(particles, seen.value(particles))
    return Walk(particles, executed, seen.value(executed), bandit().reward.value(executed))


def write(directory: Path = plots.FIGURES / "front") -> None:
    """Write the moving picture and the still, each for a light and a dark page."""
    moving, still = render(the_walk())
    for name, picture in zip(NAMES, (moving, plots.in_dark(moving), still, plots.in_dark(still)), strict=True):
        write_bytes(directory / name, picture.encode())
    write_bytes(directory / CARD, card(the_walk()))


def card(found: Walk) -> bytes:
    """Return as PNG what a link to the book shows where it is posted: its name, and the end of the walk."""
    with plots.style():
        figure, (plane, chart) = plt.subplots(1, 2, figsize=(12.0, 6.3))
        figure.subplots_adjust(left=0.04, right=0.96, top=0.68, bottom=0.13, wspace=0.15)
        _map(plane)
        plane.plot(*found.particles[-1].T, "o", color=plots.PALETTE["blue"], markersize=6)
        plane.plot(*found.executed[-1], "D", color=plots.PALETTE["orange"], markersize=11, markeredgecolor=plots.INK)
        _values(chart, found)
        figure.text(0.04, 0.87, "Value Gradient Flow, checked", fontsize=34, weight="bold", color=plots.INK)
        about = "An independent companion to the paper: what holds, what is open, and the code behind each number"
        figure.text(0.04, 0.79, about, fontsize=15, color=plots.MUTED)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=100)
        plt.close(figure)
    return buffer.getvalue()


def render(found: Walk) -> tuple[str, str]:
    """Return the moving picture and the still as SVG."""
    with plots.style():
        figure, (plane, chart) = plt.subplots(
            2, 1, figsize=SIZE, layout="constrained", gridspec_kw={"height_ratios": [3, 2]}
        )
        _map(plane)
        _values(chart, found)
        figure.canvas.draw()
        ground = _svg(figure)
        marks = [
            *(_circle(_pixels(figure, plane, found.particles[:, i])) for i in range(found.particles.shape[1])),
            _diamond(_pixels(figure, plane, found.executed)),
            *(
                _circle(_pixels(figure, chart, np.stack([np.arange(len(values)), values.numpy()], 1)), 4.5, colour)
                for values, colour in ((found.promised, "orange"), (found.true, "blue"))
            ),
        ]
        plt.close(figure)
    moving, still = ("\n".join(mark[which] for mark in marks) for which in (0, 1))
    head, end, tail = ground.rpartition("</svg>")
    return f"{head}<g>{moving}</g>\n{end}{tail}", f"{head}<g>{still}</g>\n{end}{tail}"


def _map(ax: Axes) -> None:
    """Draw the plane of actions."""
    settings = next(preset.settings for preset in presets() if preset.ident == PRESET)
    draw_rewards(ax, settings.error, 96)
    top = bandit().reward.maxima[1]
    ax.plot(*top, "+", color=plots.INK, markersize=11, markeredgewidth=1.8)
    best = (float(top[0]), float(top[1]))
    ax.annotate("true best", best, (-6, 8), textcoords="offset points", ha="right", fontsize=9)
    ax.text(0.6, 0.9, "false hill", fontsize=9, ha="right", va="bottom", color=plots.MUTED)
    ax.set_title("Actions climb a reward with an error")


def _values(ax: Axes, found: Walk) -> None:
    """Draw what the executed action is promised to be worth and what it is worth, over the number of steps."""
    steps = np.arange(len(found.true))
    for values, colour, name in ((found.promised, "orange", "promised"), (found.true, "blue", "true")):
        ax.plot(steps, values, color=plots.PALETTE[colour], alpha=0.55)
        ax.annotate(
            f"{name} {values[-1]:.2f}", (steps[-1], float(values[-1])), (0, 7), textcoords="offset points", ha="right",
            color=plots.PALETTE[colour], fontsize=9,
        )  # fmt: skip
    for place, side in ((0, (2, -13)), (found.peak, (4, -13))):
        ax.annotate(f"{found.true[place]:.2f}", (place, float(found.true[place])), side, textcoords="offset points",
                    color=plots.PALETTE["blue"], fontsize=9)  # fmt: skip
    top = float(found.promised.max())
    ax.set(xlabel="flow steps L", ylabel="worth", xlim=(-0.8, len(steps) - 0.2), ylim=(0, 1.25 * top))


def _pixels(figure: Figure, ax: Axes, points: Tensor | np.ndarray) -> np.ndarray:
    """Return data points as the SVG counts them: points of 1/72 inch, from the upper left corner, [..., 2]."""
    at = ax.transData.transform(np.asarray(points, dtype=float)) * 72 / figure.dpi
    return np.stack([at[:, 0], SIZE[1] * 72 - at[:, 1]], 1)


def _circle(path: np.ndarray, radius: float = 2.6, colour: str = "blue") -> tuple[str, str]:
    """Return a dot that goes along a path, and the same dot at the path's end."""
    fill = f'r="{radius}" fill="{plots.PALETTE[colour]}" stroke="{plots.PAPER}" stroke-width="0.5"'
    x, y = path[:, 0], path[:, 1]
    film = f'<circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" {fill}>{_animate("cx", x)}{_animate("cy", y)}</circle>'
    return film, f'<circle cx="{x[-1]:.1f}" cy="{y[-1]:.1f}" {fill}/>'


def _diamond(path: np.ndarray) -> tuple[str, str]:
    """Return the mark of the executed action, moving and at its end."""
    colours = f'fill="{plots.PALETTE["orange"]}" stroke="{plots.INK}"'
    shape = f'<rect x="-4.2" y="-4.2" width="8.4" height="8.4" transform="rotate(45)" {colours}/>'
    places = [f"{x:.1f},{y:.1f}" for x, y in path]
    film = (
        f'<animateTransform attributeName="transform" type="translate" calcMode="discrete" dur="{SECONDS}s" '
        f'fill="freeze" values="{";".join(places)}"/>'
    )
    at = f'<g transform="translate({places[-1]})">'
    return f"{at}{film}{shape}</g>", f"{at}{shape}</g>"


def _animate(attribute: str, values: Sequence[float] | np.ndarray) -> str:
    """Return the movement of one attribute: once, then at rest at its last value."""
    listed = ";".join(f"{value:.1f}" for value in values)
    return f'<animate attributeName="{attribute}" dur="{SECONDS}s" fill="freeze" values="{listed}"/>'


def _svg(figure: Figure) -> str:
    """Return the figure as SVG, of the size it was laid out in."""
    buffer = io.StringIO()
    with mpl.rc_context(plots.STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
