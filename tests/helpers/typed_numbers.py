"""Find the numbers typed into a page: in its prose and tables, and in the captions and sentences of its cells.

A result has to come from the code that computed it: as a `{glue:...}` role, as a field of an f-string, from an included
file. So every figure 0 to 9 that a reader sees and none of these made is suspect, and spelled-out numbers are when a
measure follows (*three seeds*, *ten times*). Excused is what a rule can check against its source:

    level      the level of an interval, if it is that of `vgf.results.stats`
    setting    a number in the page's own code, in an experiment file the page names, in a file it includes, or in the
               files that SETTINGS names for it; not when a measure follows (%, ms, seeds, tasks, times, of 9, ...)
    cited      in a sentence that cites, if the number stands in `data/paper/`
    version    of Python, if pyproject.toml or the continuous integration names it; of a tool, if a finding names both
    issue      the number of an issue, in a link that leads to it
    date       a month and its year

What is left is listed with its reason in `CONSTANTS` of test_numbers.py. The trade-off: a whole number that happens to
be a setting of the page passes as long as no measure follows; in exchange nothing else does.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from myst_parser.config.main import MdParserConfig
from myst_parser.parsers.mdit import create_md_parser

from vgf.book.declared import declared
from vgf.results.stats import LEVEL

ROOT = Path(__file__).resolve().parents[2]
SILENT = {  # directives whose content is no prose
    *("math", "code-cell", "code", "code-block", "include", "literalinclude", "eval-rst", "bibliography", "image"),
    *("toctree", "explorer"),
}
TITLED = {"dropdown", "admonition", "tip", "note", "warning", "figure", "list-table", "table"}  # argument is read
FILES = {  # whose numbers a page may name, besides those it includes
    "book/deviations": ("vgf/agents/*.py", "data/experiments/*.yaml", "vgf/datasets/tasks.yaml"),
    "book/reproduce": ("data/experiments/tuning.yaml",),
}
VERSIONS = ("pyproject.toml", ".github/workflows/ci.yml")
CITED, MADE, HIDDEN = (
    "\N{DAGGER}",
    "\N{WHITE SQUARE}",
    "\N{WHITE CIRCLE}",
)  # in place of citations, made numbers, the rest
UNITS = (
    r"%|percent|[mµ]s|s|secs?|seconds?|min|minutes?|h|hours?|days?|[kKMGT]i?B|bytes?|[KMGT]?FLOPs?(?:/s)?|x|×|times|fold"
    r"|nats?|bits?|points?|seeds?|tasks?|episodes?|updates?|wins?|prompts?|worlds?|runs?|starts?|standard errors?"
)
NUMBER = re.compile(
    r"(?<![\w.])(?<!\w-)[-+\u2212]?\d+(?:[.,]\d+)*(?:e-?\d+)?(?=\W|$|(?:x|ms|s|[kMG]i?B)\b)(?!-[A-Z]\b)"
)
MEASURE = re.compile(rf"\s?(?:{UNITS})(?!\w)|\s+(?:(?:out )?of|/)\s+(?:\d|{MADE})")
WORDS = "two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|twenty|thirty|forty|fifty|hundred|thousand|million"
COMPARED = r"(?:faster|slower|more|less|fewer|smaller|larger|longer|shorter|higher|lower|better|worse|as \w+ as)\b"
SPELLED = re.compile(
    rf"\b(?:{WORDS})(?= times {COMPARED}"
    r"| (?:percent|seconds|minutes|hours|days|[kMGT]i?B|seeds|tasks|updates|wins|prompts)\b)"
)
MONTHS = "January|February|March|April|May|June|July|August|September|October|November|December"
SENTENCE = re.compile(r"(?<=[.!?])\s+(?=[A-Z*\N{WHITE SQUARE}\N{WHITE CIRCLE}])")


@dataclass(frozen=True)
class Typed:
    """A number, the sentence it stands in, and whether it states a measurement."""

    number: str
    sentence: str
    measured: bool
    excused: bool


@cache
def parser() -> MarkdownIt:
    """Return the book's Markdown parser, with the extensions of its settings."""
    names = yaml.safe_load((ROOT / "_config.yml").read_text())["parse"]["myst_enable_extensions"]
    return create_md_parser(MdParserConfig(enable_extensions=set(names)), RendererHTML)


