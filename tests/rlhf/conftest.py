"""Fixtures of the tests of language."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.helpers.judge_server import SECRET, Stub
from vgf.rlhf.study.api_judge import KEY


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stub]:
    monkeypatch.setenv(KEY, SECRET)
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = Stub()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()
