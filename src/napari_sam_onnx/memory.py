"""How much memory there is for what is about to be made; making it in strips; giving it back."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache
from math import prod
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# What a job scheduler or a container grants, what is in use, and how much of that is cached files.
_GROUPS = (
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


def free_memory() -> int:
    """Bytes that can still be taken: what the machine has, or what this process is granted."""
    free = int(psutil.virtual_memory().available)
    for limit, used, parts in _GROUPS:
        try:
            granted = Path(limit).read_text().strip()
            taken = int(Path(used).read_text())
            lines = dict(line.split() for line in Path(parts).read_text().splitlines())
        except (OSError, ValueError):
            continue
        if granted.isdigit():
            free = min(free, max(0, int(granted) - taken + int(lines.get("inactive_file", 0))))
    return free


_last_given = [float("-inf")]


def give_back_memory(at_most_every: float = 0.0) -> None:
    """Give memory that nothing uses back to the system where the allocator would keep it.

    That is glibc's on Linux: what large arrays leave between small ones, in an arena for each
    thread, stays with the process otherwise, some 300 MB after a plane of 4096². Takes
    milliseconds, and what is given back costs as much to be taken again.

    Parameters
    ----------
    at_most_every : float
        Seconds after the last time before which nothing is done.
    """
    trim, now = _find_trim(), monotonic()
    if trim is not None and now - _last_given[0] >= at_most_every:
        _last_given[0] = now
        trim(0)


@cache
def _find_trim() -> Callable[[int], int] | None:
    with suppress(OSError, AttributeError, TypeError):  # no glibc
        trim: Callable[[int], int] = ctypes.CDLL(None).malloc_trim
        return trim
    return None


def cut_strips(shape: Sequence[int], size: int) -> Iterator[slice]:
    """Cut the first axis of an array, so that a strip has some number of elements, or one row."""
    rows = max(1, size // max(1, prod(shape[1:])))
    yield from (slice(top, top + rows) for top in range(0, shape[0], rows))


def format_bytes(count: float) -> str:
    """Write a number of bytes as people say it: ``640 MB``, ``125 GB``."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} GB" if count < 100 else f"{count:.0f} GB"
