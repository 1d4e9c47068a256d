"""Whether a decoder that draws each object's sections again makes volumes better.

    python -m benchmarks.refine_volumes --data DATA

Objects of volumes as they are made, and with every section across z drawn again: its box and mask
prompt the decoder on its plane, and what it answers is taken where it agrees with the section
(IoU 0.5). ``prompt`` is what the decoder is given; ``smooth`` averages masks over three planes, so
that outlines are consistent along z.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from benchmarks.stacks import label_volume, read_volumes
from benchmarks.timing import print_table
from napari_sam_onnx import load_model
from napari_sam_onnx.cache import EmbeddingCache, encode_through
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.masks.mask import Mask, measure_iou
from napari_sam_onnx.masks.upscale import low_res_from_mask
from napari_sam_onnx.pictures.image import to_rgb
from napari_sam_onnx.prompting.segmenter import answer_prompts
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.stacks import Stack
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts

AGREES = 0.5
KINDS = ("box", "box and mask", "mask and point")


def refine_volume(
    stack: Stack, labels: NDArray[np.uint32], model: Model, kind: str, cache: EmbeddingCache
) -> NDArray[np.uint32]:
    """Draw the sections of all objects again."""
    low, high = np.percentile(stack.picture, (0.1, 99.9))
    scaled = np.clip((stack.picture - low) / max(high - low, 1e-9), 0, 1)
    refined = np.zeros_like(labels)
    for z, plane in enumerate(labels):
        places = ndimage.find_objects(plane.astype(np.int32))
        ids = [number for number, place in enumerate(places, 1) if place is not None]
        sections = [Mask.from_array(plane == number) for number in ids]
        kept = [(n, s) for n, s in zip(ids, sections, strict=True) if s.area >= 12]
        drawn = dict(zip(ids, sections, strict=True))
        if kept:
            rgb = to_rgb((255 * scaled[z]).astype(np.uint8), "YX")
            embedding = encode_through(rgb, model, cache)
            prompts = [_prompt(section, kind) for _, section in kept]
            answers = answer_prompts(model, embedding, prompts)
            for (number, section), answer in zip(kept, answers, strict=True):
                if answer and measure_iou(answer, section) >= AGREES:
                    drawn[number] = answer
        for number in sorted(drawn, key=lambda n: -drawn[n].area):
            mask = drawn[number]
            part = refined[z][mask.slices]
            part[mask.crop] = number
    return refined


def _prompt(section: Mask, kind: str) -> Prompts:
    y0, x0, y1, x1 = section.bbox
    box = (y0 - 0.5, x0 - 0.5, y1 - 0.5, x1 - 0.5)
    if kind == "box":
        return make_prompts(box=box, plane_shape=section.shape)
    low_res = low_res_from_mask(section)
    if kind == "box and mask":
        return make_prompts(box=box, mask=low_res, plane_shape=section.shape)
    depth = ndimage.distance_transform_edt(np.pad(section.crop, 1))[1:-1, 1:-1]
    row, column = np.unravel_index(int(depth.argmax()), depth.shape)
    point = (section.origin[0] + row, section.origin[1] + column)
    return make_prompts([point], [1], mask=low_res, plane_shape=section.shape)


def smooth_along_z(labels: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Average the masks of each object over three planes."""
    smooth = np.zeros_like(labels)
    for number, place in enumerate(ndimage.find_objects(labels.astype(np.int32)), 1):
        if place is None:
            continue
        inside = (labels[place] == number).astype(np.float32)
        mean = ndimage.convolve1d(inside, [0.25, 0.5, 0.25], axis=0, mode="nearest")
        part = smooth[place]
        part[(mean >= 0.5) & (part == 0)] = number
    return smooth


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--middle", type=int, default=24)
    parser.add_argument("--only", default="", help="part of a stack's name")
    arguments = parser.parse_args()
    model = load_model(arguments.model)
    rows = []
    for stack in read_volumes(arguments.data, arguments.middle):
        if arguments.only not in stack.name:
            continue
        made = label_volume(stack, model, {})
        cache = EmbeddingCache()
        variants = {"as made": made}
        for kind in KINDS:
            variants[kind] = refine_volume(stack, made, model, kind, cache)
        variants["box and mask, smooth"] = smooth_along_z(variants["box and mask"])
        variants["as made, smooth"] = smooth_along_z(made)
        for name, labels in variants.items():
            matching = evaluate_labels(labels, stack.truth, (0.5, 0.7))
            at = matching.at(0.5)
            strict = matching.at(0.7).f1
            rows.append([stack.name, name, f"{at.f1:.3f}", f"{strict:.3f}", f"{at.mean_iou:.3f}"])
            print(rows[-1], flush=True)
    print_table(["stack", "sections", "F1@0.5", "F1@0.7", "mean IoU"], rows)


if __name__ == "__main__":
    main()
