"""The notebooks that readers download and that Colab and Binder open: what plain Jupyter can read, and run.

A chapter as papermill leaves it has roles and directives in its Markdown, which only Sphinx can resolve. So the
Markdown is written anew from the resolved page (`markdown_text.py`), each code cell stays as it ran, and a first cell
fetches what the chapter needs. The result takes the place of the page's source in the site,
`_sources/notebooks/NAME.ipynb`, where the page's download buttons lead; .github/workflows/pages.yml puts the same files
where Colab and Binder look.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import yaml
from docutils import nodes
from markdown_text import Markdown
from sphinx.application import Sphinx

ALWAYS = "data/paper/claims.csv"  # what every verdict looks its claim up in; a notebook away from the book does without
INSTALL = """\
# Run this cell first, once: it installs the book's package where it is missing. Where it is there, nothing happens.
import importlib.util

if importlib.util.find_spec("vgf") is None:
    %pip install --quiet "vgf-companion @ git+{url}@{branch}"
"""
FETCH = """
# This chapter reads records of the book: where they are not there, they are fetched into the folder vgf-companion.
import os
import subprocess
from pathlib import Path

from vgf.support.paths import data_folder

if not (data_folder() / "datasets.json").exists():
    if not Path("vgf-companion").exists():
        fetch = ["git", "clone", "--quiet", "--depth", "1", "--branch", "{branch}", "{url}"]
        subprocess.run([*fetch, "vgf-companion"], check=True)
    os.environ["VGF_DATA"] = str(Path("vgf-companion/data").resolve())
