"""A server on this machine that speaks the judge's protocol from a script."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "sk-very-secret-0123"
NEVER = "never"  # no answer as long as the server runs


class Stub(ThreadingHTTPServer):
    """Answers chat completions from a script: a word, an HTTP status, NEVER, or a rule of the question."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.script: list[Any] = []
        self.rule: Any = lambda question: "TIE"
        self.asked: list[dict[str, Any]] = []
        self.closed = threading.Event()

    def shutdown(self) -> None:
        """Stop, and let go who waits for an answer that never comes."""
        self.closed.set()
        super().shutdown()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1"


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        stub: Any = self.server
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        stub.asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
        step = stub.script.pop(0) if stub.script else stub.rule(body["messages"][0]["content"])
        if step is NEVER:
            stub.closed.wait()
            return
        if isinstance(step, int):
            self.answer(step, json.dumps({"error": f"refused, key was {self.headers['Authorization']}"}))
        elif step == "garbage":
            self.answer(200, "<html>")
        else:
            reply = {"model": "stub-1", "choices": [{"message": {"content": step}}]}
            self.answer(200, json.dumps(reply | {"usage": {"prompt_tokens": 90, "completion_tokens": 1}}))

    def answer(self, status: int, text: str) -> None:
        try:
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())
        except OSError:  # who asked has gone
            pass

    def log_message(self, *args: object) -> None:
        """Say nothing."""
