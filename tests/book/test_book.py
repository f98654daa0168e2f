"""The book's sources and its built pages: complete, cited, offline. Typed numbers: test_numbers.py."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from bs4 import BeautifulSoup

from tests.helpers.site import CHAPTERS, PAGES, ROOT, SITE
from vgf.agents import VGF, Dims, VGFConfig
from vgf.training.checkpoints import save_policy

SOURCES = [ROOT / f"{page}.md" for page in PAGES]
KEY = r"[a-z]{2,}(?:19|20)\d\d[a-z]\w*"
BIB_KEYS = re.findall(r"^@\w+\{([^,]+),", (ROOT / "book" / "references.bib").read_text(), re.MULTILINE)


def name(path: Path) -> str:
    """Return a path as the tests show it."""
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES)
def test_every_page_of_the_contents_has_a_source_and_is_built(page: str) -> None:
    assert (ROOT / f"{page}.md").exists()
    assert (SITE / f"{page}.html").exists(), "not built; `make book` builds it"


def test_every_source_is_in_the_contents() -> None:
    sources = [*(ROOT / "book").rglob("*.md"), *(ROOT / "notebooks").glob("*.md")]
    assert sorted(map(name, sources)) == sorted(f"{page}.md" for page in PAGES)


def test_citation_keys_are_unique() -> None:
    assert sorted(BIB_KEYS) == sorted(set(BIB_KEYS))


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_every_citation_of_a_page_is_in_the_bibliography(source: Path) -> None:
    cited = [key for role in re.findall(r"\{cite:\w+\}`([^`]+)`", source.read_text()) for key in role.split(",")]
    assert {key.strip() for key in cited} - set(BIB_KEYS) == set()


@pytest.mark.parametrize("source", sorted((ROOT / "vgf").rglob("*.py")), ids=name)
def test_every_citation_of_a_module_is_in_the_bibliography(source: Path) -> None:
    assert set(re.findall(rf"\b{KEY}\b", source.read_text())) - set(BIB_KEYS) == set()


@pytest.mark.parametrize("source", SOURCES, ids=name)
def test_every_include_resolves(source: Path) -> None:
    included = re.findall(r"^`{3,}\{(?:include|literalinclude)\} (\S+)", source.read_text(), re.MULTILINE)
    assert [path for path in included if not (source.parent / path).exists()] == []


def python_blocks(path: Path) -> str:
    """Return the Python of a page's code fences, joined."""
    return "\n".join(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize("page", ["README.md", "book/quickstart.md"])
def test_the_code_a_reader_copies_first_runs(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = VGFConfig(particles=3, hidden=(8,), flow_steps=2)
    save_policy(tmp_path / "policy.safetensors", VGF.create(config, Dims(4, 2), (0,)), "hopper-medium-v2")
    monkeypatch.chdir(tmp_path)
    scope: dict[str, object] = {}
    exec(compile(python_blocks(ROOT / page), page, "exec"), scope)
    assert scope["actions"].shape == (16, 2)  # type: ignore[attr-defined]
    assert scope["action"].shape == (2,)  # type: ignore[attr-defined]
    if page == "book/quickstart.md":
        assert capsys.readouterr().out.startswith("tensor(True)\n")


def test_chapters_named_in_commands_exist() -> None:
    texts = [(ROOT / page).read_text() for page in ("README.md", "Makefile", "book/reproduce.md", "CONTRIBUTING.md")]
    named = {chapter for text in texts for chapter in re.findall(r"\bCH=(\w+)", text)} - {"one"}
    assert named
    assert named <= {Path(chapter).name for chapter in CHAPTERS}


def test_commands_named_in_pages_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in ("README.md", "CONTRIBUTING.md", "book/reproduce.md", "book/quickstart.md"):
        named = set(re.findall(r"(?:`|^)make ([a-z]+)", (ROOT / page).read_text(), re.MULTILINE))
        assert named <= targets, page


def assets(html: str) -> list[str]:
    """Return what a page loads by itself: scripts, styles, icons, images, frames; links to follow are not that."""
    loading = BeautifulSoup(html, "lxml").select("script, img, iframe, source, video, audio, embed, object, link")
    found = [tag for tag in loading if not {"canonical", "next", "prev", "author", "search"} & {*tag.get("rel", ())}]
    return [str(tag[key]) for tag in found for key in ("src", "href", "data", "srcset") if tag.get(key)]


@pytest.mark.parametrize("page", PAGES)
def test_no_page_loads_anything_remote_or_missing(page: str) -> None:
    path = SITE / f"{page}.html"
    html = path.read_text()
    addresses = assets(html)
    assert addresses
    assert [a for a in addresses if re.match(r"(https?:)?//", a)] == []
    local = [a.split("?")[0].split("#")[0] for a in addresses if not a.startswith("data:")]
    assert [a for a in local if a and not (path.parent / a).exists()] == []
    assert "unpkg.com" not in html
    assert "cdn." not in html


@pytest.mark.parametrize("page", PAGES)
def test_no_page_names_a_place_on_the_machine_that_built_it(page: str) -> None:
    html = (SITE / f"{page}.html").read_text()
    assert str(ROOT) not in html
    assert re.findall(r"file:///\S*", html) == []


@pytest.mark.parametrize("page", PAGES)
def test_every_table_of_a_page_is_one(page: str) -> None:
    assert re.findall(r"<p>\s*\|[^<]*\|", (SITE / f"{page}.html").read_text()) == []


@functools.cache
def links(path: Path) -> tuple[list[str], set[str]]:
    """Return where a page's links lead, and the names within the page that links may lead to; read once."""
    soup = BeautifulSoup(path.read_text(), "lxml")
    names = {str(tag[key]) for key in ("id", "name") for tag in soup.select(f"[{key}]")}
    return [str(tag["href"]) for tag in soup.select("a[href]")], names


@pytest.mark.parametrize("page", [*PAGES, "genindex", "prf-prf", "search"])
def test_every_link_and_download_within_the_book_resolves(page: str) -> None:
    path = SITE / f"{page}.html"
    dead = []
    for target in links(path)[0]:
        if re.match(r"[a-z]+:", target):
            continue
        file, _, name = target.partition("#")
        other = (path.parent / unquote(file)).resolve() if file else path
        if not other.is_file() or (name and unquote(name) not in links(other)[1]):
            dead.append(target)
    assert dead == []


@functools.cache
def loaded(page: str) -> set[Path]:
    """Return the files a page loads by itself, both drawings of each figure among them."""
    folder = (SITE / page).parent
    addresses = [a.split("?")[0].split("#")[0] for a in assets((SITE / f"{page}.html").read_text())]
    return {(folder / unquote(a)).resolve() for a in addresses if a and not a.startswith("data:")}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_and_what_it_alone_loads_are_light(page: str) -> None:
    pages = Counter(path for other in PAGES for path in loaded(other))
    # Styles, scripts, MathJax and the search's index of several pages: loaded once and kept by the browser.
    several = {path for path, count in pages.items() if count > 1}
    shared = {path for path in several if SITE / "_static" in path.parents or path.parent == SITE}
    own = [SITE / f"{page}.html", *(loaded(page) - shared)]
    weight = sum(path.stat().st_size for path in own)
    heaviest = max(own, key=lambda path: path.stat().st_size).name
    assert weight < 1_500_000, f"{weight} bytes, the most in {heaviest}"


@pytest.mark.parametrize("page", PAGES)
def test_each_page_says_how_to_cite_it(page: str) -> None:
    html = (SITE / f"{page}.html").read_text()
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    (foot,) = re.findall(r'<section class="page-facts".*?</section>', html, re.DOTALL)
    assert f"{citation['url']}/{page}.html" in foot
    assert f"Version {citation['version']}" in foot
    heading = re.search(r"<h1>((?:(?!<h1>).)*?)<a class=\"headerlink\"", html, re.DOTALL)
    assert heading
    words = re.sub(r"<span class=\"section-number\">.*?</span>|<[^>]+>", "", heading[1]).strip()
    cited = re.search(r"title     = \{(.*)\},", foot)
    assert cited
    assert re.findall(r"[a-z]{3,}", unescape(words).lower()) == re.findall(r"[a-z]{3,}", unescape(cited[1]).lower())


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_each_chapter_says_when_and_where_it_ran(chapter: str) -> None:
    metadata = json.loads((ROOT / f"{chapter}.ipynb").read_text())["metadata"]
    run, machine = metadata["papermill"], metadata["machine"]
    (foot,) = re.findall(r'<section class="page-facts".*?</section>', (SITE / f"{chapter}.html").read_text(), re.DOTALL)
    assert f'datetime="{run["end_time"]}"' in foot
    assert f"at scale <code>{run['parameters']['scale']}</code>" in foot
    words = (machine["processor"], f"{machine['cores']} core", machine["system"], machine["python"])
    assert [word for word in words if str(word) not in unescape(foot)] == []
    assert machine["commit"][:7] in foot


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_can_be_taken_along_as_a_notebook(chapter: str) -> None:
    assert (SITE / "_sources" / f"{chapter}.ipynb").is_file()  # what is in it: test_readable.py
    assert f"_sources/{chapter}.ipynb" in "".join(links(SITE / f"{chapter}.html")[0])


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_what_prepares_a_chapter_is_one_fold_and_comes_before_any_other_code(chapter: str) -> None:
    html = (SITE / f"{chapter}.html").read_text()
    before, opens, after = html.partition('<details class="setup"><summary>Setup</summary>')
    inside, _, rest = after.partition("</details>")
    assert opens
    assert ("tag_parameters" in inside, inside.count("tag_setup")) == (True, 2)
    assert "tag_setup" not in before + rest
    assert 'class="cell' not in before


def styles() -> Iterator[Path]:
    """Yield every style sheet of the site."""
    yield from (SITE / "_static").rglob("*.css")


def test_no_style_loads_anything_remote() -> None:
    remote = re.compile(r"(?:url\(\s*['\"]?|@import\s+['\"])(?:https?:)?//")
    assert [path.name for path in styles() if remote.search(path.read_text(errors="ignore"))] == []


@pytest.mark.parametrize("page", PAGES)
def test_no_table_is_shown_as_the_text_it_is_written_in(page: str) -> None:
    shown = re.sub(r"<(pre|code|script)\b.*?</\1>", "", (SITE / f"{page}.html").read_text(), flags=re.DOTALL)
    assert re.findall(r"\|\s*:?(?:-{2,}|–|—)+:?\s*\|.{0,40}", shown) == []


def test_the_scoreboard_shows_every_claim() -> None:
    claims = (ROOT / "data" / "paper" / "claims.csv").read_text().splitlines()[1:]
    html = (SITE / "book" / "intro.html").read_text()
    statuses = re.findall(
        r"sd-badge[^>]*>(held in part|held|did not hold|undecided|condition not met|untested)<",
        html[html.index("<table") :].replace("\n", ""),  # the legend stands before the tables
    )
    assert len(statuses) == len(claims)


def test_the_settings_never_execute_while_rendering() -> None:
    config = yaml.safe_load((ROOT / "_config.yml").read_text())
    assert config["execute"]["execute_notebooks"] == "off"
    assert config["only_build_toc_files"] is True
