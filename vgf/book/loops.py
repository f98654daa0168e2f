"""Short films of policies at work, from one start: the data, a clone, best-of-N and value gradient flow.

A score says how often a policy arrives, a film says how. Best-of-N and VGF are one policy, with no step and with some.

    python -m vgf.book.loops antmaze-umaze-v2 --data FILE --clone FILE --policy FILE --steps 3

Each film is an animated WebP and a still of its end. The four have one clock: one that ends early rests until the last
has ended. The ground is transparent, so a film fits a light page and a dark one. The trade-off is one colour a film.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
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
SIDE, DPI = 3.0, 100  # inches of a film, which is square
COLOURS = {
    "data": plots.MUTED,
    "clone": plots.METHODS["bc"],
    "best-of-n": plots.METHODS["best_of_n"],
    "vgf": plots.METHODS["vgf"],
}


def draw(film: Film, colour: str, longest: int) -> list[Image.Image]:
    """Return the frames of a film whose clock runs over `longest` steps."""
    figure = Figure(figsize=(SIDE, SIDE), dpi=DPI, facecolor="none")
    canvas, axes = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_aspect("equal")
    for x, y, width, height in film.ground.walls:
        axes.add_patch(Rectangle((x, y), width, height, color=plots.MUTED, alpha=0.35, lw=0))
    if film.ground.goal.size:
        axes.plot(*film.ground.goal, "*", ms=13, color=plots.PALETTE["orange"])
    places = np.stack([seen.place for seen in film.path])
    walls = film.ground.walls
    corners = (
        np.vstack([walls[:, :2], walls[:, :2] + walls[:, 2:]]) if len(walls) else np.array([[-1.1] * 2, [1.1] * 2])
    )
    (left, bottom), (right, top) = corners.min(0), corners.max(0)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    (trail,), (body,) = axes.plot([], [], color=colour, lw=1.4, alpha=0.6), axes.plot([], [], "o", color=colour, ms=7)
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
    longest = max(len(film.path) for film in found.values()) - 1
    for actor, film in found.items():
        frames, still = draw(film, COLOURS[actor], longest), io.BytesIO()
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
    made = " ".join([MODULE, task, *(f"--{name} {'/'.join(path.parts[-2:])}" for name, path in files.items())])
    folder = out or project_folder() / "book" / "_static" / "loops"
    write(folder, row.name, found, f"python -m {made} --steps {steps} --start {start}")


if __name__ == "__main__":
    raise SystemExit(main(loops, MODULE))
