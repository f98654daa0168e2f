"""What a printed PDF says of itself: the page of each named place, its bookmarks, its author."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from typing import Any

from pypdf import PdfReader, PdfWriter

MADE_WITH = "Jupyter Book, Chromium"


def places(pdf: bytes) -> dict[str, int]:
    """Return the page, from one on, of each place that a link of the document leads to."""
    reader = PdfReader(BytesIO(pdf))
    numbers = {name: reader.get_destination_page_number(place) for name, place in reader.named_destinations.items()}
    return {name.removeprefix("/"): number + 1 for name, number in numbers.items() if number is not None}


def bookmarks(pdf: bytes) -> list[str]:
    """Return the titles in the outline, spaces made single."""

    def titles(outline: list[Any]) -> Iterator[str]:
        for entry in outline:
            if isinstance(entry, list):
                yield from titles(entry)
            else:
                yield " ".join(str(entry.title).split())

    return list(titles(PdfReader(BytesIO(pdf)).outline))


def links(pdf: bytes) -> list[str]:
    """Return the addresses that links of the document lead to."""
    notes = (note.get_object() for page in PdfReader(BytesIO(pdf)).pages for note in page.get("/Annots") or ())
    return [str(note["/A"]["/URI"]) for note in notes if "/URI" in note.get("/A", {})]


def signed(pdf: bytes, author: str) -> bytes:
    """Return the PDF with its author's name, and without that of the browser, in its properties."""
    reader, out = PdfReader(BytesIO(pdf)), BytesIO()
    writer = PdfWriter(clone_from=reader)
    writer.pdf_header = reader.pdf_header  # the version that has tags
    writer.add_metadata({"/Author": author, "/Creator": MADE_WITH})
    writer.write(out)
    return out.getvalue()
