"""One question to an OpenAI-compatible judge: a POST of JSON, patiently, and without telling the key.

The protocol is that of chat completions, so the standard library does it and any compatible server may answer. Servers
differ in what they call a parameter and in whether they think before they answer: a parameter that is refused by name
is called otherwise or left out, and what a model says to itself is no answer. The key comes from the environment and
goes into one header: it is in no record, no message and no log. Where it goes is said by who runs the command: an
experiment file may name no server but OpenAI's on its own (`check_server`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import urlsplit

KEY = "OPENAI_API_KEY"
BASE = "OPENAI_BASE_URL"
DEFAULT_BASE = "https://api.openai.com/v1"
ANSWER_TOKENS = 8
REASONED = (400, 404, 413, 422)  # statuses whose words say what to change
SECRET = 8  # characters from which on a key is masked within words too
SHOWN = 200  # characters of a server's own words in a message
RENAMED = {"max_tokens": "max_completion_tokens", "temperature": ""}  # where a server refuses one; "" leaves it out


@dataclass(frozen=True)
class ApiJudge:
    """Who is asked, and how patiently.

    Attributes:
        model: name the server knows.
        base_url: up to and without /chat/completions; OPENAI_BASE_URL or OpenAI's own by default.
        timeout: seconds for one answer.
        retries: further attempts after a timeout, a refusal for load (429, 5xx) or an unclear answer.
        pause: seconds before the first further attempt; doubled each time.
        dollars_in, dollars_out: price of a million tokens, for the estimate.
        answer_tokens: most tokens of an answer, those of a server's own reasoning included.
    """

    model: str
    base_url: str = ""
    timeout: float = 30.0
    retries: int = 4
    pause: float = 1.0
    dollars_in: float = 2.5
    dollars_out: float = 10.0
    answer_tokens: int = ANSWER_TOKENS

    @property
    def is_default_server(self) -> bool:
        """Whether questions go to OpenAI's own server."""
        return (self.base_url or os.environ.get(BASE, DEFAULT_BASE)).rstrip("/") == DEFAULT_BASE

    @property
    def server(self) -> str:
        """Host and port that questions and the key go to."""
        return server_of(self.base_url or os.environ.get(BASE, DEFAULT_BASE))

    def address(self) -> str:
        """Return where questions go.

        Raises:
            ValueError: if it is no web address, or sends the key over an open line to another machine.
        """
        base = self.base_url or os.environ.get(BASE, DEFAULT_BASE)
        parts = urlsplit(base)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the judge's address {base!r} is no http(s) address; set --base-url or {BASE}")
        if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
            raise ValueError(f"{parts.hostname}: the key would travel in the open; use https")
        return base.rstrip("/") + "/chat/completions"


def server_of(address: str) -> str:
    """Return the host of a web address, with the port where it is not the scheme's own; the address if it is none."""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port
    except ValueError:
        return address
    return f"{host or address}" + ("" if port in (None, {"http": 80, "https": 443}.get(parts.scheme)) else f":{port}")


def check_server(base_url: str, where: str) -> None:
    """Refuse an address of an experiment file to which the key would go, unless the machine's owner says it too.

    Args:
        base_url: of the file, or "".
        where: its place in the file, for the message.

    Raises:
        ValueError: if its host is neither OpenAI's nor that of `BASE` in the environment.
    """
    own = {server_of(DEFAULT_BASE), server_of(os.environ.get(BASE, DEFAULT_BASE))}
    if base_url and (server := server_of(base_url)) not in own:
        raise ValueError(
            f"{where} is {' '.join(server.split())}, and a file alone does not say where the key in {KEY} goes; "
            f"if you trust it, give it as --base-url or in {BASE}"
        )


def api_key() -> str:
    """Return the key from the environment; ValueError saying which variable where there is none."""
    key = os.environ.get(KEY, "").strip()
    if not key:
        raise ValueError(f"the judge needs a key in the environment variable {KEY}; nothing was asked")
    return key


