"""The API reference, from docstrings: every public name is listed, and one without documentation fails the build.

`.. public:: MODULE` documents all that a module makes public, or the names in its content, through Sphinx's autodoc.
A name is public when `__all__` says so, or, in a module without one, when it is defined there and has no leading
underscore. Docstrings of the package are plain text with Google's sections, so what reStructuredText would take for
markup is escaped before it is read; `code` and citation keys become what they mean.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.pycode import ModuleAnalyzer
from sphinx.util import logging

LOG = logging.getLogger(__name__)
MARKUP = re.compile(r"([*|\\]|(?<=\w)_(?!\w))")  # emphasis, substitutions, references: plain text to us


def public_names(module: ModuleType) -> list[str]:
    """Return the names a module makes public, sorted: classes first, then functions, then the rest."""
    declared = [name for name in getattr(module, "__all__", ()) if not name.startswith("_")]
    names = declared or [
        name
        for name, value in vars(module).items()
        if not name.startswith("_") and getattr(value, "__module__", None) == module.__name__ and _kind(value) != "data"
    ]
    return sorted(names, key=lambda name: (("class", "function", "data").index(_kind(getattr(module, name))), name))


def undocumented(module: ModuleType, names: Sequence[str]) -> list[str]:
    """Return, of public names, their public methods and the fields of dataclasses, those that nothing is said of."""
    missing = []
    for name in names:
        value, full = getattr(module, name), f"{module.__name__}.{name}"
        if _kind(value) == "data":
            missing += [] if data_comment(module, name) else [full]
            continue
        text = inspect.getdoc(value) or ""
        generated = dataclasses.is_dataclass(value) and text.startswith(f"{name}(")
        missing += [full] if not text.strip() or generated else []
        if _kind(value) == "class":
            missing += [f"{full}.{member}" for member in _members(value) if not inspect.getdoc(vars(value)[member])]
        if dataclasses.is_dataclass(value):
            own = [field.name for field in dataclasses.fields(value) if field.name in value.__annotations__]
            missing += [f"{full}.{field}" for field in own if not re.search(rf"\b{field}\b", text)]
    return missing


def data_comment(module: ModuleType, name: str) -> str:
    """Return the `#:` comment of a name that is neither class nor function, empty where there is none."""
    for home in [module.__name__, *sorted(found for found in sys.modules if found.startswith(f"{module.__name__}."))]:
        analyzer = ModuleAnalyzer.for_module(home)
        analyzer.analyze()
        if ("", name) in analyzer.attr_docs:
            return " ".join(analyzer.attr_docs["", name]).strip()
    return ""


def plain(text: str, keys: set[str]) -> str:
    """Return one line of a docstring as reStructuredText: code as code, citation keys as citations, no other markup."""
    parts = re.split(r"`([^`]+)`", text)
    for i, part in enumerate(parts):
        escaped = MARKUP.sub(r"\\\1", part)
        parts[i] = f"``{part}``" if i % 2 else re.sub(r"\w+", lambda m: _cite(m.group(), keys), escaped)
    return "".join(parts)


def _cite(word: str, keys: set[str]) -> str:
    return f":cite:t:`{word}`" if word in keys else word


def literal_blocks(lines: list[str]) -> list[str]:
    """Return a docstring's lines with its displayed formulas, indented after a blank line, as literal blocks."""
    found: list[str] = []
    inside = -1  # indentation of the text around the block, when in one
    for line in lines:
        depth = len(line) - len(line.lstrip())
        text = [other for other in found if other.strip()]
        around = len(text[-1]) - len(text[-1].lstrip()) if text else 0
        if line.strip() and inside >= 0 and depth <= inside:
            inside = -1
        if line.strip() and inside < 0 and found and not found[-1].strip() and depth >= around + 4:
            inside = around
            found += [" " * around + "::", ""]
        found.append(line)
    return found


