# From experiment files to pages: what depends on what. `make book` and `make reproduce` run it; a second run does nothing.
#
#   data/experiments/X.yaml -> datasets -> records -> chapters that declare X (papermill) -> scoreboard -> book
#
# The book runs `quick` experiments alone; records of larger scales are in git and are read as they are. `reproduce` runs
# one experiment at one scale, here or on a cluster. Only quick records are made anew when code changes: hours of training
# are never thrown away, so there `vgf train` adds what is missing. Checkpoints are never declared as outputs, because
# Snakemake deletes the outputs of an interrupted job.
import json
import os
import sys
from pathlib import Path

import yaml

from vgf.book.declared import code, declared, label, matching, records
from vgf.book.imports import Imports, with_data
from vgf.sources.recipes import default_path
from vgf.sources.collect import collected_path
from vgf.datasets.task_names import rows_of
from vgf.datasets.tasks import get_dataset

SCALES = ("quick", "cpu", "paper")
SCALE = config.get("scale", "quick")
RESULTS = config.get("results") or "data/results"
TABLES = f"{os.path.dirname(RESULTS)}/tables"
EXPERIMENT = Path(config["experiment"]) if config.get("experiment") else None  # a file, to reproduce
TABLE_FORMATS = ("csv", "md", "tex")

# What one training asks of a cluster: memory in MB, minutes, GPUs. All seeds of a method train together.
LIMITS = {"quick": (4000, 60, 0), "cpu": (8000, 1440, 0), "paper": (32000, 2880, 1)}

if SCALE not in SCALES:
    sys.exit(f"scale must be quick, cpu or paper, got {SCALE!r}")


def toc_pages(node):
    """Return every page named in a table of contents, in order."""
    own = [node[key] for key in ("root", "file") if key in node]
    return own + [page for key in ("parts", "chapters", "sections") for child in node.get(key, []) for page in toc_pages(child)]


