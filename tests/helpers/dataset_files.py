"""Little dataset files that tests write, damage and read."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from vgf.datasets import DataError
from vgf.sources.check import read_any

ROWS = 12
Arrays = dict[str, np.ndarray]


def ogbench_arrays() -> Arrays:
    rng = np.random.default_rng(0)
    ends = np.zeros(ROWS, bool)
    ends[[5, 11]] = True
    return {
        "observations": rng.normal(size=(ROWS, 28)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (ROWS, 5)).astype(np.float32),
        "terminals": ends,
        "qpos": rng.normal(size=(ROWS, 21)).astype(np.float32),
        "qvel": rng.normal(size=(ROWS, 20)).astype(np.float32),
    }


def d4rl_arrays() -> Arrays:
    rng = np.random.default_rng(0)
    marks = np.zeros((2, ROWS), bool)
    marks[0, 4], marks[1, [8, 11]] = True, True
    return {
        "observations": rng.normal(size=(ROWS, 11)).astype(np.float32),
        "actions": rng.uniform(-1, 1, (ROWS, 3)).astype(np.float32),
        "rewards": rng.normal(size=ROWS).astype(np.float32),
        "terminals": marks[0],
        "timeouts": marks[1],
    }


def write_hdf5(path: Path, arrays: Arrays) -> None:
    with h5py.File(path, "w") as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)


def read_hdf5(path: Path) -> Arrays:
    found: Arrays = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
    return found


def fuzz(whole: Path, good: Arrays | None, count: int, rng: np.random.Generator) -> int:
    """Read `count` mutants of a file; return how many were refused. What is read must be `good`, or at least sound."""
    data = np.frombuffer(whole.read_bytes(), np.uint8)
    path = whole.with_name(f"mutant{whole.suffix}")
    refusals = 0
    for _ in range(count):
        mutant = data.copy()
        for _ in range(int(rng.integers(1, 4))):
            kind, at = rng.integers(4), int(rng.integers(len(mutant)))
            if kind == 0:
                mutant[at] ^= 1 << int(rng.integers(8))
            elif kind == 1:
                mutant[at : at + 4] = rng.integers(0, 256, len(mutant[at : at + 4]))
            elif kind == 2:
                mutant = np.concatenate([mutant[:at], mutant[at + int(rng.integers(1, 9)) :]])
            else:
                mutant[at : at + 8] = 255
        path.write_bytes(mutant.tobytes())
        try:
            found = read_any(path)
        except DataError as error:
            refusals += 1
            text = str(error)
        else:
            text = str(path)
            for name, values in found.items():
                assert np.isfinite(values).all()
                if good is not None:
                    assert values.dtype == good[name].dtype
                    assert np.array_equal(values, good[name]), name
        assert str(path) in text
        assert "\n" not in text
    return refusals
