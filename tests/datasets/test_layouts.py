"""What a file means: layouts that people have are read to the same transitions, and anything else is named."""

from __future__ import annotations

import gzip
import pickle
import re
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow as pa
import pytest
import torch
from pyarrow import parquet

from tests.helpers.layouts import (
    COUNT,
    STEPS,
    WIDTH,
    Arrays,
    D,
    as_d4rl_has_it,
    as_ogbench_loads,
    columns,
    hdf5,
    lerobot,
    minari,
    npz,
    one_table,
    robomimic,
    whole,
    with_last_rows,
)
from vgf import cli
from vgf.datasets import DataError, Transitions, own_transitions
from vgf.sources.check import check_file

ALL = {  # every transition is in the file
    "a mapping of trajectories": lambda path: with_last_rows(),
    "trajectories": lambda path: npz(path / "mine.npz", with_last_rows()),
    "trajectories of an odd name": lambda path: npz(path / "mine.npz", with_last_rows()).rename(path / "mine.data"),
    "a mapping of transitions": lambda path: as_ogbench_loads(),
    "OGBench's loader": lambda path: npz(path / "mine.npz", as_ogbench_loads()),
    "an open npz": lambda path: np.load(npz(path / "mine.npz", as_ogbench_loads())),
    "D4RL with next observations": lambda path: hdf5(path / "mine.hdf5", as_d4rl_has_it()),
    "the same as h5": lambda path: hdf5(path / "mine.h5", as_d4rl_has_it()),
    "the same as npz": lambda path: npz(path / "mine.npz", as_d4rl_has_it()),
    "an open hdf5": lambda path: h5py.File(hdf5(path / "mine.hdf5", as_d4rl_has_it()), "r"),
    "Minari": lambda path: minari(path / "set"),
    "Minari's file": lambda path: minari(path / "set") / "data" / "main_data.hdf5",
    "robomimic": lambda path: robomimic(path / "mine.hdf5"),
    "columns of parquet": lambda path: columns(path / "mine.parquet"),
}
NO_SUCCESSORS = {  # the last transition of what ends by time is not in the file; what ends with the task keeps its own
    "D4RL": lambda path: hdf5(path / "mine.hdf5", as_d4rl_has_it(follow=False)),
    "robomimic": lambda path: robomimic(path / "mine.hdf5", follow=False),
    "LeRobot": lambda path: lerobot(path / "set"),
    "LeRobot's table": lambda path: one_table(path),
}


@pytest.mark.parametrize("kind", ALL)
def test_one_set_in_many_layouts_is_one_set(kind: str, tmp_path: Path) -> None:
    data, source = whole(), ALL[kind](tmp_path)
    found = own_transitions(source)
    expected = {"masks": 1 - data["done"], "terminals": data["ends"]}
    expected |= {name: data[name] for name in ("observations", "actions", "rewards", "next_observations")}
    for name, values in expected.items():
        assert getattr(found, name).dtype == torch.float32
        assert np.array_equal(getattr(found, name).numpy(), values), name
    if isinstance(source, Path):
        report = check_file(source)
        assert (report["transitions"], report["trajectories"], report["action_size"]) == (COUNT * STEPS, COUNT, D)


@pytest.mark.parametrize("kind", NO_SUCCESSORS)
def test_only_the_transition_whose_successor_is_not_there_is_left_out_and_that_is_told(
    kind: str, tmp_path: Path, capsys: Any
) -> None:
    data, found = whole(), own_transitions(NO_SUCCESSORS[kind](tmp_path))
    kept = (data["ends"] == 0) | (data["done"] == 1)
    assert found.rewards.tolist() == data["rewards"][kept].tolist()
    assert np.array_equal(found.actions.numpy(), data["actions"][kept])
    assert found.masks.tolist() == (1 - data["done"][kept]).tolist()
    assert found.terminals.sum() == COUNT
    on = found.masks == 1
    assert np.array_equal(found.next_observations[on].numpy(), data["next_observations"][kept][on.numpy()])
    assert "1 of 12 rows end by time without a successor" in capsys.readouterr().err


