"""How good volumes and tracks are on stacks with a truth, beside what one would do without.

    python -m benchmarks.stacks volumes --data DATA
    python -m benchmarks.stacks volumes --data DATA --parts
    python -m benchmarks.stacks stitch --data DATA
    python -m benchmarks.stacks propagate --data DATA
    python -m benchmarks.stacks tracks --data DATA
    python -m benchmarks.stacks large --planes 100 --side 1024

DATA holds folders ``NAME/000_image.tif`` and ``NAME/000_labels.tif``: ZYX (named ``zstack_…``) and
TYX (``timelapse_…``); their ``README.json`` may say ``voxel_um_zyx`` of its first item. The sample
pictures and simulated volumes are measured too. F1 is that at a volume IoU of 0.5, over the whole
stack and the middle planes (``--middle 24``). ``planes`` is each plane by itself, linked along z;
``watershed`` is the textbook: Gaussian, Otsu, maxima, watershed of the intensity in 3-D, with the
sigma that suits the truth best. ``stitch`` puts the same planes together by linking and by
stitching. ``propagate`` carries objects of the truth from one click, or from the truth's mask, on
their largest section through the volume.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np
import tifffile

from benchmarks.simulated_volumes import SIMULATED, simulate_volume
from benchmarks.timing import print_table
from napari_sam_onnx import automask_stack, load_model
from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.evaluation.evaluate import evaluate_labels
from napari_sam_onnx.evaluation.evaluate_tracks import evaluate_tracks
from napari_sam_onnx.generators import drive
from napari_sam_onnx.labels.linking import link_labels
from napari_sam_onnx.planes import ArrayLabels, ArrayPlanes
from napari_sam_onnx.samples import sample_path
from napari_sam_onnx.stacks import WholeRequest, iterate_tracks
from napari_sam_onnx.stacks.carry_object import carry_object
from napari_sam_onnx.stacks.stitch import StitchParameters, stitch_planes
from napari_sam_onnx.stacks.tracks import TrackParameters
from napari_sam_onnx.stacks.volumes import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from napari_sam_onnx.models import Model

SIGMAS = (0.7, 1, 1.5, 2, 2.5, 3, 4, 5)

PARTS: dict[str, dict[str, float | str]] = {
    "all": {},
    "planes alone": {"sections": "planes"},
    "no merging": {"separation": 0.0},
    "no outline": {"cut": 0.0},
    "no contrast": {"min_contrast": 0.0},
}


STITCHED: dict[str, dict[str, float | int]] = {
    "stitched": {},
    "no gaps": {"gap": 0},
    "no least extent": {"min_planes": 1},
    "no profile": {"end": 0.0},
    "no neck": {"neck": 0.0},
    "neither": {"end": 0.0, "neck": 0.0},
}


@dataclass(frozen=True, slots=True, eq=False)
class Stack:
    """A picture, its truth, and how far apart its planes are in pixels, if that is known."""

    name: str
    picture: NDArray[np.generic]
    truth: NDArray[np.integer]
    thickness: float | None


ONLY: list[str] = []
"""What the names of stacks must hold to be looked at."""


def read_volumes(data: Path | None, middle: int) -> Iterator[Stack]:
    """Yield the volumes of a folder, the sample stack, and simulated ones, as far as wanted."""
    for stack in _read_all(data, middle):
        if all(part in stack.name for part in ONLY):
            yield stack


def _read_all(data: Path | None, middle: int) -> Iterator[Stack]:
    for folder in sorted(data.glob("zstack_*")) if data else ():
        size = None
        if (folder / "README.json").exists():
            items = json.loads((folder / "README.json").read_text())["items"]
            size = items[0].get("voxel_um_zyx")
        thickness = size[0] / size[1] if size else None
        picture, truth = (
            tifffile.imread(folder / f"000_{kind}.tif") for kind in ("image", "labels")
        )
        name = folder.name.removeprefix("zstack_")
        yield Stack(name, picture, truth, thickness)
        if middle and len(picture) > middle:
            first = (len(picture) - middle) // 2
            part = slice(first, first + middle)
            yield Stack(f"{name}, middle {middle}", picture[part], truth[part], thickness)
    sample = (tifffile.imread(sample_path(name)) for name in ("stack", "stack_truth"))
    yield Stack("sample stack", *sample, 2.0)
    for name, settings in SIMULATED.items():
        picture, truth = simulate_volume(**settings)
        yield Stack(f"simulated {name}", picture, truth, float(settings["thickness"]))


def watershed_volume(
    picture: NDArray[np.generic], sigma: float, thickness: float
) -> NDArray[np.int32]:
    """Label bright objects as textbooks do."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu
    from skimage.segmentation import watershed

    smooth = ndimage.gaussian_filter(picture.astype(np.float32), (sigma / thickness, sigma, sigma))
    bright = smooth > threshold_otsu(smooth)
    tops = (smooth == ndimage.maximum_filter(smooth, 3)) & bright
    markers, _ = ndimage.label(tops, np.ones((3, 3, 3)))
    return watershed(-smooth, markers, mask=bright)


