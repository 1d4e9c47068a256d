"""Blobs: centres and radii from the picture's scale space, one prompt for each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.finders.beyond import cut_neighbours
from napari_sam_onnx.automatic.finders.decode import Found, iterate_seeds
from napari_sam_onnx.automatic.finders.progress import Progress
from napari_sam_onnx.automatic.finders.small import (
    TRIED,
    Part,
    brings_more,
    count_clearer,
    has_one_size,
    is_compared,
    plan_parts,
)
from napari_sam_onnx.automatic.settings.shared_fields import SUITS
from napari_sam_onnx.cache import PartsCache, encode_through
from napari_sam_onnx.generators import relay
from napari_sam_onnx.masks.nms import keep_first
from napari_sam_onnx.masks.regions import cut_region, move_mask
from napari_sam_onnx.prompts import make_prompts

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.settings.parameters import BlobsParameters
    from napari_sam_onnx.cache import EmbeddingStore
    from napari_sam_onnx.embedding import Embedding
    from napari_sam_onnx.masks.mask import Mask
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts

# The picture is shrunk until its smallest blob has this radius: nothing is lost, much time won.
SEARCH_RADIUS = 2.5
# Neighbouring scales differ by this factor.
SCALE_STEP = 1.25
# Response of the normalised Laplacian of Gaussian to a disc of contrast 1, at its own scale.
DISC_RESPONSE = 2 / np.e
# Half the side of a blob's box over its radius: cells are longer than wide, and radii uncertain.
BOX_MARGIN = 1.5


def find_blobs(
    rgb: NDArray[np.uint8],
    min_radius: float,
    max_radius: float,
    polarity: str = "bright",
    contrast: float = 0.1,
) -> NDArray[np.float64]:
    """Find round objects: maxima of the Laplacian of Gaussian over place and scale.

    Parameters
    ----------
    rgb : (H, W, 3) uint8
        The brightest of the three samples is looked at.
    min_radius, max_radius : float
        In pixels.
    polarity : {"bright", "dark", "both"}
        What differs from its surroundings in which way.
    contrast : float
        Smallest difference of a disc from what is around it; 1 is black against white.

    Returns
    -------
    (N, 3) float64
        ``(y, x, radius)`` in plane pixels.

    Notes
    -----
    Lindeberg (1998), "Feature detection with automatic scale selection"; a disc of radius r
    answers most strongly at sigma = r / sqrt(2). Of two blobs of which one holds the centre of
    the other the stronger stays, so that neither a cluster nor a speck stands for a cell.
    (`skimage.feature.blob_log` keeps the larger one instead, and so loses cells to the dark
    corners between them.)
    """
    from skimage.feature import peak_local_max
    from skimage.transform import resize

    brightest = np.maximum(np.maximum(rgb[..., 0], rgb[..., 1]), rgb[..., 2])  # max() takes longer
    gray = brightest.astype(np.float32) / np.float32(255)
    height, width = gray.shape
    factor = min(1.0, SEARCH_RADIUS / min_radius)
    small = max(1, round(height * factor)), max(1, round(width * factor))
    if small != gray.shape:
        gray = resize(gray, small, order=1, anti_aliasing=True, mode="edge").astype(np.float32)
    # One scale more at either end: only what is strongest at its own scale is a blob.
    steps = 3 + int(np.ceil(np.log(max_radius / min_radius) / np.log(SCALE_STEP)))
    radii = np.geomspace(min_radius / SCALE_STEP, max_radius * SCALE_STEP, steps) * factor
    response = _measure_blobs(gray, radii)
    found = []
    for sign, unwanted in ((1, "dark"), (-1, "bright")):
        if polarity == unwanted:
            continue
        signed = sign * response
        peaks = peak_local_max(
            signed, min_distance=1, threshold_abs=contrast * DISC_RESPONSE, exclude_border=False
        )
        peaks = peaks[(peaks[:, 2] > 0) & (peaks[:, 2] < steps - 1)]
        blobs = np.column_stack([peaks[:, :2], radii[peaks[:, 2]]]).astype(np.float64)
        found.append(_keep_stronger(blobs, signed[tuple(peaks.T)]))
    blobs = np.concatenate(found)
    centers = (blobs[:, :2] + 0.5) * (np.array([height, width]) / small) - 0.5
    return np.column_stack([centers, blobs[:, 2] / factor])


def _measure_blobs(gray: NDArray[np.float32], radii: NDArray[np.float64]) -> NDArray[np.float32]:
    """Normalised Laplacian of Gaussian at the scale of each radius, bright blobs positive.

    Returns
    -------
    (H, W, R) float32
    """
    from scipy.ndimage import gaussian_laplace

    response = np.empty((*gray.shape, len(radii)), np.float32)
    for index, radius in enumerate(radii):
        sigma = radius / np.sqrt(2)
        response[..., index] = -(sigma**2) * gaussian_laplace(gray, sigma)
    return response


def _keep_stronger(
    blobs: NDArray[np.float64], strength: NDArray[np.float32]
) -> NDArray[np.float64]:
    """Keep the stronger of two blobs where one holds the centre of the other."""
    from scipy.spatial import cKDTree

    order = np.argsort(-strength, kind="stable")
    if len(blobs) < 2:
        return blobs[order].reshape(-1, 3)
    reach = float(blobs[:, 2].max()) * (1 + 1e-6)
    pairs = cKDTree(blobs[:, :2]).query_pairs(reach, output_type="ndarray")
    a, b = blobs[pairs[:, 0]], blobs[pairs[:, 1]]
    held = np.hypot(*(a[:, :2] - b[:, :2]).T) <= np.maximum(a[:, 2], b[:, 2])
    return blobs[keep_first(order, pairs[held])].reshape(-1, 3)


def iterate_blobs(
    rgb: NDArray[np.uint8],
    model: Model,
    parameters: BlobsParameters,
    cache: EmbeddingStore,
    doubtful: bool = False,
    wanted: Callable[[NDArray[np.float64]], NDArray[np.bool_]] | None = None,
    closer: bool = True,
) -> Found:
    """Prompt with the centre and the extent of each blob, and choose one mask per object.

    ``wanted`` says which boxes (N, 4) around blobs are to be looked at; all where omitted.
    ``closer`` says whether a model of one size may look at the smallest blobs enlarged.
    """
    yield Progress(0, 0, "objects")
    blobs = find_blobs(
        rgb,
        parameters.min_radius,
        parameters.max_radius,
        parameters.polarity,
        parameters.contrast,
    )
    shape = (rgb.shape[0], rgb.shape[1])
    if wanted is not None:
        reach = blobs[:, 2:] * BOX_MARGIN
        blobs = blobs[wanted(np.concatenate([blobs[:, :2] - reach, blobs[:, :2] + reach], axis=1))]
    yield Progress(0, len(blobs), "objects")
    embedding = encode_through(rgb, model, cache)
    boxed = parameters.prompt == "point+box"
    if parameters.prompt == SUITS:
        boxed = model.propose(embedding) is None
    parts = []
    if closer and has_one_size(model):
        parts = plan_parts(blobs, BOX_MARGIN, shape, max(embedding.input_shape))
    ask = partial(
        _ask, model=model, parameters=parameters, boxed=boxed, doubtful=doubtful, total=len(blobs)
    )
    small = [part.blobs for part in parts]
    rest = np.setdiff1d(np.arange(len(blobs)), np.concatenate([[], *small]).astype(int))
    found = yield from ask(rgb, embedding, blobs[rest], 0)
    masks = found.masks
    if parts:
        encode = partial(encode_through, model=model, store=PartsCache(cache, len(parts)))
        masks += yield from _look_closer(rgb, embedding, blobs, parts, ask, encode, len(rest))
    return replace(found, masks=cut_neighbours(masks, blobs, parameters.pred_iou_thresh), _known={})


def _look_closer(
    rgb: NDArray[np.uint8],
    embedding: Embedding,
    blobs: NDArray[np.float64],
    parts: list[Part],
    ask: Callable[..., Found],
    encode: Callable[[NDArray[np.uint8]], Embedding],
    done: int,
) -> Generator[Progress, None, tuple[Mask, ...]]:
    """Look at small blobs enlarged, part by part, for as long as it brings something.

    ``embedding`` is the plane's; ``done`` blobs are done. Some of each part are asked for on the
    plane too, to see whether their outlines are clearer enlarged; what is left at the end is asked
    for on the plane alone.
    """
    shape = (rgb.shape[0], rgb.shape[1])
    masks: tuple[Mask, ...] = ()
    tried = clearer = 0
    for number, part in enumerate(parts):
        if not brings_more(number, tried, clearer):
            left = np.concatenate([one.blobs for one in parts[number:]])
            return masks + (yield from ask(rgb, embedding, blobs[left], done)).masks
        seen = cut_region(rgb, part.region)
        moved = blobs[part.blobs] - [*part.region.box[:2], 0]
        move = partial(move_mask, region=part.region, plane_shape=shape)
        here = yield from ask(seen, encode(seen), moved, done, move)
        after = tuple(move(mask) for mask in here.masks)
        masks += after
        done += len(moved)
        if is_compared(number, len(parts)):
            some = blobs[part.blobs[:TRIED]]
            tell = partial(replace, done=done, masks=())  # they are shown already
            before = yield from relay(ask(rgb, embedding, some, done), tell)
            tried += len(some)
            clearer += count_clearer(rgb, some[:, :2], before.masks, after)
    return masks


def _ask(
    rgb: NDArray[np.uint8],
    embedding: Embedding,
    blobs: NDArray[np.float64],
    done: int,
    move: Callable[[Mask], Mask] | None = None,
    *,
    model: Model,
    parameters: BlobsParameters,
    boxed: bool,
    doubtful: bool,
    total: int,
) -> Found:
    """Decode some of the blobs, of which so many are done, on a plane or a part of it."""
    shape = (rgb.shape[0], rgb.shape[1])
    prompts = [_point_at(blob, shape, boxed) for blob in blobs]
    least = parameters.pred_iou_thresh
    steps = iterate_seeds(rgb, model, embedding, prompts, parameters, least, doubtful=doubtful)

    def tell(step: Progress) -> Progress:
        masks = step.masks if move is None else tuple(move(mask) for mask in step.masks)
        return Progress(done + step.done, total, step.unit, masks)

    return (yield from relay(steps, tell))


def _point_at(blob: NDArray[np.float64], plane_shape: tuple[int, int], with_box: bool) -> Prompts:
    """Make the prompt for a blob: its centre, and perhaps the box around its disc."""
    center, reach = blob[:2], blob[2] * BOX_MARGIN
    box = np.concatenate([center - reach, center + reach]) if with_box else None
    return make_prompts([center], box=box, plane_shape=plane_shape)
