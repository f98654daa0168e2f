"""How long the book's sentences are: `python -m vgf.book.sentences`.

Measured is prose as a reader sees it: paragraphs, list items, definitions, captions and the cells of the scoreboard.
The fields of a chapter are filled from its executed copy, and what a page includes from `data/figures/` is read too, so
a sentence that code assembles counts at its full length. Left out are headings, tables, code, equations on lines of
their own, list items that are only links, and the files and origin below a figure. A formula, a piece of code and a
link to a page count as one word, and an equation on its own line ends a sentence. The trade-off: a full stop before a
capital letter is taken for an end, so an abbreviation that is not in ABBREVIATIONS splits a sentence in two.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from statistics import median

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from vgf.book.facts import Fact, glued
from vgf.support.json_text import read_json
from vgf.support.paths import project_folder

MEDIAN, LONGEST = 18, 35  # words: the most a page's middle sentence and any sentence may have
FEWEST = 3  # fewer words are a label
SILENT = {  # directives without prose
    *("math", "code-cell", "code", "code-block", "literalinclude", "eval-rst", "bibliography", "image", "toctree"),
    *("explorer", "loops", "raw", "table"),
}
WORD = "\N{WHITE SQUARE}"  # in place of a formula, code or a role
ABBREVIATIONS = ("e.g.", "i.e.", "et al.", "cf.", "vs.")
NO_END = "".join(rf"(?<!{re.escape(short)})" for short in ABBREVIATIONS)
END = re.compile(rf"(?:(?<=[.!?])|(?<=[.!?][)\]\"'\u201d\u2019])){NO_END}\s+(?=[A-Z\"'(\[\u201c\u2018{WORD}])|\n")
FIELD = re.compile(r"\{glue:(?:text|md)\}`([^`]+)`")
INCLUDE = re.compile(r"^```\{include\} (\S+)\n(?::[^\n]*\n)*```\n?", re.MULTILINE)
ITEMS = ("dt_open", "heading_open", "th_open", "td_open")


@dataclass(frozen=True)
class Sentence:
    """A sentence, its length in words, and where it stands: the file from the project's root and the line."""

    text: str
    words: int
    place: str


@cache
def parser() -> MarkdownIt:
    """Return the book's Markdown parser, with the extensions of its settings."""
    names = yaml.safe_load((project_folder() / "_config.yml").read_text(encoding="utf-8"))
    config = MdParserConfig(enable_extensions=set(names["parse"]["myst_enable_extensions"]))
    return create_md_parser(config, RendererHTML)


def page_sentences(page: str, known: Mapping[str, Fact], root: Path | None = None) -> list[Sentence]:
    """Return the sentences of a page, with those of what it includes.

    Args:
        page: its path from the project's root without suffix, such as `notebooks/03_bandit`.
        known: what executed chapters have glued, by name; a field without a value counts as one word.
        root: the project's folder.

    Raises:
        FileNotFoundError: if the page is not there.
    """
    root = root or project_folder()
    path = root / f"{page}.md"
    text = path.read_text(encoding="utf-8")
    found = sentences(filled(text, known), f"{page}.md")
    for name in INCLUDE.findall(text):
        inner = (path.parent / name).resolve()
        if inner.suffix == ".md" and inner.exists():
            found += sentences(inner.read_text(encoding="utf-8"), str(inner.relative_to(root.resolve())))
    executed = path.with_suffix(".ipynb")
    return found + [one for text in written(executed) for one in sentences(text, str(executed.relative_to(root)))]


def written(executed: Path) -> list[str]:
    """Return the Markdown that the cells of an executed chapter write; none where it is not there."""
    cells = read_json(executed)["cells"] if executed.exists() else []
    outputs = [output.get("data", {}) for cell in cells for output in cell.get("outputs", [])]
    return ["".join(output["text/markdown"]) for output in outputs if "text/markdown" in output]


def filled(text: str, known: Mapping[str, Fact]) -> str:
    """Return MyST text with the values of its fields, on the same lines."""

    def value(field: re.Match[str]) -> str:
        name, _, form = field[1].rpartition(":") if field[1].rpartition(":")[0] in known else (field[1], "", "")
        if name not in known:
            return WORD
        shown = format(known[name], form) if form else str(known[name])
        return " ".join(shown.split())

    return FIELD.sub(value, text)


