"""Second opinions: a word list whose sums are known, and a base model's perplexity of recorded and human text."""

from __future__ import annotations

import io
import math
import tarfile
from pathlib import Path

import pandas as pd
import pytest
import torch

from tests.helpers.language import LITTLE, little_cache, little_policy
from vgf.results import commands
from vgf.rlhf import stages
from vgf.rlhf.settings import Setup
from vgf.rlhf.study import opinions
from vgf.rlhf.study.align import align
from vgf.rlhf.study.methods import get_method

torch.set_num_threads(1)
VALENCE = {"fine": 2.0, "dull": -1.0}


def soft(total: float) -> float:
    return total / math.sqrt(total**2 + 15)


@pytest.mark.parametrize(
    ("text", "total"),
    [
        ("a film", 0.0),
        ("", 0.0),
        ("Fine, fine and dull", 3.0),
        ("not a fine film", -1.48),
        ("isn't it so fine", -1.48),
        ("not that it is fine", 2.0),  # four words behind
        ("never dull", 0.74),
    ],
)
def test_the_word_list_adds_up_and_turns_behind_a_negation(text: str, total: float) -> None:
    assert opinions.words_score(text, VALENCE) == pytest.approx(soft(total))


def test_the_nats_are_those_of_the_model_over_all_of_its_tokens() -> None:
    policy = opinions.make_policy(little_policy().model, little_policy().tokenizer, None)
    (row, empty) = opinions.opinions(policy, VALENCE, [(2, 12), (3,)], ["fine film", ""])
    ids = torch.tensor([[2, 12, *policy.tokenizer("fine film")["input_ids"]]])
    log_p = policy.model(ids).logits.log_softmax(-1)[0]
    expected = -float(log_p[1, ids[0, 2]] + log_p[2, ids[0, 3]])
    assert row == {"nats": pytest.approx(expected, rel=1e-4), "length": 2, "words": pytest.approx(soft(2.0))}
    assert empty["length"] == 1


def test_recorded_and_human_text_are_read_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    little_cache(tmp_path)
    monkeypatch.setenv("VGF_DATA", str(tmp_path))
    archive = tmp_path / "words.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        content = b"fine\t2.0\t0.1\t[2]\ndull\t-1.0\t0.1\t[-1]\n"
        info = tarfile.TarInfo("package/vader_lexicon.txt")
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))
    monkeypatch.setattr(opinions, "fetch", lambda _: archive)
    opinions.word_list.cache_clear()
    setup = Setup(sizes=LITTLE)
    for stage in (stages.sft, stages.reward, stages.judge):
        stage(setup)
    with pytest.raises(ValueError, match="sft has no record of seed 0; `vgf rlhf align` makes it"):
        opinions.record(setup, ["sft"], tmp_path / "results")
    align(setup, [get_method("human"), get_method("sft")], tmp_path / "results")
    home = opinions.record(setup, ["human", "sft"], tmp_path / "results")
    rows = opinions.read("quick", "reviews", tmp_path / "results")
    assert list(rows.groupby("method").size()) == [10, 10]
    assert (rows["nats"] > 0).all()
    assert rows["words"].abs().max() < 1
    assert list(commands.language(tmp_path / "results")) == []
    again = opinions.record(setup, ["human", "sft"], tmp_path / "results")
    assert again == home
    pd.testing.assert_frame_equal(opinions.read("quick", "reviews", tmp_path / "results"), rows)
    opinions.word_list.cache_clear()


def test_where_none_is_recorded_there_is_none(tmp_path: Path) -> None:
    assert opinions.read("cpu", "reviews", tmp_path).empty