@pytest.mark.parametrize("rewards", [np.linspace(0.5, 2.0, 12), np.ones(12)], ids=["dense", "constant"])
def test_rewards_of_rows_that_may_be_steps_are_told_where_they_are_not_read(rewards: Any, capsys: Any) -> None:
    steps = as_d4rl_has_it(follow=False) | {"terminals": np.tile([0, 0, 0, 1], 3), "rewards": rewards}
    told = "3 rows marked by terminals are read as final observations"
    assert len(own_transitions({n: v for n, v in steps.items() if n != "timeouts"}).rewards) == 9
    assert told in capsys.readouterr().err
    assert len(own_transitions(steps | {"timeouts": np.zeros(12)}).rewards) == 12
    assert told not in capsys.readouterr().err


def changed(**changes: Any) -> Arrays:
    arrays = as_ogbench_loads() | changes
    return {name: values for name, values in arrays.items() if values is not None}


def put(name: str, row: Any, value: float, arrays: Arrays | None = None) -> Arrays:
    arrays = {key: np.array(values, np.float64) for key, values in (arrays or with_last_rows()).items()}
    arrays[name][row] = value
    return arrays


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: put("terminals", 0, 1), "row 0, which holds no transition; if rows are steps, add timeouts (0: none)"),
    (lambda: changed(masks=None), "these are transitions (next_observations), and terminals alone does not say"),
    (
        lambda: changed(timeouts=np.zeros(12), next_observations=None),
        "has masks and timeouts, which belong to two layouts",
    ),
    (
        lambda: changed(mask=np.ones(12)),
        "has 'mask', which no layout has; nearest: masks; rename it, or say ignore=('mask'",
    ),
    (lambda: changed(dones=np.ones(12)), "has 'dones', which no layout has; nearest: terminals"),
    (lambda: changed(truncations=np.ones(12)), "has 'truncations', which no layout has; nearest: timeouts"),
    (lambda: changed(next_obs=np.ones((12, 3))), "has 'next_obs', which no layout has; nearest: next_observations"),
    (lambda: changed(reward=np.ones(12)), "has 'reward', which no layout has; nearest: rewards"),
    (lambda: changed(camera=np.ones((12, 8, 8))), "has 'camera', which no layout has"),
    (lambda: changed(rewards=None), "has no array rewards, and no task says how to compute them"),
    (lambda: changed(actions=None, terminals=None), "has no array actions nor terminals"),
    (
        lambda: changed(next_observations=np.ones((12, 2), np.float32)),
        "next_observations has shape (12, 2), observations",
    ),
    (lambda: changed(rewards=np.ones(11)), "rewards has shape (11,), expected 1 axes of which the first has 12 rows"),
    (lambda: changed(observations=np.ones((12, 2, 2))), "observations has shape (12, 2, 2), expected 2 axes"),
    (lambda: changed(rewards=np.ones(12, complex)), "rewards is of type complex128, expected real numbers"),
    (lambda: changed(actions=np.full((12, 2), "a")), "actions is of type <U1"),
    (lambda: changed(actions=[[1, 2], [3]]), "actions cannot be read as an array"),
    (lambda: changed(rewards=np.ma.masked_greater(np.arange(12.0), 5)), "rewards has masked numbers"),
    (lambda: put("rewards", 8, 1e300), "rewards is too large for float32 at row 8"),
    (lambda: put("observations", (9, 1), np.inf), "observations is not finite at row 9, column 1"),
    (lambda: put("actions", (13, 1), -1.2), "actions is outside [-1, 1] at row 13, column 1"),
    (lambda: put("masks", 11, 0.5), "masks is neither 0 nor 1 at row 11"),
    (lambda: put("terminals", 3, 2), "terminals is neither 0 nor 1 at row 3"),
    (lambda: put("terminals", 14, 0), "terminals does not end with 1"),
    (
        lambda: put("timeouts", slice(None), 1, as_d4rl_has_it(False) | {"terminals": np.zeros(12)}),
        "leaves no transition",
    ),
]


@pytest.mark.parametrize(("make", "fault"), REFUSED)
@pytest.mark.parametrize("as_file", [False, True])
def test_mappings_and_files_are_refused_alike_and_rows_are_those_of_the_file(
    make: Callable[[], Any], fault: str, as_file: bool, tmp_path: Path
) -> None:
    source = make()
    if as_file and ("masked" in fault or "cannot be read" in fault):
        pytest.skip("an npz holds no such array")
    where = str(npz(tmp_path / "mine.npz", source)) if as_file else "the data"
    with pytest.raises(DataError, match=re.escape(fault)) as told:
        own_transitions(tmp_path / "mine.npz" if as_file else source)
    assert str(told.value).startswith(where)
    assert "\n" not in str(told.value)
    assert "get it again" not in str(told.value)


