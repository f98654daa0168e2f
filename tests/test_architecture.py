"""The package keeps its shape: what is said about each function, how long a file may be, what names in strings mean.

Which room may import which is in `pyproject.toml`, and `lint-imports` checks it; here is what a linter cannot see.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import vgf
from tests.helpers.site import ROOT

FILES = sorted((ROOT / "vgf").rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in FILES]
TREES = {path: ast.parse(path.read_text()) for path in FILES}
TESTS = sorted((ROOT / "tests").rglob("test_*.py"))
TEXT = {".py", ".md", ".yml", ".yaml", ".toml", ".csv", ".json", ".lock", ".cff", ".css", ".sh", ""}
MAX_LINES = 250
MAX_FUNCTION_LINES = 60
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
FLOORS = [{room.strip() for room in floor.split("|")} for floor in CONTRACTS[0]["layers"]]
LEVEL = {room: -floor for floor, rooms in enumerate(FLOORS) for room in rooms}  # higher rooms have higher numbers
NOT_YET = ROOT / "tests" / "modules_without_a_test.txt"
DOTTED = re.compile(r"vgf(?:\.\w+)+(?::\w+)?")
READ_BY = {"maker": "sources", "env_maker": "datasets"}  # fields of tasks.yaml, and the room that calls what they name


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function and method of a file, nested ones left out."""
    scopes = [TREES[path], *(node for node in TREES[path].body if isinstance(node, ast.ClassDef))]
    return [node for scope in scopes for node in scope.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_overload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function only adds a signature to the one below it."""
    return any(isinstance(node, ast.Name) and node.id == "overload" for node in function.decorator_list)


def tracked() -> list[Path]:
    """Return the text files of the project, those not in git yet included."""
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    paths = [ROOT / name for name in listed.stdout.splitlines()]
    return [path for path in paths if path.suffix in TEXT and path.is_file()]


def home(dotted: str) -> tuple[Path | None, list[str]]:
    """Return the file or folder of the longest module that a dotted name begins with, and what follows it."""
    parts = dotted.replace(":", ".").split(".")
    for cut in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:cut])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.exists():
                return path, parts[cut:]
    return None, parts


def is_there(dotted: str) -> bool:
    """Say whether a dotted name is a module, or a name in one; nothing is imported."""
    path, rest = home(dotted)
    if path is None or not rest:
        return path is not None
    if path == ROOT / "vgf" / "__init__.py":
        return rest[0] in vgf.__all__
    return set(rest) <= set(re.findall(r"\w+", path.read_text()))


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_string_that_names_a_module_means_one_of_its_floor_or_below(path: Path) -> None:
    strings = [node.value for node in ast.walk(TREES[path]) if isinstance(node, ast.Constant)]
    names = [text for text in strings if isinstance(text, str) and DOTTED.fullmatch(text)]
    assert [name for name in names if not is_there(name)] == []
    room = path.relative_to(ROOT / "vgf").with_suffix("").parts[0]
    if room != "__init__":  # the face of the whole package
        ours = [name for name in names if name != "vgf.cli"]  # which is only ever started, as a process of its own
        assert [name for name in ours if LEVEL[name.split(".")[1].partition(":")[0]] > LEVEL[room]] == []


def test_makers_of_the_table_of_tasks_are_there_and_in_the_room_that_calls_them() -> None:
    found = []

    def walk(node: object) -> None:
        if isinstance(node, dict):
            found.extend((key, value) for key, value in node.items() if key in READ_BY and value)
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(child)

    walk(yaml.safe_load((ROOT / "vgf" / "datasets" / "tasks.yaml").read_text()))
    assert {key for key, _ in found} == set(READ_BY)
    assert [value for key, value in found if value.split(".")[1] != READ_BY[key] or not is_there(value)] == []


SPOKEN = (r"python -m (vgf[\w.]+\w)", r"`(vgf(?:\.\w+)+)(?:\(\))?`", r"(?<![\w/])(vgf/[\w/]+)\.py")


@pytest.mark.parametrize("pattern", SPOKEN)
def test_every_module_that_is_spoken_of_is_there(pattern: str) -> None:
    lost = []
    for path in tracked():
        if path.suffix in (".csv", ".json", ".lock") or path == Path(__file__):
            continue  # records speak of the modules of their day
        names = (name.replace("/", ".") for name in re.findall(pattern, path.read_text(errors="ignore")))
        lost += [f"{path.relative_to(ROOT)}: {name}" for name in names if not is_there(name)]
    assert lost == []


def test_every_import_that_a_text_shows_or_a_test_writes_is_there() -> None:
    lost = []
    for path in tracked():
        for module, name in re.findall(r"from (vgf[\w.]*) import (\w+)", path.read_text(errors="ignore")):
            if not (is_there(f"{module}.{name}") if module == "vgf" else is_there(f"{module}:{name}")):
                lost.append(f"{path.relative_to(ROOT)}: from {module} import {name}")
    assert lost == []


def test_every_room_has_a_floor() -> None:
    rooms = {path.relative_to(ROOT / "vgf").with_suffix("").parts[0] for path in FILES} - {"__init__"}
    assert rooms == set(LEVEL)


@pytest.mark.parametrize("path", TESTS, ids=lambda p: str(p.relative_to(ROOT / "tests")))
def test_no_test_imports_another(path: Path) -> None:
    imported = [node.module for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    assert [name for name in imported if name and re.search(r"(^|\.)test_|^conftest", name)] == []
    assert path.parent == ROOT / "tests" or path.parent.name in {
        *LEVEL,
        "method",
        "pipeline",
    }, "a folder of tests mirrors a room of vgf/"


def has_a_test(path: Path) -> bool:
    """Say whether the folder of a module's room has tests in a file named after it: test_NAME.py or test_NAME_*.py."""
    *rooms, name = path.relative_to(ROOT / "vgf").with_suffix("").parts
    folder = ROOT / "tests" / rooms[0] if rooms else None
    names = [name, "_".join([*rooms[1:], name])]
    places = [folder] if folder else [ROOT / "tests", ROOT / "tests" / "method"]
    return any([*place.glob(f"test_{name}.py"), *place.glob(f"test_{name}_*.py")] for place in places for name in names)


def test_every_module_has_a_test_of_its_name_but_those_that_had_none() -> None:
    listed = NOT_YET.read_text().split()
    without = [str(path.relative_to(ROOT)) for path in FILES if path.name != "__init__.py" and not has_a_test(path)]
    assert listed == sorted(set(listed))
    assert sorted(set(without) - set(listed)) == [], "new modules need a test of their name in the folder of their room"
    assert sorted(set(listed) - set(without)) == [], f"these have one now, or are gone: take them off {NOT_YET.name}"


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_module_says_why_it_exists(path: Path) -> None:
    documentation = ast.get_docstring(TREES[path])
    assert documentation, "no docstring"
    assert len(documentation.split()) >= 6, documentation


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_functions_are_annotated_and_public_ones_documented(path: Path) -> None:
    faults = []
    for function in functions(path):
        arguments = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        arguments += [extra for extra in (function.args.vararg, function.args.kwarg) if extra]
        bare = [argument.arg for argument in arguments if argument.annotation is None]
        faults += [f"{function.name}({name})" for name in bare if name not in ("self", "cls")]
        if function.returns is None:
            faults.append(f"{function.name} -> ?")
        if not function.name.startswith("_") and not is_overload(function) and not ast.get_docstring(function):
            faults.append(f"{function.name} has no docstring")
    assert faults == []


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_public_classes_are_documented(path: Path) -> None:
    classes = [node for node in TREES[path].body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
    assert [node.name for node in classes if not ast.get_docstring(node)] == []


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_files_and_functions_stay_short(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES
    long = {f.name: f.end_lineno - f.lineno + 1 for f in functions(path) if f.end_lineno is not None}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION_LINES} == {}


def test_no_file_in_git_names_a_machine() -> None:
    private = re.compile(r"(?<![\w.~:/])/(?:work|root|tmp|home|opt|Users)/[\w.]")
    found = []
    for path in tracked():
        if path != Path(__file__):
            found += [f"{path}: {match}" for match in private.findall(path.read_text(errors="ignore"))]
    assert found == []


@pytest.mark.parametrize(
    ("modules", "without"),
    [
        ("vgf", {"torch", "matplotlib", "pandas"}),
        ("vgf.support.files, vgf.support.provenance, vgf.support.strict", {"torch", "matplotlib", "pandas"}),
        ("vgf.results.commands", {"torch", "matplotlib", "seaborn"}),
        ("vgf.sources.parts, vgf.sources.mazes, vgf.sources.locomotion", {"torch", "pandas"}),
    ],
)
def test_a_module_loads_only_what_it_needs(modules: str, without: set[str]) -> None:
    check = f"import sys, {modules}; assert not {without!r} & set(sys.modules), {without!r} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-300:]


def test_tables_are_printed_without_torch_and_without_a_plotting_library() -> None:
    check = (
        "import sys; from vgf import cli; assert cli.main(['tables', 'core.cpu']) == 0; "
        "assert not {'torch', 'matplotlib', 'seaborn'} & set(sys.modules), 'loads too much'"
    )
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-300:]
    assert "core.cpu, last checkpoint" in done.stdout


def test_the_files_to_read_have_the_lines_that_the_readme_says() -> None:
    text = (ROOT / "README.md").read_text()
    check = "import sys; sys.path.insert(0, '.ci'); import house; print(house.readme(sys.stdin.read()), end='')"
    done = subprocess.run([sys.executable, "-c", check], cwd=ROOT, input=text, capture_output=True, text=True)
    assert done.stdout == text, "python .ci/house.py --readme writes today's"
