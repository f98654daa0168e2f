"""Recorded responses before the judge of an API: pairs are put together, asked about, and summed up.

Records hold no prompt and no human text, so both come from the data the experiment ran on. Verdicts lie beside the
records, one file for each method and opponent, and are a result of their own: what was said can be read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vgf.results import stats
from vgf.rlhf.models import find_model, load_tokenizer
from vgf.rlhf.parts.preferences import texts_of
from vgf.rlhf.parts.prepare import model_folder
from vgf.rlhf.settings import SMOLLM2, Setup
from vgf.rlhf.stages import load_splits
from vgf.rlhf.study.api_judge import Pair, compare
from vgf.rlhf.study.asking import ApiJudge
from vgf.rlhf.study.records import folder_of, read_rows
from vgf.support.provenance import fingerprint


def judged(
    setup: Setup, judge: ApiJudge, methods: Sequence[str], against: str, most_dollars: float, root: Path | None = None
) -> str:
    """Return a line a method: its win rate against the reference or the human response, with an interval.

    Raises:
        ValueError: if a record is missing, or the judge cannot be asked; verdicts so far are kept.
    """
    tokenizer = load_tokenizer(find_model(setup.model, model_folder(), SMOLLM2))
    texts = texts_of(load_splits(setup, tokenizer).test, tokenizer)
    home = folder_of(setup.scale, setup.task_name, "x", root).parent
    names = list(methods) or sorted(p.parent.name for p in home.glob("*/run.json") if p.parent.name not in _NONE)
    if not names:
        raise ValueError(f"no record in {home}; `vgf rlhf align` makes them")
    # one name on two servers is two models; a record names no one's server
    server = "" if judge.is_default_server else f"-{fingerprint({'server': judge.address()})}"
    lines = []
    for name in names:
        pairs = pairs_of(setup, name, against, texts, root)
        path = folder_of(setup.scale, setup.task_name, name, root) / f"seed{setup.seed}.verdicts-{against}{server}.csv"
        table = compare(judge, pairs, path, most_dollars)
        found = stats.estimate(stats.mean, [table["win"].to_numpy(np.float64)])
        lines.append(
            f"{name}: wins {found.value:.3f} [{found.low:.3f}, {found.high:.3f}] against {against}, "
            f"{len(table)} pairs, both orders agree on {table['agree'].mean():.0%}"
        )
    return "\n".join(lines)


def pairs_of(
    setup: Setup, method: str, against: str, texts: dict[str, tuple[str, str]], root: Path | None = None
) -> list[Pair]:
    """Return a method's recorded responses paired with the reference's or the human ones.

    Raises:
        ValueError: if either has no record.
    """
    rows = read_rows(folder_of(setup.scale, setup.task_name, method, root), setup.seed)
    if not len(rows):
        raise ValueError(f"{method} has no record of seed {setup.seed}; `vgf rlhf align --method {method}` makes it")
    others = {name: human for name, (_, human) in texts.items()}
    if against == "ref":
        reference = read_rows(folder_of(setup.scale, setup.task_name, "sft", root), setup.seed).fillna({"response": ""})
        others = dict(zip(reference["prompt"], reference["response"], strict=True))
    rows = rows.fillna({"response": ""})
    if method == "human":  # a record never holds the human text
        rows["response"] = [texts.get(name, ("", ""))[1] for name in rows["prompt"]]
    missing = [name for name in rows["prompt"] if name not in others or name not in texts]
    if missing:
        raise ValueError(f"{missing[0]}: no {against} response of it; run `vgf rlhf align` with sft among the methods")
    return [  # spaces made single on both sides, as records have them: no side looks neater than the other
        Pair(name, texts[name][0], " ".join(response.split()), " ".join(others[name].split()))
        for name, response in zip(rows["prompt"], rows["response"], strict=True)
    ]


_NONE = ("human", "sft")  # nothing to compare with itself
