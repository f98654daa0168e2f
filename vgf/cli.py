"""`vgf`: one command, thin: it finds the function behind a word and turns bad input into one line.

Only that function's module is imported, so `vgf --help` is immediate. A command is named in `COMMANDS`: a documented
function, or documented dataclasses with a `run`, from which tyro parses the remaining arguments. It ends normally (exit
0) or raises ValueError or OSError, whose message is then the whole output (exit 2). VGF_DEBUG=1 shows the traceback
instead.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module

from vgf.support.given import expanded

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
        print(f"vgf: unknown command {words[0]!r}; known: {', '.join(COMMANDS)}", file=sys.stderr)
        return 2
    module, name = COMMANDS[words[0]][0].split(":")
    try:
        import tyro  # only here: it takes longer to load than the usage to print

        command = tyro.cli(getattr(import_module(module), name), prog=f"vgf {words[0]}", args=words[1:])
        if command is not None:
            command.run()
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


def usage() -> str:
    """Return what `vgf --help` prints."""
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {what}" for name, (_, what) in COMMANDS.items()]
    return "\n".join(["usage: vgf COMMAND [--help]", "", *lines])


if __name__ == "__main__":
    sys.exit(main())
