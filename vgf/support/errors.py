"""The one exception of the data layer, whose message is a whole line with thing and remedy; and what a command says."""

import sys
from collections.abc import Callable


class DataError(ValueError):
    """Bad data or a bad request for data; `vgf` prints the message alone and exits with status 2."""

    def __init__(self, message: object) -> None:
        super().__init__(in_one_line(str(message)))


def in_one_line(text: str) -> str:
    """Return a text with what cannot be printed escaped: a name in a file may hold a line break."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def status_of(name: str, run: Callable[[], object]) -> int:
    """Run a command of `python -m`; return its exit status: 0, or 2 after one line on stderr that says what was bad.

    Args:
        name: of the command, before the message.
        run: does its work; raises ValueError for bad input and OSError for a file that cannot be read or written.
    """
    try:
        run()
    except (ValueError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0
