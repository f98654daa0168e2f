# From experiment files to pages: what depends on what. `make book` runs it; a second run does nothing.
#
#   data/experiments/*.yaml -> records -> chapters (papermill) -> scoreboard -> book
#
# Checkpoints are never declared as outputs, because Snakemake deletes the outputs of an interrupted job.
import json
import re
import sys
from pathlib import Path

import yaml

SCALE = config.get("scale", "quick")
if SCALE not in ("quick", "cpu", "paper"):
    sys.exit(f"scale must be quick, cpu or paper, got {SCALE!r}")


def toc_pages(node):
    """Return every page named in a table of contents, in order."""
    own = [node[key] for key in ("root", "file") if key in node]
    return own + [page for key in ("parts", "chapters", "sections") for child in node.get(key, []) for page in toc_pages(child)]


PAGES = toc_pages(yaml.safe_load(Path("_toc.yml").read_text()))
CHAPTERS = [Path(page).name for page in PAGES if page.startswith("notebooks/")]
PACKAGE = sorted(str(path) for path in Path("vgf").rglob("*.py"))
PAPER = sorted(str(path) for path in Path("data/paper").glob("*"))
BOOK = sorted(str(path) for path in Path("book").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
FIGURE_FILES = (".md", ".svg", "-dark.svg", ".pdf", ".png", ".csv")


def figures_of(chapter):
    """Return the figure files and verdicts a chapter leaves behind, read off its source."""
    source = Path(f"notebooks/{chapter}.md").read_text()
    figures = re.findall(r"\bsave_figure\(\s*\w+,\s*\"([\w-]+)\"", source)
    claims = re.findall(r"\bverdict\(\s*\"([\w-]+)\"", source)
    return [f"data/figures/{figure}{end}" for figure in figures for end in FIGURE_FILES] + [
        f"data/figures/verdicts/{claim}.json" for claim in claims
    ]


shell.prefix("source .ci/steps.sh; ")  # step, chapter


rule book:
    input:
        expand("notebooks/{chapter}.ipynb", chapter=CHAPTERS),
        [path for chapter in CHAPTERS for path in figures_of(chapter)],
        BOOK,
        "_config.yml",
        "_toc.yml",
        "data/figures/scoreboard.md",
        "data/figures/runtimes.md",
    output:
        expand("_build/html/{page}.html", page=PAGES),
        "_build/html/index.html",
    shell:
        "rm -rf _build/html _build/.doctrees; "
        "step book jupyter-book build . --all -W -n --keep-going"


rule scoreboard:
    input:
        expand("notebooks/{chapter}.ipynb", chapter=CHAPTERS),
        PAPER,
        "vgf/claims.py",
    output:
        "data/figures/scoreboard.md",
    shell:
        "python -c 'from vgf.claims import render_scoreboard; print(render_scoreboard(), end=\"\")' >{output}"


rule runtimes:
    input:
        expand("notebooks/{chapter}.ipynb", chapter=CHAPTERS),
    output:
        "data/figures/runtimes.md",
    run:
        rows = ["| chapter | scale | seconds |", "|---|---|--:|"]
        for chapter, path in zip(CHAPTERS, input):
            run = json.loads(Path(path).read_text())["metadata"]["papermill"]
            rows.append(f"| {{doc}}`/notebooks/{chapter}` | {run['parameters']['scale']} | {run['duration']:.0f} |")
        Path(output[0]).write_text("\n".join(rows) + "\n")


for CHAPTER in CHAPTERS:

    rule:
        name:
            f"chapter_{CHAPTER}"
        input:
            f"notebooks/{CHAPTER}.md",
            PACKAGE,
            PAPER,
        output:
            f"notebooks/{CHAPTER}.ipynb",
            figures_of(CHAPTER),
        params:
            chapter=CHAPTER,
            scale=SCALE,
        threads: 1
        shell:
            "OMP_NUM_THREADS={threads} step {params.chapter} chapter {params.chapter} {params.scale}"
