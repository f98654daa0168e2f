"""Episodes as files on disk: made by one or several processes, resumed after a kill, joined into the official layout.

A part appears whole or not at all, so whatever is there is finished. Workers are forked while the process has a single
thread and no simulator, as `vgf data get` has; otherwise spawned, as those do not survive a fork, which costs the time
to start Python anew. Each builds its environment once and ends when its parent does, even by SIGKILL.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium
import numpy as np

from vgf.datasets.files import Arrays, write_npz
from vgf.support.errors import DataError
from vgf.support.files import held, written_whole
from vgf.support.progress import Progress


class Episode(NamedTuple):
    """Which episode: of the training (0) or validation (1) split, and its number there."""

    split: int
    number: int

    @property
    def file(self) -> str:
        """Name of its part."""
        return f"{('ep', 'val')[self.split]}{self.number:05d}.npz"


class EpisodeWork(NamedTuple):
    """What a process needs to make any episode.

    Attributes:
        recipe: settings, handed to the engine.
        seed: of the whole set.
        folder: the parts'.
        engine: module of `vgf.sources` with `open_environment(recipe)` and
            `collect_episode(env, recipe, seed) -> Arrays`.
        validation_rows: of a validation episode, where its length is not the recipe's `rows`.
    """

    recipe: Any
    seed: int
    folder: Path
    engine: str = "manipulation"
    validation_rows: int | None = None

    def open(self) -> gymnasium.Env:
        """Return the engine's environment for the recipe."""
        env: gymnasium.Env = import_module(f"vgf.sources.{self.engine}").open_environment(self.recipe)
        return env

    def collect(self, env: gymnasium.Env, episode: Episode) -> Arrays:
        """Return one episode's arrays."""
        seed = np.random.SeedSequence(self.seed, spawn_key=episode)
        shortened = episode.split == 1 and self.validation_rows is not None
        recipe = replace(self.recipe, rows=self.validation_rows) if shortened else self.recipe
        arrays: Arrays = import_module(f"vgf.sources.{self.engine}").collect_episode(env, recipe, seed)
        return arrays


def make_parts(work: EpisodeWork, episodes: Sequence[Episode], workers: int, what: str, progress: bool) -> None:
    """Make every part that is missing.

    Args:
        work: recipe, seed and the parts' folder.
        episodes: the parts to have in the end.
        workers: processes; 1 works in this one.
        what: name for the progress report.
        progress: whether to report on stderr.

    Raises:
        DataError: when a part cannot be written or a worker dies; finished parts stay.
    """
    missing = [episode for episode in episodes if not (work.folder / episode.file).exists()]
    if not missing:
        return
    with Progress(what, len(episodes), "episode", len(episodes) - len(missing), quiet=not progress) as counter:
        if workers == 1:
            env = work.open()
            for episode in missing:
                _make_part(env, work, episode)
                counter.update()
            env.close()
        else:
            _make_in_processes(work, missing, min(workers, len(missing)), counter)


def join_parts(folder: Path, episodes: Sequence[Episode], path: Path) -> Arrays:
    """Write the episodes' parts, in order, as one npz file; return its arrays."""
    arrays = joined_parts(folder, episodes)
    write_npz(path, arrays)
    return arrays


def joined_parts(folder: Path, episodes: Sequence[Episode]) -> Arrays:
    """Return the arrays of the episodes' parts, one after the other."""
    parts = []
    for episode in episodes:
        with np.load(folder / episode.file, allow_pickle=False) as part:
            parts.append(dict(part))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def write_hdf5(path: Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, Any]) -> None:
    """Write arrays in D4RL's layout, whole or not at all; equal arrays give equal bytes.

    Args:
        path: the file.
        arrays: by key; a "/" makes a group.
        metadata: by key below `metadata/`: text, numbers or arrays.

    Raises:
        DataError: when the file cannot be written.
    """
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        for name in sorted(arrays):
            file.create_dataset(name, data=arrays[name], compression="gzip", track_times=False)
        for name, value in sorted(metadata.items()):
            stored = np.bytes_(value) if isinstance(value, str) else value
            file.create_dataset(f"metadata/{name}", data=stored, track_times=False)
    with written_whole(path) as stream:
        stream.write(memory.getbuffer())


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold a parts' folder for this process; a second one waits. The folder goes if it is left empty.

    The lock lies beside the folder, so that removing the folder removes no lock.

    Raises:
        DataError: when the lock cannot be made.
    """
    with ExitStack() as lock:
        try:
            waiting = f"{folder.name}: another process is making this; waiting"
            lock.enter_context(held(folder.parent, folder.name, waiting))
        except OSError as error:
            raise DataError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
        try:
            yield
        finally:
            if not any(folder.glob("*.npz")):
                shutil.rmtree(folder, ignore_errors=True)
                folder.with_name(f".{folder.name}.lock").unlink(missing_ok=True)  # whoever waits for it locks it anew


def _make_part(env: gymnasium.Env, work: EpisodeWork, episode: Episode) -> None:
    """Make one episode and write its part."""
    write_npz(work.folder / episode.file, work.collect(env, episode))


def _make_in_processes(work: EpisodeWork, missing: Sequence[Episode], workers: int, counter: Progress) -> None:
    """Make the missing parts in processes of their own."""
    context = multiprocessing.get_context("fork" if _may_fork() else "spawn")
    pool = ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker, initargs=(work,))
    try:
        for future in as_completed([pool.submit(_work_on, episode) for episode in missing]):
            future.result()
            counter.update()
    except BrokenProcessPool as error:
        raise DataError(
            f"{work.folder.name}: a worker process died, perhaps for want of memory; run again with fewer --workers, "
            "finished episodes are kept"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _may_fork() -> bool:
    """Return whether a copy of this process would work: one thread, and no library aboard that starts more."""
    alone_here = threading.active_count() == 1 and not any(name in sys.modules for name in ("mujoco", "torch", "jax"))
    return sys.platform == "linux" and alone_here


_WORKER: dict[str, tuple[gymnasium.Env, EpisodeWork]] = {}  # a worker process's own environment


def _start_worker(work: EpisodeWork) -> None:
    """Build this worker's environment; leave interrupts to the parent, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, daemon=True).start()
    _WORKER["own"] = (work.open(), work)


def _work_on(episode: Episode) -> None:
    """Make one episode in a worker."""
    env, work = _WORKER["own"]
    _make_part(env, work, episode)


def end_with_parent() -> None:
    """Wait for the parent's end, then end at once; files are written whole or not at all.

    A pool's workers would wait for work for ever; of a training nothing is lost but the updates since a checkpoint.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
