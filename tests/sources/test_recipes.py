"""Regeneration: the same bits for any number of workers, after any kill, in the official layout."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers.moments import until
from tests.helpers.site import ROOT
from vgf.datasets import DataError, get_dataset, mujoco, provenance
from vgf.datasets.files import content_digest, validation_path
from vgf.sources import manipulation
from vgf.sources.recipes import Settings, default_path, regenerate
from vgf.support.files import sha256
from vgf.support.progress import Progress

ROWS = 40


def make(out: Path, name: str = "puzzle-3x3-play", **settings: int) -> Path:
    return regenerate(name, out=out, progress=False, **({"episodes": 3, "rows": ROWS} | settings))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("made") / "set.npz")


def arrays(path: Path) -> dict[str, np.ndarray]:
    with np.load(path, allow_pickle=False) as file:
        return dict(file)


def test_two_workers_make_the_bits_of_one(made: Path, tmp_path: Path) -> None:
    again = make(tmp_path / "set.npz", workers=2)
    assert sha256(again) == sha256(made)
    assert sha256(validation_path(again)) == sha256(validation_path(made))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set-val.npz", "set.json", "set.npz"]


def test_a_short_set_begins_a_long_one_and_validation_is_apart(made: Path, tmp_path: Path) -> None:
    one, three = arrays(make(tmp_path / "set.npz", episodes=1)), arrays(made)
    for name, values in one.items():
        assert np.array_equal(values, three[name][:ROWS]), name
    validation = arrays(validation_path(made))
    starts = [three["qpos"][i * ROWS] for i in range(3)] + [validation["qpos"][0]]
    assert len({start.tobytes() for start in starts}) == 4


def test_a_small_sets_validation_is_one_episode_in_pieces(made: Path) -> None:
    assert np.flatnonzero(arrays(validation_path(made))["terminals"]).tolist() == [13, 27, 41]  # 3 pieces of 40 rows
    recipe = get_dataset("puzzle-3x3-play").recipe
    assert recipe is not None
    for episodes, rows, expected in ((1, 40, (1, 40)), (4, 5, (2, 3)), (9, 1001, (9, 112)), (20, 1001, (2, 1001))):
        settings = Settings("puzzle-3x3-play-v0", replace(recipe, rows=rows), 0, episodes, 1, {})
        assert (len(settings.validation), settings.validation_rows) == expected
    keys = {Settings("puzzle-3x3-play-v0", recipe, 0, episodes, 1, {}).key for episodes in (1, 4, 9, 10, 1000)}
    assert len(keys) == 3  # one episode has whole pieces, as ten and more have


@pytest.mark.parametrize("name", ["scene-play", "puzzle-3x3-play"])
def test_an_arm_without_looks_moves_as_one_with_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = get_dataset(name).recipe
    assert recipe is not None
    recipe, seed = replace(recipe, rows=ROWS), np.random.SeedSequence(0, spawn_key=(0, 0))
    light = manipulation.open_environment(recipe)
    monkeypatch.setattr(mujoco, "_visual_files", lambda _: [])
    full = manipulation.open_environment(recipe)
    models = [env.unwrapped.model for env in (light, full)]  # type: ignore[attr-defined]  # as ogbench's have it
    assert models[0].nmeshvert < models[1].nmeshvert / 5
    for field in ("body_mass", "body_inertia", "body_ipos", "geom_contype", "geom_conaffinity", "dof_invweight0"):
        assert np.array_equal(getattr(models[0], field), getattr(models[1], field)), field
    one, other = (manipulation.collect_episode(env, recipe, seed) for env in (light, full))
    for values in one:
        assert np.array_equal(one[values], other[values]), values


def test_workers_are_forked_only_where_a_fork_survives() -> None:
    def answer(before: str) -> str:
        script = f"{before}; from vgf.sources.parts import _may_fork; print(_may_fork())"
        return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()

    assert answer("import numpy") == str(sys.platform == "linux")
    assert answer("import mujoco") == "False"
    assert (
        answer("import threading, time; threading.Thread(target=time.sleep, args=(60,), daemon=True).start()")
        == "False"
    )


def test_another_seed_makes_other_data(made: Path, tmp_path: Path) -> None:
    other = arrays(make(tmp_path / "set.npz", seed=1, episodes=1))
    assert not np.array_equal(other["actions"], arrays(made)["actions"][:ROWS])


def test_the_layout_is_the_official_one(made: Path) -> None:
    found = arrays(made)
    dataset = get_dataset("puzzle-3x3-play")
    types = {"terminals": "bool", "button_states": "int64"}
    shapes = {"observations": (dataset.observation_size,), "actions": (5,), "button_states": (9,), "terminals": ()}
    assert set(found) == {"observations", "actions", "terminals", "qpos", "qvel", "button_states"}
    for name, values in found.items():
        assert values.dtype == types.get(name, "float32"), name
        assert values.shape == (3 * ROWS, *shapes.get(name, values.shape[1:])), name
    assert np.flatnonzero(found["terminals"]).tolist() == [ROWS - 1, 2 * ROWS - 1, 3 * ROWS - 1]
    assert np.abs(found["actions"]).max() <= 1


def test_the_sidecar_says_how_it_was_made(made: Path) -> None:
    facts = json.loads(made.with_suffix(".json").read_text(encoding="utf-8"))
    assert (facts["seed"], facts["episodes"], facts["rows"]) == (0, 3, 3 * ROWS)
    assert facts["recipe"]["noise"] == 0.1
    assert facts["recipe"]["noise_smoothing"] == 0.5
    assert facts["sha256"] == sha256(made)
    assert facts["content"] == content_digest(arrays(made))
    assert {"ogbench", "mujoco", "numpy"} <= set(facts["versions"])
    assert str(Path.home()) not in json.dumps(facts)


def test_a_record_says_where_a_file_comes_from(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = provenance(made)
    assert (facts["source"], facts["sha256"], facts["seed"]) == ("regenerated", sha256(made), 0)
    mine = tmp_path / "mine.npz"
    mine.write_bytes(made.read_bytes())
    assert provenance(mine) == {"file": "mine.npz", "sha256": sha256(made), "source": "local"}
    row = replace(get_dataset("puzzle-3x3-play"), sha256=(sha256(made),))
    monkeypatch.setattr("vgf.datasets.files.DATASETS", {row.name: row})
    assert provenance(mine)["source"] == "official"
    monkeypatch.undo()
    mine.with_suffix(".json").write_text('{"sha256": "another"}', encoding="utf-8")
    with pytest.raises(DataError, match=r"not the file mine\.json tells of"):
        provenance(mine)


def test_the_callers_global_generator_is_left_alone(tmp_path: Path) -> None:
    np.random.seed(7)  # noqa: NPY002
    expected = np.random.RandomState(7).random()
    make(tmp_path / "set.npz", episodes=1)
    assert np.random.random() == expected  # noqa: NPY002


def test_killed_it_goes_on_where_it_was_and_ends_with_the_same_bits(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "set.npz"
    script = (
        f"from tests.helpers.moments import Changes; Changes({str(tmp_path)!r}, 3, 'os.rename')\n"  # the third part's
        f"from vgf.sources.recipes import regenerate; regenerate('puzzle-3x3-play', 3, rows={ROWS}, out={str(out)!r})"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, stderr=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL
    finished = len(list(tmp_path.glob("*.parts-*/*.npz")))
    assert finished == 2
    assert not out.exists()
    collect, made_now = manipulation.collect_episode, []
    monkeypatch.setattr(manipulation, "collect_episode", lambda *words: made_now.append(1) or collect(*words))
    make(out)
    assert len(made_now) == 6 - finished
    assert sha256(out) == sha256(made)
    assert not list(tmp_path.glob("*.parts-*"))


def test_workers_end_with_a_killed_parent(tmp_path: Path) -> None:
    script = (
        "import multiprocessing, sys\nfrom vgf.sources.recipes import regenerate\nif __name__ == '__main__':\n"
        f"    regenerate('puzzle-3x3-play', 400, rows=400, workers=2, out={str(tmp_path / 'set.npz')!r})\n"
    )
    program = tmp_path / "program.py"
    program.write_text(script, encoding="utf-8")
    process = subprocess.Popen([sys.executable, program], stderr=subprocess.DEVNULL, start_new_session=True)
    until(lambda: list(tmp_path.glob("*.parts-*/ep*.npz")) or process.poll() is not None)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    until(lambda: not alive(process.pid))


def alive(group: int) -> bool:
    """Return whether a process of the group is left (one that has ended but not been waited for does not count)."""
    found = subprocess.run(["ps", "-e", "-o", "pgid=,stat="], capture_output=True, text=True, check=True).stdout
    return any(line.split()[0] == str(group) and not line.split()[1].startswith("Z") for line in found.splitlines())


def test_unequal_settings_never_share_parts(tmp_path: Path) -> None:
    out = tmp_path / "set.npz"
    stale = tmp_path / "set.parts-000000000000"
    stale.mkdir()
    (stale / "ep00000.npz").write_bytes(b"another setting's episode")
    make(out, episodes=1)
    assert arrays(out)["terminals"].sum() == 1
    assert stale.exists()


def test_a_file_that_is_there_is_kept_or_refused_but_never_replaced(made: Path, tmp_path: Path) -> None:
    before = made.stat().st_mtime_ns
    assert make(made) == made
    assert made.stat().st_mtime_ns == before
    with pytest.raises(DataError, match="already there with other seed"):
        make(made, seed=5)
    with pytest.raises(DataError, match="already there with other recipe"):
        make(made, rows=ROWS + 1)
    foreign = tmp_path / "mine.npz"
    foreign.write_bytes(b"precious")
    with pytest.raises(DataError, match="nothing says how it was made"):
        make(foreign)
    assert foreign.read_bytes() == b"precious"


def test_a_damaged_file_is_not_taken_for_a_good_one(tmp_path: Path) -> None:
    out = make(tmp_path / "set.npz", episodes=1)
    with out.open("ab") as stream:
        stream.write(b"x")
    with pytest.raises(DataError, match=r"does not match set\.json"):
        make(out, episodes=1)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"episodes": 0}, "episodes must be >= 1"),
        ({"workers": 0}, "workers must be >= 1"),
        ({"seed": -1}, "seed must be >= 0"),
        ({"rows": 1}, "rows must be >= 2"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, int], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        make(tmp_path / "set.npz", **settings)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(DataError, match="choose another --out"):
        make(tmp_path / "file" / "set.npz")
    with pytest.raises(DataError, match=r"must end in \.npz"):
        make(tmp_path / "set.hdf5")


def test_the_default_place_is_below_the_data_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    assert default_path("cube-single-play", 3, 20) == tmp_path / "cache/ogbench/cube-single-play-v0.seed3.ep20.npz"
    assert default_path("cube-single-play").name == "cube-single-play-v0.seed0.ep1000.npz"


def test_a_hidden_cube_is_seen() -> None:
    qpos = np.zeros((3, 20))
    assert manipulation._cube_is_visible(qpos)
    for y, z, visible in [
        (0.28, 0.02, True),
        (0.29, 0.02, False),
        (-0.31, 0.07, True),
        (-0.31, 0.02, False),
        (-0.3, 0.09, False),
    ]:
        qpos[1, 15:17] = y, z
        assert manipulation._cube_is_visible(qpos) is visible, (y, z)


def test_a_bar_leaves_processes_free_to_be_forked() -> None:
    with io.StringIO() as stream:
        stream.isatty = lambda: True  # type: ignore[method-assign]
        before = threading.active_count()
        with Progress("set", 3, "episode", stream=stream) as counter:
            counter.update()
            assert threading.active_count() == before
        assert "1/3" in stream.getvalue()
