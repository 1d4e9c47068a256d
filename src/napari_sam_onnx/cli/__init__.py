"""The command line: thin commands over the engine. No Qt, no napari."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run ``napari-sam-onnx``; leaves with 0, or with 2 after an error in the input.

    1 stands for a fault of this software, 130 for Ctrl+C.

    Parameters
    ----------
    arguments : sequence of str, optional
        Those of the process where omitted.
    """
    from napari_sam_onnx.cli.app import run

    run(arguments)
