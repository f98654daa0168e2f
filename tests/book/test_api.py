"""The API reference: a public name without documentation is found, docstrings survive the way to a page."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pytest

from tests.helpers.site import ROOT, SITE

spec = importlib.util.spec_from_file_location("api", ROOT / "book" / "_ext" / "api.py")
assert spec is not None
assert spec.loader is not None
api = importlib.util.module_from_spec(spec)
sys.modules["api"] = api
spec.loader.exec_module(api)

LISTED = re.findall(r"^\.\. public:: (\S+)((?:\n\n?   \S+)*)", (ROOT / "book" / "api.md").read_text(), re.MULTILINE)

SOURCE = '''"""A module."""
import math
from dataclasses import dataclass
from typing import NamedTuple

#: What it is.
TABLE = {}
BARE = 1
__all__ = ["TABLE", "BARE", "told", "untold", "Told", "Untold", "Fields", "Pair"]

def told():
    """Says it."""

def untold(): ...

def _private(): ...

class Told:
    """Says it."""
    def __init__(self): ...
    def method(self):
        """Says it."""
    def silent(self): ...
    @property
    def quiet(self): ...
    @classmethod
    def make(cls): ...

class Untold: ...

@dataclass
class Fields:
    """Has fields.

    Attributes:
        one: the first.
    """
    one: int
    two: int

class Pair(NamedTuple):
    """Two."""
    a: int
'''


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "made_module.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "made_module", raising=False)
    return import_module("made_module")


def test_what_nothing_is_said_of_is_found(made: ModuleType) -> None:
    missing = api.undocumented(made, api.public_names(made))
    assert sorted(name.removeprefix("made_module.") for name in missing) == [
        "BARE",
        "Fields.two",
        "Told.make",
        "Told.quiet",
        "Told.silent",
        "Untold",
        "untold",
    ]
    assert api.data_comment(made, "TABLE") == "What it is."


def test_without_all_what_is_defined_here_is_public(made: ModuleType) -> None:
    del made.__all__
    assert api.public_names(made) == ["Fields", "Pair", "Told", "Untold", "told", "untold"]


@pytest.mark.parametrize(("module", "names"), LISTED, ids=[module for module, _ in LISTED])
def test_every_public_name_of_the_package_is_documented_and_on_the_page(module: str, names: str) -> None:
    found = import_module(module)
    listed = names.split() or api.public_names(found)
    assert api.undocumented(found, listed) == []
    html = (SITE / "book" / "api.html").read_text()
    assert [name for name in listed if f'id="{module}.{name}"' not in html] == []


def test_the_page_lists_every_name_of_the_package_itself() -> None:
    import vgf

    assert ("vgf", "") in LISTED
    assert set(api.public_names(vgf)) == set(vgf.__all__) - {"__version__"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("grad Q is `x` long, |phi| * 2", r"grad Q is ``x`` long, \|phi\| \* 2"),
        ("a trailing_ name and sum_i a_i", r"a trailing\_ name and sum_i a_i"),
        ("as shown (xu2026vgf; other2020)", "as shown (:cite:t:`xu2026vgf`; other2020)"),
        ("`xu2026vgf`", "``xu2026vgf``"),
    ],
)
def test_a_line_of_plain_text_stays_plain(line: str, expected: str) -> None:
    assert api.plain(line, {"xu2026vgf"}) == expected


def test_formulas_set_apart_stay_as_they_are() -> None:
    text = ["It is", "", "    x_k = |y|*2", "", "so.", "", "Args:", "    a: one,", "        going on.", "    b: two."]
    assert api.literal_blocks(text) == ["It is", "", "::", "", *text[2:]]


def test_the_page_shows_no_leftover_of_markup() -> None:
    html = (SITE / "book" / "api.html").read_text()
    body = re.sub(r"<[^>]+>", "", html[html.index("<article") : html.index("</article>")])
    assert [line for line in body.splitlines() if re.search(r"``|:cite:|\\\||Alias for field", line)] == []
    assert inspect.cleandoc("Squared MMD of two empirical measures") in re.sub(r"\s+", " ", body)


def test_what_is_said_of_several_names_is_said_of_each() -> None:
    text = ["Args:", "    a, b: of both,", "        going on.", "    c: alone.", "", "Of a, b: not."]
    assert api.one_by_one(text) == [
        "Args:",
        "    a: of both,",
        "        going on.",
        "    b: of both,",
        "        going on.",
        "    c: alone.",
        "",
        "Of a, b: not.",
    ]