@pytest.mark.parametrize(
    ("name", "value"), [("rewards", np.inf), ("actions", -7.0), ("masks", 0.3), ("rewards", 1e300)]
)
def test_what_is_not_read_is_not_judged(name: str, value: float) -> None:
    last = np.arange(STEPS, COUNT * (STEPS + 1), STEPS + 1)
    assert len(own_transitions(put(name, last, value))) == COUNT * STEPS
    steps = as_d4rl_has_it(follow=False)
    if name != "masks":
        assert len(own_transitions(put(name, 7, value, steps))) == 11  # the row that ends by time


def test_extra_arrays_may_stay_and_others_are_declared(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return (pytest.fail, ("unpickled",))

    extra = {"qpos": np.ones((12, 2)), "infos": np.array([Trap()] * 12, object), "metadata/env": np.array(["x"])}
    assert len(own_transitions(npz(tmp_path / "a.npz", as_ogbench_loads() | extra))) == 12
    path = hdf5(tmp_path / "b.hdf5", as_d4rl_has_it() | {"infos/goal": np.ones(3), "metadata/algorithm": np.ones(1)})
    assert len(own_transitions(path)) == 12
    path = npz(tmp_path / "c.npz", as_ogbench_loads() | {"camera": np.zeros(5), "log": np.array([Trap()], object)})
    assert len(own_transitions(path, ignore=("camera", "log"))) == 12
    with pytest.raises(DataError, match="has 'log'"):
        own_transitions(path, ignore="camera")


@pytest.mark.parametrize(
    ("ignore", "fault"),
    [
        (3, "ignore must be names of arrays, got 3"),
        ((3,), "ignore must be names of arrays, got (3,)"),
        (("mask",), "has no 'mask' to ignore; nearest: masks"),
        (["reward"], "has no 'reward' to ignore; nearest: rewards"),
        ("rewards", "has no array rewards"),
    ],
)
def test_what_is_to_be_ignored_is_a_name_that_is_there(ignore: Any, fault: str) -> None:
    with pytest.raises(DataError, match=re.escape(fault)):
        own_transitions(with_last_rows(), ignore=ignore)
    for none in (None, (), "", ("camera",)):
        assert len(own_transitions(with_last_rows(), ignore=none)) == COUNT * STEPS  # type: ignore[arg-type]


@pytest.mark.parametrize("dtype", [int, bool, np.uint8, np.int64, np.float32, np.float64])
def test_actions_that_number_choices_are_refused_or_told_of(dtype: Any, capsys: Any) -> None:
    arrays = as_ogbench_loads()
    arrays["actions"] = (arrays["actions"] > 0).astype(dtype)
    if np.issubdtype(dtype, np.floating):
        assert len(own_transitions(arrays)) == COUNT * STEPS  # they may be the ends of a range, and are read
        assert "every action is a whole number" in capsys.readouterr().err
        return
    with pytest.raises(DataError, match="discrete actions are not supported, and numbers in"):
        own_transitions(arrays)


FOREIGN: dict[str, tuple[Callable[[Path], object], str]] = {
    "mine.npy": (lambda p: np.save(p, np.ones(3)), "this is a single array"),
    "mine.pkl": (lambda p: p.write_bytes(pickle.dumps({"observations": 1})), "this is a pickle, which is never loaded"),
    "mine.npz": (lambda p: p.write_bytes(pickle.dumps([1])), "this is a pickle, which is never loaded"),
    "mine.npz.gz": (lambda p: p.write_bytes(gzip.compress(b"x")), "packed with gzip; unpack it first"),
    "mine.csv": (lambda p: p.write_text("observations,actions\n1,2\n"), "this is a text file, perhaps a table"),
    "mine.pt": (lambda p: torch.save({"a": torch.ones(1)}, p), "a file of torch.save, which is never unpickled"),
    "mine.zip": (lambda p: zipfile.ZipFile(p, "w").writestr("a.txt", "b"), "a zip file without an array in it"),
    "page.hdf5": (lambda p: p.write_text("<html><body>Not found"), "a web page, not the file itself"),
    "lfs.hdf5": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\n"), "run git lfs pull"),
    "empty.npz": (lambda p: p.write_bytes(b""), "empty; get it again"),
    "cut.npz": (lambda p: p.write_bytes(npz(p, whole()).read_bytes()[:900]), "not a readable npz file"),
    "noise.npz": (lambda p: p.write_bytes(bytes(range(200, 255))), "not a readable npz file"),
    "cut.hdf5": (lambda p: p.write_bytes(hdf5(p, whole()).read_bytes()[:600]), "not a readable hdf5 file"),
    "cut.parquet": (lambda p: p.write_bytes(columns(p).read_bytes()[:300]), "not a readable parquet file"),
    "run": (lambda p: (p.mkdir(), (p / "run.json").write_text("{}")), "a record of a run, not data"),
    "zarr": (lambda p: (p.mkdir(), (p / ".zgroup").write_text("{}")), "a zarr store"),
    "some": (lambda p: (p.mkdir(), (p / "a.txt").write_text("{}")), "a folder (with a.txt in it)"),
    "several": (lambda p: minari(p / "one"), "a folder of several Minari sets"),
    "d3rlpy.h5": (lambda p: hdf5(p, {"observations_0": np.ones((3, 2)), "version": 2}), "this is d3rlpy's own layout"),
    "no_timeouts.hdf5": (
        lambda p: hdf5(p, {k: v for k, v in as_d4rl_has_it(False).items() if k != "timeouts"}),
        "has terminals and no array timeouts",
    ),
    "aloha.hdf5": (
        lambda p: hdf5(p, {"observations/qpos": np.ones((3, 2)), "actions": np.ones((3, 1))}),
        "observations is in parts (qpos)",
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_foreign_file_is_named_and_damage_alone_is_to_be_got_again(name: str, tmp_path: Path, capsys: Any) -> None:
    make, fault = FOREIGN[name]
    make(tmp_path / name)
    with pytest.raises(DataError, match=re.escape(fault)) as told:
        own_transitions(tmp_path / name)
    assert str(told.value).startswith(str(tmp_path / name))
    assert "\n" not in str(told.value)
    damaged = any(word in fault for word in ("not a readable", "empty;"))
    assert ("get it again" in str(told.value)) == damaged
    assert cli.main(["data", "check", str(tmp_path / name)]) == 2
    assert fault in capsys.readouterr().err


def images(demo: Any) -> None:
    demo["obs/agentview_image"] = np.zeros((STEPS, 4, 4, 3), np.uint8)


def short(demo: Any) -> None:
    del demo["rewards"]
    demo["rewards"] = np.zeros(STEPS - 1)


def without(name: str) -> Callable[[Any], None]:
    def drop(demo: Any) -> None:
        del demo[name]

    return drop


def another(demo: Any) -> None:
    demo["actions_abs"] = np.zeros((STEPS, D))


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (images, "data/demo_0/obs/agentview_image is of shape (4, 4, 4, 3), and only vectors are read"),
        (short, "data/demo_0 has 3 rows of rewards and 4 of actions"),
        (without("rewards"), "data/demo_0 has no array rewards"),
        (without("dones"), "data/demo_0 has no array dones"),
        (without("obs"), "data/demo_0 has no group obs"),
        (another, "data/demo_0 has 'actions_abs', which is not read; say ignore=('actions_abs',)"),
    ],
)
def test_demonstrations_that_do_not_fit_are_named(change: Any, fault: str, tmp_path: Path) -> None:
    path = robomimic(tmp_path / "mine.hdf5", more=change)
    with pytest.raises(DataError, match=re.escape(fault)):
        own_transitions(path)
    if change in (images, another):
        assert len(own_transitions(path, ignore=("agentview_image", "actions_abs"))) == COUNT * STEPS


@pytest.mark.parametrize(
    ("drop", "more", "fault"),
    [
        (("next.reward",), {}, "has no column next.reward, which training needs; label the frames"),
        (("action",), {}, "has no column action"),
        (("observation.state",), {}, "has no column observation.state"),
        ((), {"frame_index": np.array([0, 1, 3, 2])}, "frames are missing or out of order"),
        ((), {"episode_index": np.array([0, 1, 0, 1])}, "an episode's frames are not together"),
        ((), {"action": [[0.0], [0.1, 0.2], [0.0], [0.0]]}, "column 'action' is of type list"),
        ((), {"next.reward": [0.0, None, 0.0, 0.0]}, "column 'next.reward' has nothing in 1 rows"),
        ((), {"observation.images.wrist": ["a"] * STEPS}, "column 'observation.images.wrist' is of type string"),
        ((), {"action": list(np.full((STEPS, D), 90.0))}, "actions is outside [-1, 1] at row 0, column 0"),
        ((), {"language": ["lift"] * STEPS}, "has a column 'language', which is not read"),
    ],
)
def test_frames_that_do_not_fit_are_named(drop: Any, more: Any, fault: str, tmp_path: Path) -> None:
    path = lerobot(tmp_path / "set", drop, **more)
    with pytest.raises(DataError, match=re.escape(fault)) as told:
        own_transitions(path)
    assert "\n" not in str(told.value)


def test_parts_of_observations_are_put_side_by_side_in_an_order_that_is_told(tmp_path: Path, capsys: Any) -> None:
    own_transitions(robomimic(tmp_path / "mine.hdf5"))
    assert "observations are object, robot0_eef_pos, side by side" in capsys.readouterr().err
    more = {"observation.environment_state": list(np.ones((STEPS, 2)))}
    assert own_transitions(lerobot(tmp_path / "set", **more)).observations.shape[1] == WIDTH + 2
    told = capsys.readouterr().err
    assert "observations are observation.environment_state, observation.state, side by side" in told
    assert "observation.images.top are films beside the table, and are not read" in told


def test_transitions_whose_next_row_is_elsewhere_end_there(capsys: Any) -> None:
    order = np.random.default_rng(1).permutation(12)
    found = own_transitions({name: values[order] for name, values in as_ogbench_loads().items()})
    assert found.terminals.sum() > COUNT
    assert "the next row is not where the transition led" in capsys.readouterr().err


def test_rewards_that_are_in_last_rows_alone_are_told_of(capsys: Any) -> None:
    arrays = with_last_rows()
    arrays["rewards"] = arrays["terminals"].astype(float)
    own_transitions(arrays)
    assert "every reward that is read is 0; rows without a transition hold others, such as 1" in capsys.readouterr().err
    arrays["rewards"] = np.full(15, -1.0)
    own_transitions(arrays)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (
            [{"observations": 1}],
            "data must be a path, a mapping of arrays or Transitions, got a builtins.list; put the",
        ),
        (None, "got None"),
        (3, "got 3"),
        (np.ones(3), "got a numpy.ndarray"),
        ({3: np.ones(3)}, "its names must be words"),
        ("s3://bucket/mine.npz", "is an address; give a path on this machine"),
        ("$DATA/mine.npz", "is not expanded"),
    ],
)
def test_what_is_no_data_at_all_is_named(given: Any, fault: str) -> None:
    with pytest.raises(ValueError, match=re.escape(fault)):
        own_transitions(given)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_numbers_of_any_precision_become_float32(dtype: torch.dtype) -> None:
    tensors = {name: torch.as_tensor(values).to(dtype) for name, values in as_ogbench_loads().items()}
    found = own_transitions(tensors)
    assert {value.dtype for value in vars(found).values()} == {torch.float32}
    again = own_transitions(Transitions(**tensors))
    assert torch.equal(again.rewards, found.rewards)
    with pytest.raises(ValueError, match="observations must be a tensor, got ndarray"):
        Transitions(**as_ogbench_loads())
    with pytest.raises(ValueError, match="rewards must be floating point"):
        Transitions(**{name: value.long() for name, value in tensors.items()})


