"""What chapters share: numbers kept for the text, and figures and verdicts that have to be declared."""

from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import myst_nb
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from vgf.book import citable, claims, plots
from vgf.book.chapter import Chapter, glue
from vgf.book.declared import Declared

FRAME = pd.DataFrame({"x": [0.0, 1.0], "y": [1.0, 2.0]})
WORDS: dict[str, Any] = {"caption": "It rises.", "alt": "A line.", "data": FRAME}


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("held", "held"),
        (3, 3),
        (np.int64(3), 3),
        (np.float32(0.5), 0.5),
        (torch.tensor(2.5), 2.5),
        (np.array([1.5])[0], 1.5),
    ],
)
def test_a_number_is_kept_plain(value: object, kept: object, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, object, bool]] = []
    monkeypatch.setattr(myst_nb, "glue", lambda name, value, display: seen.append((name, value, display)))
    glue("a-name", value)
    assert seen == [("a-name", kept, False)]
    assert type(seen[0][1]) is type(kept)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        glue("a-name", torch.zeros(2))


def test_away_from_the_book_a_number_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = builtins.__import__

    def without(name: str, *others: Any, **more: Any) -> Any:
        if name == "myst_nb":
            raise ImportError(name)
        return real(name, *others, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    glue("a-name", 3)
    assert capsys.readouterr().out == "a-name: 3\n"


def drawing() -> Figure:
    """A line in the house style."""
    with plots.style():
        figure, ax = plt.subplots()
        ax.plot(FRAME["x"], FRAME["y"])
    return figure


@pytest.fixture
def saved(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Keep what would be written."""
    kept: list[dict[str, Any]] = []
    monkeypatch.setattr(plots, "save_figure", lambda figure, ident, **words: kept.append(words | {"id": ident}))
    return kept


def test_a_figure_says_chapter_scale_and_studies(saved: list[dict[str, Any]]) -> None:
    Chapter("09_d4rl", "cpu").save_figure(drawing(), "d4rl-scores", experiment="d4rl", **WORDS)
    (words,) = saved
    assert words["id"] == "d4rl-scores"
    assert (words["source"]["chapter"], words["source"]["scale"]) == ("notebooks/09_d4rl", "cpu")
    assert [record["folder"] for record in words["source"]["records"]] == ["data/results/d4rl.cpu"]


@pytest.mark.parametrize("ident", ["d4rl-never", "bandit-worlds"])
def test_a_figure_that_is_not_declared_is_refused_with_the_remedy(ident: str, saved: list[dict[str, Any]]) -> None:
    with pytest.raises(ValueError, match=rf"{ident}.*figures in notebooks/chapters\.yaml"):
        Chapter("09_d4rl", "cpu").save_figure(drawing(), ident, **WORDS)
    assert saved == []


def test_a_verdict_that_is_not_declared_is_refused_and_another_is_kept(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept: list[tuple[Any, ...]] = []
    monkeypatch.setattr(claims, "verdict", lambda *words: kept.append(words))
    chapter = Chapter("09_d4rl", "cpu")
    with pytest.raises(ValueError, match=r"ogbench.*verdicts in notebooks/chapters\.yaml"):
        chapter.verdict("ogbench", "held", "seen")
    chapter.verdict("d4rl", "held", "seen")
    chapter.verdict("d4rl", "held", "seen", "paper")
    assert kept == [("d4rl", "held", "seen", "cpu"), ("d4rl", "held", "seen", "paper")]


def test_away_from_the_book_nothing_is_checked_and_no_verdict_is_left(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))
    chapter = Chapter("09_d4rl", "cpu")
    assert chapter.declared is None
    chapter.verdict("no such claim", "held", "seen")
    source = citable.chapter_provenance("09_d4rl", "cpu", Declared().studies, FRAME)
    assert (source["chapter"], source["records"], source["seeds"]) == ("notebooks/09_d4rl", [], [])
    monkeypatch.setattr(plots, "FIGURES", tmp_path / "data" / "figures")
    chapter.save_figure(drawing(), "any-figure", **WORDS)
    assert json.loads((tmp_path / "data" / "figures" / "any-figure.json").read_text())["scale"] == "cpu"
