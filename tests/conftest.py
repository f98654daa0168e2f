"""The order of the test files: the longest first, so that the workers of `make test` end together.

Left to itself, pytest-xdist begins with the files of most tests, and the long files of few tests come last, where one
worker waits for the other. `tests/seconds.json` says how long each file takes; a file that is not in it comes first.
`python -m pytest --write-seconds` measures the files that it runs.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from vgf.support.files import write_bytes

HERE = Path(__file__).parent
FILE = HERE / "seconds.json"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-seconds", action="store_true", help=f"measure files anew, into {FILE.name}")


def pytest_configure(config: pytest.Config) -> None:
    if config.getoption("--write-seconds") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Stopwatch())


class Stopwatch:
    """Adds up what the tests of a file take, fixtures included, in one process or as its workers report it."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.spent[Path(report.nodeid.partition("::")[0]).relative_to(HERE.name).as_posix()] += report.duration

    def pytest_sessionfinish(self) -> None:
        there = {name: value for name, value in known().items() if (HERE / name).exists()}
        there |= {name: round(value, 1) for name, value in self.spent.items()}
        write_bytes(FILE, (json.dumps(dict(sorted(there.items())), indent=1) + "\n").encode())


def known() -> dict[str, float]:
    """Return the seconds of each file that was measured, by its path in this folder."""
    return json.loads(FILE.read_text()) if FILE.exists() else {}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    seconds = known()
    items.sort(key=lambda item: -seconds.get(item.path.relative_to(HERE).as_posix(), float("inf")))