def blocks(text: str) -> Iterator[str]:
    """Yield what a reader reads of MyST text, a paragraph, heading, cell or title at a time."""
    for token in parser().parse(text):
        if token.type in ("fence", "colon_fence"):
            directive = re.match(r"\{([\w:-]+)\}[ \t]*(.*)", token.info)
            if directive and directive[1] not in SILENT:
                if directive[1] in TITLED or directive[1].startswith("prf:"):
                    yield from blocks(directive[2])
                yield from blocks(re.sub(r"\A(?:---\n(?s:.*?)\n---\n|(?:[ \t]*:[\w-]+:.*\n)+)", "", token.content))
        elif token.type == "inline":
            yield read(token.children or [])
    yield from (alt for alt in re.findall(r"^\s*:alt: (.*)$", text, re.MULTILINE))


def read(children: list[Token]) -> str:
    """Return a paragraph's words, with marks in place of roles, code, formulas and links to a numbered issue."""
    words, href = "", ""
    for token in children:
        if token.type == "link_open":
            href = str(token.attrs.get("href", ""))
        elif token.type == "link_close":
            href = ""
        elif token.type == "text":
            ends = re.search(r"/(\d+)$", href)
            words += re.sub(rf"\b{ends[1]}$", HIDDEN, token.content) if ends else token.content
            words = words.replace(href, HIDDEN) if href else words  # an address that is its own text
        elif token.type in ("softbreak", "hardbreak"):
            words += " "
        elif token.type == "myst_role":
            name = str(token.meta["name"])
            words += CITED if name.startswith("cite") else MADE if name.startswith("glue") else HIDDEN
        elif token.type == "math_inline":
            words += shown(token.content)
        elif token.type == "code_inline":
            words += HIDDEN
    return words


def shown(formula: str) -> str:
    """Return of a formula what could be a result: a number alone, or the decimal numbers in it."""
    if re.fullmatch(r"[-+]?[\d.,]+(?:\\?%)?", formula.replace(r"\,", "").strip()):
        return formula.replace(r"\,", "").replace("\\", "").strip()
    return HIDDEN + "".join(f" {number} {HIDDEN}" for number in re.findall(r"\d+\.\d+", formula))


def cells(text: str) -> list[ast.Module]:
    """Return the code cells of a page, parsed."""
    bodies = re.findall(r"^```\{code-cell\}[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [ast.parse(re.sub(r"\A(?:---\n(?s:.*?)\n---\n|(?::[\w-]+:.*\n)+)", "", body)) for body in bodies]


class Sentences(ast.NodeVisitor):
    """Collects the strings of a cell that are sentences: four words or more, no documentation, pattern or code."""

    def __init__(self, tree: ast.Module) -> None:
        self.found: list[str] = []
        self.visit(tree)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        """Leave out a docstring."""
        for child in node.body[ast.get_docstring(node) is not None :]:
            self.visit(child)

    def visit_Call(self, node: ast.Call) -> None:
        """Leave out the patterns of regular expressions."""
        pattern = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "id", "") == "re"
        for child in (*node.args[pattern:], *node.keywords, node.func):
            self.visit(child)

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Keep the typed parts of an f-string, and look into its fields."""
        for value in node.values:
            if isinstance(value, ast.FormattedValue):
                self.visit(value.value)
        self.keep("".join(str(part.value) if isinstance(part, ast.Constant) else MADE for part in node.values))

    def visit_Constant(self, node: ast.Constant) -> None:
        """Keep a string."""
        if isinstance(node.value, str):
            self.keep(node.value)

    def keep(self, text: str) -> None:
        """Keep a sentence."""
        if len(text.split()) >= 4 and not is_code(text):
            self.found.append(text)


def is_code(text: str) -> bool:
    """Say whether a string is a program to be run."""
    try:
        ast.parse(text)
    except SyntaxError:
        return False
    return True


def numbers(text: str) -> set[float]:
    """Return every number in a text, whatever it means there."""
    return {float(found) for found in re.findall(r"(?<![\w.])\d+(?:_\d+)*(?:\.\d+)?(?:e-?\d+)?", text)}


@cache
def paper() -> set[float]:
    """Return the paper's numbers."""
    return set().union(*(numbers(path.read_text()) for path in (ROOT / "data" / "paper").glob("*.csv")))


