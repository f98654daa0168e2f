"""What every chapter needs of the book: a name for a number in its text, and where its figures and verdicts go.

A chapter begins with `chapter = Chapter("NN_name", scale)`. Its figures then know where they come from, and one that
`notebooks/chapters.yaml` does not declare is refused, because the pipeline would not know of it. Away from the book, in
a notebook that was downloaded alone, the same calls work and nothing is checked.
"""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from vgf.book import citable, claims, guard, plots
from vgf.book.declared import Declared, chapter_file, declared
from vgf.results.judgement import Status


def glue(name: str, value: Any) -> None:
    """Keep a plain number or word under a name, so that the text can show it; outside the book it is printed.

    Args:
        name: as the text's role `glue` calls it.
        value: a word, or anything that is one number, such as a tensor of one element.
    """
    if not isinstance(value, str):
        value = int(value) if isinstance(value, numbers.Integral) else float(value)
    try:
        from myst_nb import glue as keep
    except ImportError:
        print(f"{name}: {value}")
    else:
        keep(name, value, display=False)


@dataclass(frozen=True)
class Chapter:
    """One chapter while it runs.

    Attributes:
        name: of its file, without the ending.
        scale: quick, cpu or paper.
    """

    name: str
    scale: str

    @cached_property
    def declared(self) -> Declared | None:
        """What it reads and makes; None away from the book."""
        with guard.unnoted():
            return declared(self.name) if chapter_file(self.name).exists() else None

    def save_figure(
        self,
        figure: Figure,
        ident: str,
        *,
        caption: str,
        alt: str,
        data: pd.DataFrame,
        experiment: str | None = None,
        seeds: Sequence[int] | None = None,
        aside: str | None = None,
    ) -> Figure:
        """Write a figure of this chapter; see `vgf.book.plots.save_figure`.

        Args:
            figure: drawn inside `plots.style()`.
            ident: stable id, declared in `notebooks/chapters.yaml`.
            caption: what is drawn and, first of all, what it shows; MyST.
            alt: what a reader who cannot see the figure needs to know.
            data: the numbers that are drawn, one row a mark.
            experiment: the study behind it, where the chapter reads several; without it, all of them.
            seeds: the seeds behind it, where neither a column `seed` nor the records say.
            aside: what of the drawing `data` does not hold, in words.

        Raises:
            ValueError: if the chapter does not declare it, or as there.
        """
        self._check("figures", ident)
        studies = self.declared.studies if self.declared else ()
        source = citable.chapter_provenance(self.name, self.scale, studies, data, experiment=experiment, seeds=seeds)
        words: dict[str, Any] = {"caption": caption, "alt": alt, "data": data, "aside": aside, "source": source}
        return plots.save_figure(figure, ident, directory=plots.FIGURES, **words)

    def verdict(self, claim: str, status: Status, evidence: str, scale: str | None = None) -> None:
        """Record what this chapter says about a claim; see `vgf.book.claims.verdict`.

        Args:
            claim: id of a row of `data/paper/claims.csv`.
            status: computed from the results, never a constant.
            evidence: one line of MyST saying what was measured and where it is shown.
            scale: of the records behind it, where it is not the chapter's.

        Raises:
            ValueError: if the chapter does not declare it, or as there.
        """
        self._check("verdicts", claim)
        if self.declared:  # there is no scoreboard elsewhere
            claims.verdict(claim, status, evidence, scale or self.scale)

    def _check(self, kind: str, ident: str) -> None:
        """Refuse what the chapter does not declare."""
        if self.declared and ident not in getattr(self.declared, kind):
            raise ValueError(
                f"{self.name} makes {ident!r} and does not declare it; add it to its {kind} in notebooks/chapters.yaml"
            )