def sentences(text: str, place: str) -> list[Sentence]:
    """Return the sentences of MyST text.

    Args:
        text: the text, with or without front matter.
        place: the file it is from, for `Sentence.place`.
    """
    head = re.match(r"---\n(?s:.*?)\n---\n", text)
    body = "\n" * head[0].count("\n") + text[head.end() :] if head else text
    return [
        Sentence(part.strip(), words, f"{place}:{line}")
        for line, block in blocks(body)
        for part in END.split(block)
        if (words := count(part)) >= FEWEST
    ]


def count(text: str) -> int:
    """Return the number of words: what stands between spaces and holds a letter, a figure or a formula."""
    return sum(bool(re.search(rf"[\w{WORD}]", part)) for part in text.split())


def blocks(text: str, first: int = 1) -> Iterator[tuple[int, str]]:
    """Yield the line and the words of each paragraph, list item, definition or caption."""
    tokens = parser().parse(text)
    depth = 0
    for before, token in zip([None, *tokens], tokens, strict=False):
        line = first + token.map[0] if token.map else first
        depth += (token.type == "list_item_open") - (token.type == "list_item_close")
        if token.type in ("fence", "colon_fence"):
            yield from directive(token, line)
        elif token.type == "inline" and not (before and before.type in ITEMS):
            words, linked = read(token.children or [])
            if not (depth and count(words) - linked < FEWEST):
                yield line, words


def directive(token: Token, line: int) -> Iterator[tuple[int, str]]:
    """Yield what a directive holds; of list-tables the scoreboard's alone, which is sentences."""
    named = re.match(r"\{([\w:-]+)\}", token.info)
    if not named or named[1] in SILENT or "figure-files" in token.info or "figure-origin" in token.content[:60]:
        return
    if named[1] == "list-table" and ":class: scoreboard" not in token.content:
        return
    options = re.match(r"(?:---\n(?s:.*?)\n---\n|(?:[ \t]*:[\w-]+:.*\n)+)", token.content)
    skipped = options.end() if options else 0
    yield from blocks(token.content[skipped:], line + 1 + token.content[:skipped].count("\n"))


def read(children: Sequence[Token]) -> tuple[str, int]:
    """Return a block's words, and how many of them are links: a parenthetical citation is none."""
    words, linked, inside = "", 0, False
    for token in children:
        if token.type in ("link_open", "link_close"):
            inside = token.type == "link_open"
        elif token.type == "text":
            words += token.content
            linked += count(token.content) if inside else 0
        elif token.type in ("softbreak", "hardbreak"):
            words += " " if token.type == "softbreak" else "\n"
        elif token.type == "myst_role":
            name = str(token.meta["name"])
            words += "" if name in ("cite:p", "index") else WORD
            linked += name in ("doc", "ref", "download", "prf:ref", "numref", "eq")
        elif token.type in ("math_inline", "code_inline", "math_inline_double"):
            words += WORD
    return words, linked


def pages(root: Path | None = None) -> list[str]:
    """Return the pages of the book, in the order of its table of contents."""

    def named(node: Mapping[str, object]) -> list[str]:
        own = [str(node[key]) for key in ("root", "file") if key in node]
        inner = [child for key in ("parts", "chapters", "sections") for child in node.get(key, [])]  # type: ignore[attr-defined]
        return own + [page for child in inner for page in named(child)]

    return named(yaml.safe_load(((root or project_folder()) / "_toc.yml").read_text(encoding="utf-8")))


def main() -> int:
    """Print each page's middle sentence and every sentence that is too long; 1 if the book fails."""
    root = project_folder()
    known = glued(root / "notebooks")
    by_page = {page: page_sentences(page, known) for page in pages(root)}
    for page, own in by_page.items():
        print(f"{median(one.words for one in own):5.1f} words in {len(own):3d} sentences  {page}" if own else page)
    every = [one for own in by_page.values() for one in own]
    long = [one for one in every if one.words > LONGEST]
    for one in long:
        print(f"{one.place}: {one.words} words: {one.text}")
    middle = median(one.words for one in every)
    print(f"median {middle:g} words (at most {MEDIAN}); {len(long)} of {len(every)} sentences over {LONGEST} words")
    return int(middle > MEDIAN or bool(long))


if __name__ == "__main__":
    sys.exit(main())
