"""The figure of how episodes end: every episode is a tick, a seed a line of ticks, methods in the order given."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from tests.helpers.study_records import HOPPER
from vgf.book import plots
from vgf.book.episode_ends_figure import draw_ends

WALKER = "walker2d-medium-v2"


def test_every_episode_is_a_tick_in_the_row_of_its_method() -> None:
    rows = [
        (task, method, seed, episode, 100 * place + 10 * seed + episode)
        for task in (HOPPER, WALKER)
        for place, method in enumerate(("iql", "vgf", "td3_bc"))
        for seed in (7, 8)
        for episode in range(3)
    ]
    found = pd.DataFrame(rows, columns=["task", "method", "seed", "episode", "length"])
    figure, drawn = draw_ends(found)
    assert [ax.get_title("left") or ax.get_title() for ax in figure.axes] == ["hopper-medium", "walker2d-medium"]
    assert [text.get_text() for text in figure.axes[0].get_yticklabels()] == ["IQL", "VGF", "TD3+BC"]
    assert drawn[list(found)].equals(found)
    assert drawn["height"].round().astype(int).tolist() == [place for place in (0, 1, 2) for _ in range(6)] * 2
    assert drawn.groupby(["task", "method", "seed"])["height"].nunique().eq(1).all()
    vgf = next(line for line in figure.axes[0].lines if line.get_color() == plots.method_colour("vgf"))
    own = drawn[(drawn["task"] == HOPPER) & (drawn["method"] == "vgf")]
    assert list(vgf.get_xdata())[::3] == list(vgf.get_xdata())[1::3] == own["length"].tolist()
    low, high, gap = (np.asarray(vgf.get_ydata())[start::3] for start in range(3))
    assert (low + high) / 2 == pytest.approx(own["height"].to_numpy())
    assert np.isnan(gap).all()
    plt.close(figure)
