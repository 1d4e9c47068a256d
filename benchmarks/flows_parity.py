"""Our flow dynamics beside those of PyPI `cellpose`, on flows made of true labels.

Needs an environment of its own, with the package, ``torch``, and ``pip install --no-deps
cellpose natsort fastremap fill-voids opencv-python-headless``; torchvision and segment-anything,
which `cellpose` imports and its dynamics do not use, are replaced by empty modules.

    python benchmarks/flows_parity.py LABELS [LABELS …]    # label images, TIFF or PNG
    python benchmarks/flows_parity.py --volumes STACK …    # label volumes, ZYX

Of a volume the middle is taken, `BLOCK`; each section across z, y and x has a flow of its own, as
a perfect network would give it. The reference adds the views as `cellpose` does, ours takes their
mean; and the reference is also given the mean.
"""

from __future__ import annotations

import sys
import time
import types
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import ndimage
from skimage.io import imread

from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.linking import count_overlaps, measure_areas
from napari_sam_onnx.masks.flows import FlowField, flows_of_labels, iterate_flow_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK = 40, 128, 128

NOISE = (0.0, 0.6)
"""Standard deviations of what is added to the flow; a clean flow has length 5."""


def import_dynamics() -> Any:
    """Import the reference without what it does not need here."""
    names = ("segment_anything", "torchvision", "torchvision.transforms")
    for name in (*names, "torchvision.transforms.functional"):
        sys.modules[name] = types.ModuleType(name)
    sys.modules["segment_anything"].sam_model_registry = {}  # type: ignore[attr-defined]
    transforms: Any = sys.modules["torchvision.transforms"]
    transforms.functional = sys.modules["torchvision.transforms.functional"]
    transforms._functional_tensor = types.ModuleType("_functional_tensor")
    from cellpose import dynamics

    return dynamics


def best_ious(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Find the best IoU that each object of `a` reaches in `b`."""
    ids, areas = measure_areas(a)
    others, other_areas = measure_areas(b)
    in_a, in_b, shared = count_overlaps(a, b)
    place, other = np.searchsorted(ids, in_a), np.searchsorted(others, in_b)
    best = np.zeros(len(ids))
    np.maximum.at(best, place, shared / (areas[place] + other_areas[other] - shared))
    return best


def see_sections(labels: NDArray[np.int32]) -> NDArray[np.float32]:
    """Add the flows of all sections across z, y and x, (3, Z, Y, X)."""
    flow = np.zeros((3, *labels.shape), np.float32)
    for axis in range(3):
        rows, columns = (other for other in range(3) if other != axis)
        for place in range(labels.shape[axis]):
            section = np.take(labels, place, axis)
            _, compact = np.unique(np.append(0, section), return_inverse=True)
            y, x = flows_of_labels(compact[1:].reshape(section.shape))
            at = (slice(None),) * axis + (place,)
            flow[rows][at] += 5 * y
            flow[columns][at] += 5 * x
    return flow


def compare_volumes(paths: list[str]) -> None:
    """Compare on the middle of each volume, by sums as `cellpose` takes them and by means."""
    dynamics = import_dynamics()
    for path in map(Path, paths):
        labels = imread(path)
        middle = tuple(
            slice(max(0, n // 2 - most // 2), n // 2 + most // 2)
            for n, most in zip(labels.shape, BLOCK, strict=True)
        )
        block = labels[middle]
        compact = np.unique(np.append(0, block), return_inverse=True)[1][1:]
        labels = compact.reshape(block.shape).astype(np.int32)
        flow = see_sections(labels)
        cell = np.where(labels > 0, 6, -6).astype(np.float32)
        ours = drive(iterate_flow_labels(FlowField(flow / 2, cell))).labels
        found = best_ious(labels, ours)
        print(f"{path.parent.name}: {int(labels.max())} objects, {int(ours.max())} found, ", end="")
        print(f"at IoU 0.5 {(found >= 0.5).mean():.4f} of the true ones", flush=True)
        for name, given in (("sum", flow), ("mean", flow / 2)):
            reference = dynamics.compute_masks(given, cell, do_3D=True, min_size=15)
            same = best_ious(reference, ours)
            print(
                f"  cellpose by the {name}: {int(reference.max())} masks, IoU with ours >= 0.99 "
                f"for {(same >= 0.99).mean():.4f}, mean {same.mean():.4f}; at IoU 0.5 "
                f"{(best_ious(labels, reference) >= 0.5).mean():.4f} of the true ones",
                flush=True,
            )


def main(paths: list[str]) -> None:
    """Compare on each label image, clean and noisy."""
    dynamics = import_dynamics()
    random = np.random.default_rng(0)
    same, found = [], []
    for path in map(Path, paths):
        labels = imread(path)
        while labels.ndim > 2:
            labels = labels[len(labels) // 2]
        labels = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.int32)
        unit = flows_of_labels(labels)
        for noise in NOISE:
            flow = (5 * unit + noise * random.normal(size=unit.shape)).astype(np.float32)
            cell = np.where(labels > 0, 6, -6) + 2 * noise * random.normal(size=labels.shape)
            cell = ndimage.gaussian_filter(cell, float(noise > 0)).astype(np.float32)
            start = time.perf_counter()
            reference = dynamics.compute_masks(flow, cell, min_size=15)
            middle = time.perf_counter()
            ours = drive(iterate_flow_labels(FlowField(flow, cell))).labels
            end = time.perf_counter()
            same.append(best_ious(reference, ours))
            found.append(best_ious(labels, ours))
            print(
                f"{path.name}, noise {noise}: {int(reference.max())} and {int(ours.max())} masks, "
                f"IoU >= 0.99 for {(same[-1] >= 0.99).mean():.4f}; {middle - start:.1f} and "
                f"{end - middle:.1f} s",
                flush=True,
            )
    alike, back = np.concatenate(same), np.concatenate(found)
    print(f"all: {len(alike)} masks, IoU >= 0.99 for {(alike >= 0.99).mean():.4f}")
    print(f"true objects found again at IoU 0.5: {(back >= 0.5).mean():.4f} of {len(back)}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--volumes"]:
        compare_volumes(sys.argv[2:])
    else:
        main(sys.argv[1:])
