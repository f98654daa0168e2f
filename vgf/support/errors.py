"""The one exception of the data layer: its message is a whole line that names the thing and the remedy."""


class DataError(ValueError):
    """Bad data or a bad request for data; `vgf` prints the message alone and exits with status 2."""

    def __init__(self, message: object) -> None:
        super().__init__(in_one_line(str(message)))


def in_one_line(text: str) -> str:
    """Return a text with what cannot be printed escaped: a name in a file may hold a line break."""
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)
