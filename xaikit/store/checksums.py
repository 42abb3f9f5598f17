"""Checksums of the files of a run folder: SHA-256, in the file where its format has room, else beside the rows.

JSON has its own as the last key, ``sha256``: of ``json.dumps`` of all other keys. Parquet has 64 bytes before its footer, where
no reader looks: the checksum of all before these, and of the footer. Maps have one for each row of a part, and one for
their file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, BinaryIO

KEY = "sha256"
MARK = "xaikit"  # in what a run writes, whatever its format
_SIZE = 32
_TAIL = 8  # of a Parquet file: the length of its footer, and PAR1


def checksum(data: bytes) -> str:
    """The SHA-256 of some bytes."""
    return hashlib.sha256(data).hexdigest()


def to_json(value: Mapping[str, Any], indent: int | None = None) -> str:
    """JSON that bears its checksum."""
    return json.dumps({**value, KEY: checksum(json.dumps(value).encode())}, indent=indent)


def from_json(data: bytes | str) -> dict[str, Any]:
    """What :func:`to_json` wrote. Raises ValueError where it is that no more."""
    value = json.loads(data)
    if not isinstance(value, dict):
        raise ValueError(f"expected a mapping, got {type(value).__name__}")
    if value.pop(KEY, None) != checksum(json.dumps(value).encode()):
        raise ValueError("its content does not match its checksum")
    return value


def seal(parquet: bytes) -> bytes:
    """A Parquet file with its checksums."""
    start = len(parquet) - _TAIL - _footer_length(parquet[-_TAIL:])
    pages, footer = parquet[:start], parquet[start:]
    return b"".join([pages, _sum(pages), _sum(footer), footer])


def check_sealed(parquet: bytes) -> None:
    """Raises ValueError where a sealed Parquet file is not what it was."""
    if not all(_halves(parquet)):
        raise ValueError("its content does not match its checksum")


def is_sealed(parquet: bytes) -> bool:
    """Whether a Parquet file was sealed, damaged or not: damage in one place leaves one of its checksums true."""
    return any(_halves(parquet))


def sealed_footer(file: BinaryIO) -> bytes:
    """The footer of a sealed Parquet file, of which no more is read. Raises ValueError where it is not what it was."""
    size = file.seek(0, 2)
    file.seek(max(size - _TAIL, 0))
    length = _footer_length(file.read(_TAIL)) + _TAIL
    file.seek(max(size - length - _SIZE, 0))
    stated, footer = file.read(_SIZE), file.read(length)
    if stated != _sum(footer):
        raise ValueError("its footer does not match its checksum")
    return footer


def _halves(parquet: bytes) -> tuple[bool, bool]:
    """Whether the pages, and the footer, match their checksums."""
    start = len(parquet) - _TAIL - _footer_length(parquet[-_TAIL:])
    if start < 2 * _SIZE:
        raise ValueError("it is too short for its footer")
    pages, sums, footer = parquet[: start - 2 * _SIZE], parquet[start - 2 * _SIZE : start], parquet[start:]
    return sums[:_SIZE] == _sum(pages), sums[_SIZE:] == _sum(footer)


def _sum(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _footer_length(tail: bytes) -> int:
    if tail[4:] != b"PAR1":
        raise ValueError("it does not end as a Parquet file does")
    return int.from_bytes(tail[:4], "little")
