"""YAML: a key named twice is refused wherever it is, and everything else is read as any reader does."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.helpers.site import ROOT
from vgf.rlhf.study.plan import read_plan
from vgf.support.yaml_text import read_yaml
from vgf.training.experiments import read_experiment


@pytest.mark.parametrize(
    ("text", "line", "key"),
    [
        ("a: 1\na: 2\n", 2, "a"),
        ("a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, "c"),
        ("b: {c: 1, c: 1}\n", 1, "c"),
        ("- a: 1\n- b: 1\n  b: 2\n", 3, "b"),
        ("a: 1\n'a': 2\n", 2, "a"),
        ("1: a\n2: b\n1: c\n", 3, "1"),
        ("a: &x\n  b: 1\n  b: 2\nc: *x\n", 3, "b"),
        ("? a\n: 1\n? a\n: 2\n", 3, "a"),
        ("a: [1, {b: [{c: 1, c: 2}]}]\n", 1, "c"),
        ("yes: 1\nno: 2\nyes: 3\n", 3, "yes"),
        ("a:\n  - {x: {y: 1}, x: {y: 2}}\n", 2, "x"),
    ],
)
def test_a_key_named_twice_is_refused_with_its_line(text: str, line: int, key: str) -> None:
    with pytest.raises(ValueError, match=f"^line {line}: {key} is named twice, first in line "):
        read_yaml(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: 1\nb: {a: 2}\nc: [{a: 1}, {a: 2}]\n",
        "base: &b {x: 1, y: 2}\nmore:\n  <<: *b\n  x: 3\nleast: {<<: *b}\n",
        "deep: {in: &b {<<: {x: 1}, x: 2}}\nmore: {<<: *b, x: 3}\n",
        "a: 3e-4\nb: 1_000\nc: ~\nd: 2026-01-01\n",
        "a: &x [1, 2]\nb: *x\nc: *x\n",
    ],
)
def test_everything_else_is_what_any_reader_makes_of_it(text: str) -> None:
    assert read_yaml(text) == yaml.safe_load(text)


@pytest.mark.parametrize("path", sorted((ROOT / "data" / "experiments").glob("*.yaml")), ids=lambda p: p.stem)
def test_experiment_files_name_nothing_twice(path: Path) -> None:
    assert read_yaml(path.read_text()) == yaml.safe_load(path.read_text())


def test_a_method_and_a_scale_named_twice_are_refused_with_the_file(tmp_path: Path) -> None:
    for name, reader in (("core", read_experiment), ("rlhf", read_plan)):
        text = (ROOT / "data" / "experiments" / f"{name}.yaml").read_text()
        path = tmp_path / f"{name}.yaml"
        path.write_text(text + "\nabout: again\n")
        with pytest.raises(ValueError, match=rf"{name}\.yaml: line \d+: about is named twice"):
            reader(path, "cpu")


ODD = [
    "!!int ''",
    "!!int x",
    "!!bool x",
    "!!float x",
    "!!timestamp x",
    "2001-13-45",
    "!!python/object:os.system {}",
    "!!set [a]",
    "!!omap {a: 1}",
    "!!binary \u00e9",
    "? [a]\n: b",
    "&a [*a]",
    "&a {b: *a}",
]


@pytest.mark.parametrize("value", ODD)
def test_a_value_that_is_not_of_its_type_is_refused_with_the_file(value: str, tmp_path: Path) -> None:
    """PyYAML raises a KeyError, an IndexError or an AttributeError for some of these."""
    path = tmp_path / "mine.yaml"
    inner = value.replace("\n", "\n  ")
    path.write_text(f"about: a test\ntasks:\n  {inner}\nmethods: {{bc: {{}}}}\nscales: {{quick: {{}}}}\n")
    with pytest.raises(ValueError, match=str(path)) as told:
        read_experiment(path)
    assert "\n" not in str(told.value)
