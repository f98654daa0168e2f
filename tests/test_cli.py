"""The command line: exit 0, or one line that names the thing and the remedy and exit 2; never a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from vgf import cli
from vgf.datasets.tasks import DATASETS
from vgf.sources.recipes import regenerate


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cli") / "small.npz"
    return regenerate("cube-single-play", episodes=2, out=out, rows=30, progress=False)


@pytest.fixture(autouse=True)
def away(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty home and data folder."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("VGF_DATA", str(tmp_path / "data"))


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(list(words))
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_every_command_exists_and_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "--help")
    assert status == 0
    for name, (place, what) in cli.COMMANDS.items():
        assert f"  {name} " in out
        assert what in out
        module, function = place.split(":")
        assert callable(getattr(import_module(module), function))


@pytest.mark.parametrize("words", [("data", "--help"), ("data", "list", "--help"), ("data", "get", "--help")])
def test_help_is_no_error(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(list(words))
    assert ended.value.code == 0
    assert "usage: vgf data" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("zzz",), "unknown command 'zzz'; known: data"),
        (("dta",), "unknown command 'dta'; nearest: data"),
        (("data",), "Expected one of {list, get, check, card}; `vgf data --help` shows what it takes"),
        (("data", "chek", "x"), "vgf data has no 'chek'; nearest: check"),
        (("data", "check"), "vgf data check needs STR Dataset, task, or the path of a file or folder; `vgf data check"),
        (("data", "check", "x", "--jsn"), "vgf data has no '--jsn'; nearest: --json"),
        (("data", "get", "a", "b"), "vgf data has no 'b'; `vgf data --help` shows what it takes"),
        (("data", "get", "a", "--episodes"), "Missing value for argument '--episodes'. Expected 1 values; `vgf data"),
        (("data", "get", "a", "--source", "locl"), "--source has no 'locl'; nearest: local"),
        (("train",), "vgf train needs PATH a file of data/experiments; `vgf train --help` shows what it takes"),
        (("train", "f.yaml", "--scale", "quik"), "--scale has no 'quik'; nearest: quick"),
        (("train", "f.yaml", "--starts", "repor"), "vgf train has no '--starts'; "),
        (("evaluate", "R", "--steps", "1.5"), "--steps takes [INT [INT ...]], got '1.5'; `vgf evaluate --help` shows"),
        (("tables", "--format", "pdf"), "--format has no 'pdf'; one of: markdown, csv, latex"),
        (("tables", "--formt", "pdf"), "vgf tables has no '--formt'; nearest: --format"),
        (("bench", "gup"), "vgf bench has no 'gup'; "),
        (("data", "get", "cube-sinlge-play"), "nearest: cube-single-play"),
        (("data", "get", "hopper-medium", "--source", "local"), "no hopper_medium-v2.hdf5 in ~/.d4rl/datasets"),
        (("data", "get", "pen-human", "--source", "regenerate"), "only from local or download"),
        (("data", "get", "cube-single-play", "--source", "regenerate", "--episodes", "0"), "episodes must be >= 1"),
        (("data", "check", "cube-double-play"), "no file of cube-double-play-v0 is here; `vgf data get"),
        (("data", "check", "nothing/here.npz"), "nothing/here.npz: no such file"),
        (("data", "check", "there.txt"), "unknown dataset 'there.txt'"),
        (("data", "check", "/"), "/: "),
        (("data", "check", "."), "."),
        (("data", "check", ""), "name_or_file must be a path, got ''"),
        (("data", "check", "https://x.org/a.npz"), "https://x.org/a.npz is an address; give a path on this machine"),
        (("data", "check", "n" * 300), "is longer than the 255 bytes of a name; give a shorter one"),
        (("data", "card"), "no regenerated file is here"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(
    words: tuple[str, ...], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, err = run(capsys, *words)
    assert (status, out) == (2, "")
    assert message in err
    assert err.startswith("vgf: ")
    assert err.count("\n") == 1


def test_no_words_is_exit_2_with_the_usage(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys)
    assert (status, out) == (2, "")
    assert err.startswith("usage: vgf")


def test_list_shows_every_dataset(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "data", "list")
    assert status == 0
    assert all(name in out for name in DATASETS)
    rows = json.loads(run(capsys, "data", "list", "--json")[1])
    assert [row["dataset"] for row in rows] == list(DATASETS)
    assert all(row["file"] is None for row in rows)


def test_get_check_and_list_agree(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("data", "get", "cube-single-play", "--source", "regenerate", "--episodes", "2")
    status, out, err = run(capsys, *words, "--out", str(small))
    assert (status, out) == (2, "")  # there already, with fewer rows per episode
    assert "already there with other recipe" in err
    status, out, _ = run(capsys, "data", "get", "cube-single-play", "--path", str(small))
    assert (status, out) == (0, f"{small}  (local)\n")
    status, out, _ = run(capsys, "data", "check", str(small), "--json")
    (report,) = json.loads(out)
    assert status == 0
    assert (report["dataset"], report["source"], report["transitions"]) == ("cube-single-play-v0", "regenerated", 58)
    cached = tmp_path / "data/cache/ogbench/cube-single-play-v0.seed0.ep2.npz"
    cached.parent.mkdir(parents=True)
    for suffix in (".npz", "-val.npz", ".json"):
        cached.with_name(cached.stem + suffix).write_bytes(small.with_name(small.stem + suffix).read_bytes())
    out = run(capsys, "data", "check", "cube-single-play-task3")[1]
    assert [line.split(":")[0] for line in out.splitlines()] == [cached.name, f"{cached.stem}-val.npz"]
    listed = [row for row in json.loads(run(capsys, "data", "list", "--json")[1]) if row["file"]]
    assert [(row["file"], row["source"], row["bytes"]) for row in listed] == [
        (str(cached), "regenerated", small.stat().st_size)
    ]


def test_the_card_is_written_between_its_marks(small: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from vgf.sources.card import BEGIN, END

    readme = tmp_path / "data" / "README.md"
    status, _, err = run(capsys, "data", "card", str(small), "--write")
    assert status == 2
    assert "lacks the line" in err
    readme.parent.mkdir()
    readme.write_text(f"before\n{BEGIN}\nthe card before\n{END}\nafter\n", encoding="utf-8")
    status, out, _ = run(capsys, "data", "card", str(small), "--write")
    assert status == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "the card before" not in text
    assert out.strip() in text
    register = json.loads((tmp_path / "data" / "datasets.json").read_text(encoding="utf-8"))
    assert [entry["file"] for entry in register["regenerated"]] == ["small.npz"]
    assert {entry["dataset"] for entry in register["official"]} == set(DATASETS)
    assert "equal to the one on record" in run(capsys, "data", "check", str(small))[1]


def test_an_interrupt_is_a_line_and_130(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("vgf.sources.commands.List.run", interrupted)
    status, _, err = run(capsys, "data", "list")
    assert status == 130
    assert err == "vgf: interrupted; what was finished is kept, run again to go on\n"


def test_the_program_starts_without_torch_and_survives_a_closed_pipe() -> None:
    script = (
        "import sys\nfrom vgf.cli import main\nstatus = main(['data', 'list'])\nassert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    done = subprocess.run(
        f"{sys.executable} -m vgf.cli data list | head -1", shell=True, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    assert done.stdout.startswith(next(iter(DATASETS)))
