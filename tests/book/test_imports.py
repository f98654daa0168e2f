"""Which modules code reaches: through statements, faces that load on first use, and nothing else."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.site import ROOT
from vgf.book.imports import Imports, with_data

FACE = """
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from house.rooms.lazy import late

def __getattr__(name):
    return getattr(import_module("house.rooms.lazy"), name)
"""
HOUSE = {
    "__init__.py": "",
    "top.py": "from house.rooms import early\nfrom house import low\n",
    "low.py": "def f():\n    from house import deep\n",
    "deep.py": "import os\nNAME = 'house.named:make'\n",
    "named.py": "",
    "alone.py": "",
    "rooms/__init__.py": FACE,
    "rooms/early.py": "",
    "rooms/lazy.py": "import house.alone\n",
    "rooms/table.yaml": "maker: house.top:make\n",
    "every/__init__.py": "from pkgutil import iter_modules\nNAMES = list(iter_modules(__path__))\n",
    "every/one.py": "import house.alone\n",
    "every/two.py": "",
}


@pytest.fixture
def house(tmp_path: Path) -> Imports:
    """A package with a face that loads on first use, and names in strings."""
    for name, text in HOUSE.items():
        path = tmp_path / "house" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return Imports(tmp_path / "house")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import math", ""),
        ("import house.alone", "alone"),
        ("from house.rooms import early", "rooms rooms.early"),
        ("from house.every import NAMES", "every every.one every.two alone"),
        ("from house.rooms import late", "rooms rooms.lazy alone"),
        ("from house import rooms\nrooms.late()", "rooms rooms.lazy alone"),
        ("import house\nhouse.alone", "alone"),
        ("def f():\n    from house import alone", "alone"),
        ("if TYPE_CHECKING:\n    from house import alone", ""),
        ("from house.top import x", "top rooms rooms.early low deep"),
    ],
)
def test_code_reaches_what_its_statements_run(house: Imports, text: str, names: str) -> None:
    found = set(house.reached([ast.parse(text)]))
    wanted = {f"house.{name}" for name in names.split()}
    assert found == (wanted | {"house"} if "house" in text and "TYPE" not in text else set())


def test_names_in_strings_are_followed_on_request(house: Imports) -> None:
    tree = ast.parse("import house.deep")
    assert "house.named" not in house.reached([tree])
    assert "house.named" in house.reached([tree], strings=True)
    assert "house.top" in house.reached([ast.parse("import house.rooms.early")], strings=True)  # data beside it
    assert "house.named" in house.reached([], ["house.named"])


def test_an_unknown_module_is_named(house: Imports) -> None:
    with pytest.raises(ValueError, match=r"no module house\.none in house/"):
        house.reached([], ["house.none"])


def test_data_of_a_room_go_with_its_modules(house: Imports) -> None:
    names = {path.name for path in with_data(house.reached([ast.parse("import house.rooms.early")]).values())}
    assert {"table.yaml", "early.py"} <= names
    assert "table.yaml" not in {path.name for path in with_data([house.package / "low.py"])}


# One process imports what is not ours; each module is imported by a fork of it, in which none of ours is there yet.
LOADED = """
import importlib, os, sys
import matplotlib.pyplot, pandas, torch
for module in sys.argv[1:]:
    if not (child := os.fork()):
        importlib.import_module(module)
        print(module, *(name for name in sys.modules if name.partition('.')[0] == 'vgf'), flush=True)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, module
"""
MODULES = ("vgf.results.tables", "vgf.training.runs", "vgf.book.chapter")


@pytest.fixture(scope="module")
def loaded() -> dict[str, set[str]]:
    """Return which modules of the package Python loads with each module."""
    words = [sys.executable, "-c", LOADED, *MODULES]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=True)
    return {names[0]: set(names[1:]) for names in map(str.split, done.stdout.splitlines())}


@pytest.mark.parametrize("module", MODULES)
def test_what_python_loads_was_reached(module: str, loaded: dict[str, set[str]]) -> None:
    assert module in loaded[module]
    assert loaded[module] <= set(Imports().reached([], [module]))


def test_a_training_depends_on_no_verdict_and_on_no_page() -> None:
    rooms = {
        name.split(".")[1] for name in Imports().reached([], ["vgf.training.commands"], strings=True) if "." in name
    }
    assert {"flow", "agents", "datasets", "records", "training"} <= rooms
    assert rooms & {"results", "book", "rlhf", "release", "bench", "cli"} == set()
