"""Export the families and keep their PyTorch answers: ``python -m benchmarks.exporters.make``.

Each family gets a folder with its two ONNX files and ``answers.npz``. The answers are
checked for being worth comparing: masks neither empty nor full, candidates that differ, and
logits that react to what a client could get wrong.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from benchmarks.exporters.cases import (
    PICTURE_SHAPES,
    choose_candidate,
    list_cases,
    make_picture,
    measure_iou,
)
from benchmarks.exporters.families import FAMILIES

if TYPE_CHECKING:
    from benchmarks.exporters.cases import Answer, Export

DEFAULT_CACHE = Path.home() / ".cache" / "napari-sam-onnx-exporters"
THREADS = 2


def keep_answers(export: Export, folder: Path) -> dict[str, float]:
    """Ask the reference every case on every picture, and write what it says.

    Returns
    -------
    dict of str to float
        How lively the answers are; see `describe_liveliness`.
    """
    kept: dict[str, np.ndarray] = {}
    answers: dict[tuple[str, str], Answer] = {}
    for picture_name, shape in PICTURE_SHAPES.items():
        picture = make_picture(shape)
        export.reference.see(picture)
        for case in list_cases(picture_name, boxes=export.boxes, masks=export.masks):
            earlier = None
            if case.refines:
                answer = answers[picture_name, case.refines]
                kind = next(c for c in list_cases(picture_name) if c.name == case.refines)
                earlier = answer.logits[choose_candidate(kind, answer.scores)]
            answer = export.reference.answer(case, earlier)
            answers[picture_name, case.name] = answer
            key = f"{picture_name}/{case.name}"
            kept[f"{key}/logits"] = answer.logits.astype(np.float32)
            kept[f"{key}/scores"] = answer.scores.astype(np.float32)
            kept[f"{key}/masks"] = np.packbits(answer.masks, axis=-1)
    np.savez(folder / "answers.npz", **kept)
    return describe_liveliness(answers) | {"swapped channels": measure_reaction(export, answers)}


def check_liveliness(lively: dict[str, float]) -> None:
    """Refuse answers on which wrong clients would agree too.

    Raises
    ------
    SystemExit
        If masks are empty or full, candidates or prompts are all the same, or the picture
        does not matter.
    """
    fine = (
        lively["smallest area"] > 0.02
        and lively["largest area"] < 0.98
        and not lively["candidates"] > 0.95  # NaN where there is one candidate
        and lively["prompts"] < 0.95
        and lively["swapped channels"] > 0.1
    )
    if not fine:
        raise SystemExit(f"These random weights answer nothing worth comparing: {lively}")


def measure_reaction(export: Export, answers: dict[tuple[str, str], Answer]) -> float:
    """Mean difference of logits where a client swaps red and blue."""
    name = next(iter(PICTURE_SHAPES))
    click = list_cases(name)[0]
    export.reference.see(np.ascontiguousarray(make_picture(PICTURE_SHAPES[name])[..., ::-1]))
    swapped = export.reference.answer(click, None)
    return float(np.abs(swapped.logits - answers[name, click.name].logits).mean())


def describe_liveliness(answers: dict[tuple[str, str], Answer]) -> dict[str, float]:
    """Measure whether agreement on these answers means anything.

    Returns
    -------
    dict of str to float
        "smallest area" and "largest area" as parts of the picture, the median IoU between
        the "candidates" of one answer, the median IoU between the "prompts" of one picture
        (last candidate), and the mean deviation of the "logits".
    """
    areas = [mask.mean() for answer in answers.values() for mask in answer.masks]
    between = [
        measure_iou(a, b)
        for answer in answers.values()
        for a, b in zip(answer.masks[:-1], answer.masks[1:], strict=True)
    ]
    across = [
        measure_iou(answer.masks[-1], answers[picture, "click"].masks[-1])
        for (picture, case), answer in answers.items()
        if case != "click"
    ]
    return {
        "smallest area": float(min(areas)),
        "largest area": float(max(areas)),
        "candidates": float(np.median(between)) if between else float("nan"),
        "prompts": float(np.median(across)),
        "logits": float(np.mean([answer.logits.std() for answer in answers.values()])),
    }


def main() -> None:
    """Make the families named on the command line, or all that are missing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--threads", type=int, default=THREADS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    for name in arguments.families or FAMILIES:
        folder = arguments.cache / name
        if not arguments.families and (folder / "made.json").exists():
            continue
        folder.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        export = FAMILIES[name].export(folder)
        if FAMILIES[name].same_as:
            twin = arguments.cache / FAMILIES[name].same_as
            shutil.copy(twin / "answers.npz", folder)
            lively = json.loads((twin / "made.json").read_text())["lively"]
        else:
            lively = keep_answers(export, folder)
            check_liveliness(lively)
        made = {
            "encoder": export.encoder.name,
            "decoder": export.decoder.name,
            "boxes": export.boxes,
            "masks": export.masks,
            "lively": lively,
        }
        (folder / "made.json").write_text(json.dumps(made, indent=1))
        figures = ", ".join(f"{key} {value:.2f}" for key, value in lively.items())
        print(f"{name}: {time.perf_counter() - start:.0f} s; {figures}", flush=True)


if __name__ == "__main__":
    main()