@pytest.mark.parametrize("sign", [b"PK\x01\x02", b"PK\x05\x06"])
def test_an_archive_with_damage_in_its_directory_is_named(sign: bytes, tmp_path: Path) -> None:
    """Zipfile opens some of these and raises when names are asked for."""
    path = npz(tmp_path / "mine.npz", with_last_rows())
    whole = path.read_bytes()
    for at in range(whole.find(sign), whole.find(sign) + 20):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0xFF]) + whole[at + 1 :])
        fault = ""
        try:
            assert len(own_transitions(path)) == COUNT * STEPS
        except DataError as error:
            fault = str(error)
        assert fault.startswith(str(path)) or not fault
        assert "\n" not in fault


def test_the_checksums_of_a_parquet_files_pages_are_looked_at(tmp_path: Path) -> None:
    path = columns(tmp_path / "mine.parquet")
    rows, numbers = parquet.read_table(path), as_ogbench_loads()["rewards"].astype(np.float32)
    table = rows.set_column(rows.schema.get_field_index("rewards"), "rewards", pa.array(numbers))
    parquet.write_table(table, path, compression="NONE", use_dictionary=False, write_page_checksum=True)
    whole = path.read_bytes()
    at = whole.find(numbers.tobytes())
    assert at > 0
    path.write_bytes(whole[:at] + b"\x01" + whole[at + 1 :])
    with pytest.raises(DataError, match=f"{path}: not a readable parquet file"):
        own_transitions(path)


