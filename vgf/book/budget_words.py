"""What the chapter on budgets says of the study in sentences: harm, promises, what broke, L_train, costs, findings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from vgf.book.budget_pictures import kept, missed, reaches
from vgf.results import budget_rules, stats
from vgf.results.budget_cells import Part
from vgf.results.budget_train_steps import summary

WHY = {
    "radius": "lay beyond the trusted radius",
    "no radius": "was refused since held-out trajectories gave no radius at all",
    "gate": "promised less than the gate asks",
    "bound": "had no positive lower bound",
    "": "had a lower bound below the chosen one's",
}
COUNTS = ("none", "one", "two", "three")
WHO = {
    "auto": "the other seeds of the record where there are enough, and an ensemble elsewhere",
    "ensemble": "the ensemble",
}


def harm_text(part: Part) -> str:
    """Return in how many cells the rule did harm, with the exact interval, and in how many it could: where it moved."""
    table = budget_rules.judged(part.cells, part.every)
    own = table[table["rule"] == "ours"]
    hits, (moves, cells) = int(own["harm"].sum()), budget_rules.moved(part.every)
    found = stats.of_share(hits, cells)
    return (
        f"The rule moved particles in {moves} of {cells} cells and did harm in {hits}. "
        "Were cells independent, the exact "
        f"95 % interval of harm would be {100 * found.low:.0f} to {100 * found.high:.0f} % of all cells."
    )


def promises_text(rows: pd.DataFrame) -> str:
    """Return by world how many steps that promised a gain brought one, within the radius and beyond it.

    Args:
        rows: of `vgf.book.budget_pictures.promises`.
    """
    told = []
    for world, own in rows.groupby("world", sort=False):
        (near, of), (far, beyond) = kept(own, True), kept(own, False)
        told.append(f"{str(world).capitalize()}: {near} of {of} within the radius, {far} of {beyond} beyond it.")
    return " ".join(told)


def misses_text(part: Part) -> str:
    """Return in how many cells little of a real gain was captured, and what refused the best rung there."""
    table = budget_rules.judged(part.cells, part.every)
    gains, count = int((table["rule"].eq("ours") & table["capture"].notna()).sum()), missed(part)
    first = f"In {int(count.sum())} of {gains} cells with a real gain the rule captured less than half of it."
    return " ".join([first, *(f"In {one} of these the best rung {WHY[str(fault)]}." for fault, one in count.items())])


def broken_text(part: Part) -> str:
    """Return which assumption broke: that the data's own actions say how far to go, or that judges err apart."""
    count = missed(part)
    if count.get("radius", 0) + count.get("no radius", 0) > count.sum() / 2:
        told = [
            "So the assumption that broke is that the data's own actions say how far to go.",
            "They reach less far than the best step, or are too few for a slope, and the rule then stays.",
        ]
    else:
        told = [
            "So the radius is not what failed most.",
            "Judges agree on steps that do not pay, or disagree on steps that do.",
        ]
    low, cells = below_zero(part)
    told.append(f"The rule was below no step in {low} of {cells} cells, by however little.")
    end = part.cells["displacement"].max()
    for world, one in reaches(part).iterrows():
        place = f"at the ladder's end, {end:g}" if one["best"] >= end else f"at {one['best']:g}"
        told.append(f"The median radius of {world} is {one['radius']:g} sigma, and the best rung lies {place}.")
    return " ".join(told)


def below_zero(part: Part) -> tuple[int, int]:
    """Return in how many cells the rule's rung is worth less than `ZERO`, of how many."""
    keys = [part.every[part.every["rule"] == rule].set_index(budget_rules.CELL)["value"] for rule in ("ours", "zero")]
    ours, zero = keys
    return int((ours < zero.reindex(ours.index)).sum()), len(ours)


def train_text(pairs: pd.DataFrame) -> str:
    """Return how rules for L_train did, in counts of pairs.

    Args:
        pairs: of `vgf.results.budget_train_steps.choices`.
    """
    by = dict(iter(pairs.groupby("rule")))
    lost = {rule: own["lost"].mean() for rule, own in by.items()}
    right = {rule: int(own["is_best"].sum()) for rule, own in by.items()}
    index, count = by["index"]["index"], len(by["index"])
    if lost["largest"] < min(lost["fitted_q"], lost["index"]):
        end = (
            f"Always taking the largest lost less: {lost['largest']:.2f} of return an episode, against "
            f"{lost['fitted_q']:.2f} by fitted Q evaluation and {lost['index']:.2f} by the index. "
            "So neither rule is of use here."
        )
    else:
        end = (
            f"Fitted Q evaluation loses {lost['fitted_q']:.2f} of return an episode, the index {lost['index']:.2f}, "
            f"and always taking the largest {lost['largest']:.2f}."
        )
    return (
        f"There are {count} pairs of the drone, one seed each, with no step in training or with "
        f"{int(pairs['train_steps'].max())}. "
        f"The index lies between {index.min():.2f} and {index.max():.2f} and takes the better one in {right['index']}. "
        f"Fitted Q evaluation does in {right['fitted_q']}, and the largest is better in {right['largest']}. {end}"
    )


def train_table(pairs: pd.DataFrame, names: Mapping[str, str]) -> pd.DataFrame:
    """Return in how many pairs each rule takes the largest L_train and the better one, and the return lost.

    Args:
        pairs: as of `train_text`.
        names: of the rules, in words.
    """
    rows = []
    for rule, own in summary(pairs).iterrows():
        large, right = (f"{own[name] * own['groups']:.0f} of {own['groups']:.0f}" for name in ("largest", "best"))
        told = {"takes the largest": large, "takes the better one": right, "return lost": f"{own['lost']:.2f}"}
        rows.append({"rule": names[str(rule)], **told})
    return pd.DataFrame(rows).set_index("rule")


