"""The data card of D4RL's sets: episodes, returns and scores counted by hand; the official file's known size."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from vgf.datasets import DataError, get_dataset, get_task
from vgf.datasets.files import content_digest
from vgf.sources import card
from vgf.support.files import sha256, write_json


def episodes(observation: int, action: int) -> dict[str, np.ndarray]:
    """Three episodes of 2, 3 and 4 rows with returns 2, 0 and 40; the first ends in a terminal, two in timeouts."""
    rewards = np.array([1, 1, 0, 0, 0, 10, 10, 10, 10], np.float32)
    timeouts = np.isin(np.arange(9), (4, 8))
    return {
        "observations": np.zeros((9, observation), np.float32),
        "actions": np.zeros((9, action), np.float32),
        "rewards": rewards,
        "terminals": np.arange(9) == 1,
        "timeouts": timeouts,
    }


def regenerated(folder: Path, name: str, arrays: dict[str, np.ndarray]) -> Path:
    """Write a file and a sidecar that says it was regenerated."""
    path = folder / f"{name}.seed0.ep3.hdf5"
    with h5py.File(path, "w") as file:
        for key, values in arrays.items():
            file[key] = values
    facts = {"dataset": name, "seed": 0, "episodes": 3, "rows": 9, "bytes": path.stat().st_size, "machine": "any"}
    facts |= {"sha256": sha256(path), "content": content_digest(arrays), "versions": {"numpy": "1"}, "python": "3"}
    write_json(path.with_suffix(".json"), facts)
    return path


def test_a_robots_card_tells_scores(tmp_path: Path) -> None:
    path = regenerated(tmp_path, "hopper-medium-v2", episodes(11, 3))
    text = card.markdown([path])
    score = get_task("hopper-medium").normalised
    assert f"| 3 | 2 / 3 / 4 | 0 / 2 / 40 | {score(0):.0f} / {score(2):.0f} / {score(40):.0f} |" in text
    official = get_dataset("hopper-medium").bytes
    assert official is not None
    assert f"| official file | {official / 1e6:.1f} MB, of which this is 0% |" in text
    assert "validation" not in text
    (entry,) = card.register([path])["regenerated"]
    assert entry["trajectories"] == 3
    assert entry["score_mean"] == pytest.approx(score(14), abs=0.01)
    assert (entry["score_quantiles"][0], entry["score_quantiles"][10]) == (round(score(0), 2), round(score(2), 2))
    assert entry["score_quantiles"][-1] == round(score(40), 2)
    assert json.loads(json.dumps(entry)) == entry


def test_a_mazes_card_counts_episodes_that_reach_the_goal(tmp_path: Path) -> None:
    arrays = episodes(29, 8)
    arrays["rewards"] = arrays["terminals"].astype(np.float32)
    arrays["timeouts"] |= arrays["terminals"]  # the behaviour goes on at its goal: only the time ends an episode
    path = regenerated(tmp_path, "antmaze-umaze-v2", arrays)
    assert "| 3 | 2 / 3 / 4 | 0 / 0 / 1 | 1 of 3 |" in card.markdown([path])
    (entry,) = card.register([path])["regenerated"]
    assert (entry["score_quantiles"][0], entry["score_quantiles"][-1]) == (0, 100)
    assert entry["score_mean"] == pytest.approx(100 / 3, abs=0.01)


def test_only_a_regenerated_file_has_a_card(tmp_path: Path) -> None:
    path = regenerated(tmp_path, "hopper-medium-v2", episodes(11, 3))
    path.with_suffix(".json").unlink()
    with pytest.raises(DataError, match="cards are for those"):
        card.markdown([path])


def test_cards_of_files_that_are_elsewhere_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new, old, other = {"file": "here.npz", "rows": 2}, {"file": "here.npz", "rows": 1}, {"file": "elsewhere.npz"}
    monkeypatch.setattr(card, "data_folder", lambda: tmp_path)
    monkeypatch.setattr(card, "register", lambda files: {"official": [], "regenerated": [new]})
    text = "# Card\n\n{}\n\n### here\n\n{}\n\n### elsewhere\n\nkept\n\n{}\nend\n"
    (tmp_path / "README.md").write_text(text.format(card.BEGIN, "old", card.END))
    (tmp_path / "datasets.json").write_text(json.dumps({"regenerated": [other, old]}))
    for _ in range(2):  # writing twice changes nothing
        card.write([tmp_path / "here.npz"], "### here\n\nnew")
        assert (tmp_path / "README.md").read_text() == text.format(card.BEGIN, "new", card.END)
        assert json.loads((tmp_path / "datasets.json").read_text())["regenerated"] == [other, new]