def minari_file(path: Path) -> Path:
    return minari(path.with_suffix("")) / "data" / "main_data.hdf5"


@pytest.mark.parametrize(
    ("write", "home", "old", "new", "says"),
    [
        (robomimic, "data", "demo_1", "demO_1", "data has 'demO_1', which is no demonstration"),
        (robomimic, "data", "demo_1", "trial_1", "data has 'trial_1', which is no demonstration"),
        (minari_file, "/", "episode_2", "episodf_2", "has 'episodf_2', which is no episode"),
        (minari_file, "/", "episode_2", "episode_2 (copy)", "has 'episode_2 (copy)', which is no episode"),
        (minari_file, "/", "episode_2", "episode_two\n", r"has 'episode_two\n', which is no episode"),
    ],
)
def test_what_is_no_episode_is_refused_by_name_and_may_be_ignored(
    write: Callable[[Path], Path], home: str, old: str, new: str, says: str, tmp_path: Path
) -> None:
    path = write(tmp_path / "mine.hdf5")
    with h5py.File(path, "a") as file:
        file[home].move(old, new)
    with pytest.raises(DataError, match=re.escape(says)) as told:
        own_transitions(path)
    assert "\n" not in str(told.value)
    assert len(own_transitions(path, ignore=(new,))) == (COUNT - 1) * STEPS