def settings(page: str, text: str) -> set[float]:
    """Return the numbers that are settings of a page: in its code, and in the files it names or includes."""
    code = {
        float(node.value)
        for tree in cells(text)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    }
    included = [
        ROOT / Path(page).parent / path for path in re.findall(r"\{literalinclude\} (\S+)", text)
    ]  # includes of figures are not settings
    named = [ROOT / path for path in re.findall(r"data/experiments/[\w-]+\.yaml", text)]
    chapter = page.removeprefix("notebooks/")
    studies = declared(chapter).studies if (ROOT / "notebooks" / f"{chapter}.md").exists() else ()
    read_ = [ROOT / "data" / "experiments" / f"{study.partition('.')[0]}.yaml" for study in studies]
    listed = [path for pattern in FILES.get(page, ()) for path in ROOT.glob(pattern)]
    return code.union(*(numbers(path.read_text()) for path in (*included, *named, *read_, *listed) if path.exists()))


def is_tried(tool: str, version: str) -> bool:
    """Say whether a finding's script installs a tool and names that version."""
    exact = re.compile(rf"(?<![\d.]){re.escape(version)}(?:\.\d+)*(?!\.?\d)")
    installs = re.compile(rf"\b{re.escape(tool)}(?:\[[\w,-]+\])?==", re.IGNORECASE)
    scripts = (path.read_text() for path in (ROOT / "findings").glob("*.sh"))
    return any(installs.search(script) and exact.search(script) for script in scripts)


def excused(found: re.Match[str], sentence: str, measured: bool, known: set[float]) -> bool:
    """Say whether a rule of this module excuses a number."""
    before, after = sentence[: found.start()], sentence[found.end() :]
    if (tool := re.search(r"([A-Za-z][\w-]*) $", before)) and is_tried(tool[1], found[0]):
        return True
    value = float(found[0].replace(",", "").replace("\u2212", "-"))
    if value == round(100 * LEVEL) and after.lstrip().startswith("%") and re.search("[Ii]nterval|band", sentence):
        return True
    if re.search(rf"(?:{MONTHS}) $", before) and 2000 < value < 2100:
        return True
    if re.search(r"\bPython (?:[\d.]+ to |below )?$", before):
        return found[0] in "".join((ROOT / path).read_text() for path in VERSIONS)
    if CITED in sentence and value in paper():
        return True
    return not measured and abs(value) in known


def typed(page: str, text: str) -> list[Typed]:
    """Return the numbers typed into a page.

    Args:
        page: its name, such as `notebooks/03_bandit`.
        text: its MyST source.
    """
    known, found = settings(page, text), []
    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    strings = [string for tree in cells(text) for string in Sentences(tree).found]
    for block in (*blocks(body), *(block for string in strings for block in blocks(string))):
        for sentence in SENTENCE.split(block):
            for match in NUMBER.finditer(sentence):
                measured = bool(MEASURE.match(sentence, match.end())) or sentence[: match.start()].endswith(("×", "±"))
                found.append(Typed(match[0], sentence, measured, excused(match, sentence, measured, known)))
            for match in SPELLED.finditer(sentence):
                found.append(Typed(match[0], sentence, True, False))
    return found
