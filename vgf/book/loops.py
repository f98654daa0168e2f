"""Short films of policies at work, from one start: the data, a clone, best-of-N and value gradient flow.

A score says how often a policy arrives, a film says how. Best-of-N and VGF are one policy, with no step and with some.

    python -m vgf.book.loops antmaze-umaze-v2 --data FILE --clone FILE --policy FILE --steps 3

Each film is an animated WebP and a still of its end. The four have one clock: one that ends early rests until the last
has ended. The ground is transparent, so a film fits a light page and a dark one. The trade-off is one colour a film.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import tyro
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image

from vgf.book import plots
from vgf.book.films import Film, films
from vgf.datasets import get_task, load, make_env
from vgf.results.trained_policies import main
from vgf.support.files import write_bytes
from vgf.support.paths import project_folder
from vgf.training.policy import load_policy

FRAMES, MILLISECONDS, REST = 60, 80, 1200  # of a film; how long a frame stays, and the last one
MODULE = "vgf.book.loops"
LIGHT = 300_000  # bytes a film may have
ROOM = 1.15  # of the view around the ways where no walls bound it
GREY = "#7d8590"  # legible on light and on dark pages
SIDE, DPI = 3.0, 100  # inches of a film, which is square
COLOURS = {
    "data": GREY,
    "clone": plots.METHODS["bc"],
    "best-of-n": plots.METHODS["best_of_n"],
    "vgf": plots.METHODS["vgf"],
}


def view(found: Collection[Film]) -> np.ndarray:
    """Return the square that holds walls, goals and ways of all films: its lower left and upper right corner."""
    walls = np.vstack([film.ground.walls for film in found])
    places = [np.stack([seen.place for seen in film.path]) for film in found]
    goals = [film.ground.goal[None] for film in found if film.ground.goal.size]
    points = np.vstack([walls[:, :2], walls[:, :2] + walls[:, 2:], *places, *goals])
    middle, half = (points.max(0) + points.min(0)) / 2, np.ptp(points, 0).max() / 2
    return middle + np.array([[-1.0], [1.0]]) * half * (1 if len(walls) else ROOM)


def draw(film: Film, colour: str, longest: int, corners: np.ndarray) -> list[Image.Image]:
    """Return the frames of a film whose clock runs over `longest` steps, within the corners of `view`."""
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI, facecolor="none")
    canvas, axes = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set(xlim=corners[:, 0], ylim=corners[:, 1])
    for x, y, width, height in film.ground.walls:
        axes.add_patch(Rectangle((x, y), width, height, color=GREY, alpha=0.4, lw=0))
    if film.ground.goal.size:
        axes.plot(*film.ground.goal, "*", ms=13, color=plots.PALETTE["orange"])
    places = np.stack([seen.place for seen in film.path])
    (trail,), (body,) = axes.plot([], [], color=colour, lw=1.6, alpha=0.85), axes.plot([], [], "o", color=colour, ms=7)
    limbs = LineCollection([], colors=colour, linewidths=2)
    axes.add_collection(limbs)
    found = []
    for step in np.linspace(0, longest, FRAMES).round().astype(int).clip(max=len(places) - 1):
        trail.set_data(*places[: step + 1].T)
        body.set_data(*places[step : step + 1].T)
        limbs.set_segments(list(film.path[step].limbs))
        canvas.draw()
        found.append(Image.fromarray(np.asarray(canvas.buffer_rgba()).copy()))
    return found


def encode(frames: list[Image.Image], light: int = LIGHT) -> bytes:
    """Return frames as an animated WebP that goes round, without loss where that is light enough.

    Raises:
        ValueError: if it has more than `light` bytes at any quality.
    """
    durations = [*[MILLISECONDS] * (len(frames) - 1), REST]
    for quality in ({"lossless": True}, {"quality": 70}, {"quality": 30}):
        buffer = io.BytesIO()
        frames[0].save(buffer, "webp", save_all=True, append_images=frames[1:], duration=durations, loop=0, **quality)
        if buffer.tell() <= light:
            return buffer.getvalue()
    raise ValueError(f"a film has {buffer.tell():,} bytes, more than {light:,}; play fewer steps")


def write(folder: Path, name: str, found: Mapping[str, Film], made: str) -> None:
    """Write `name-ACTOR.webp`, its still `name-ACTOR-still.png` and `name.json`, which the directive `loops` reads.

    Args:
        folder: where to.
        name: of the four, in lower-case words joined by hyphens.
        found: from `films`.
        made: the command or the page that made them.
    """
    longest, corners = max(len(film.path) for film in found.values()) - 1, view(found.values())
    for actor, film in found.items():
        frames, still = draw(film, COLOURS[actor], longest, corners), io.BytesIO()
        frames[-1].save(still, "png", optimize=True)
        write_bytes(folder / f"{name}-{actor}.webp", encode(frames))
        write_bytes(folder / f"{name}-{actor}-still.png", still.getvalue())
    words = {actor: {"title": film.title, "outcome": film.outcome} for actor, film in found.items()}
    write_bytes(folder / f"{name}.json", json.dumps({"made": made, "films": words}, indent=1).encode())


def loops(
    task: tyro.conf.Positional[str],
    data: Path,
    clone: Path,
    policy: Path,
    steps: int = 3,
    start: int = 0,
    policy_seed: int | None = None,
    out: Path | None = None,
) -> None:
    """Make the four loops of a task from policy files.

    Args:
        task: name of the task, as `vgf data list` has it.
        data: its dataset's file.
        clone: policy of behaviour cloning, a file or a record's folder.
        policy: one of VGF, likewise; best-of-N is the same one with no step.
        steps: VGF's test budget.
        start: seed of the episode.
        policy_seed: which seed of the policies, where there are several.
        out: folder; the book's own when left out.
    """
    row = get_task(task)
    actors = load_policy(clone, policy_seed), load_policy(policy, policy_seed)
    found = films(make_env(row.name), load(row.name, data), *actors, steps, start, row.episode_steps)
    files = {"data": data, "clone": clone, "policy": policy}
    seed = f" --policy-seed {policy_seed}" if policy_seed is not None else ""
    made = " ".join([MODULE, task, *(f"--{name} {'/'.join(path.parts[-2:])}" for name, path in files.items())])
    folder = out or project_folder() / "book" / "_static" / "loops"
    write(folder, row.name, found, f"python -m {made} --steps {steps} --start {start}{seed}")


if __name__ == "__main__":
    raise SystemExit(main(loops, MODULE))
