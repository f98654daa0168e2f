"""What a PDF printed by Chromium says of itself: the page of each named place, its bookmarks, its author.

Chromium writes plain objects, none of them packed, so patterns are enough; of other programs' PDFs they are not.
The trade-off against a library: few lines and no dependency for three questions.
"""

from __future__ import annotations

import re

REFERENCE = re.compile(rb"(\d+) 0 R")
PAGES = re.compile(rb"(\d+) 0 obj\s*<<\s*/Type /Pages\b(?P<body>.*?)endobj", re.DOTALL)
PLACES = re.compile(rb"/(?P<name>[^\s/\[<>()]+) \[(?P<page>\d+) 0 R /XYZ")
TITLE = re.compile(rb"/Title (?:\((?P<plain>(?:\\.|[^\\)])*)\)|<(?P<wide>[0-9A-Fa-f]+)>)(?P<rest>.*?)endobj", re.DOTALL)


def places(pdf: bytes) -> dict[str, int]:
    """Return the page, from one on, of each place that a link of the document leads to."""
    order = {reference: number for number, reference in enumerate(page_objects(pdf), start=1)}
    found = {}
    for match in PLACES.finditer(pdf):
        name = re.sub(rb"#([0-9A-F]{2})", lambda code: bytes.fromhex(code[1].decode()), match["name"])
        if int(match["page"]) in order:
            found[name.decode(errors="replace")] = order[int(match["page"])]
    return found


def page_objects(pdf: bytes) -> list[int]:
    """Return the numbers of the page objects, in the document's order."""
    nodes = {}
    for match in PAGES.finditer(pdf):
        kids = re.search(rb"/Kids \[(.*?)\]", match["body"], re.DOTALL)
        nodes[int(match[1])] = [int(kid) for kid in REFERENCE.findall(kids[1])] if kids else []
    (root,) = set(nodes) - {kid for kids in nodes.values() for kid in kids}

    def below(number: int) -> list[int]:
        return [page for kid in nodes[number] for page in below(kid)] if number in nodes else [number]

    return below(root)


def bookmarks(pdf: bytes) -> list[str]:
    """Return the titles in the outline, spaces made single."""
    titles = []
    for match in TITLE.finditer(pdf):
        if b"/Dest" not in match["rest"].partition(b">>")[0]:
            continue  # the document's own title
        if match["wide"]:
            text = bytes.fromhex(match["wide"].decode()).decode("utf-16")
        else:
            text = re.sub(rb"\\(.)", rb"\1", match["plain"]).decode("latin-1")
        titles.append(" ".join(text.split()))
    return titles


def signed(pdf: bytes, author: str) -> bytes:
    """Return the PDF with its author's name, and without that of the browser, in its properties.

    The properties are written anew behind the file's end, as the format provides for changes.
    """
    trailer = re.search(rb"trailer\s*<<(?P<fields>[^>]*)>>\s*startxref\s+(?P<start>\d+)\s+%%EOF\s*$", pdf)
    if not trailer:
        raise ValueError("not a PDF as Chromium writes it: no trailer at its end")
    number = re.search(rb"/Info (\d+) 0 R", trailer["fields"])
    if not number:
        raise ValueError("not a PDF as Chromium writes it: it has no properties")
    old = re.search(rb"(?m)^" + number[1] + rb" 0 obj\s*<<(.*?)>>\s*endobj", pdf, re.DOTALL)
    if not old:
        raise ValueError("not a PDF as Chromium writes it: its properties are missing")
    kept = re.sub(rb"/(?:Author|Creator) \((?:\\.|[^\\)])*\)\s*", b"", old[1])
    name = b"<FEFF" + author.encode("utf-16-be").hex().upper().encode() + b">"
    new = number[1] + b" 0 obj\n<<" + kept + b"\n/Author " + name + b"\n/Creator (Jupyter Book, Chromium)>>\nendobj\n"
    free = b"0 1\n0000000000 65535 f \n"  # readers expect the list of free objects first
    table = b"xref\n%s%s 1\n%010d 00000 n \n" % (free, number[1], len(pdf) + 1)
    fields = trailer["fields"].strip() + b"\n/Prev " + trailer["start"]
    return b"%s\n%s%strailer\n<<%s>>\nstartxref\n%d\n%%%%EOF\n" % (pdf, new, table, fields, len(pdf) + 1 + len(new))
