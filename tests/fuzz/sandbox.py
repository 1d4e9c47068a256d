"""Run one case in a process of its own, with a limit of memory and of time."""

from __future__ import annotations

import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MEMORY = 1_500 * 2**20
"""Bytes that a case may take beyond what was there before it."""

SECONDS = 30.0
"""No case takes that long on a machine with nothing else to do, unless it hangs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended: its exit code (minus the signal's number), and what it said."""

    code: int
    said: str
    seconds: float

    @property
    def complaint(self) -> str:
        """What is wrong with it; "" where nothing is."""
        if self.code == -signal.SIGKILL and self.seconds >= SECONDS:
            return "it hangs"
        if self.code < 0:
            return f"it was killed by {signal.Signals(-self.code).name}"
        if self.code not in (0, 2):
            return f"it left with {self.code}"
        if "Traceback" in self.said:
            return "it shows a traceback"
        if self.code == 2 and "Error" not in self.said and "Usage" not in self.said:
            return "it fails without a sentence"
        if self.code == 2 and not self.said.startswith(("Error: ", "Usage: ", "Warning: ")):
            return "something stands before its sentence"
        if self.code == 2 and max(map(len, self.said.splitlines()), default=0) > 3000:
            return "its sentence has no end"
        return ""


def run_alone(case: Callable[[], None]) -> Outcome:
    """Run a case in a fork; it inherits what is imported, and leaves nothing behind here."""
    started = time.monotonic()
    with tempfile.TemporaryFile() as heard:
        pid = os.fork()
        if pid == 0:
            _be_alone(case, heard.fileno())
        code = _wait(pid)
        heard.seek(0)
        said = heard.read().decode(errors="replace")
    return Outcome(code, said, time.monotonic() - started)


def _be_alone(case: Callable[[], None], heard: int) -> None:
    code = 99
    try:
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        os.dup2(heard, 1)
        os.dup2(heard, 2)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)
        most = psutil.Process().memory_info().vms + MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        case()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        traceback.print_exc()
        code = 98
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):
                stream.flush()
        os._exit(code)


def _wait(pid: int) -> int:
    crowd = os.getloadavg()[0] / (os.cpu_count() or 1)
    deadline = time.monotonic() + SECONDS * max(1.0, crowd)
    while time.monotonic() < deadline:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def leftovers(folder: Path) -> list[str]:
    """Names of half-written files in a folder and below it."""
    return [path.name for path in folder.rglob("*") if ".part" in path.name]