def f1(labels: NDArray[np.integer], truth: NDArray[np.integer]) -> float:
    """F1 at a volume IoU of 0.5."""
    return evaluate_labels(labels, truth, (0.5,)).at(0.5).f1


def best_watershed(stack: Stack) -> tuple[float, float]:
    """F1 of the best sigma, in voxels or in pixels of a plane, and that sigma."""
    spacings = {1.0, stack.thickness or 1.0}
    return max(
        (f1(watershed_volume(stack.picture, sigma, spacing), stack.truth), float(sigma))
        for sigma in SIGMAS
        for spacing in spacings
    )


def label_volume(
    stack: Stack, model: Model, settings: dict[str, float | str]
) -> NDArray[np.uint32]:
    """Label a volume by ours."""
    size = None if stack.thickness is None else {"Z": stack.thickness, "Y": 1.0}
    return automask_stack(stack.picture, model, "ZYX", method="volume", pixel_size=size, **settings)


def measure_volumes(model: Model, data: Path | None, middle: int) -> None:
    """Print ours beside what one would do without."""
    rows = []
    for stack in read_volumes(data, middle):
        began = time.perf_counter()
        ours = label_volume(stack, model, {})
        seconds = time.perf_counter() - began
        matching = evaluate_labels(ours, stack.truth, (0.5,)).at(0.5)
        linked = automask_stack(stack.picture, model, "ZYX", "z")
        best, sigma = best_watershed(stack)
        rows.append(
            [
                stack.name,
                f"{f1(linked, stack.truth):.2f}",
                f"{best:.2f} ({sigma:g})",
                f"{matching.f1:.2f}",
                f"{matching.found} of {matching.expected}",
                f"{matching.mean_iou:.2f}",
                f"{seconds:.0f}",
            ]
        )
        print_table(["stack", "planes", "watershed", "volume", "objects", "IoU", "s"], rows[-1:])
    print_table(["stack", "planes", "watershed", "volume", "objects", "IoU", "s"], rows)


def measure_parts(model: Model, data: Path | None, middle: int) -> None:
    """Print F1 with each part switched off."""
    names = [*PARTS, "no smoothing", "no scale"]
    rows = []
    for stack in read_volumes(data, middle):
        scores = [f1(label_volume(stack, model, parts), stack.truth) for parts in PARTS.values()]
        with patch.object(survey, "CLEAR", 0.0):
            scores.append(f1(label_volume(stack, model, {}), stack.truth))
        with patch.object(survey, "SCALES", (1.0, 1.0)):
            scores.append(f1(label_volume(stack, model, {}), stack.truth))
        rows.append([stack.name, *(f"{score:.2f}" for score in scores)])
        print(rows[-1], flush=True)
    print_table(["stack", *names], rows)


def measure_tracks(model: Model, data: Path | None) -> None:
    """Print how well objects of series are followed."""
    series = [("sample series", sample_path("series"), sample_path("series_truth"))]
    for folder in sorted(data.glob("timelapse_*")) if data else ():
        series.append((folder.name, folder / "000_image.tif", folder / "000_labels.tif"))
    rows = []
    for name, picture, labels in series:
        truth = tifffile.imread(labels).astype(np.int64)
        frames = tifffile.imread(picture)
        drawn = automask_stack(frames, model, "TYX")
        linked = automask_stack(frames, model, "TYX", "t")
        made: list[tuple[str, NDArray[np.integer], dict[int, int]]] = [("linked", linked, {})]
        for name_of, recover in (("tracks, not looked again", 0), ("tracks", 2)):
            labels_of = drawn.copy()
            request = WholeRequest("tracks", tracks=TrackParameters(recover=recover))
            source = ArrayPlanes(frames, "TYX")
            sink = ArrayLabels(labels_of, "TYX")
            tracks = drive(iterate_tracks(source, sink, request, model)).tracks
            made.append((name_of, labels_of, dict(tracks.parents) if tracks else {}))
        for who, found, parents in made:
            judged = evaluate_tracks(found, truth, parents)
            figures = (f1(found, truth), judged.tra, judged.det, judged.seg)
            rows.append([name, who, *(f"{figure:.3f}" for figure in figures)])
    print_table(["series", "", "F1@0.5", "TRA", "DET", "SEG"], rows)


