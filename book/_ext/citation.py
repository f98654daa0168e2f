"""What the book is called, who made it and where it is: read from CITATION.cff, the one place that says so.

A page is cited as a part of the book, by its title and its address. Nothing here knows Sphinx, so that the tests can
compare what a page shows with what this makes of the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

TEX = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"} | {
    c: f"\\{c}" for c in "&%#_{}"
}


@dataclass(frozen=True)
class Book:
    """The book, as it is cited.

    Attributes:
        title: its title.
        authors: a name each, as CITATION.cff has it: an entity's whole, a person's as (family names, given names).
        version: of this edition.
        year: of this edition.
        address: where it is published, without a slash at the end.
    """

    title: str
    authors: tuple[str | tuple[str, str], ...]
    version: str
    year: str
    address: str

    def address_of(self, page: str) -> str:
        """Return where a page of the contents is published."""
        return f"{self.address}/{page}.html"


def read_book(path: Path, year: str) -> Book:
    """Return what CITATION.cff says.

    Args:
        path: the file.
        year: of an edition that is not released yet, whose file gives no date.

    Raises:
        ValueError: if the file lacks a field, naming both.
    """
    fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    missing = [name for name in ("title", "authors", "version", "url") if name not in fields]
    if missing:
        raise ValueError(f"{path.name}: no {', '.join(missing)}; a page's citation is made from it")
    authors = tuple(one.get("name") or (one["family-names"], one["given-names"]) for one in fields["authors"])
    year = str(fields.get("date-released", year))[:4]
    return Book(fields["title"], authors, str(fields["version"]), year, fields["url"].rstrip("/"))


def bibtex(book: Book, page: str, title: str) -> str:
    """Return the BibTeX entry of a page; its key is made from the page's name, so it stays while the title changes."""
    authors = " and ".join(tex(", ".join(a)) if isinstance(a, tuple) else f"{{{tex(a)}}}" for a in book.authors)
    fields = {
        "author": authors,
        "title": tex(title),
        "booktitle": tex(book.title),
        "year": book.year,
        "note": f"Version {book.version}",
        "url": book.address_of(page),
    }
    lines = "".join(f"  {name:<9} = {{{value}}},\n" for name, value in fields.items())
    return f"@incollection{{{key(book, page)},\n{lines}}}"


def whole(book: Book) -> str:
    """Return the BibTeX entry of the whole book."""
    authors = " and ".join(tex(", ".join(a)) if isinstance(a, tuple) else f"{{{tex(a)}}}" for a in book.authors)
    fields = {
        "author": authors,
        "title": tex(book.title),
        "year": book.year,
        "note": f"Version {book.version}",
        "url": book.address,
    }
    lines = "".join(f"  {name:<9} = {{{value}}},\n" for name, value in fields.items())
    return f"@misc{{{key(book, '')},\n{lines}}}"


def key(book: Book, page: str) -> str:
    """Return the key of a page's entry: what the book is called, its year, the page's name."""
    return f"vgfcompanion{book.year}{re.sub(r'[^a-z0-9]', '', page.rpartition('/')[2].lower())}"


def sentence(book: Book, page: str, title: str) -> str:
    """Return a page's citation in one line of text."""
    authors = ", ".join(f"{a[1]} {a[0]}" if isinstance(a, tuple) else a for a in book.authors)
    return f"{authors} ({book.year}). “{title}.” In {book.title}, version {book.version}. {book.address_of(page)}"


def tex(text: str) -> str:
    """Return text as TeX reads it: what is special to TeX stands for itself, mathematics between dollars stays."""
    parts = re.split(r"(\$[^$]*\$)", text)
    return "".join(part if part.startswith("$") else "".join(TEX.get(c, c) for c in part) for part in parts)