def ask(judge: ApiJudge, address: str, key: str, question: str, what: str) -> dict[str, Any]:
    """Return the server's answer: verdict (A, B, TIE or UNCLEAR), its words, its model and the tokens it counted.

    Raises:
        ValueError: after the last attempt, naming what was asked about; never the key.
    """
    body: dict[str, Any] = {"model": judge.model, "temperature": 0, "max_tokens": judge.answer_tokens}
    body |= {"messages": [{"role": "user", "content": question}]}
    for old, new in _refused(judge, address):
        _rename(body, old, new)
    fault, last, attempt, forever = "", None, 0, False
    while attempt <= judge.retries:
        if attempt:
            time.sleep(judge.pause * 2 ** (attempt - 1))
        attempt += 1
        try:
            content = _send(judge, address, key, body)
            choice = content["choices"][0]
            words = said(choice["message"].get("content"))
            usage = content.get("usage") or {}
            last = {"verdict": parse(words), "words": words, "served": str(content.get("model", ""))}
            last |= {"tokens_in": usage.get("prompt_tokens", 0), "tokens_out": usage.get("completion_tokens", 0)}
            if last["verdict"] != "UNCLEAR":
                return last
            if not words and choice.get("finish_reason") == "length":
                spent = f"all {judge.answer_tokens} tokens were spent before an answer, by reasoning"
                fault, last, forever = f"{spent}; raise --answer-tokens", None, True
                break
        except urllib.error.HTTPError as error:
            # who is refused for the key may find it quoted in the words, so those are not shown
            told = _words_of(error.read().decode("utf-8", "replace")) if error.code in REASONED else ""
            fault = f"HTTP {error.code}{f' ({_masked(told, key)})' if told else ''}"
            if error.code in (408, 409, 429) or error.code >= 500:
                continue
            name = next((name for name in RENAMED if name in body and name in told), None)
            if name is not None:
                _refused(judge, address).append((name, RENAMED[name]))
                _rename(body, name, RENAMED[name])
                attempt = 0
                continue
            forever = error.code not in (401, 403)
            break
        except TimeoutError:
            fault = f"no answer within {judge.timeout:g} s"
        except (OSError, HTTPException) as error:
            fault = type(getattr(error, "reason", error)).__name__
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            fault = "an answer that is no chat completion"
    if last is not None:
        return last
    go_on = "the same question would be refused again" if forever else "the same command goes on"
    raise ValueError(f"judge {judge.model} on {what}: {fault}; verdicts so far are kept, {go_on}")


def _send(judge: ApiJudge, address: str, key: str, body: dict[str, Any]) -> Any:
    """Return what the server answers, as JSON."""
    request = urllib.request.Request(address, json.dumps(body).encode(), {"Content-Type": "application/json"})
    request.add_unredirected_header("Authorization", f"Bearer {key}")
    with _OPENER.open(request, timeout=judge.timeout) as response:
        return json.loads(response.read())


def _refused(judge: ApiJudge, address: str) -> list[tuple[str, str]]:
    """Return which parameters this server refused of this model, and what they are called there."""
    return _REFUSED.setdefault((address, judge.model), [])


def _rename(body: dict[str, Any], old: str, new: str) -> None:
    """Call a parameter otherwise, or leave it out."""
    value = body.pop(old, None)
    if new:
        body[new] = value


def _words_of(text: str) -> str:
    """Return the message in a server's refusal, or the refusal itself."""
    with contextlib.suppress(ValueError, AttributeError):
        found = json.loads(text)
        error = found.get("error", found)
        return str(error.get("message", error)) if isinstance(error, dict) else str(error)
    return text


def _masked(text: str, key: str) -> str:
    """Return a server's own words on one short line, without the key and anything that looks like one."""
    own = re.escape(key) if len(key) >= SECRET else rf"(?<!\w){re.escape(key)}(?!\w)"
    return " ".join(re.sub(rf"(?i)bearer\s+\S+|sk-[\w*-]+|{own}", "(key)", text).split())[:SHOWN]


def said(content: Any) -> str:
    """Return a message's words: of a text or of its parts, without what a model says to itself; empty for nothing."""
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    words = content if isinstance(content, str) else ""
    return "" if "<think>" in words and "</think>" not in words else re.sub(r"(?s)^.*</think>", "", words).strip()


def parse(words: str) -> str:
    """Return A, B or TIE where an answer says nothing else, and UNCLEAR otherwise."""
    said = re.sub(r"[\s.*\"'`:]+", " ", words).strip().upper().removeprefix("ANSWER ")
    return said if said in ("A", "B", "TIE") else "UNCLEAR"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A judge that sends elsewhere is refused: elsewhere may be in the open, and a redirected question is lost."""

    def redirect_request(self, *args: Any, **given: Any) -> None:
        """Follow nothing; the redirection is then an HTTP error."""


_OPENER = urllib.request.build_opener(_NoRedirect)
_REFUSED: dict[tuple[str, str], list[tuple[str, str]]] = {}  # by address and model, for the life of the process
