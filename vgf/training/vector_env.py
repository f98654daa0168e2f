"""Many environments of one task in a few processes, as one gymnasium vector environment.

Gymnasium's own has one process an environment: a simulator that takes a second to build and a library that takes three
to load are then paid for on every one, and processes queue for the cores. Here there are as many processes as cores,
each steps its share in turn, and what they all import is loaded once, in the fork server they come from. They start
while the caller goes on; the first `reset` waits for them. The trade-off: a step lasts as long as the slowest share.

What an environment does depends on the seed it was reset with and on nothing else (`vgf.training.isolated_env`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from vgf.support.environment import EnvironmentFault
from vgf.support.host import cores
from vgf.training.isolated_env import EnvGroup, Make

PRELOADED = ("vgf.datasets.loading", "ogbench")  # what a simulator's process needs


class Workers(VectorEnv[Any, Any, Any]):
    """`count` environments in `processes` processes, or in this one when that is one.

    Episodes do not restart by themselves: `reset(options={"reset_mask": ...})` restarts some (gymnasium's convention).

    Args:
        make: makes one environment; must be picklable.
        count: n >= 1.
        processes: cores by default, never more than `count`.
        success_key: of an environment's info, where it says whether the goal is met; the usual ones by default.
    """

    metadata: dict[str, Any] = {"autoreset_mode": AutoresetMode.DISABLED}  # noqa: RUF012  # gymnasium's attribute

    def __init__(self, make: Make, count: int, processes: int | None = None, success_key: str | None = None) -> None:
        """Start the processes; what goes wrong in them is said at the first reset."""
        processes = min(processes or cores(), count)
        self.num_envs = count
        sizes = [count // processes + (i < count % processes) for i in range(processes)]
        self.ends = np.cumsum(sizes)[:-1]
        kind = _Remote if processes > 1 else _Local
        self.shares: list[_Local | _Remote] = [kind(partial(EnvGroup, make, size, success_key)) for size in sizes]
        self._spaces: tuple[Any, Any] | None = None

    def __getattr__(self, name: str) -> Any:
        """Ask the first share for the spaces when they are first wanted."""
        if name.startswith("_") or not name.endswith("_space"):
            raise AttributeError(name)
        if self._spaces is None:
            self.shares[0].ask("spaces")
            self._spaces = self.shares[0].answer()
        single = self._spaces["action" in name]
        return single if name.startswith("single") else batch_space(single, self.num_envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Reset all, or those of `options["reset_mask"]` [n]; return observations [n, o] and infos."""
        if seed is None or isinstance(seed, int):
            seeds = [None if seed is None else seed + i for i in range(self.num_envs)]
        else:
            seeds = list(seed)
        chosen = (options or {}).get("reset_mask", np.ones(self.num_envs, dtype=bool)).tolist()
        places = [0, *self.ends.tolist(), self.num_envs]
        for share, start, end in zip(self.shares, places, places[1:], strict=False):
            share.ask("reset", seeds[start:end], chosen[start:end])
        observations, infos = zip(*self._answers(), strict=True)
        return np.stack(observations), self._infos(infos)

    def rehearse(self, seeds: Sequence[int]) -> list[str]:
        """Play a few steps in each environment before anything depends on them, reset with these seeds [n].

        Returns:
            What should be known of them and is no fault, a line each.

        Raises:
            EnvironmentFault: if one does not do what it must; see `vgf.training.isolated_env.rehearse`.
        """
        places = [0, *self.ends.tolist(), self.num_envs]
        for share, start, end in zip(self.shares, places, places[1:], strict=False):
            share.ask("rehearse", list(seeds[start:end]))
        return list(dict.fromkeys(self._answers()))

    def step(self, actions: Any) -> tuple[Any, np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
        """Step all with actions [n, d]; one whose episode has ended rests, without reward."""
        for share, own in zip(self.shares, np.split(np.asarray(actions), self.ends), strict=True):
            share.ask("step", own)
        observations, rewards, terminated, truncated, infos = zip(*self._answers(), strict=True)
        ended = np.array(terminated, dtype=bool), np.array(truncated, dtype=bool)
        return np.stack(observations), np.array(rewards, dtype=np.float64), *ended, self._infos(infos)

    def close_extras(self, **_: Any) -> None:
        """End the processes."""
        for share in self.shares:
            share.close()

    def _answers(self) -> list[Any]:
        return [one for share in self.shares for one in share.answer()]

    def _infos(self, infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
        gathered: dict[str, Any] = {}
        for i, info in enumerate(infos):
            gathered = self._add_info(gathered, info, i)
        return gathered


class _Local:
    """A share in this process."""

    def __init__(self, build: Callable[[], EnvGroup]) -> None:
        self.build = build
        self.share: EnvGroup | None = None

    def ask(self, what: str, *arguments: Any) -> None:
        """Do it at once."""
        self.share = self.share or self.build()
        self.found = getattr(self.share, what)(*arguments)

    def answer(self) -> Any:
        """Return what was found."""
        return self.found

    def close(self) -> None:
        """Close the environments."""
        if self.share is not None:
            self.share.close()


class _Remote:
    """A share in a process of its own, which ends when this one does."""

    def __init__(self, build: Callable[[], EnvGroup]) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(list(PRELOADED))
        self.pipe, far = context.Pipe()
        self.process = context.Process(target=_serve, args=(far, build), daemon=True)
        self.process.start()
        far.close()

    def ask(self, what: str, *arguments: Any) -> None:
        """Send a request."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # `answer` says so
            self.pipe.send((what, arguments))

    def answer(self) -> Any:
        """Wait for the answer to the request.

        Raises:
            ValueError: what the environment raised.
            OSError: if its process is gone.
        """
        try:
            found = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            raise OSError("an environment's process ended unexpectedly, perhaps for want of memory") from None
        if isinstance(found, Exception):
            raise found
        return found

    def close(self) -> None:
        """End the process; its simulators keep nothing that a kill could lose."""
        self.pipe.close()
        self.process.kill()
        self.process.join()


def _serve(pipe: Connection, build: Callable[[], EnvGroup]) -> None:
    """Answer requests until the other end is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    share = _Local(build)
    with contextlib.suppress(Exception):  # the first request says what is wrong
        share.ask("spaces")  # builds the environments before anyone waits for them
    with contextlib.suppress(EOFError, BrokenPipeError, ConnectionResetError):
        while True:
            what, arguments = pipe.recv()
            try:
                share.ask(what, *arguments)
                pipe.send(share.answer())
            except Exception as error:
                pipe.send(_portable(error))


def _portable(error: Exception) -> Exception:
    """Return an exception that survives the pipe: itself with what caused it as a note, or its words."""
    if isinstance(error, EnvironmentFault) and error.__cause__ is not None:
        error.add_note(error.environment_traceback)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return ValueError(f"{type(error).__name__}: {error}")
    return error
