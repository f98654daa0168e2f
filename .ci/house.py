"""Measure the house: boxes at the top of vgf/, floors, arrows between boxes, lines, files over the limit.

    python .ci/house.py             # the counts, and a line for each box
    python .ci/house.py --readme    # put the lines of the files to read into README.md

A box is an entry of `vgf/`, a file or a folder. An arrow is an import from one box to another, however many times; what
is imported for type checkers alone does not count. The floors are the longest chain of arrows.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from pathlib import Path

import grimp

ROOT = Path(__file__).resolve().parents[1]
ROW = re.compile(r"^\| `(vgf/[\w/]+\.py)` \| +\d+ \|", re.MULTILINE)  # of README.md's list of files to read
TOTAL = re.compile(r"\*\*[\d,]+ lines\*\*")
MOST = {"boxes": 22, "floors": 7, "arrows": 65, "lines": 16_500}


def readme(text: str) -> str:
    """Return README.md with today's lines of the files to read, and their sum."""
    lines = {name: len((ROOT / name).read_text().splitlines()) for name in ROW.findall(text)}
    text = ROW.sub(lambda row: f"| `{row[1]}` | {lines[row[1]]} |", text)
    return TOTAL.sub(f"**{sum(lines.values()):,} lines**", text)


def main() -> None:
    """Print one line a count, beside the most it should be."""
    graph = grimp.build_graph("vgf", exclude_type_checking_imports=True)
    boxes = sorted(graph.find_children("vgf"))
    arrows: dict[str, set[str]] = {box: set() for box in boxes}
    for module in graph.modules - {"vgf"}:
        box = ".".join(module.split(".")[:2])
        for other in graph.find_modules_directly_imported_by(module):
            target = ".".join(other.split(".")[:2])
            if target != box and target in arrows:
                arrows[box].add(target)

    @cache
    def depth(box: str) -> int:
        return 1 + max((depth(other) for other in arrows[box]), default=0)

    files = sorted((ROOT / "vgf").rglob("*.py"))
    lines = {path: len(path.read_text().splitlines()) for path in files}
    found = {
        "boxes": len(boxes),
        "floors": max(map(depth, boxes)),
        "arrows": sum(map(len, arrows.values())),
        "lines": sum(lines.values()),
    }
    for name, value in found.items():
        print(f"{name:<8}{value:>7,}   at most {MOST[name]:,}")
    rooms = {box.removeprefix("vgf."): box for box in boxes}
    width = max(map(len, rooms))
    for name in sorted(rooms, key=lambda name: (-depth(rooms[name]), name)):
        own = sum(n for path, n in lines.items() if path.relative_to(ROOT / "vgf").with_suffix("").parts[0] == name)
        needs = ", ".join(sorted(other.removeprefix("vgf.") for other in arrows[rooms[name]]))
        print(f"  floor {depth(rooms[name])}  {name:<{width}} {own:>6,} lines  needs {needs or 'nothing'}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--readme"]:
        (ROOT / "README.md").write_text(readme((ROOT / "README.md").read_text()))
    else:
        main()
