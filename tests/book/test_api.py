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

PAGES = sorted((ROOT / "book" / "api").glob("*.md"))
PUBLIC = re.compile(r"^\.\. public:: (\S+)((?:\n\n?   \S+)*)", re.MULTILINE)
LISTED = [(page.stem, *found) for page in PAGES for found in PUBLIC.findall(page.read_text())]

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


@pytest.mark.parametrize(("page", "module", "names"), LISTED, ids=[module for _, module, _ in LISTED])
def test_every_public_name_of_the_package_is_documented_and_on_its_page(page: str, module: str, names: str) -> None:
    found = import_module(module)
    listed = names.split() or api.public_names(found)
    assert api.undocumented(found, listed) == []
    html = (SITE / "book" / "api" / f"{page}.html").read_text()
    assert [name for name in listed if f'id="{module}.{name}"' not in html] == []


def test_the_index_leads_to_every_module_and_every_name_it_makes_public() -> None:
    html = (SITE / "book" / "api.html").read_text()
    body = html[html.index("<article") : html.index("</article>")]
    assert [page.stem for page in PAGES if f'href="api/{page.stem}.html"' not in body] == []
    whole = [(page, module) for page, module, names in LISTED if not names]
    names = [(page, f"{module}.{name}") for page, module in whole for name in api.public_names(import_module(module))]
    assert [name for page, name in names if f'href="api/{page}.html#{name}"' not in body] == []


def test_the_index_says_of_a_name_the_first_sentence_of_its_documentation(made: ModuleType) -> None:
    made.told = lambda: None
    made.told.__doc__ = "Return KL(. || p) of t = 1 ... 2\n    (1.5 nats); no other. More is said.\n\n    Args: none."
    assert api.summary(made, "told") == "Return KL(. || p) of t = 1 ... 2 (1.5 nats); no other"
    assert api.summary(made, "BARE") == ""


def test_the_page_lists_every_name_of_the_package_itself() -> None:
    import vgf

    assert ("vgf", "vgf", "") in LISTED
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


@pytest.mark.parametrize("page", [page.stem for page in PAGES])
def test_a_page_shows_no_leftover_of_markup(page: str) -> None:
    html = (SITE / "book" / "api" / f"{page}.html").read_text()
    body = re.sub(r"<[^>]+>", "", html[html.index("<article") : html.index("</article>")])
    assert [line for line in body.splitlines() if re.search(r"``|:cite:|\\\||Alias for field", line)] == []
    if page == "theory":
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
