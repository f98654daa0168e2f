"""YAML as people mean it: a key that is named twice is a mistake, though YAML's own readers keep the last one.

What is read is plain data. The tree is looked through before it becomes data, because merge keys (`<<`), which may be
overridden, make equal keys of unequal places afterwards.
"""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Any

import yaml

from vgf.support.paths import data_folder


def read_yaml(text: str) -> Any:
    """Return what a YAML text holds, as plain data.

    Raises:
        ValueError: naming the line of a key that is named twice in one mapping.
        yaml.YAMLError: where it is no YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)  # the same in C, where it was built
    try:
        root = loader.get_single_node()
        _refuse_twins(root)
        return None if root is None else loader.construct_document(root)
    except (LookupError, AttributeError, TypeError) as error:  # of a value that is not of the type its tag says
        raise ValueError(f"a value is not of the type that its tag says ({type(error).__name__}: {error})") from None
    except RecursionError:
        raise ValueError("it nests too deep, or holds itself") from None
    finally:
        loader.dispose()


def _refuse_twins(root: Any) -> None:
    """Raise a ValueError for the first mapping with two equal keys."""
    waiting, seen = [root], set[int]()
    while waiting:
        node = waiting.pop(0)
        if id(node) in seen:
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        elif isinstance(node, yaml.MappingNode):
            keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            for i, key in enumerate(keys):
                if key in keys[:i]:
                    lines = [k.start_mark.line + 1 for k, _ in node.value if (k.tag, k.value) == key]
                    raise ValueError(
                        f"line {lines[1]}: {key[1]} is named twice, first in line {lines[0]}; leave one out"
                    )
            waiting += [value for _, value in node.value]


def read_yaml_file(path: Path) -> Any:
    """Return what an experiment file says.

    Raises:
        ValueError: naming the file, where it is missing or no YAML.
    """
    try:
        return read_yaml(text_of(path))
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"{path}: {not_there(path)}") from None
    except yaml.YAMLError as error:
        raise ValueError(f"{path}: not YAML ({' '.join(str(error).split())[:120]})") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def text_of(path: Path) -> str:
    """Return the text of an experiment file.

    Raises:
        ValueError: where it is no UTF-8, such as a file of arrays.
    """
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError(
            "not a text in UTF-8, and so no YAML; save an experiment in UTF-8, and give data of your own to vgf.fit"
        ) from None


def not_there(path: Path) -> str:
    """Return why there is no experiment file at a path, and the file of data/experiments whose name is nearest."""
    files = {file.stem: file for file in sorted((data_folder() / "experiments").glob("*.yaml"))}
    near = difflib.get_close_matches(path.stem, files, n=1)
    told = f"; nearest: {files[near[0]]}" if near else ""
    return f"{'a folder, and no' if path.is_dir() else 'no such'} file; experiments lie in data/experiments{told}"