def test_a_file_that_tells_of_other_samples_than_it_has_is_told_of(tmp_path: Path, capsys: Any) -> None:
    path = robomimic(tmp_path / "mine.hdf5")
    for count in (COUNT * STEPS, COUNT * STEPS + 5):
        with h5py.File(path, "a") as file:
            file["data"].attrs["total"] = count
        own_transitions(path)
        told = f"data tells of {count} samples in all, and {COUNT * STEPS} are there"
        assert (told in capsys.readouterr().err) == (count != COUNT * STEPS)


@pytest.mark.parametrize("shift", [8, 16, -8])
def test_arrays_that_lie_on_the_same_bytes_are_refused(shift: int, tmp_path: Path) -> None:
    """An address in an hdf5 file has no checksum: one that is off by a few bytes would give other numbers."""
    path = hdf5(tmp_path / "mine.hdf5", as_d4rl_has_it())
    with h5py.File(path) as file:
        places = {name: file[name].id.get_offset() for name in file}
    content = path.read_bytes()
    address = places["actions"].to_bytes(8, "little")
    assert content.count(address) == 1
    path.write_bytes(content.replace(address, (places["actions"] + shift).to_bytes(8, "little")))
    with pytest.raises(DataError, match=r"(actions and \w+|\w+ and actions) lie on the same bytes"):
        own_transitions(path)


@pytest.mark.parametrize("follow", [True, False])
def test_an_open_last_episode_keeps_every_step_that_has_a_successor(follow: bool, tmp_path: Path) -> None:
    """d3rlpy 2.8.1 drops such an episode whole, without a word."""
    arrays = as_d4rl_has_it(follow) | {"terminals": np.zeros(COUNT * STEPS)}
    arrays["timeouts"] = np.arange(COUNT * STEPS) % STEPS == STEPS - 1
    closed = own_transitions(hdf5(tmp_path / "closed.hdf5", arrays))
    arrays["timeouts"][-1] = False
    opened = own_transitions(hdf5(tmp_path / "open.hdf5", arrays))
    assert len(opened) == len(closed) == (COUNT * STEPS if follow else COUNT * (STEPS - 1))
    for name in ("observations", "actions", "rewards", "masks", "terminals"):
        assert torch.equal(getattr(opened, name), getattr(closed, name)), name


