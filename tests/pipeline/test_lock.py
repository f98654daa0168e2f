"""The lock, the conda environment and pyproject.toml agree."""

from __future__ import annotations

import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

from tests.helpers.site import ROOT

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text())
PYPROJECT = SETTINGS["project"]
ENVIRONMENT = yaml.safe_load((ROOT / "environment.yml").read_text())
LOCK = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line]
LOCKED = {extra: PYPROJECT["optional-dependencies"][extra] for extra in SETTINGS["tool"]["uv"]["pip"]["extra"]}
APART = {"experts", "monitor"}  # JAX, for training experts anew in an environment of its own; curves for who wants them
GROUPS = {"": PYPROJECT["dependencies"], **LOCKED}
WANTED = [(extra, Requirement(text)) for extra, texts in GROUPS.items() for text in texts]
DESIGN_CARD = (
    "jupyter-book",
    "jupytext",
    "papermill",
    "torch",
    "matplotlib",
    "seaborn",
    "d4rl",
    "ogbench",
    "transformers",
)
PYTHONS = ("3.11", "3.12", "3.13")
PLATFORMS = (("linux", "x86_64", "Linux"), ("linux", "aarch64", "Linux"), ("darwin", "arm64", "Darwin"))


def pins(name: str) -> list[Requirement]:
    """Return the lines of the lock for one package."""
    return [pin for pin in LOCK if canonicalize_name(pin.name) == canonicalize_name(name)]


def applies(requirement: Requirement, python: str, platform: tuple[str, str, str]) -> bool:
    """Say whether a requirement is for one Python on one platform."""
    system, machine, name = platform
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.7",
        "sys_platform": system,
        "platform_machine": machine,
        "platform_system": name,
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    return requirement.marker is None or requirement.marker.evaluate(environment)


@pytest.mark.parametrize(("extra", "wanted"), WANTED, ids=[f"{extra}:{wanted.name}" for extra, wanted in WANTED])
def test_every_dependency_is_pinned_within_its_range(extra: str, wanted: Requirement) -> None:
    assert pins(wanted.name), f"{wanted.name} of {extra or 'the dependencies'} is not in the lock; run `make lock`"
    for pin in pins(wanted.name):
        (version,) = (specifier.version for specifier in pin.specifier)
        assert wanted.specifier.contains(version), f"{pin} is outside {wanted}; run `make lock`"


def test_every_extra_is_locked_or_kept_apart() -> None:
    assert set(PYPROJECT["optional-dependencies"]) == set(LOCKED) | APART


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("platform", PLATFORMS, ids=[" ".join(platform[:2]) for platform in PLATFORMS])
def test_each_python_on_each_platform_gets_exactly_one_pin(python: str, platform: tuple[str, str, str]) -> None:
    for _, wanted in WANTED:
        if applies(wanted, python, platform):
            assert len([pin for pin in pins(wanted.name) if applies(pin, python, platform)]) == 1, wanted.name


def test_the_lock_pins_nothing_but_exact_versions() -> None:
    lines = [line for line in (ROOT / "requirements.lock").read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if not re.match(r"[a-z0-9._-]+==[^ ;]+( ; .+)?$", line)] == []


def test_the_lock_leaves_the_build_of_torch_open() -> None:
    (torch,) = pins("torch")
    assert str(torch.specifier) == "==2.13.0"
    assert [pin.name for pin in LOCK if pin.name.startswith(("nvidia", "cuda", "triton"))] == []


@pytest.mark.parametrize("name", DESIGN_CARD)
def test_the_packages_of_the_design_are_there(name: str) -> None:
    assert pins(name), name


def test_conda_installs_the_same_lock_and_this_package() -> None:
    (pip,) = [entry["pip"] for entry in ENVIRONMENT["dependencies"] if isinstance(entry, dict)]
    assert pip == ["-r requirements.lock", "-e ."]


def test_conda_and_pyproject_name_the_same_pythons() -> None:
    (python,) = [entry for entry in ENVIRONMENT["dependencies"] if str(entry).startswith("python>")]
    assert SpecifierSet(python.removeprefix("python")) == SpecifierSet(PYPROJECT["requires-python"])
    allowed = SpecifierSet(PYPROJECT["requires-python"])
    assert [minor for minor in range(8, 20) if allowed.contains(f"3.{minor}")] == [11, 12, 13]
    setup = (ROOT / ".ci" / "install.py").read_text()
    assert "SUPPORTED = ((3, 11), (3, 13))" in setup


def test_the_build_needs_what_the_lock_installs() -> None:
    for text in SETTINGS["build-system"]["requires"]:
        wanted = Requirement(text)
        (pin,) = pins(wanted.name)
        assert wanted.specifier.contains(next(iter(pin.specifier)).version)
