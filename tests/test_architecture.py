"""The package keeps its shape: who imports whom, what is said about each function, how long a file may be."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

FILES = sorted((ROOT / "vgf").rglob("*.py"))
IDS = [str(path.relative_to(ROOT)) for path in FILES]
TREES = {path: ast.parse(path.read_text()) for path in FILES}

# flow <- theory, toy, networks <- reference <- agents <- evaluate <- train <- cli: a room imports only rooms before it.
ORDER = [{"flow"}, {"theory", "toy", "networks"}, {"reference"}, {"agents"}, {"evaluate"}, {"train"}, {"cli"}]
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}
TEXT = {".py", ".md", ".yml", ".yaml", ".toml", ".csv", ".json", ".lock", ".cff", ".css", ".sh", ""}
MAX_LINES = 300
MAX_FUNCTION_LINES = 75


def room_of(path: Path) -> str:
    """Return the first part of a module's name below `vgf`."""
    return path.relative_to(ROOT / "vgf").with_suffix("").parts[0]


def rooms_imported(path: Path) -> set[str]:
    """Return the rooms of `vgf` a file imports at run time, imports inside functions included."""
    names: set[str] = set()
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import; write the whole name"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("vgf.")}


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function and method of a file, nested ones left out."""
    scopes = [TREES[path], *(node for node in TREES[path].body if isinstance(node, ast.ClassDef))]
    return [node for scope in scopes for node in scope.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def is_overload(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Say whether a function only adds a signature to the one below it."""
    return any(isinstance(node, ast.Name) and node.id == "overload" for node in function.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_room_imports_only_rooms_before_it(path: Path) -> None:
    room = room_of(path)
    if room not in LEVEL:
        return
    later = {other for other in rooms_imported(path) if LEVEL.get(other, -1) >= LEVEL[room] and other != room}
    assert later == set(), f"{room} imports {later}"


@pytest.mark.parametrize("path", [p for p in FILES if room_of(p) in ("plots", "stats")], ids=lambda p: p.stem)
def test_plots_and_statistics_know_no_agent(path: Path) -> None:
    assert rooms_imported(path) & {"agents", "train", "evaluate", "cli"} == set()


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_nothing_imports_the_command_line(path: Path) -> None:
    assert "cli" not in rooms_imported(path)


def test_no_two_rooms_import_each_other() -> None:
    edges: dict[str, set[str]] = {}
    for path in FILES:
        if room_of(path) != "__init__":
            edges.setdefault(room_of(path), set()).update(rooms_imported(path) - {room_of(path)})

    def reachable(start: str) -> set[str]:
        found, waiting = set(), [start]
        while waiting:
            for other in edges.get(waiting.pop(), set()) - found:
                found.add(other)
                waiting.append(other)
        return found

    assert sorted(room for room in edges if room in reachable(room)) == []


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
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True)
    found = []
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in TEXT and path.is_file() and path != Path(__file__):
            found += [f"{name}: {match}" for match in private.findall(path.read_text(errors="ignore"))]
    assert found == []


def test_the_package_loads_fast_and_alone() -> None:
    check = "import sys, vgf; assert not {'torch', 'matplotlib', 'pandas'} & set(sys.modules), 'loads too much'"
    subprocess.run([sys.executable, "-c", check], cwd=ROOT, check=True, timeout=20)
