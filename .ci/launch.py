"""Put a cell before executed chapters that lets them run on Colab: `launch.py NOTEBOOK...` changes the files in place.

The launch buttons open the branch `executed`, where .github/workflows/pages.yml puts these. Colab opens one file of it,
without the package, the data and the records; the cell fetches them, from the same branch. Anywhere else it does
nothing: Binder and a reader's own checkout have everything. Doing it twice changes nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]
IDENT = "fetch-the-book"
CELL = """\
# @title Fetch the book's code and data (on Colab; anywhere else this cell does nothing)
import sys

if "google.colab" in sys.modules:
    import os
    import subprocess
    from pathlib import Path

    book = Path.home() / "{name}"
    if not book.exists():
        clone = ["git", "clone", "--quiet", "--depth", "1", "--branch", "{branch}", "{url}", str(book)]
        subprocess.run(clone, check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", str(book)], check=True)
    sys.path.insert(0, str(book))  # an editable install counts only from the next start of Python
    os.chdir(book / "notebooks")
"""


def first_cell() -> str:
    """Return the cell, for the repository and the branch that the launch buttons name."""
    repository = yaml.safe_load((ROOT / "_config.yml").read_text())["repository"]
    return CELL.format(url=repository["url"], branch=repository["branch"], name=repository["url"].rpartition("/")[2])


def prepare(path: Path) -> None:
    """Give one notebook its first cell, in place of an earlier one."""
    notebook = nbformat.read(path, as_version=4)
    cell = nbformat.v4.new_code_cell(first_cell().rstrip(), id=IDENT, metadata={"cellView": "form"})
    notebook.cells = [cell, *(other for other in notebook.cells if other.get("id") != IDENT)]
    notebook.nbformat_minor = max(notebook.nbformat_minor, 5)  # cells have names from then on
    nbformat.write(nbformat.validator.normalize(notebook)[1], path)


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("launch: name the executed notebooks, for example: python .ci/launch.py notebooks/*.ipynb")
    for name in sys.argv[1:]:
        prepare(Path(name))
