"""Each entry of the bibliography has what a reader needs to find the work, in one form, and is cited somewhere."""

from __future__ import annotations

import re

import pytest
from pybtex.database import Entry, parse_file

from tests.helpers.site import PAGES, ROOT

ENTRIES = parse_file(str(ROOT / "book" / "references.bib")).entries
VENUES = {"inproceedings": "booktitle", "article": "journal", "book": "publisher", "software": "publisher"}
FORMS = {
    "eprint": r"\d{4}\.\d{4,5}",
    "doi": r"10\.\d{4,}/\S+",
    "url": r"https://\S+",
    "year": r"(19|20)\d\d",
    "pages": r"\d+--\d+",
    "volume": r"\d+",
}


def entries() -> list[tuple[str, Entry]]:
    """Return key and entry of each."""
    return list(ENTRIES.items())


@pytest.mark.parametrize(("key", "entry"), entries(), ids=list(ENTRIES))
def test_an_entry_has_authors_title_year_venue_and_identifier(key: str, entry: Entry) -> None:
    assert entry.persons.get("author")
    assert entry.fields["title"].strip()
    assert re.fullmatch(FORMS["year"], entry.fields["year"])
    venue = VENUES.get(entry.type)
    assert venue is None or entry.fields[venue].strip()
    assert {"eprint", "doi", "url"} & set(entry.fields), "nothing to find it by"
    assert entry.type in {*VENUES, "misc"}
    assert re.fullmatch(rf"[a-z]+{entry.fields['year']}[a-z0-9]+", key), "key is author, year, word"


@pytest.mark.parametrize(("key", "entry"), entries(), ids=list(ENTRIES))
def test_fields_have_their_form(key: str, entry: Entry) -> None:
    for name, form in FORMS.items():
        if name in entry.fields:
            assert re.fullmatch(form, entry.fields[name]), f"{key}: {name}"
    assert ("eprint" in entry.fields) == (entry.fields.get("archiveprefix") == "arXiv")
    assert "others" not in [str(person) for person in entry.persons["author"]], "every author is named"
    for person in entry.persons["author"]:
        assert person.last_names
        assert person.first_names, f"{person}: family names, given names"


def test_an_identifier_belongs_to_one_entry() -> None:
    found = [
        entry.fields[name] for entry in ENTRIES.values() for name in ("eprint", "doi", "url") if name in entry.fields
    ]
    assert sorted(found) == sorted(set(found))


def test_an_arxiv_number_is_no_later_than_the_year_allows() -> None:
    for key, entry in ENTRIES.items():
        if "eprint" in entry.fields:
            posted = 2000 + int(entry.fields["eprint"][:2])
            assert posted <= int(entry.fields["year"]), key


def test_every_entry_is_cited() -> None:
    texts = [(ROOT / f"{page}.md").read_text() for page in PAGES]
    texts += [
        path.read_text()
        for folder in ("vgf", "data/experiments")
        for path in (ROOT / folder).rglob("*.*")
        if path.suffix in (".py", ".yaml")
    ]
    texts += [(ROOT / "data" / "README.md").read_text()]
    together = "\n".join(texts)
    assert [key for key in ENTRIES if not re.search(rf"\b{key}\b", together)] == []
