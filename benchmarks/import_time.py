"""How long importing takes in a fresh process: ``python -m benchmarks.import_time``."""

from __future__ import annotations

import argparse
import subprocess
import sys

from benchmarks.timing import describe_milliseconds, print_table

_MEASURE = """
import time
began = time.perf_counter()
{statement}
print(time.perf_counter() - began)
"""

STATEMENTS = (
    "import napari_sam_onnx",
    "from napari_sam_onnx import Segmenter",
    "from napari_sam_onnx import load_model; load_model()",
    "from napari_sam_onnx.cli import app",
)


def measure(statement: str, repeats: int) -> list[float]:
    """Seconds that a statement takes, each time in a new interpreter."""
    code = _MEASURE.format(statement=statement)
    return [
        float(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout)
        for _ in range(repeats)
    ]


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    rows = [[f"`{s}`", *describe_milliseconds(measure(s, repeats))] for s in STATEMENTS]
    print_table(["statement", "median ms", "fastest", "slowest"], rows)


if __name__ == "__main__":
    main()
