r"""How old a critic is: the share of its final value it has reached, and how far above the behaviour's it is heading.

A target that follows its critic at rate tau loses an offset of the value like exp(-U tau (1 - gamma)) over U updates:
each update brings it a tau-th nearer to the critic, whose own target is gamma times the old offset off. A critic that
starts near zero has therefore reached

    share(U) = 1 - exp(-U tau (1 - gamma))

of the value it is heading to, its asymptote, so that value / share tells the asymptote long before it is reached. The
asymptote of a critic with no step in its target (L_train = 0) is the value of the behaviour; how far another stands
above it is its index of overestimation, or of what its policy has truly gained: the index cannot tell these apart.

What is given up: the critic is taken to fit its targets at once, so a share is an upper bound of what is learnt; and a
critic that diverges has no asymptote.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vgf import records
from vgf.support.progress import log

VALUE = "critic/q"  # of the curve: the mean value of the dataset's actions, over a logged stretch
#: Fields of a config that say how particles move, and nothing else: runs that differ in these alone are compared.
FLOW = (
    *("train_steps", "step_size", "step_unit", "temperature", "optimizer", "repulsion", "bandwidth"),
    *("direction", "unit_gradient", "flow_q"),
)
SAME = ("task", "dataset", "updates", "batch_size")  # of the settings, besides the config


def share(updates: float, tau: float, discount: float) -> float:
    """Return which part of its asymptote a critic has reached after so many updates, in [0, 1)."""
    return -math.expm1(-updates * tau * (1 - discount))


def mean_share(first: float, last: float, tau: float, discount: float) -> float:
    """Return the share's mean over the updates from `first` to `last`, as a row of the curve is a mean over a stretch.

    Raises:
        ValueError: if the stretch has no length.
    """
    if not 0 <= first < last:
        raise ValueError(f"a stretch must go from an update >= 0 to a later one, got {first} to {last}")
    rate = tau * (1 - discount)
    if rate == 0:
        return 0.0
    return 1 + math.exp(-first * rate) * math.expm1(-(last - first) * rate) / ((last - first) * rate)


def overestimation(asymptote: float, behaviour: float) -> float:
    """Return an asymptote over that of L_train = 0; 1 is no difference, and more is a higher value, whatever the sign.

    Where values are negative, a ratio would fall as the critic rises; it is mirrored there: 1 + (a - b) / |b|. NaN
    where the behaviour's value is zero.
    """
    return 1 + (asymptote - behaviour) / abs(behaviour) if behaviour else math.nan


def ages(settings: Mapping[str, Any], curve: pd.DataFrame) -> pd.DataFrame:
    """Return how old a run's critic was at each row of its curve.

    Args:
        settings: of its entry in run.json.
        curve: columns seed, update and `VALUE`, as `vgf.records.read_record` returns it.

    Returns:
        Columns seed, update, critic_updates, share, value, asymptote; empty where the method's target does not follow
        its critic at one rate.
    """
    columns = ["seed", "update", "critic_updates", "share", "value", "asymptote"]
    config = settings.get("config", {})
    if VALUE not in curve or not {"tau", "discount"} <= config.keys():
        return pd.DataFrame(columns=columns)
    alone, rate = config.get("pretrain", 0), config["tau"] / config.get("policy_delay", 1)
    rows = []
    for seed, own in curve.groupby("seed"):
        own = own.sort_values("update")
        starts = own["update"].shift(fill_value=0).clip(lower=alone) - alone
        for first, update, value in zip(starts, own["update"], own[VALUE], strict=True):
            last = update - alone
            if last > first and math.isfinite(value):
                reached = mean_share(first, last, rate, config["discount"])
                rows.append((seed, update, last, reached, value, value / reached if reached else math.nan))
    return pd.DataFrame(rows, columns=columns)


def facts(folder: Path, settings: Mapping[str, Any], seeds: Sequence[int]) -> dict[str, Any]:
    """Return what run.json says of the critic's age: nothing where there is none.

    Args:
        folder: of the record, its curves written.
        settings: of the run.
        seeds: of the run.

    Returns:
        `critic`: `updates` it has had, `share` after the last, `value` and `asymptote` by seed, over the last logged
        stretch; and `overestimation` by seed, `against` the record of L_train = 0, where one is at hand.
    """
    curves = [records.read_csv(records.seed_file(folder, seed, curve=True)).assign(seed=seed) for seed in seeds]
    table = ages(settings, pd.concat(curves))
    if table.empty:
        return {}
    last = table.groupby("seed").tail(1).set_index("seed")
    config, updates = settings["config"], int(last["critic_updates"].max())
    age = share(updates, config["tau"] / config.get("policy_delay", 1), config["discount"])
    told: dict[str, Any] = {"updates": updates, "share": round(age, 6)}
    told |= {name: _by_seed(last[name]) for name in ("value", "asymptote")}
    other = behaviour_of(folder, settings)
    if other is not None:
        told |= {"overestimation": _by_seed(index(last["asymptote"], other[1])), "against": other[0].name}
    return {"critic": told}


def index(asymptotes: pd.Series, behaviour: pd.Series) -> pd.Series:
    """Return the overestimation of each seed; a seed the behaviour's record lacks is held against its mean."""
    return pd.Series({seed: overestimation(a, behaviour.get(seed, behaviour.mean())) for seed, a in asymptotes.items()})


def behaviour_of(folder: Path, settings: Mapping[str, Any]) -> tuple[Path, pd.Series] | None:
    """Return the record of L_train = 0 that differs from a run in its flow alone, and its asymptotes by seed.

    A folder beside it that is no record, or a damaged one, is told and left out: it must not stop this run's record.

    Args:
        folder: of the run's record; others of the task lie beside it.
        settings: of the run.
    """
    for other in _beside(folder) if settings["config"].get("train_steps") else ():
        try:
            found = _asymptotes(other, settings)
        except (ValueError, OSError, LookupError, TypeError) as error:  # not what this run's record depends on
            log(f"{other}: left out of the overestimation index: {error}")
            continue
        if found is not None:
            return other, found
    return None


def _asymptotes(other: Path, settings: Mapping[str, Any]) -> pd.Series | None:
    """Return the asymptotes of a record of L_train = 0 by seed; None where it differs in more than the flow."""
    entry = records.read_runs(other)[-1]
    config = entry["settings"]["config"]
    if config.get("train_steps") != 0 or _apart_from_flow(entry["settings"]) != _apart_from_flow(settings):
        return None
    table = ages(entry["settings"], records.read_record(other).curve)
    return None if table.empty else table.groupby("seed").tail(1).set_index("seed")["asymptote"]


def _beside(folder: Path) -> Iterator[Path]:
    """Yield the records beside one, that one left out, in the order of their names."""
    for path in sorted(folder.parent.glob("*/run.json")):
        if path.parent.name != folder.name:
            yield path.parent


def _apart_from_flow(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what two runs must share for their critics to be compared."""
    config = {name: value for name, value in settings["config"].items() if name not in FLOW}
    return {name: settings[name] for name in SAME} | {"config": config}


def _by_seed(values: pd.Series) -> dict[str, float]:
    """Return numbers by seed as JSON holds them; one that is not finite is left out."""
    return {str(seed): float(f"{value:.6g}") for seed, value in values.items() if math.isfinite(value)}