def measure_stitch(model: Model, data: Path | None, middle: int) -> None:
    """Print F1 of the same planes, linked as they come and stitched as a whole."""
    rows = []
    for stack in read_volumes(data, middle):
        planes = automask_stack(stack.picture, model, "ZYX", method="planes")
        linked, next_label = planes.copy(), int(planes[0].max()) + 1
        for z in range(1, len(planes)):
            linked[z], next_label = link_labels(linked[z - 1], planes[z], next_label)
        source = ArrayPlanes(stack.picture, "ZYX")
        scores = [f1(linked, stack.truth)]
        for settings in STITCHED.values():
            stitched = planes.copy()
            sink = ArrayLabels(stitched, "ZYX")
            stitch_planes(sink, StitchParameters(**settings), source)
            scores.append(f1(stitched, stack.truth))
        rows.append([stack.name, *(f"{score:.2f}" for score in scores)])
        print(rows[-1], flush=True)
    print_table(["stack", "linked", *STITCHED], rows)


def measure_propagation(model: Model, data: Path | None, middle: int, objects: int) -> None:
    """Print how well objects are carried from their largest section."""
    rows = []
    for stack in read_volumes(data, middle):
        volumes = np.bincount(stack.truth.ravel())
        volumes[0] = 0
        usual = np.median(volumes[volumes > 0])
        chosen = np.flatnonzero(volumes > usual / 2)
        rng = np.random.default_rng(0)
        chosen = rng.permutation(chosen)[:objects]
        cache = EmbeddingCache()
        for how in ("click", "mask"):
            ious, planes = [], []
            for label in chosen:
                truth = stack.truth == label
                start = int(truth.sum(axis=(1, 2)).argmax())
                rows_, columns = np.nonzero(truth[start])
                middle_of = (float(rows_.mean()), float(columns.mean()))
                known = {start: truth[start] if how == "mask" else middle_of}
                masks = carry_object(stack.picture, model, known, "ZYX", cache=cache)
                found = np.zeros(truth.shape, bool)
                for z, mask in masks.items():
                    found[z] = np.asarray(mask)
                ious.append((found & truth).sum() / (found | truth).sum())
                planes.append(len(masks) / truth.any(axis=(1, 2)).sum())
            hits = np.mean(np.array(ious) >= 0.5)
            rows.append(
                [
                    stack.name,
                    how,
                    len(ious),
                    f"{np.mean(ious):.2f}",
                    f"{hits:.2f}",
                    f"{np.median(planes):.2f}",
                ]
            )
            print(rows[-1], flush=True)
    names = ["stack", "from", "objects", "mean IoU", "IoU >= 0.5", "planes / true planes"]
    print_table(names, rows)


def measure_large(model: Model, planes: int, side: int, method: str) -> None:
    """Print time and peak memory of one method on a large volume."""
    picture, _ = simulate_volume(
        seed=3, shape=(48, 256, 256), diameter=18.0, count=260, thickness=2.0, photons=60.0
    )
    times = -(-planes // len(picture)), -(-side // 256), -(-side // 256)
    stack = np.tile(picture, times)[:planes, :side, :side]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, worked = time.perf_counter(), time.process_time()
    settings = {"link": "z"} if method == "planes" else {"method": "volume"}
    size = {"Z": 2.0, "Y": 1.0}
    last = 0.0

    def tell(done: int, total: int) -> None:
        nonlocal last
        if total and done / total >= last + 0.1:
            last = done / total
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
            used = time.process_time() - worked
            print(f"{last:.0%}: {used:.0f} s of processor time, peak {peak:.2f} GB", flush=True)

    labels = automask_stack(stack, model, "ZYX", pixel_size=size, progress=tell, **settings)
    seconds, worked = time.perf_counter() - began, time.process_time() - worked
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = len(np.unique(labels)) - 1
    print(
        f"{method}: {planes} planes of {side}², {found} objects, {seconds:.0f} s, "
        f"{worked:.0f} s of processor time, "
        f"peak {peak / 2**20:.2f} GB ({before / 2**20:.2f} GB before)"
    )


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("volumes", "stitch", "propagate", "tracks", "large"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--model", default="pebble")
    parser.add_argument("--middle", type=int, default=24, help="also the middle planes; 0: no")
    parser.add_argument("--parts", action="store_true", help="switch each part off")
    parser.add_argument("--only", default="", help="part of a stack's name")
    parser.add_argument("--objects", type=int, default=12, help="that are carried, per stack")
    parser.add_argument("--planes", type=int, default=100)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--method", choices=("planes", "volume"), default="volume")
    arguments = parser.parse_args()
    ONLY.append(arguments.only)
    model = load_model(arguments.model)
    if arguments.what == "large":
        measure_large(model, arguments.planes, arguments.side, arguments.method)
    elif arguments.what == "tracks":
        measure_tracks(model, arguments.data)
    elif arguments.what == "stitch":
        measure_stitch(model, arguments.data, arguments.middle)
    elif arguments.what == "propagate":
        measure_propagation(model, arguments.data, arguments.middle, arguments.objects)
    elif arguments.parts:
        measure_parts(model, arguments.data, arguments.middle)
    else:
        measure_volumes(model, arguments.data, arguments.middle)


if __name__ == "__main__":
    main()
