"""Damaged bytes, words that nobody meant, and objects of the wrong kind, all from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import random

WORDS = (
    "", " ", "-1", "0", "1", "2", "1e9", "1e999", "-1e-300", "nan", "inf", "-inf", "9" * 30,
    "9" * 5000, "0x10", "1_000", "½", "٣", "true", "None", "null", "[]", "{}", "a" * 300,
    "../..", "/", ".", "..", "~", "~nobody", "CON", "a\nb", "a\tb", "\x01", "\x7f", "'", '"', "`",
    "%s%n", "{0}", "$(ls)", ";", "|", "*", "?", "YX", "ZYX", "TZCYX", "xy", "YXX", "QYX", "CYX",
    "0:red", "0:red,1:green@0.5", "0:#12345g", "0[5-1]", "0[1-1e999]", "-1:red", "999999:gray",
    "0@nan", "0:red[1-2", "é", "e\u0301", "\u202e", "\ufeff", "🧫", "\udcff",
)  # fmt: skip


def damage(rng: random.Random, content: bytes) -> bytes:
    """Change a file's bytes: flipped, cut, doubled, zeroed, or with large numbers put in."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        if not data:
            break
        at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(400, len(data)))
        how = rng.randrange(7)
        if how == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif how == 1:
            data[at] = rng.choice((0, 1, 127, 128, 255))
        elif how == 2:
            del data[at:]
        elif how == 3:
            data[at : at + rng.randrange(1, 64)] = b""
        elif how == 4:
            data[at:at] = data[at : at + rng.randrange(1, 200)]
        elif how == 5:
            data[at : at + 4] = rng.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"))
        else:
            size = rng.randrange(1, 100)
            data[at : at + size] = rng.randbytes(size)
    return bytes(data)


def word(rng: random.Random) -> str:
    """Pick a word that is hardly what was meant, without the NUL that no system hands over."""
    if rng.random() < 0.7:
        return rng.choice(WORDS)
    length = rng.choice((1, 3, 10, 40))
    return "".join(
        chr(rng.choice((rng.randrange(1, 128), rng.randrange(1, 0xD800)))) for _ in range(length)
    )


def name(rng: random.Random) -> str:
    """Pick a name for a file."""
    stem = word(rng).replace("/", "_") or "empty"
    stem = stem.encode("utf-8", "surrogateescape")[: rng.choice((20, 200, 240, 255))]
    return stem.decode("utf-8", "ignore") + rng.choice((".tif", ".png", ".TIFF", "", ".tar.gz"))


def thing(rng: random.Random) -> Any:
    """Pick an object of some kind."""
    return rng.choice((
        None, True, 0, -1, 2.5, float("nan"), 10**30, "", "pebble", "text", b"bytes", [], [1, "a"],
        [[1, 2], [3]], {}, {"a": 1}, (), (1, 2), (1, 2, 3, 4), object(), int, len, Path("nowhere"),
        np.zeros(0), np.zeros((3, 4)), np.zeros((2, 3, 4, 5)), np.ones((8, 9), bool),
        np.full((8, 9), np.nan), np.array(["a", "b"]), np.array([object()]), np.array(3),
        np.zeros((4, 4), "datetime64[s]"), np.zeros((4, 4), complex), iter(()), slice(3), ...,
    ))  # fmt: skip
