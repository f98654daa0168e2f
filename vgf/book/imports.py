"""Which modules of the package some code imports, directly or through others: read off the code, which is not run.

The pipeline makes a page or a training anew when one of these files changes. Packages whose names load on first use
say where a name comes from under `if TYPE_CHECKING`; such a name leads to its module and to no other. A package that
asks `iter_modules` for its modules leads to all of them. What a name in a string loads is followed on request only.
For chapters it is not, since the list would be long for the few that are loaded: `vgf.book.guard` refuses such a
module while a chapter runs, until the chapter declares it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
DATA = (".yaml", ".cpp", ".h")  # files that modules of their folder read
DOTTED = re.compile(r"\b\w+(?:\.\w+)+(?=:\w|[\"'])")


class Imports:
    """The modules of one package, by what they import.

    Args:
        package: its folder; the name of the folder is the name of the package.
    """

    def __init__(self, package: Path = PACKAGE) -> None:
        self.package = package
        self.known: dict[tuple[Path, bool], list[str]] = {}
        self.files: dict[str, Path | None] = {}

    def file_of(self, module: str) -> Path | None:
        """Return the file of a module of this package, or None if there is none of that name."""
        if module not in self.files:
            first, *rest = module.split(".")
            stem = self.package.joinpath(*rest)
            places = [stem / "__init__.py", *([stem.with_suffix(".py")] if rest else [])]
            self.files[module] = next(filter(Path.is_file, places), None) if first == self.package.name else None
        return self.files[module]

    def reached(self, trees: Iterable[ast.Module], named: Iterable[str] = (), strings: bool = False) -> dict[str, Path]:
        """Return the modules that code reaches and their files.

        Args:
            trees: the code, parsed.
            named: modules to begin with besides those that the code imports.
            strings: whether modules that stand in strings of a module, and in data beside it, are reached too.

        Raises:
            ValueError: if a module of `named` is not there.
        """
        named = list(named)
        if missing := [name for name in named if self.file_of(name) is None]:
            raise ValueError(f"no module {', '.join(missing)} in {self.package.name}/; correct the name")
        found: dict[str, Path] = {}
        waiting = [name for tree in trees for name in self.imported(tree)] + named
        while waiting:
            for name in _parents(waiting.pop()):
                path = self.file_of(name)
                if path is not None and name not in found:
                    found[name] = path
                    waiting += self._leads_to(path, strings)
        return found

    def _leads_to(self, path: Path, strings: bool) -> list[str]:
        """Return the modules that one of the package's files leads to."""
        if (path, strings) not in self.known:
            leads, text = list(self.imported(_parsed(path))), path.read_text(encoding="utf-8")
            if path.name == "__init__.py" and "iter_modules(__path__)" in text:
                package = ".".join(path.parent.relative_to(self.package.parent).parts)
                leads += [f"{package}.{file.stem}" for file in sorted(path.parent.glob("*.py")) if file != path]
            if strings:
                text = "\n".join(file.read_text(encoding="utf-8") for file in with_data([path]))
                leads += [name for name in DOTTED.findall(text) if self.file_of(name)]
            self.known[path, strings] = list(dict.fromkeys(leads))
        return self.known[path, strings]

    def imported(self, tree: ast.Module) -> Iterator[str]:
        """Yield the modules that one file's statements import when they run, functions' bodies included."""
        bound: dict[str, str] = {}
        for node in _running(tree, _statements_in):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield alias.name
                    bound[alias.asname or alias.name] = alias.name
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    yield from self._member(node.module, alias.name)
                    bound[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        # names that stand for a package, whose own names may load on first use
        faces = {name: module for name, module in bound.items() if self._is_package(module)}
        for node in _running(tree, ast.iter_child_nodes) if faces else ():
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in faces:
                yield from self._member(faces[node.value.id], node.attr)

    def _is_package(self, module: str) -> bool:
        """Say whether a name is that of a package here."""
        path = self.file_of(module)
        return path is not None and path.name == "__init__.py"

    def _member(self, module: str, name: str) -> Iterator[str]:
        """Yield what `from module import name` loads."""
        path = self.file_of(module)
        if path is not None:
            yield module
            if path.name == "__init__.py":
                lazy = _lazy(path)
                yield from [f"{module}.{name}"] if self.file_of(f"{module}.{name}") else lazy.get(name, ())


def with_data(files: Iterable[Path]) -> list[Path]:
    """Return files with those beside them that are data of the package, sorted."""
    files = set(files)
    beside = {path for folder in {file.parent for file in files} for path in folder.iterdir() if path.suffix in DATA}
    return sorted(files | beside)


def _parents(module: str) -> list[str]:
    """Return a module and the packages it lies in: Python runs all of them."""
    parts = module.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


@cache
def _parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _lazy(path: Path) -> dict[str, tuple[str, ...]]:
    """Return where the names of a package come from that load on first use: name to module."""
    blocks = [node for node in ast.walk(_parsed(path)) if _for_types(node)]
    nodes = [node for block in blocks for node in ast.walk(block) if isinstance(node, ast.ImportFrom)]
    return {alias.asname or alias.name: (node.module,) for node in nodes if node.module for alias in node.names}


def _for_types(node: ast.AST) -> bool:
    """Say whether a statement is the block that only type checkers read."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _running(tree: ast.AST, children: Callable[[ast.AST], Iterable[ast.AST]]) -> Iterator[ast.AST]:
    """Yield what runs: every node but those that only type checkers read."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [child for child in children(node) if not _for_types(child)]


def _statements_in(statement: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements in a statement; expressions, which hold none, are most of a tree."""
    for block in ("body", "handlers", "orelse", "finalbody", "cases"):
        yield from getattr(statement, block, ())