"""


def first_cell(app: Sphinx, chapter: str) -> Any:
    """Return the cell that installs, and fetches the records if the chapter reads some."""
    declared = yaml.safe_load((Path(app.srcdir) / "notebooks" / "chapters.yaml").read_text())[chapter] or {}
    reads = [*declared.get("studies", ()), *(name for name in declared.get("files", ()) if name != ALWAYS)]
    repository = app.config.html_theme_options
    text = (INSTALL + FETCH if reads else INSTALL).format(
        url=repository["repository_url"], branch=repository["repository_branch"]
    )
    return nbformat.v4.new_code_cell(text.rstrip(), id="install", metadata={"cellView": "form"})


def addresses(app: Sphinx, page: str) -> dict[str, str]:
    """Return where a chapter runs: on Colab and on Binder."""
    options = app.config.html_theme_options
    owner = options["repository_url"].removeprefix("https://github.com/")
    branch, launch = options["repository_branch"], options["launch_buttons"]
    return {
        "Colab": f"{launch['colab_url']}/github/{owner}/blob/{branch}/{page}.ipynb",
        "Binder": f"{launch['binderhub_url']}/v2/gh/{owner}/{branch}?urlpath=lab/tree/{page}.ipynb",
    }


def cost(metadata: dict[str, Any]) -> str:
    """Return what a run took, in words, from the record that the pipeline left in the notebook; empty without one."""
    run = metadata.get("papermill", {})
    if not run.get("duration"):
        return ""
    words = f"{max(1, round(run['duration']))} s"
    if cores := metadata.get("machine", {}).get("cores"):
        words += f" on {cores} core{'s' * (cores != 1)}"
    if peak := metadata.get("run", {}).get("peak_memory_bytes"):
        words += f", {peak / (1 << 30):.1f} GiB of memory"
    return words


def is_glue(output: dict[str, Any]) -> bool:
    """Say whether an output only keeps a number for the text."""
    kinds = output.get("data", {})
    return bool(kinds) and all(kind.startswith("application/papermill.record/") for kind in kinds)


class Notebook:
    """One chapter's readable notebook, made from its resolved page and its executed copy.

    Args:
        app: with the environment that resolved the page.
        page: its name, `notebooks/NAME`.
        executed: the notebook as papermill left it; it is changed.
    """

    def __init__(self, app: Sphinx, page: str, executed: Any) -> None:
        self.app, self.page, self.executed = app, page, executed
        self.address = f"{app.config.html_baseurl}{page}.html"
        self.cells = [first_cell(app, page.partition("/")[2])]
        self.writer = Markdown(app, page, self.address)
        self.waiting: list[nodes.Node] = []
        self.next = 0  # the first of the executed cells that is not in yet

    def made(self, doctree: nodes.document) -> Any:
        """Return the notebook."""
        self.walk(doctree)
        self.text()
        self.code_before(len(self.executed.cells))
        title = next(cell for cell in self.cells if cell.cell_type == "markdown")
        heading, _, rest = title.source.partition("\n")
        title.source = f"{heading}\n\n{self.line()}\n{rest}"
        self.executed.cells = self.cells
        self.executed.metadata.get("run", {}).pop("read", None)  # for the pipeline's tests alone
        self.executed.nbformat_minor = max(self.executed.nbformat_minor, 5)  # cells have names from then on
        return nbformat.validator.normalize(self.executed)[1]

    def line(self) -> str:
        """Return the line below the title: what the run took, and where else to run or read the chapter."""
        links = [f"[{name}]({address})" for name, address in addresses(self.app, self.page).items()]
        took = cost(self.executed.metadata)
        return f"*{f'{took}. ' if took else ''}Run on {' or '.join(links)}; [read in the book]({self.address}).*"

    def walk(self, parent: nodes.Element) -> None:
        """Take the page in order: words wait until a cell comes."""
        for node in parent.children:
            if isinstance(node, nodes.container) and node.get("nb_element") == "cell_code":
                self.text()
                self.code(node)
            elif isinstance(node, nodes.Element) and any(
                inner.get("nb_element") == "cell_code" for inner in node.findall(nodes.container)
            ):
                self.walk(node)
            else:
                self.waiting.append(node)

    def text(self) -> None:
        """Write the words that wait into a cell."""
        source = self.writer.blocks(self.waiting)
        if source:
            cell = nbformat.v4.new_markdown_cell(source, id=f"text-{len(self.cells)}")
            if self.writer.attachments:
                cell["attachments"] = dict(self.writer.attachments)
            self.cells.append(cell)
        self.waiting = []
        self.writer.attachments.clear()

    def code(self, node: nodes.container) -> None:
        """Put a code cell in, after those before it that the page leaves out."""
        index = node["cell_index"]
        self.code_before(index)
        shown = [
            child
            for child in node.children
            if isinstance(child, nodes.Element) and child.get("nb_element") == "cell_code_output"
        ]
        for output in self.executed.cells[index].get("outputs", []):
            if "text/markdown" in output.get("data", {}) and shown:
                output["data"]["text/markdown"] = self.writer.blocks(shown)
                output["data"].pop("text/plain", None)
        self.code_before(index + 1)

    def code_before(self, stop: int) -> None:
        """Put in the code cells up to one, without papermill's own and the numbers kept for the text."""
        for cell in self.executed.cells[self.next : stop]:
            if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", []):
                cell.outputs = [output for output in cell.outputs if not is_glue(output)]
                for key in ("papermill", "execution"):  # when it ran, by whose clock
                    cell.metadata.pop(key, None)
                self.cells.append(cell)
        self.next = max(self.next, stop)


def collect(app: Sphinx, doctree: nodes.document, page: str) -> None:
    """Make the readable notebook of a chapter from its resolved page; kept until Sphinx has copied the sources."""
    source = Path(app.env.doc2path(page))
    if source.suffix == ".ipynb" and app.builder.name == "html":
        notebook = Notebook(app, page, nbformat.read(source, as_version=4)).made(doctree)
        app.__dict__.setdefault("vgf_readable", {})[f"{page}{source.suffix}"] = nbformat.writes(notebook)


def write(app: Sphinx, error: Exception | None) -> None:
    """Write the readable notebooks over the copied sources."""
    for name, text in app.__dict__.get("vgf_readable", {}).items():
        (Path(app.outdir) / "_sources" / name).write_text(text + "\n", encoding="utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("doctree-resolved", collect, priority=900)
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": False}
