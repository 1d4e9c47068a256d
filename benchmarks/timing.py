"""How the benchmarks measure and print: medians of repeated runs, and what machine it was."""

from __future__ import annotations

import os
import platform
import resource
import time
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def time_runs(
    run: Callable[[], object],
    repeats: int,
    warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each run by a clock, after some that do not count."""
    for _ in range(warm_up):
        run()
    seconds = []
    for _ in range(repeats):
        began = clock()
        run()
        seconds.append(clock() - began)
    return seconds


def time_processor(run: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of processor time of each run, all threads together.

    On a busy machine this says what the clock would say on a quiet one, where one thread works.
    """
    return time_runs(run, repeats, 0, time.process_time)


def describe_milliseconds(seconds: Sequence[float]) -> list[str]:
    """Median, fastest and slowest, in milliseconds."""
    return [f"{1000 * value:.1f}" for value in (median(seconds), min(seconds), max(seconds))]


def read_peak_memory() -> float:
    """Most memory that this process has held so far, in MiB."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 2**10)


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a Markdown table, ready for the docs, below a line about the machine."""
    load = f", load {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    print(f"{platform.machine()}, {os.cpu_count()} cores{load}, Python {platform.python_version()}")
    print()
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    for row in (columns, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |")
