"""Every number a reader sees was computed or included, or is a constant with a source; any other is found."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.helpers.site import CHAPTERS, PAGES, ROOT
from tests.helpers.typed_numbers import cells, typed

# What no rule of typed_numbers.py can check: page, the words it stands in, why it may.
CONSTANTS = [
    ("book/cluster", "NFS version 4 has it", "a version of NFS"),
    ("book/how_to_read", "at least three tasks that count", "TASKS and SEEDS of vgf.results.judgement"),
    ("notebooks/15_rlhf", "up to 2.8 billion parameters", "what the paper names its largest model by (xu2026vgf)"),
    ("notebooks/15_rlhf", "with 135 million", "what the model is called: SmolLM2-135M (allal2025smollm2)"),
    ("book/deviations", "50 episodes at each test budget", "what the release evaluates (xu2026code)"),
]
MEASURES = [  # with a number that is not on any page
    ("The score is {}.25 here.", "{}.25"),
    ("That took {} ms.", "{}"),
    ("It wins {} of 9 tasks.", "{}"),
    ("In {} % of cases it holds.", "{}"),
    ("Here are {} seeds.", "{}"),
    ("It came to -{}.5 nats.", "-{}.5"),
    ("It is {}x faster.", "{}"),
    ("It rose to {} in the end.", "{}"),
    ("We found ${}$ there.", "{}"),
    ("We found $R = {}.125$ there.", "{}.125"),
    ("It gained **{:,} points**.", "{:,}"),
]
OWN_FENCE = re.compile(r"^(`{3,}|:{3,})")


def source(page: str) -> str:
    """Return a page's text."""
    return (ROOT / f"{page}.md").read_text()


@pytest.mark.parametrize("page", PAGES)
def test_no_number_a_reader_sees_is_typed(page: str) -> None:
    constants = [words for own, words, _ in CONSTANTS if own == page]
    found = [one for one in typed(page, source(page)) if not one.excused]
    assert [f"{one.number}: {one.sentence}" for one in found if not any(w in one.sentence for w in constants)] == []


@pytest.mark.parametrize(("page", "words", "why"), CONSTANTS)
def test_a_listed_constant_is_still_there_and_needs_its_place(page: str, words: str, why: str) -> None:
    assert why
    assert [one for one in typed(page, source(page)) if not one.excused and words in one.sentence]


def paragraphs(lines: list[str]) -> Iterator[int]:
    """Yield the last line of each plain paragraph outside fences, told by the lines and not by the search's parser."""
    fence, start = "", lines.index("---", 1) + 1 if lines[0] == "---" else 0
    for number in range(start, len(lines)):
        line, after = lines[number], lines[number + 1] if number + 1 < len(lines) else ""
        opens = OWN_FENCE.match(line)
        if opens and not fence:
            fence = opens[1]
        elif fence:
            fence = "" if line.rstrip() == fence else fence
        elif line and line[0].isalpha() and line.endswith((".", ":")) and not after.strip():
            yield number


