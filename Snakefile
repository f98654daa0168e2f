# From experiment files to pages: what depends on what. `make book` runs it; a second run does nothing.
#
#   data/experiments/X.yaml -> dataset -> records -> chapter NN_X (papermill) -> scoreboard -> book
#
# Only `quick` experiments are run from here; records of larger scales are in git, and `vgf train` adds to them.
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
TRAINING = [path for path in PACKAGE if Path(path).stem not in ("cli", "claims", "plots", "stats", "theory", "toy")]
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


def study_of(chapter):
    """Return the experiment file whose records a chapter reads, or None: NN_X reads X.yaml."""
    path = Path(f"data/experiments/{chapter.partition('_')[2]}.yaml")
    return yaml.safe_load(path.read_text()) | {"file": str(path), "name": path.stem} if path.exists() else None


def scale_of(chapter):
    """Return the scale asked for, or `quick` where a chapter's experiment has no such scale."""
    study = study_of(chapter)
    return SCALE if study is None or SCALE in study["scales"] else "quick"


def tasks_of(study, scale):
    """Return the tasks of a study that are run at a scale."""
    return study["scales"][scale].get("tasks", list(study["tasks"]))


def record(study, scale, task, method):
    """Return the file that completes the record of one method on one task."""
    return f"data/results/{study['name']}.{scale}/{task}/{method}/run.json"


def records_of(chapter):
    """Return the records a chapter reads."""
    study = study_of(chapter)
    if study is None:
        return []
    scale = scale_of(chapter)
    return [record(study, scale, task, method) for task in tasks_of(study, scale) for method in study["methods"]]


def source_of(study, task):
    """Return which regenerated set a task learns from at quick scale: the task's own, else the scale's."""
    own = (study["tasks"][task] or {}).get("dataset", {})
    return own.get("quick", study["scales"]["quick"].get("dataset"))


def dataset_of(study, task):
    """Return where that set goes: a task's name is its set's with the goal in it."""
    source = source_of(study, task)
    name = re.sub(r"-singletask(-task\d+)?", "", task)
    return f"data/cache/ogbench/{name}.seed{source.get('seed', 0)}.ep{source['episodes']}.npz"


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
            records_of(CHAPTER),
        output:
            f"notebooks/{CHAPTER}.ipynb",
            figures_of(CHAPTER),
        params:
            chapter=CHAPTER,
            scale=scale_of(CHAPTER),
        threads: 1
        shell:
            "OMP_NUM_THREADS={threads} step {params.chapter} chapter {params.chapter} {params.scale}"


for STUDY in filter(None, map(study_of, CHAPTERS)):
    for TASK in tasks_of(STUDY, "quick"):

        rule:
            name:
                f"dataset_{STUDY['name']}_{TASK}"
            input:
                "vgf/datasets/recipes.py",
            output:
                dataset_of(STUDY, TASK),
            params:
                task=TASK,
                episodes=source_of(STUDY, TASK)["episodes"],
                seed=source_of(STUDY, TASK).get("seed", 0),
            threads: 2
            priority: 20
            shell:
                "step 'dataset of {params.task}' vgf data get {params.task} --source regenerate"
                " --episodes {params.episodes} --seed {params.seed} --workers {threads} --out {output}"

        for METHOD in STUDY["methods"]:

            rule:
                name:
                    f"train_{STUDY['name']}_{TASK}_{METHOD}"
                input:
                    STUDY["file"],
                    TRAINING,
                    dataset=dataset_of(STUDY, TASK),
                output:
                    record(STUDY, "quick", TASK, METHOD),
                params:
                    task=TASK,
                    method=METHOD,
                threads: 1
                priority: 10
                shell:
                    "rm -rf $(dirname {output}); "
                    "OMP_NUM_THREADS={threads} step 'train {params.method} ({input[0]})'"
                    " vgf train {input[0]} --scale quick --task {params.task} --method {params.method}"
