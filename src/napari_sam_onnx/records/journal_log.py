"""The log of a journal as bytes, and the lock of who writes it.

    log: record, record, …     record: length (4, little endian) | blake2b-128 | zlib(JSON | bytes)

Reading ends at the first record that is not whole.
"""

from __future__ import annotations

import hashlib
import json
import zlib
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from napari_sam_onnx.errors import logger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DIGEST = 16
"""Bytes of a digest."""


def lock_of(folder: Path) -> FileLock:
    """Return the lock of a journal, which any thread of its owner may release."""
    return FileLock(folder / "lock", timeout=0, thread_local=False)


def pack(head: Mapping[str, Any], content: bytes) -> bytes:
    """Make a record."""
    said = json.dumps(head).encode()
    body = zlib.compress(len(said).to_bytes(4, "little") + said + content, 1)
    digest = hashlib.blake2b(body, digest_size=DIGEST).digest()
    return len(body).to_bytes(4, "little") + digest + body


def unpack(path: Path) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield records up to the first that is not whole."""
    with open(path, "rb") as log:
        while len(start := log.read(4 + DIGEST)) == 4 + DIGEST:
            body = log.read(int.from_bytes(start[:4], "little"))
            if hashlib.blake2b(body, digest_size=DIGEST).digest() != start[4:]:
                logger.warning("%s ends in a record that was not finished", path)
                return
            plain = zlib.decompress(body)
            length = int.from_bytes(plain[:4], "little")
            yield json.loads(plain[4 : 4 + length]), plain[4 + length :]
