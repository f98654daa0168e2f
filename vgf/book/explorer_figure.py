"""The explorer's presets as `vgf.flow` computes them: for print, and for readers without JavaScript.

Apart from `vgf.book.explorer`, which only tells the page what it needs, since a figure brings the plotting libraries
along.
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from torch import Tensor

from vgf import toy
from vgf.book import plots
from vgf.book.explorer import CONTOUR_STEP, Preset, bandit, followed, page_data, presets, start, walk
from vgf.flow import best_of
from vgf.support.files import write_bytes


def write(directory: Path = plots.FIGURES) -> None:
    """Write the page's data, `explorer.json`, and the figure."""
    data = json.dumps(page_data(), separators=(",", ":"), ensure_ascii=False)
    write_bytes(directory / "explorer.json", data.encode())
    draw(directory)


def draw(directory: Path = plots.FIGURES) -> None:
    """Draw every preset before and after its walk; `save_figure` writes the files."""
    rows, worth = [], {}
    with plots.style():
        fig, axes = plt.subplots(4, 2, figsize=(5.6, 11.0), sharex=True, sharey=True, layout="constrained")
        for ax, preset in zip(axes.flat, presets(), strict=True):
            begin = start(preset.settings)
            end = walk(preset.settings, begin)[-1]
            reward = bandit().reward
            picked = best_of(end, followed(reward, preset.settings.error).value(end))
            worth[preset.ident] = float(reward.value(picked))
            _panel(ax, preset, begin, end, picked)
            ax.set_xlabel(f"executed action is worth {worth[preset.ident]:.2f}")
            chosen = (end == picked).all(-1).tolist()
            for (x0, y0), (x, y), is_chosen in zip(begin.tolist(), end.tolist(), chosen, strict=True):
                rows.append((preset.ident, x0, y0, x, y, int(is_chosen)))
    plots.save_figure(
        fig,
        "explorer-presets",
        caption=f"A few steps execute an action worth {worth['authors']:.2f}, a long walk one worth "
        f"{worth['too-far']:.2f}, on the false top. Best-of-N executes one worth {worth['best-of-n']:.2f}. The "
        "explorer's presets as `vgf.flow` computes them, on the first sample. Shading: "
        "true reward; lines: the reward the particles follow; rings: the sample; dots: the same particles after the "
        "walk; diamond: the executed action; plus: the best action there is.",
        alt="Squares, one for each preset, with a low hill and a high hill. Rings show the sample, dots where the "
        "particles went. With "
        "few steps the executed action is near the true top, with many it lies on a false top in the corner. Without "
        "repulsion the dots collapse, with it they stay spread.",
        data=pd.DataFrame(rows, columns=["preset", "x0", "y0", "x", "y", "executed"]),
        directory=directory,
    )


def draw_rewards(ax: Axes, error: float, count: int) -> None:
    """Draw the plane of actions: shading is the true reward, lines the one with an error that particles follow.

    Args:
        ax: the panel.
        error: as of `followed`.
        count: cells a side.
    """
    reward, cells = bandit().reward, toy.grid(count)
    true, seen = reward.value(cells).numpy(), followed(reward, error).value(cells).numpy()
    shade = np.empty((*true.shape, 4))  # one hue, its opacity the reward: the same picture on white and on near-black
    shade[..., :3], shade[..., 3] = to_rgb(plots.PALETTE["sky"]), 0.6 * true / true.max()
    pixels = (255 * shade).round().astype(np.uint8)
    ax.imshow(pixels, extent=(*toy.BOX, *toy.BOX), origin="lower", interpolation="none")
    levels = np.arange(CONTOUR_STEP, seen.max(), CONTOUR_STEP).tolist()
    x, y = cells[::3, ::3, 0].numpy(), cells[::3, ::3, 1].numpy()
    ax.contour(x, y, seen[::3, ::3], levels=levels, colors=plots.MUTED, linewidths=0.5)
    ax.set(xlim=toy.BOX, ylim=toy.BOX, xticks=[], yticks=[], aspect="equal")
    ax.grid(visible=False)


def _panel(ax: Axes, preset: Preset, begin: Tensor, end: Tensor, picked: Tensor) -> None:
    """Draw one preset: the rewards below, sample, particles and the executed action above."""
    draw_rewards(ax, preset.settings.error, 128)
    ax.plot(*begin.T, "o", mfc="none", mec=plots.INK, markersize=3.5, markeredgewidth=0.6)
    ax.plot(*end.T, "o", color=plots.PALETTE["blue"], markersize=3)
    ax.plot(*picked, "D", color=plots.PALETTE["orange"], markersize=7, markeredgecolor=plots.INK)
    ax.plot(*bandit().reward.maxima[1], "+", color=plots.INK, markersize=10, markeredgewidth=1.6)
    ax.set(title=preset.name)