def planted(text: str) -> tuple[str, list[str]]:
    """Return a page with a measurement behind every paragraph and in every table row, caption and alternative text."""
    lines = text.splitlines()
    numbers: list[str] = []

    def next_measure() -> str:
        value = 70_001 + 2 * len(numbers)
        sentence, number = MEASURES[len(numbers) % len(MEASURES)]
        numbers.append(number.format(value))
        return sentence.format(value)

    for number in paragraphs(lines):
        lines[number] += f" {next_measure()}"
    body, rows = [], False
    for line in lines:
        if rows and line.startswith("|"):
            line = f"{line.rstrip().removesuffix('|')} {next_measure()} |"
        rows = (rows and line.startswith("|")) or bool(re.fullmatch(r"\|[-:| ]+\|", line))
        body.append(line)
    text = "\n".join(body) + "\n"
    shown = re.compile(r"^    (?:caption|alt)=\(?\s*f?(?:\"{3}|\")(?=\w)", re.MULTILINE)
    return shown.sub(lambda start: f"{start[0]}{next_measure()} ", text), numbers


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_measurement_planted_anywhere_in_a_chapter_is_found(chapter: str) -> None:
    text, numbers = planted(source(chapter))
    figures = len(re.findall(r"\bsave_figure\(", source(chapter)))
    assert len(numbers) >= 3 + 2 * figures  # a caption and an alternative text for each figure
    assert len(cells(text)) == len(cells(source(chapter)))
    found = {one.number for one in typed(chapter, text) if not one.excused}
    assert [number for number in numbers if number not in found] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("We got 71.5 and 3 %.", ["71.5", "3"]),
        ("It fell to -5.25 or \N{MINUS SIGN}6.5.", ["-5.25", "\N{MINUS SIGN}6.5"]),
        ("Two seeds, three tasks, ten times faster, ten times the step, two hills.", ["three", "ten"]),
        ("---\nversion: 1.5\n---\nNone.", []),
        ("```python\nx = 0.5\n```\n", []),
        ("```{math}\n0.5\n```\n$$0.5$$ (eq-a)\n", []),
        ("`0.2`, {glue:text}`a:.2f`, <https://a.b/1.5>, [D4RL 204](https://a.b/issues/204), 2-D, D4RL, x86-64", []),
        ("[D4RL 205](https://a.b/issues/204)", ["205"]),
        ("$0.1$ and $16$, $x = 0.25$, but not $N = 10$ or $x^2 / 2$", ["0.1", "16", "0.25"]),
        ("Python 3.11 to 3.13, in August 2026; not Python 2.7 or August 26", ["2.7", "26"]),
        ("Minari 0.5.4 and MuJoCo 3.12; not Minari 9.5, MuJoCo 2.9 or a score of 0.5.", ["9.5", "2.9", "0.5"]),
        ("A 95 % interval; not 90 % intervals.", ["90"]),
        ("95 % of them win.", ["95"]),
        ("Best of {glue:text}`n` tasks: 4 of {glue:text}`n`.", ["4"]),
        ("````{list-table}\n:widths: 10 20\n* - 4.25\n````\n", ["4.25"]),
        ("| a |\n|--:|\n| 4.25 |\n", ["4.25"]),
        ("```{prf:theorem} Under 7\n:label: a-0.5\nBelow 0.61.\n```\n", ["7", "0.61"]),
        ("```{dropdown} The file\n\n:::{literalinclude} ../x.yaml\n:lines: 1-5\n:::\n\nHas 0.61.\n```\n", ["0.61"]),
        ("```{image} a.svg\n:alt: It ends at 0.61.\n:width: 440px\n```\n", ["0.61"]),
        ("The paper has 97.9 {cite:p}`a2020b`. It has 91.23 points {cite:p}`a2020b`.", ["91.23"]),
        ("```{code-cell}\nrate, seeds = 12.5, 7\n```\nThe rate 12.5, not 12.6; 7 seeds, width 7.", ["12.6", "7"]),
        ('```{code-cell}\nplots.save_figure(f, "a", caption=f"It is {x:.2f}, not 0.61, here.")\n```\n', ["0.61"]),
        ('```{code-cell}\nverdict("a", "held", f"""In {n} of 9 cases (90.5) it held.""", scale)\n```\n', ["9", "90.5"]),
        ('```{code-cell}\ndef f():\n    """Return the 0.61 that is asked for."""\n```\n', []),
    ],
)
def test_the_search_for_typed_numbers_finds_them(text: str, found: list[str]) -> None:
    assert [one.number for one in typed("notebooks/none", text) if not one.excused] == found


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_nothing_glued_is_a_number_typed_into_the_glue(chapter: str) -> None:
    typed_in = re.findall(r'\bglue\(f?"[^"]+", *(-?[\d.]+|f?"[^"{]*\d[^"{]*")\)', source(chapter))
    assert typed_in == []
