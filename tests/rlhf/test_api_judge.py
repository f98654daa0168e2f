"""The judge's protocol against a server on this machine that speaks it: both orders, ties, faults, and no key told."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.helpers.judge_server import NEVER, SECRET, Handler, Stub
from vgf.rlhf.study.api_judge import KEY, ApiJudge, Pair, compare, estimate, outcome, parse


def judge(stub: Stub, **changes: Any) -> ApiJudge:
    return ApiJudge(**{"model": "gpt", "base_url": stub.url, "timeout": 5.0, "pause": 0.01, **changes})


def good(question: str) -> str:
    """Prefer the answer with the word good; where both or none have it, tie."""
    a, b = question.split("Answer A:")[1].split("Answer B:")
    return {(True, False): "A", (False, True): "B."}.get(("good" in a, "good" in b), "tie")


PAIRS = [Pair("p1", "q", "good", "bad"), Pair("p2", "q", "bad", "good"), Pair("p3", "q", "good", "good")]


def test_each_pair_is_asked_both_ways(stub: Stub, tmp_path: Path) -> None:
    stub.rule = good
    table = compare(judge(stub), PAIRS, tmp_path / "v.csv", 1.0).set_index("pair")
    assert table["win"].to_dict() == {"p1": 1.0, "p2": 0.0, "p3": 0.5}
    assert bool(table["agree"].all())
    assert len(stub.asked) == 6
    assert {asked["path"] for asked in stub.asked} == {"/v1/chat/completions"}
    assert {asked["key"] for asked in stub.asked} == {f"Bearer {SECRET}"}
    assert {asked["temperature"] for asked in stub.asked} == {0}
    first, second = (asked["messages"][0]["content"] for asked in stub.asked[:2])
    assert "Answer A:\ngood" in first
    assert "Answer A:\nbad" in second
    stored = pd.read_csv(tmp_path / "v.csv")
    assert len(stored) == 6
    assert stored["tokens_in"].sum() == 540
    assert set(stored["served"]) == {"stub-1"}


def test_a_judge_that_likes_a_place_gives_ties(stub: Stub, tmp_path: Path) -> None:
    stub.rule = lambda question: "A"
    table = compare(judge(stub), PAIRS, tmp_path / "v.csv", 1.0)
    assert table["win"].tolist() == [0.5] * 3
    assert not table["agree"].any()


def test_what_was_answered_is_not_asked_again(stub: Stub, tmp_path: Path) -> None:
    stub.rule = good
    stub.script = ["A", "B", 401]
    with pytest.raises(ValueError, match=r"judge gpt on p2 \(1 of 2\): HTTP 401; verdicts so far are kept") as told:
        compare(judge(stub), PAIRS, tmp_path / "v.csv", 1.0)
    assert SECRET not in str(told.value)
    assert len(stub.asked) == 3  # a refusal for good is not tried again
    before = (tmp_path / "v.csv").read_text()
    table = compare(judge(stub), PAIRS, tmp_path / "v.csv", 1.0)
    assert (tmp_path / "v.csv").read_text().startswith(before)
    assert len(stub.asked) == 7
    assert table["win"].tolist() == [1.0, 0.0, 0.5]
    compare(judge(stub), PAIRS, tmp_path / "v.csv", 0.0)
    assert len(stub.asked) == 7


def test_faults_that_pass_are_tried_again(stub: Stub, tmp_path: Path) -> None:
    stub.script = [429, 503, "garbage", "I think both are fine", "A", "B"]
    table = compare(judge(stub), PAIRS[:1], tmp_path / "v.csv", 1.0)
    assert table["win"].tolist() == [1.0]
    assert len(stub.asked) == 6


@pytest.mark.parametrize(
    ("fault", "message"), [(503, "HTTP 503"), ("garbage", "no chat completion"), (NEVER, "no answer within 0.2 s")]
)
def test_faults_that_stay_are_one_line(stub: Stub, tmp_path: Path, fault: Any, message: str) -> None:
    stub.script = [fault] * 3
    patience = 0.2 if fault is NEVER else 60.0
    with pytest.raises(ValueError, match=message) as told:
        compare(judge(stub, timeout=patience, retries=2), PAIRS, tmp_path / "v.csv", 1.0)
    assert "\n" not in str(told.value)
    assert SECRET not in str(told.value)


def test_a_server_that_is_not_there_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, SECRET)
    with pytest.raises(ValueError, match="ConnectionRefusedError; verdicts so far are kept"):
        compare(ApiJudge("gpt", "http://127.0.0.1:9/v1", retries=1, pause=0.01), PAIRS, tmp_path / "v.csv", 1.0)


def test_nonsense_is_kept_as_unclear_and_too_much_of_it_is_refused(stub: Stub, tmp_path: Path) -> None:
    stub.rule = lambda question: "As a language model"
    with pytest.raises(ValueError, match="100% of the judge's answers are neither A, B nor TIE"):
        compare(judge(stub, retries=1), PAIRS, tmp_path / "v.csv", 1.0)
    stored = pd.read_csv(tmp_path / "v.csv")
    assert set(stored["verdict"]) == {"UNCLEAR"}
    assert set(stored["words"]) == {"As a language model"}


def test_the_key_and_the_texts_are_in_no_file(stub: Stub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stub.rule = good
    pairs = [Pair("p", "the-prompt-text", "our-good-text", "human-text")]
    compare(judge(stub), pairs, tmp_path / "v.csv", 1.0)
    told = capsys.readouterr()
    everything = told.out + told.err + "".join(p.read_text() for p in tmp_path.iterdir() if p.is_file())
    for secret in (SECRET, "the-prompt-text", "human-text"):
        assert secret not in everything
    assert "judge gpt: 2 questions, about 0.00 dollars" in told.err


def test_nothing_is_asked_without_a_key_or_above_the_price(
    stub: Stub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = [Pair("p", "word " * 100_000, "a", "b")]
    questions, dollars = estimate(judge(stub), long)
    assert questions == 2
    assert dollars == pytest.approx(2 * 500_000 / 3.5 * 2.5 / 1e6, rel=0.01)
    with pytest.raises(ValueError, match=r"more than --most-dollars 0.1; nothing was asked"):
        compare(judge(stub), long, tmp_path / "v.csv", 0.1)
    monkeypatch.delenv(KEY)
    with pytest.raises(ValueError, match="OPENAI_API_KEY; nothing was asked"):
        compare(judge(stub), PAIRS, tmp_path / "v.csv", 1.0)
    assert stub.asked == []


def test_the_key_does_not_travel_in_the_open() -> None:
    with pytest.raises(ValueError, match="the key would travel in the open; use https"):
        ApiJudge("gpt", "http://judge.example/v1").address()
    with pytest.raises(ValueError, match="is no http"):
        ApiJudge("gpt", "file:///etc").address()
    assert ApiJudge("gpt", "https://judge.example/v1/").address() == "https://judge.example/v1/chat/completions"


@pytest.mark.parametrize(
    ("words", "verdict"),
    [("A", "A"), (" b.\n", "B"), ("**TIE**", "TIE"), ("Answer: A", "A"), ("A and B", "UNCLEAR"), ("", "UNCLEAR")],
)
def test_only_a_plain_word_is_a_verdict(words: str, verdict: str) -> None:
    assert parse(words) == verdict


def test_verdicts_of_another_judge_do_not_mix(stub: Stub, tmp_path: Path) -> None:
    stub.rule = good
    compare(judge(stub), PAIRS[:1], tmp_path / "v.csv", 1.0)
    assert outcome(tmp_path / "v.csv", "other", PAIRS[:1]).empty
    stub.rule = lambda question: "TIE"
    assert compare(judge(stub, model="other"), PAIRS[:1], tmp_path / "v.csv", 1.0)["win"].tolist() == [0.5]
    assert outcome(tmp_path / "v.csv", "gpt", PAIRS[:1])["win"].tolist() == [1.0]


def test_a_verdict_on_another_text_is_not_one_on_this(stub: Stub, tmp_path: Path) -> None:
    stub.rule = good
    assert compare(judge(stub), PAIRS[:1], tmp_path / "v.csv", 1.0)["win"].tolist() == [1.0]
    changed = [Pair("p1", "q", "bad", "good")]
    assert outcome(tmp_path / "v.csv", "gpt", changed).empty
    assert compare(judge(stub), changed, tmp_path / "v.csv", 1.0)["win"].tolist() == [0.0]
    assert len(stub.asked) == 4
    assert compare(judge(stub), PAIRS[:1], tmp_path / "v.csv", 1.0)["win"].tolist() == [1.0]
    assert len(stub.asked) == 4, "the first verdicts are still there"


def test_a_judge_that_sends_elsewhere_gets_no_second_question_and_nobody_the_key(stub: Stub, tmp_path: Path) -> None:
    elsewhere = Stub()
    heard: list[str | None] = []

    class Ear(Handler):
        def do_GET(self) -> None:
            heard.append(self.headers["Authorization"])
            self.answer(200, json.dumps({"choices": [{"message": {"content": "A"}}]}))

    class Sender(Handler):
        def do_POST(self) -> None:
            self.send_response(302)
            self.send_header("Location", elsewhere.url + "/chat/completions")
            self.end_headers()

    elsewhere.RequestHandlerClass, stub.RequestHandlerClass = Ear, Sender
    threading.Thread(target=elsewhere.serve_forever, daemon=True).start()
    with pytest.raises(ValueError, match="HTTP 302; verdicts so far are kept"):
        compare(judge(stub), PAIRS, tmp_path / "v.csv", 1.0)
    elsewhere.shutdown()
    elsewhere.server_close()
    assert heard == []
