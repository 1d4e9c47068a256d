"""Run our runner on the exports and compare: ``python -m benchmarks.exporters.compare``.

Asks every case that `make` asked, through `load_model` and `Segmenter` as a user would, and
prints one row per family: the largest difference of low-resolution logits and of scores,
the smallest IoU of masks on the picture, over all pictures, cases and candidates; and
whether the candidate shown first is the one that SAM's authors advise.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.exporters.cases import (
    PICTURE_SHAPES,
    Answer,
    choose_candidate,
    list_cases,
    make_picture,
    measure_iou,
)
from benchmarks.exporters.families import FAMILIES
from benchmarks.exporters.make import DEFAULT_CACHE, THREADS
from napari_sam_onnx import Mask, Segmenter
from napari_sam_onnx.models import load_model

LOGITS_WITHIN = 1e-3
IOU_AT_LEAST = 0.99


@dataclass(frozen=True, slots=True)
class Difference:
    """How far our answer to a case is from the reference's.

    Parameters
    ----------
    where : str
        Picture and case.
    logits, scores : float
        Largest absolute difference.
    iou : float
        Smallest over the candidates.
    same_choice : bool
        Whether the candidate shown first is the advised one.
    """

    where: str
    logits: float
    scores: float
    iou: float
    same_choice: bool


def read_answer(kept: np.lib.npyio.NpzFile, key: str, width: int) -> Answer:
    """Unpack one answer of the reference."""
    masks = np.unpackbits(kept[f"{key}/masks"], axis=-1, count=width).astype(bool)
    return Answer(kept[f"{key}/logits"], kept[f"{key}/scores"], masks)


def compare_family(name: str, folder: Path) -> tuple[str, list[Difference]]:
    """Ask our runner everything that the reference was asked.

    Returns
    -------
    contract : str
        The rows that our detection found.
    differences : list of Difference
        One for each picture and case.
    """
    made = json.loads((folder / "made.json").read_text())
    kept = np.load(folder / "answers.npz")
    files = folder / made["encoder"], folder / made["decoder"]
    model = load_model(files, provider="cpu", threads=THREADS)
    segmenter = Segmenter(model)
    differences = []
    for picture_name, shape in PICTURE_SHAPES.items():
        segmenter.set_rgb(make_picture(shape))
        ours: dict[str, Mask] = {}
        for case in list_cases(picture_name, boxes=made["boxes"], masks=made["masks"]):
            expected = read_answer(kept, f"{picture_name}/{case.name}", shape[1])
            earlier = ours[case.refines] if case.refines else None
            points = case.points if len(case.points) else None
            mask = segmenter.segment(points, case.labels, case.box, earlier)
            ours[case.name] = mask
            differences.append(
                measure_difference(
                    f"{picture_name}, {case.name}",
                    mask,
                    expected,
                    choose_candidate(case, expected.scores),
                )
            )
    return model.contract.name, differences


def measure_difference(where: str, mask: Mask, expected: Answer, advised: int) -> Difference:
    """Compare all candidates of one answer."""
    candidates = mask.candidates
    if len(candidates) != len(expected.scores):
        raise SystemExit(
            f"{where}: {len(candidates)} candidates, the reference has {len(expected.scores)}."
        )
    logits = np.stack([candidate.low_res.logits for candidate in candidates])
    scores = np.array([candidate.predicted_iou for candidate in candidates])
    pairs = zip(candidates, expected.masks, strict=True)
    return Difference(
        where,
        float(np.abs(logits - expected.logits).max()),
        float(np.abs(scores - expected.scores).max()),
        min(measure_iou(np.asarray(candidate), plane) for candidate, plane in pairs),
        bool(np.array_equal(mask.low_res.logits, logits[advised])),
    )


def main() -> int:
    """Compare the families named on the command line, or all that were made."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("families", nargs="*", help=f"of {', '.join(FAMILIES)}")
    parser.add_argument("--cache", type=Path, default=DEFAULT_CACHE)
    parser.add_argument("--each", action="store_true", help="print every case")
    arguments = parser.parse_args()
    failed = False
    print("| export | by | contract | Δ logits | Δ scores | IoU | choice | |")
    print("|-|-|-|-|-|-|-|-|")
    for name, family in FAMILIES.items():
        folder = arguments.cache / name
        if arguments.families and name not in arguments.families:
            continue
        if not (folder / "made.json").exists():
            print(f"| {name} | {family.exporter} | {family.contract} | | | | | not made |")
            continue
        contract, differences = compare_family(name, folder)
        logits = max(difference.logits for difference in differences)
        iou = min(difference.iou for difference in differences)
        same = sum(difference.same_choice for difference in differences)
        fine = (
            logits <= LOGITS_WITHIN
            and iou >= IOU_AT_LEAST
            and same == len(differences)
            and contract == family.contract
        )
        failed |= not fine
        scores = max(difference.scores for difference in differences)
        print(
            f"| {name} | {family.exporter} | {contract} | {logits:.1e} | {scores:.1e} | "
            f"{iou:.4f} | {same}/{len(differences)} | {'agrees' if fine else 'DIFFERS'} |",
            flush=True,
        )
        if arguments.each:
            for one in differences:
                print(f"    {one}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