def one_by_one(lines: list[str]) -> list[str]:
    """Return a docstring's lines with what is said of several names at once, `a, b: text`, said of each."""
    found: list[str] = []
    together: list[list[str]] = []  # the entries being read, each with its lines
    depth = 0
    for line in [*lines, ""]:
        indent = len(line) - len(line.lstrip())
        if together and line.strip() and indent > depth:
            for entry in together:
                entry.append(line)
            continue
        found += [text for entry in together for text in entry]
        together, several = [], re.match(r"( {4,})(\w+(?:, \w+)+): (.+)", line)
        if several:
            depth = len(several[1])
            together = [[f"{several[1]}{name}: {several[3]}"] for name in several[2].split(", ")]
        else:
            found.append(line)
    return found[:-1]


class Public(Directive):
    """`.. public:: MODULE`, with names in its content when not all are meant."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """Hand every name to autodoc; warn, which fails the build, of each without documentation."""
        module = import_module(self.arguments[0])
        names = [name for line in self.content for name in line.split()] or public_names(module)
        for name in undocumented(module, names):
            LOG.warning("%s is public and has no documentation", name, location=self.state.document["source"])
        lines: list[str] = []
        for name in names:
            kind = _kind(getattr(module, name))
            if kind == "data":
                lines += [
                    f".. py:data:: {module.__name__}.{name}",
                    "",
                    f"   {plain(data_comment(module, name), set())}",
                ]
            else:
                lines += [f".. auto{kind}:: {module.__name__}.{name}"]
                lines += ["   :members:", "   :member-order: bysource"] if kind == "class" else []
            lines += [""]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, self.arguments[0]), self.content_offset, node)
        return node.children


def summary(module: ModuleType, name: str) -> str:
    """Return the first sentence of what is said of a public name, without its full stop; empty where nothing is."""
    value = getattr(module, name)
    text = data_comment(module, name) if _kind(value) == "data" else inspect.getdoc(value) or ""
    first = " ".join(text.partition("\n\n")[0].split())
    return re.split(r"(?<=[^.(\s])\.(?=\s|$)", first, maxsplit=1)[0]  # not the dots of "1 ... L" and "KL(. || p)"


class PublicNames(Directive):
    """`.. public-names:: MODULE MODULE`: the names those modules make public, each a link with what it is."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return a list of links."""
        modules = [import_module(name) for name in self.arguments[0].split()]
        keys = self.state.document.settings.env.vgf_bib_keys
        lines = [
            f"* :py:obj:`~{module.__name__}.{name}`: {plain(summary(module, name), keys)}"
            for module in modules
            for name in public_names(module)
        ]
        node = nodes.container()
        self.state.nested_parse(StringList(lines, "public-names"), self.content_offset, node)
        return node.children


def _kind(value: Any) -> str:
    return "class" if inspect.isclass(value) else "function" if inspect.isroutine(value) else "data"


def _members(value: type) -> list[str]:
    """Return the public methods and properties a class defines itself."""
    documented = (property, classmethod, staticmethod)
    return [
        name
        for name, member in vars(value).items()
        if not name.startswith("_") and (inspect.isfunction(member) or isinstance(member, documented))
    ]


def read_docstring(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Turn a docstring of ours into reStructuredText, before Google's sections are read."""
    keys = app.env.vgf_bib_keys  # type: ignore[attr-defined]
    text = []
    literal, depth = False, 0
    for line in literal_blocks(one_by_one(lines)):
        if line.strip() == "::":
            literal, depth = True, len(line) - len(line.lstrip())
        elif literal and line.strip() and len(line) - len(line.lstrip()) <= depth:
            literal = False
        text.append(line if literal else plain(line, keys))
    lines[:] = text


def skip(app: Sphinx, what: str, name: str, obj: object, skipped: bool, options: object) -> bool | None:
    """Leave out the fields of named tuples, which only say their number."""
    return True if (getattr(obj, "__doc__", None) or "").startswith("Alias for field number") else None


def read_keys(app: Sphinx) -> None:
    """Learn the citation keys of the bibliography."""
    bibliography = Path(app.srcdir) / "book" / "references.bib"
    app.env.vgf_bib_keys = set(re.findall(r"^@\w+\{([^,]+),", bibliography.read_text(), re.MULTILINE))  # type: ignore[attr-defined]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.add_directive("public", Public)
    app.add_directive("public-names", PublicNames)
    app.connect("builder-inited", read_keys)
    app.connect("autodoc-process-docstring", read_docstring, priority=400)
    app.connect("autodoc-skip-member", skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