@pytest.mark.parametrize("place", ["directory", "both"])
@pytest.mark.parametrize("new", [b"next_observations.npq", b"next_observations\n.py", b"next_observatio\xff\xfe.npy"])
def test_a_damaged_name_in_an_npz_file_is_refused(new: bytes, place: str, tmp_path: Path) -> None:
    """The other arrays alone would be those of another layout."""
    path = npz(tmp_path / "mine.npz", as_ogbench_loads())
    content, old = path.read_bytes(), b"next_observations.npy"
    first = content.index(old)
    assert content.count(old) == 2
    changed = content[: first + 1].replace(old, new) if place == "directory" else content.replace(old, new)
    if place == "directory":
        last = content.rindex(old)
        changed = content[:last] + new + content[last + len(old) :]
    path.write_bytes(changed)
    with pytest.raises(DataError, match=f"^{re.escape(str(path))}") as told:
        own_transitions(path)
    assert "\n" not in str(told.value)


def packed(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        for name, values in as_d4rl_has_it().items():
            file.create_dataset(name, data=values, chunks=True, compression="gzip", fletcher32=True)
    return path


def test_pieces_of_an_array_that_are_not_found_are_not_read_as_zeros(tmp_path: Path) -> None:
    """The index of pieces has no checksum: where it is damaged the library finds none, and fills in zeros."""
    path = packed(tmp_path / "mine.hdf5")
    whole, found = own_transitions(path), 0
    content = path.read_bytes()
    for at in (place.start() for place in re.finditer(b"TREE\x01", content)):
        for offset in range(24, 120):
            flipped = bytes([content[at + offset] ^ 8])
            path.write_bytes(content[: at + offset] + flipped + content[at + offset + 1 :])
            try:
                again = own_transitions(path)
            except DataError as error:
                found += "lacks pieces" in str(error)
                continue
            assert torch.equal(again.actions, whole.actions)
            assert torch.equal(again.observations, whole.observations)
            assert torch.equal(again.rewards, whole.rewards)
    assert found


def test_numbers_of_an_unusual_type_are_refused(tmp_path: Path) -> None:
    """The mantissa's size in a type is a byte like any other; one off, every number is another."""
    path = hdf5(tmp_path / "mine.hdf5", as_d4rl_has_it())
    content, usual = path.read_bytes(), bytes.fromhex("11201f000400000000002000170800177f000000")
    assert content.count(usual) >= 3
    path.write_bytes(content.replace(usual, usual.replace(b"\x00\x17\x7f", b"\x00\x16\x7f"), 1))
    with pytest.raises(DataError, match="is of no usual type of numbers"):
        own_transitions(path)


def test_bytes_that_are_neither_true_nor_false_are_refused(tmp_path: Path) -> None:
    arrays = as_d4rl_has_it()
    path = hdf5(tmp_path / "mine.hdf5", arrays | {"timeouts": arrays["timeouts"] > 0})
    with h5py.File(path) as file:
        place = file["timeouts"].id.get_offset()
    content = bytearray(path.read_bytes())
    content[place] = 16
    path.write_bytes(content)
    with pytest.raises(DataError, match="timeouts holds bytes that are neither true nor false"):
        own_transitions(path)


def test_a_column_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.parquet"
    parquet.write_table(pa.table({name: list(v) for name, v in as_ogbench_loads().items()}), path)
    content = path.read_bytes()
    path.write_bytes(content.replace(b"rewards", b"\xecewards"))
    with pytest.raises(DataError, match=re.escape(f"{path}: not a readable parquet file")):
        own_transitions(path)


@pytest.mark.parametrize("field", [30, 32])  # lengths of what follows a name in the directory: extra field, comment
def test_an_entry_of_an_npz_file_that_another_swallows_is_missed(field: int, tmp_path: Path) -> None:
    path = npz(tmp_path / "mine.npz", with_last_rows() | {"masks": np.ones(COUNT * (STEPS + 1))})
    content = bytearray(path.read_bytes())
    entries = [place.start() for place in re.finditer(b"PK\x01\x02", content)]
    content[entries[-2] + field] = len(content) - entries[-1] - 22  # the last entry lies in it
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"its directory has \d members where \d are told of|not a readable npz file"):
        own_transitions(path)
