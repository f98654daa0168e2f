"""Servers of judges that differ: a parameter they call otherwise, thoughts before an answer, refusals for good."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from vgf.rlhf.study import asking
from vgf.rlhf.study.api_judge import KEY, ApiJudge, Pair, compare

SECRET = "sk-proj-0123456789abcdef"
Rule = Callable[[dict[str, Any]], tuple[int, Any]]


class Server(ThreadingHTTPServer):
    """Answers by a rule: of what is asked to a status and a body."""

    def __init__(self, rule: Rule) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.rule, self.asked = rule, list[dict[str, Any]]()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        server: Any = self.server
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        server.asked.append(asked)
        status, body = server.rule(asked)
        content = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Rule], Server]]:
    monkeypatch.setenv(KEY, SECRET)
    monkeypatch.setattr(asking, "_REFUSED", {})
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    started: list[Server] = []

    def start(rule: Rule) -> Server:
        started.append(Server(rule))
        threading.Thread(target=started[-1].serve_forever, daemon=True).start()
        return started[-1]

    yield start
    for server in started:
        server.shutdown()
        server.server_close()


def judge(server: Server, **changes: Any) -> ApiJudge:
    base = f"http://127.0.0.1:{server.server_port}/v1"
    return ApiJudge("m", base, **{"timeout": 5.0, "pause": 0.01, "retries": 2} | changes)


def ask(server: Server, path: Path, **changes: Any) -> pd.DataFrame:
    pairs = [Pair("p1", "q", "good", "bad"), Pair("p2", "q", "x", "y")]
    return compare(judge(server, **changes), pairs, path / "v.csv", 5.0)


def says(content: Any, **choice: Any) -> tuple[int, Any]:
    return 200, {"choices": [{"message": {"content": content}, **choice}]}


def refuses(name: str, message: str, shape: str = "openai") -> Rule:
    """Return the rule of a server that takes anything but one parameter, and says so in its own way."""
    bodies = {
        "openai": {"error": {"message": message, "param": name, "type": "invalid_request_error"}},
        "flat": {"message": message},
        "plain": message.encode(),
        "text": {"error": message},
    }
    return lambda asked: (400, bodies[shape]) if name in asked else says("A")


@pytest.mark.parametrize("shape", ["openai", "flat", "plain", "text"])
@pytest.mark.parametrize(
    ("name", "message", "instead"),
    [
        (
            "max_tokens",
            "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
            "max_completion_tokens",
        ),
        ("max_tokens", "this model does not take max_tokens", "max_completion_tokens"),
        ("temperature", "Unsupported value: 'temperature' does not support 0, only the default (1).", None),
    ],
)
def test_a_parameter_that_is_refused_by_name_is_called_otherwise_or_left_out_from_then_on(
    name: str, message: str, instead: str | None, shape: str, serve: Any, tmp_path: Path
) -> None:
    server = serve(refuses(name, message, shape))
    assert len(ask(server, tmp_path)) == 2
    assert len(server.asked) == 5  # four questions, and the one refusal
    assert all(name not in asked and (instead is None or instead in asked) for asked in server.asked[1:])


def test_a_server_that_refuses_both_gets_neither(serve: Any, tmp_path: Path) -> None:
    def rule(asked: dict[str, Any]) -> tuple[int, Any]:
        for name in ("max_tokens", "temperature"):
            if name in asked:
                return 400, {"error": {"message": f"Unsupported parameter: {name}"}}
        return says("TIE")

    assert ask(serve(rule), tmp_path)["win"].tolist() == [0.5, 0.5]


@pytest.mark.parametrize(
    ("content", "verdict"),
    [
        ("<think>\nA is short, B is long. B?\n</think>\n\nA", "A"),
        ("</think>B", "B"),
        ([{"type": "text", "text": "TI"}, {"type": "text", "text": "E"}], "TIE"),
        ("**A**", "A"),
        ("Answer: B.", "B"),
        ("Both are fine", "UNCLEAR"),
        ("", "UNCLEAR"),
        (None, "UNCLEAR"),
        ("None", "UNCLEAR"),
    ],
)
def test_what_a_model_says_to_itself_is_no_answer_and_nothing_is_none(
    content: Any, verdict: str, serve: Any, tmp_path: Path
) -> None:
    server = serve(lambda asked: says(content))
    if verdict == "UNCLEAR":
        with pytest.raises(ValueError, match="of the judge's answers are neither A, B nor TIE"):
            ask(server, tmp_path, retries=0)
    else:
        ask(server, tmp_path)
    stored = pd.read_csv(tmp_path / "v.csv", keep_default_na=False)
    assert set(stored["verdict"]) == {verdict}
    assert "think" not in "".join(stored["words"])
    if content is None:
        assert set(stored["words"]) == {"(nothing)"}


@pytest.mark.parametrize("content", [None, "", "<think>Let me see, the first answer"])
def test_a_limit_that_is_spent_on_thinking_is_told_at_once_with_the_remedy(
    content: Any, serve: Any, tmp_path: Path
) -> None:
    server = serve(lambda asked: says(content, finish_reason="length"))
    with pytest.raises(
        ValueError, match="all 8 tokens were spent before an answer, by reasoning; raise --answer-tokens"
    ):
        ask(server, tmp_path)
    assert len(server.asked) == 1
    assert not (tmp_path / "v.csv").exists()
    asked = serve(lambda asked: says("A"))
    ask(asked, tmp_path, answer_tokens=3000)
    assert {question["max_tokens"] for question in asked.asked} == {3000}


@pytest.mark.parametrize(
    ("status", "message", "shown"),
    [
        (400, "model m has a context of 4096 tokens", "HTTP 400 (model m has a context of 4096 tokens)"),
        (404, "The model 'm' does not exist", "HTTP 404 (The model 'm' does not exist)"),
        (422, "messages: too long", "HTTP 422 (messages: too long)"),
        (413, "x" * 900, "HTTP 413 (" + "x" * 200 + ")"),
        (400, f"bad key {SECRET} in Bearer {SECRET}", "HTTP 400 (bad key (key) in (key))"),
        (400, "", "HTTP 400;"),
    ],
)
def test_a_refusal_for_good_shows_the_servers_words_once_without_the_key(
    status: int, message: str, shown: str, serve: Any, tmp_path: Path
) -> None:
    server = serve(lambda asked: (status, {"error": {"message": message}}))
    with pytest.raises(ValueError, match="the same question would be refused again") as told:
        ask(server, tmp_path)
    assert shown in str(told.value)
    assert SECRET not in str(told.value)
    assert "\n" not in str(told.value)
    assert len(server.asked) == 1


@pytest.mark.parametrize("status", [401, 403, 429, 500, 503])
def test_a_refusal_that_may_pass_promises_that_the_same_command_goes_on(
    status: int, serve: Any, tmp_path: Path
) -> None:
    server = serve(lambda asked: (status, {"error": {"message": f"key {SECRET[:12]}*** is wrong"}}))
    with pytest.raises(ValueError, match=f"HTTP {status}; verdicts so far are kept, the same command goes on") as told:
        ask(server, tmp_path)
    assert SECRET[:12] not in str(told.value)
    assert len(server.asked) == (1 if status in (401, 403) else 3)


def test_nothing_is_asked_where_verdicts_cannot_be_kept(serve: Any, tmp_path: Path) -> None:
    server = serve(lambda asked: says("A"))
    (tmp_path / "file").write_text("x")
    with pytest.raises(ValueError, match="cannot be written"):
        ask(server, tmp_path / "file")
    assert server.asked == []
