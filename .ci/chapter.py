"""Execute a chapter as the pipeline does: `chapter.py NAME SCALE` turns notebooks/NAME.md into notebooks/NAME.ipynb.

The kernel may read what `notebooks/chapters.yaml` declares for the chapter and load what its code imports
(`vgf.book.guard`). The executed notebook says on which machine and of which code it ran, how much memory its largest
process took, and what of the project it read; papermill adds time and scale. It is written whole or not at
all.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import jupytext
import nbformat
import papermill

from vgf.book import guard
from vgf.book.declared import chapter_file, code, declared, from_root, label, matching, records
from vgf.book.imports import Imports, with_data
from vgf.datasets.files import sidecar
from vgf.support.files import write_bytes
from vgf.support.host import host
from vgf.support.paths import data_folder, project_folder

DATASETS = (".npz", ".hdf5")
STARTUP = "from vgf.book.guard import start as _start\n_start()\ndel _start\n"  # what the kernel does before its cells


def plan(chapter: str, scale: str, log: Path) -> dict[str, Any]:
    """Return what a chapter may read and load; see `vgf.book.guard.Guard`."""
    own, imports = declared(chapter), Imports()
    modules = imports.reached([code(chapter)], own.modules) | imports.reached([], ["vgf.book.guard"])
    patterns = [*own.files, *(records(label(study, scale)) for study in own.studies)]
    files = [path for pattern in patterns for path in matching(pattern)]
    files += [sidecar(path) for path in files if path.suffix in DATASETS]  # how it was made, a part of a dataset
    files += [*with_data(modules.values()), chapter_file(chapter), chapter_file(chapter).with_name("chapters.yaml")]
    figures = [f"data/figures/{figure}{end}" for figure in own.figures for end in (".", "-dark.")]
    return {
        "chapter": chapter,
        "root": str(project_folder()),
        "data": str(data_folder()),
        "files": sorted({from_root(path) for path in files}),
        "makes": [*figures, *(f"data/figures/verdicts/{claim}.json" for claim in own.verdicts)],
        "log": str(log),
    }


def gpu() -> str | None:
    """Return the GPU's name. Importing torch takes a second, so it is asked only where the system has a driver."""
    if not any(Path("/dev").glob("nvidia[0-9]*")) and not Path("/dev/dxg").exists():
        return None
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def execute(chapter: str, scale: str) -> None:
    """Execute one chapter and write its notebook."""
    notebook = jupytext.read(chapter_file(chapter))
    facts = {name: value for name, value in (host() | {"gpu": gpu()}).items() if value is not None}
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        log, startup, planned = folder / "reads.txt", folder / "startup.py", folder / "plan.json"
        planned.write_text(json.dumps(plan(chapter, scale, log)))
        startup.write_text(STARTUP)
        os.environ |= {guard.VARIABLE: str(planned), "PYTHONSTARTUP": str(startup)}
        source = folder / f"{chapter}.ipynb"
        nbformat.write(notebook, source)
        done = papermill.execute_notebook(
            str(source),
            str(folder / "executed.ipynb"),
            parameters={"scale": scale},
            cwd=str(project_folder() / "notebooks"),
            kernel_name="python3",
            progress_bar=False,
        )
        read = sorted(log.read_text().splitlines())
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    for name in ("input_path", "output_path"):  # of this run's own folder
        done.metadata.papermill[name] = f"notebooks/{chapter}.{'md' if name == 'input_path' else 'ipynb'}"
    done.metadata.machine = facts
    done.metadata.run = {"peak_memory_bytes": peak, "read": read}
    write_bytes(chapter_file(chapter).with_suffix(".ipynb"), nbformat.writes(done).encode())


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("chapter: say which and at which scale, for example: python .ci/chapter.py 03_bandit quick")
    execute(*sys.argv[1:])
