"""Rows of a file, whatever it is packed in: jsonl, a JSON list or parquet, as they are or through gzip.

Text is UTF-8, with or without a byte order mark, or UTF-16 with one. Any other encoding is refused by name, as a guess
would put other letters into the texts without a word.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from vgf.support.json_text import parse_json

WANTED = "give a jsonl of prompt, chosen, rejected"
GZIP_MAGIC, PARQUET_MAGIC = b"\x1f\x8b", b"PAR1"
OTHER = {  # first bytes of what is not read
    b"PK": "a zip archive; unpack it first",
    b"BZh": "packed with bzip2; unpack it first",
    b"\xfd7zXZ": "packed with xz; unpack it first",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it first",
    b"ARROW1": f"an Arrow file; {WANTED}",
    b"\xff\xff\xff\xff": f"an Arrow stream; {WANTED}",
    b"\x89HDF": f"an hdf5 file; {WANTED}",
    b"<": "a web page or XML; get the file from the address it names",
    b"version https://git-lfs": "a pointer of Git LFS, not the file itself; run git lfs pull",
}


def rows_of(path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a file, each with its place in words: "FILE, line N".

    Raises:
        ValueError: naming the file, and the line where there is one.
    """
    if path.is_dir():
        raise ValueError(f"{path}: a folder; {WANTED}")
    if not path.is_file():
        raise ValueError(f"{path}: no such file; {WANTED}")
    content = path.read_bytes()
    if content.startswith(GZIP_MAGIC):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ValueError(f"{path}: damaged gzip ({error}); get it again") from None
    if content.startswith(PARQUET_MAGIC):
        yield from _parquet(content, path)
        return
    for magic, what in OTHER.items():
        if content.startswith(magic):
            raise ValueError(f"{path}: this is {what}")
    text = _text(content, path)
    if (rows := _list(text, path)) is not None:
        yield from ((f"{path}, row {at}", row) for at, row in enumerate(rows))
        return
    for at, line in enumerate(text.split("\n" if "\n" in text else "\r"), 1):
        if line.strip():
            try:
                yield f"{path}, line {at}", parse_json(line)
            except ValueError as error:
                whole = " (one object over several lines; write each row on one)" * (line.strip() == "{")
                raise ValueError(f"{path}, line {at}: not JSON ({_reason(error)}){whole}; {WANTED}") from None


def _text(content: bytes, path: Path) -> str:
    """Return a file's text.

    Raises:
        ValueError: if it is in another encoding than UTF-8, or UTF-16 with its mark; with the line.
    """
    marks = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    encoding = "utf-16" if content.startswith(marks) and not content.startswith(codecs.BOM_UTF32_LE) else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        kind = "UTF-16" if encoding == "utf-16" else "UTF-8"
        byte = f"byte {error.start} is 0x{content[error.start]:02x}"
        raise ValueError(f"{path}, line {line}: not {kind} text ({byte}); save it as UTF-8") from None


def _list(text: str, path: Path) -> list[Any] | None:
    """Return the rows of a file that is one JSON list of objects; None where it is none."""
    if not text.lstrip().startswith("["):
        return None
    try:
        rows = parse_json(text)
    except ValueError as error:
        if text.lstrip()[1:].lstrip().startswith("{"):
            line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise ValueError(f"{path}{line}: not JSON ({_reason(error)}); {WANTED}") from None
        return None
    return rows if rows and all(isinstance(row, dict) for row in rows) else None


def _reason(error: ValueError) -> str:
    """Return what is wrong, without the place where the reader has one."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)


def _parquet(content: bytes, path: Path) -> Iterator[tuple[str, Any]]:
    """Yield the rows of a parquet file."""
    if find_spec("pyarrow") is None:
        raise ValueError(f"{path}: a parquet file needs the package pyarrow; pip install pyarrow, or {WANTED}")
    import pyarrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read()
        rows = table.to_pylist()
    except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: not a readable parquet file ({' '.join(str(error).split())[:120]}); get it again"
        ) from None
    for at, row in enumerate(rows):
        yield f"{path}, row {at}", row
