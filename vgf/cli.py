"""`vgf`: one command, thin: it finds the function behind a word and turns bad input into one line.

Only that function's module is imported, so `vgf --help` is immediate. A command is named in `COMMANDS`: a documented
function, or documented dataclasses with a `run`, from which tyro parses the remaining arguments. It ends normally (exit
0) or raises ValueError or OSError, whose message is then the whole output (exit 2). VGF_DEBUG=1 shows the traceback
instead.
"""

from __future__ import annotations

import difflib
import io
import os
import re
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from functools import partial, wraps
from importlib import import_module
from inspect import isfunction
from typing import Any

from vgf.support.given import expanded
from vgf.support.strict import known

COMMANDS = {
    "data": ("vgf.sources.commands:Command", "list, get, check and describe datasets"),
    "train": ("vgf.training.commands:train_command", "train the methods of an experiment file and leave records"),
    "estimate": (
        "vgf.training.estimate_command:estimate_command",
        "say what an experiment costs here, in hours and disk",
    ),
    "evaluate": (
        "vgf.training.evaluate_command:evaluate_command",
        "evaluate a record's policy anew, at several test budgets",
    ),
    "budget": ("vgf.training.budget_command:budget_command", "choose how far a policy should move, from data alone"),
    "bench": ("vgf.bench.commands:Subcommand", "time updates, transport and data on this machine"),
    "rlhf": (
        "vgf.rlhf.study.commands:Command",
        "the flow on language: run, latent, prepare, sft, reward, judge, train, align, table",
    ),
    "tables": ("vgf.results.commands:tables_command", "turn records into tables, or check what is shown against them"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 2 for bad input, 130 when interrupted."""
    words = expanded(list(sys.argv[1:] if arguments is None else arguments))
    if not words or words[0] in ("-h", "--help", "help"):
        print(usage(), file=sys.stdout if words else sys.stderr)
        return 0 if words else 2
    if words[0] == "--version":
        print(import_module("vgf").__version__)
        return 0
    if words[0] not in COMMANDS:
        near = difflib.get_close_matches(words[0].lower(), COMMANDS)
        told = f"nearest: {', '.join(near)}" if near else f"known: {', '.join(COMMANDS)}"
        print(f"vgf: unknown command {words[0]!r}; {told}", file=sys.stderr)
        return 2
    module, name = COMMANDS[words[0]][0].split(":")
    try:
        _parsed(getattr(import_module(module), name), f"vgf {words[0]}", words[1:])()
    except KeyboardInterrupt:
        print("vgf: interrupted; what was finished is kept, run again to go on", file=sys.stderr)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # a reader like `head` has seen enough
    except (ValueError, OSError) as error:
        if os.environ.get("VGF_DEBUG"):
            raise
        if raised := getattr(error, "environment_traceback", ""):  # of an environment of the user's
            print(raised, file=sys.stderr)
        print(f"vgf: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    return 0


def _parsed(command: Any, prog: str, words: Sequence[str]) -> Callable[[], Any]:
    """Return what runs a command with its words; `--help` ends here as tyro ends it.

    A function is called after parsing, not in it: what it says on stderr while it works is not held back.

    Raises:
        ValueError: for a word that has no meaning, naming it and the nearest that has one.
    """
    import tyro  # only here: it takes longer to load than the usage to print

    later = (
        wraps(command)(lambda *found, **named: partial(command, *found, **named)) if isfunction(command) else command
    )
    said = io.StringIO()
    try:
        with redirect_stderr(said):
            ready: Any = tyro.cli(later, prog=prog, args=words)
    except SystemExit as ended:
        if not ended.code:
            raise
        raise ValueError(refusal(said.getvalue(), prog)) from None
    print(said.getvalue(), end="", file=sys.stderr)  # a warning
    return ready if later is not command else ready.run


def refusal(box: str, prog: str) -> str:
    """Return in one line what tyro says of bad words in a box, whose parts lines divide; an unknown text is kept."""
    lines = box.replace("│", "|").replace("─", "-").splitlines()  # as it draws them on a terminal without such letters
    inside = [line.strip().strip("|").strip() for line in lines if not line.startswith(("╭", "╰", "+"))]
    parts = [part.strip() for part in re.split(r"-{3,}", " ".join(inside))]
    parts = parts if box.startswith("╭") else [*parts[1:], ""]  # without such letters, its title is the first part
    fault, more = parts[0].rstrip("."), " ".join(part for part in parts[1:] if not part.startswith("For full"))
    where, wrong, names = prog, "", []
    if found := re.fullmatch(r"invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*)\)", fault):
        wrong, where, names = found[1], found[2], re.findall(r"'([^']*)'", found[3])
    elif found := re.fullmatch(r"Unrecognized options: (.*)", fault):
        wrong = found[1].split(", ")[0]
        listed = re.search(r"Available subcommands: ([\w, -]*)", more)
        names = listed[1].strip().split(", ") if listed else re.findall(r"--[\w-]+(?=[ ,])", more)
        names = [name for name in names if name != "--help"]
        fault = f"{prog} has no {wrong!r}"
    elif found := re.fullmatch(r"Error parsing (\S+): .* arguments: \[(.*)\]", fault):
        takes = re.search(rf"Argument helptext: (?:-\w, )?{re.escape(found[1])} (\[.*?\]\]|\S+)", more)
        fault = f"{found[1]} takes {takes[1] if takes else 'something else'}, got {found[2]}"
    elif found := re.fullmatch(r"Missing from ([^:]*): (.*)", fault):
        where, fault = found[1], f"{found[1]} needs {' '.join(found[2].replace('(required)', '').split())}".rstrip(".")
    if names:
        try:
            known([wrong], names, where)
        except ValueError as error:
            return str(error)
    return f"{fault}; `{where if where.startswith('vgf') else prog} --help` shows what it takes"


def usage() -> str:
    """Return what `vgf --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: vgf COMMAND [--help]", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
