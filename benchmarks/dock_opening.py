"""How long the dock takes to open beside an empty viewer: ``python -m benchmarks.dock_opening``.

Each time in a fresh process, from asking napari for the dock to all its events handled: the first
importing, the panels, and the painting. An empty widget that is docked before is what napari and Qt
take themselves. Processor time is that of all threads. Modules are read as bytecode, as they are
once the package is installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile

from benchmarks.timing import describe_milliseconds, print_table

_MEASURE = """
import time
import napari
from qtpy.QtTest import QTest
from qtpy.QtWidgets import QApplication, QWidget

viewer = napari.Viewer()
QTest.qWait(1000)

def measure(work):
    clock, processor = time.perf_counter(), time.process_time()
    work()
    QApplication.processEvents()
    print(time.perf_counter() - clock, time.process_time() - processor)

plain = []
measure(lambda: plain.append(viewer.window.add_dock_widget(QWidget(), name="nothing")))
viewer.window.remove_dock_widget(plain[0])
QTest.qWait(300)
measure(lambda: __import__("napari_sam_onnx.plugin.dock"))
measure(lambda: viewer.window.add_plugin_dock_widget("napari-sam-onnx"))
import os
os._exit(0)
"""
STEPS = ("an empty widget", "importing", "the dock, imported")


def measure(bytecode: str) -> list[float]:
    """Measure once, and return clock and processor time of each step."""
    command = [sys.executable, "-W", "ignore", "-c", _MEASURE]
    home = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    home["PYTHONPYCACHEPREFIX"] = bytecode
    told = subprocess.run(command, capture_output=True, check=True, text=True, env=home).stdout
    return [float(word) for word in told.split()]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as bytecode:
        measure(bytecode)  # writes it
        runs = list(zip(*(measure(bytecode) for _ in range(repeats)), strict=True))
    runs += [[a + b for a, b in zip(runs[2 + i], runs[4 + i], strict=True)] for i in range(2)]
    rows = [
        [step, kind, *describe_milliseconds(runs[2 * number + part])]
        for number, step in enumerate((*STEPS, "both"))
        for part, kind in enumerate(("clock", "processor"))
    ]
    print_table(["step", "", "median ms", "fastest", "slowest"], rows)


if __name__ == "__main__":
    main()