PAGES = toc_pages(yaml.safe_load(Path("_toc.yml").read_text()))
CHAPTERS = [Path(page).name for page in PAGES if page.startswith("notebooks/")]
PACKAGE = sorted(str(path) for path in Path("vgf").rglob("*.py"))
MAP = "data/paper/map.csv"  # names chapters, so no chapter waits for it
PAPER = sorted(str(path) for path in Path("data/paper").glob("*") if str(path) != MAP)
IMPORTS = Imports()
BOOK = sorted(str(path) for path in Path("book").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
FIGURE_FILES = (".md", ".svg", "-dark.svg", ".pdf", ".png", ".small.png", ".csv", ".drawn.csv", ".bib", ".json")
LOOP_FILES = (".json", *(f"-{actor}{end}" for actor in ("data", "clone", "best-of-n", "vgf") for end in (".webp", "-still.png")))
EXPLORER = ["data/figures/explorer.json", *(f"data/figures/explorer-presets{end}" for end in FIGURE_FILES)]
BROWSER = "data/figures/browser.json"
CURVES = [f"data/figures/{figure}{end}" for figure in ("learning-curves", "beside-paper") for end in FIGURE_FILES]
HERO = ["data/figures/front/card.png", *(f"data/figures/front/hero{end}.svg" for end in ("", "-dark", "-still", "-still-dark"))]
FILES = {path.stem: path for path in [*sorted(Path("data/experiments").glob("*.yaml")), *filter(None, [EXPERIMENT])]}
EVERY = {name: yaml.safe_load(path.read_text()) for name, path in FILES.items()}
STUDIES = {name: study for name, study in EVERY.items() if "language" not in study}

if EXPERIMENT and SCALE not in STUDIES[EXPERIMENT.stem]["scales"]:
    sys.exit(f"reproduce: {EXPERIMENT} has no scale {SCALE!r}; it has {', '.join(STUDIES[EXPERIMENT.stem]['scales'])}")


def reached(*code_and_modules):
    """Return the files of the package that some code imports, with the data beside them."""
    return [os.path.relpath(path) for path in with_data(IMPORTS.reached(*code_and_modules).values())]


TRAINING = reached((), ["vgf.training.commands"], True)  # environments are named in strings


def figures_of(chapter):
    """Return the figure files and verdicts a chapter leaves behind."""
    makes = declared(chapter)
    films = [f"data/figures/{name}{end}" for name in makes.loops for end in LOOP_FILES]
    return [f"data/figures/{figure}{end}" for figure in makes.figures for end in FIGURE_FILES] + films + [
        f"data/figures/verdicts/{claim}.json" for claim in makes.verdicts
    ]


def studies_of(chapter):
    """Return the studies whose records a chapter reads, each with its scale: the chapter's own where none is declared."""
    named = declared(chapter).studies
    own = next((scale_of(study) for study in named if "." not in study), SCALE)
    return dict(label(study, own).rsplit(".", 1) for study in named)


def inputs_of(chapter):
    """Return what a chapter depends on: its text, what it declares, and the modules its code imports."""
    reads = declared(chapter)
    inputs = [f"notebooks/{chapter}.md", *reached([code(chapter)], reads.modules)]
    for pattern in reads.files:  # a file that is not there must be one that a rule makes
        inputs += [os.path.relpath(path) for path in matching(pattern)] or [pattern]
    for study, scale in studies_of(chapter).items():
        made = scale == "quick"
        inputs += wanted(study, scale) if made else map(os.path.relpath, matching(records(f"{study}.{scale}")))
    return list(dict.fromkeys(map(str, inputs)))


def tables_of(chapter):
    """Return the tables of the studies a chapter reads, for readers to download."""
    return [path for study, scale in studies_of(chapter).items() if study in STUDIES for path in table(study, scale)]


def in_git(study, scale):
    """Return the records of a larger scale that are there."""
    return sorted(map(str, Path(f"data/results/{study}.{scale}").glob("*/*/run.json"))) if scale != "quick" else []


def scale_of(study):
    """Return the scale a chapter reads: the one asked for, else the largest with records in git, else quick."""
    there = [scale for scale in ("paper", "cpu") if in_git(study, scale)] + ["quick"] * ("quick" in STUDIES[study]["scales"])
    if not there:
        sys.exit(f"no records of {study} are here; `make reproduce EXPERIMENT={study} SCALE=cpu` makes them")
    return SCALE if SCALE in there[:-1] else there[0]


def wanted(study, scale):
    """Return the records of a study at a scale that is run: every one of its methods on every one of its tasks."""
    tasks, methods = (STUDIES[study]["scales"][scale].get(what) or STUDIES[study][what] for what in ("tasks", "methods"))
    return [f"{RESULTS}/{study}.{scale}/{task}/{method}/run.json" for task in rows_of(tasks) for method in methods]


def records_of(study, scale):
    """Return the records behind a table: all that are to be made, or those of a larger scale that are in git."""
    return wanted(study, scale) if EXPERIMENT or scale == "quick" else in_git(study, scale)


def table(study, scale):
    """Return the files of a study's table."""
    return [f"{TABLES}/{study}.{scale}.{end}" for end in TABLE_FORMATS]


def dataset_of(wildcards):
    """Return the file a task learns from: the task's own source, else the scale's."""
    study, (name, dataset) = STUDIES[wildcards.study], (wildcards.task, get_dataset(wildcards.task))
    row = study["tasks"][rows_of(study["tasks"])[name]] or {}
    source = row.get("dataset", {}).get(wildcards.scale) or study["scales"][wildcards.scale].get("dataset") or {}
    if source.get("path"):
        return f"data/{source['path']}"
    seed, episodes = source.get("seed", 0), source.get("episodes")
    made = default_path(dataset.name, seed, episodes) if dataset.recipe else collected_path(dataset.name, dataset.suite, seed, episodes)
    return os.path.relpath(made)


def training_inputs(wildcards):
    """Return what a training depends on; one of hours only on what it cannot do without."""
    inputs = [str(FILES[wildcards.study]), dataset_of(wildcards)]
    return [*inputs, *TRAINING] if wildcards.scale == "quick" else [ancient(path) for path in inputs]


shell.prefix("source .ci/steps.sh; ")  # step


wildcard_constraints:
    study="[^/.]+",
    scale="|".join(SCALES),
    task="[^/]+",
    method="[^/]+",
    suite="ogbench|d4rl",
    size=r"full|ep\d+",
    seed=r"\d+",


localrules: table, paper_map, gallery, results_index, soak, runtimes, book, reproduce


rule book:
    input:
        expand("notebooks/{chapter}.ipynb", chapter=CHAPTERS),
        [path for chapter in CHAPTERS for path in figures_of(chapter)],
        [path for chapter in CHAPTERS for path in tables_of(chapter)],
        BOOK,
        "_config.yml",
        "_toc.yml",
        "data/figures/scoreboard.md",
        "data/figures/findings.md",
        "data/figures/paper_map.md",
        "data/figures/costs.md",
        "data/figures/disclosure.md",
        "data/figures/limits.md",
        "data/figures/open_claims.md",
        HERO,
        CURVES,
        "data/figures/gallery.md",
        "data/figures/runtimes.md",
        "data/figures/results_index.md",
        BROWSER,
        "data/figures/soak.md",
        EXPLORER,
    output:
        expand("_build/html/{page}.html", page=PAGES),
        "_build/html/index.html",
    shell:
        "rm -rf _build/html _build/.doctrees; "
        "step book jupyter-book build . --all -W -n --keep-going"


rule reproduce:
    input:
        [*wanted(EXPERIMENT.stem, SCALE), *table(EXPERIMENT.stem, SCALE)] if EXPERIMENT else [],


rule explorer:
    input:
        PACKAGE,
        "data/experiments/d4rl.yaml",
    output:
        EXPLORER,
    shell:
        "step explorer python -c 'from vgf.book.explorer_figure import write; write()'"


rule curves:
    input:
        PACKAGE,
        PAPER,
        [path for study in ("d4rl", "ogbench", "medium_maze", "tuning") for path in in_git(study, "cpu")],
        expand("data/experiments/{study}.yaml", study=("d4rl", "ogbench", "medium_maze", "tuning")),
    output:
        CURVES,
    shell:
        "step 'learning curves' python -c 'from vgf.book.curves import write; write()'"


rule hero:
    input:
        PACKAGE,
        "data/experiments/d4rl.yaml",
    output:
        HERO,
    shell:
        "step 'moving picture' python -c 'from vgf.book.hero import write; write()'"


rule paper_map:
    input:
        expand("notebooks/{chapter}.ipynb", chapter=CHAPTERS),
        PAPER,
        MAP,
        "book/board.yaml",
        [path for study in sorted(STUDIES) for path in in_git(study, "cpu")],
        sorted(str(path) for path in Path("data/experiments").glob("*.yaml")),
        expand("vgf/book/{module}.py", module=("board", "claims", "cost", "facts", "paper_map")),
    output:
        scoreboard="data/figures/scoreboard.md",
        findings="data/figures/findings.md",
        map="data/figures/paper_map.md",
        costs="data/figures/costs.md",
        limits="data/figures/limits.md",
        disclosure="data/figures/disclosure.md",
        open="data/figures/open_claims.md",
    run:
        from vgf.book.board import render_disclosure, render_findings, render_limits, render_open, render_scoreboard
        from vgf.book.cost import render_costs
        from vgf.book.facts import facts
        from vgf.book.paper_map import render_map

        known = facts()
        Path(output.scoreboard).write_text(render_scoreboard(known))
        Path(output.findings).write_text(render_findings(known))
        Path(output.map).write_text(render_map())
        Path(output.costs).write_text(render_costs())
        Path(output.disclosure).write_text(render_disclosure(known))
        Path(output.limits).write_text(render_limits(known))
        Path(output.open).write_text(render_open(known))


rule gallery:
    input:
        [path for chapter in CHAPTERS for path in figures_of(chapter)],
        EXPLORER,
        CURVES,
        "vgf/book/citable.py",
        "vgf/book/gallery.py",
    output:
        "data/figures/gallery.md",
    run:
        from vgf.book.gallery import gallery

        Path(output[0]).write_text(gallery(PAGES))


rule results_index:
    input:
        "notebooks/chapters.yaml",
        [path for study in sorted(STUDIES) for scale in ("cpu", "paper") for path in in_git(study, scale)],
        sorted(str(path) for path in Path("data/experiments").glob("*.yaml")),
        "vgf/book/index.py",
    output:
        "data/figures/results_index.md",
    shell:
        "python -c 'from vgf.book.index import render_results_index; print(render_results_index(), end=\"\")' >{output}"


rule browser:
    input:
        reached((), ["vgf.book.browser_data"]),
        "notebooks/chapters.yaml",
        expand("notebooks/{chapter}.md", chapter=CHAPTERS),
        [path for study in sorted(STUDIES) for scale in ("cpu", "paper") for path in in_git(study, scale)],
        sorted(str(path) for path in Path("data/experiments").glob("*.yaml")),
    output:
        BROWSER,
    shell:
        "step 'results browser' python -c 'from vgf.book.browser_data import write; write()'"


rule soak:
    input:
        "data/results/soak/soak.json",
        "vgf/book/soak.py",
    output:
        "data/figures/soak.md",
    shell:
        "python -c 'from vgf.book.soak import render_soak; print(render_soak(), end=\"\")' >{output}"


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
            inputs_of(CHAPTER),
        output:
            f"notebooks/{CHAPTER}.ipynb",
            figures_of(CHAPTER),
        params:
            chapter=CHAPTER,
            scale=next(iter(studies_of(CHAPTER).values()), SCALE),  # of the study named first
        threads: 1
        priority: 5 * ({*studies_of(CHAPTER).values()} <= {"quick"})  # what computes takes longer than what reads records
        shell:
            "OMP_NUM_THREADS={threads} step {params.chapter} python .ci/chapter.py {params.chapter} {params.scale}"


rule table:
    input:
        PAPER,
        "vgf/results/table_text.py",
        "vgf/results/tables.py",
        "vgf/results/stats.py",
        lambda w: records_of(w.study, w.scale),
    output:
        expand("{folder}/{{study}}.{{scale}}.{end}", folder=TABLES, end=TABLE_FORMATS),
    params:
        results=RESULTS,
        tables=TABLES,
    shell:
        "step 'table of {wildcards.study}.{wildcards.scale}'"
        " vgf tables {wildcards.study}.{wildcards.scale} --results {params.results} --out {params.tables}"


rule train:
    wildcard_constraints:
        scale=SCALE if EXPERIMENT else "quick",  # the book never trains for hours
    input:
        training_inputs,
    output:
        update(f"{RESULTS}/{{study}}.{{scale}}/{{task}}/{{method}}/run.json"),
    params:
        file=lambda w: FILES[w.study],
        results=RESULTS,
        anew=lambda w, output: f"rm -rf {os.path.dirname(output[0])}; " if w.scale == "quick" else "",
    threads: lambda w: STUDIES[w.study]["scales"][w.scale].get("threads") or 1
    resources:
        mem_mb=lambda w: LIMITS[w.scale][0],
        runtime=lambda w: LIMITS[w.scale][1],
        gpu=lambda w: LIMITS[w.scale][2],
    priority: 10
    shell:
        "{params.anew}OMP_NUM_THREADS={threads} step 'train {wildcards.method}, {wildcards.task} ({wildcards.scale})'"
        " vgf train {params.file} --scale {wildcards.scale} --task {wildcards.task} --method {wildcards.method}"
        " --results {params.results} --processes 1"


rule dataset:
    output:
        update("data/cache/{suite}/{dataset}.seed{seed}.{size}.{end}"),
    params:
        episodes=lambda w: "" if w.size == "full" else f"--episodes {w.size.removeprefix('ep')}",
    threads: 8
    resources:
        mem_mb=4000,
        runtime=720,
    priority: 20
    shell:
        "step 'dataset {wildcards.dataset}, {wildcards.size}' vgf data get {wildcards.dataset} --source regenerate"
        " {params.episodes} --seed {wildcards.seed} --workers {threads} --out {output}"