def costs_text(costs: pd.DataFrame, share: float, default: str) -> str:
    """Return what judging costs, by world, and which default judges the rule written before asks for on these cells.

    Args:
        costs: of `vgf.book.budget_pictures.costs`.
        share: most that judging may cost of the training.
        default: the judges by the rule: "auto" or "ensemble".
    """
    told = []
    for world, one in costs.drop(index="all").iterrows():
        seconds = {name: f"{one[name]:.1f}" for name in ("training", "judging", "judging_seeds", "most_seeds")}
        told.append(
            f"On the {world} a training takes {seconds['training']} seconds a seed, an ensemble {seconds['judging']}. "
            f"Judging by the record's other seeds takes {seconds['judging_seeds']}, at most {seconds['most_seeds']}. "
        )
    return (
        "".join(told)
        + f"So with these networks and data, other seeds cost at most {100 * share:.0f} % of a training of "
        f"{np.ceil(costs.loc['all', 'most_seeds'] / share):.0f} seconds or more, if their cost does not grow with it. "
        "An ensemble as old as the policy's critic grows with the training. "
        f"By the rule written before, the default on these cells should be {WHO[default]}."
    )


def found_text(part: Part, table: pd.DataFrame, verdict: Mapping[str, bool], success: Mapping[str, float]) -> str:
    """Return what the study found, with what was asked, in six sentences.

    Args:
        part: the reported cells.
        table: of `vgf.results.budget_rules.scores`, indexed by world and rule.
        verdict: which of the conditions hold, of `vgf.results.budget_rules.verdict`.
        success: most harm and least capture.
    """
    own = {rule: table.loc[("all", rule)] for rule in ("ours", "hindsight", "without_radius", "promise")}
    (moves, cells), ours = budget_rules.moved(part.every), own["ours"]
    hits = round(ours["harm"] * ours["cells"])
    return (
        f"The rule moved particles in {moves} of {cells} reported cells, and scored clearly below no step in {hits}, "
        f"where at most {100 * success['harm']:.0f} % was allowed. "
        f"It captured {100 * ours['capture']:.0f} % of the real gain, "
        f"where {100 * success['capture']:.0f} % was asked. "
        f"Its regret is {ours['regret']:.2f}, where 0 is the best budget and 1 the worst, and less than "
        f"{own['hindsight']['regret']:.2f} was asked: that of the best fixed budget, picked afterwards. "
        f"{misses_of(verdict)} "
        "Without the radius of the algorithm below, "
        f"regret is {own['without_radius']['regret']:.2f}, not {ours['regret']:.2f}, and harm "
        f"{100 * own['without_radius']['harm']:.0f} %; by promise alone {own['promise']['regret']:.2f} and "
        f"{100 * own['promise']['harm']:.0f} %. "
        "No cell is a task of the paper's tables."
    )


def misses_of(verdict: Mapping[str, bool]) -> str:
    """Return which conditions of success failed, in a sentence."""
    fails = [name for name, holds in verdict.items() if not holds]
    told = f": {' and '.join(fails)}" if fails else ""
    return f"It misses {misses(verdict)} conditions set before{told}."


def misses(verdict: Mapping[str, bool]) -> str:
    """Return how many conditions of success failed, in words: "two of three"."""
    return f"{COUNTS[sum(not holds for holds in verdict.values())]} of {COUNTS[len(verdict)]}"


def campaign_text(part: Part | None, own: Mapping[str, Any], success: Mapping[str, float]) -> str:
    """Return what the rule did on the campaign's policies, or that these cells are left out.

    Args:
        part: its cells; None where there are none.
        own: part `campaign` of the rule file.
        success: most harm and least capture.
    """
    world, task = budget_rules.world_of(own["task"]), own["task"]
    if part is None:
        return (
            f"Cells of {task} are described in the rule file, and left out here: no policy of the study was at hand. "
            "`python -m vgf.results.budget_campaign` makes them from those that `vgf train` leaves."
        )
    table = budget_rules.scores(part.cells, part.every).set_index(["world", "rule"])
    names = ("ours", "hindsight", "zero", "ours_seeds", "promise")
    ours, best, zero, seeds, promise = (table.loc[(world, rule)] for rule in names)
    moves, cells = budget_rules.moved(part.every)
    rows = dict.fromkeys(part.cells["method"])
    gone = [row for row in own["rows"] if row not in rows]
    told = (
        f"On {task} there are {cells} cells, one a seed of {', '.join(rows)}, "
        f"with {own['episodes']['reporting']} episodes a rung. "
        f"The rung that a critic itself values most has a regret of {promise['regret']:.2f} there. "
        f"The rule moved particles in {moves} and did harm in {round(ours['harm'] * cells)}. "
        f"Its regret is {ours['regret']:.2f}, that of no step {zero['regret']:.2f}, and that of the best fixed rung, "
        f"picked afterwards, {best['regret']:.2f}. "
        f"{misses_of(budget_rules.verdict(table.reset_index(), success, world))} "
        f"Judged by the record's other seeds, the same rule has a regret of {seeds['regret']:.2f} and does harm in "
        f"{round(seeds['harm'] * cells)}."
    )
    return told + (f" Without a policy, and left out: {', '.join(gone)}." if gone else "")
