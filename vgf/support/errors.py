"""The one exception of the data layer: its message is a whole line that names the thing and the remedy."""


class DataError(ValueError):
    """Bad data or a bad request for data; `vgf` prints the message alone and exits with status 2."""
