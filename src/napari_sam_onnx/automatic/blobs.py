"""Blobs: centres and radii from the picture's scale space, one prompt for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_sam_onnx.automatic.decode import Filter, Masks, iterate_prompts
from napari_sam_onnx.automatic.duplicates import suppress_duplicates
from napari_sam_onnx.automatic.progress import Progress
from napari_sam_onnx.prompts import make_prompts
from napari_sam_onnx.segmenter import Segmenter

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_sam_onnx.automatic.parameters import BlobsParameters
    from napari_sam_onnx.cache import EmbeddingCache
    from napari_sam_onnx.models import Model
    from napari_sam_onnx.prompts import Prompts

# The picture is shrunk until its smallest blob has this radius: nothing is lost, much time won.
SEARCH_RADIUS = 2.5
# Neighbouring scales differ by this factor.
SCALE_STEP = 1.25
# Response of the normalised Laplacian of Gaussian to a disc of contrast 1, at its own scale.
DISC_RESPONSE = 2 / np.e
# The box that goes with a blob, over its radius.
BOX_MARGIN = 1.2


def find_blobs(
    rgb: NDArray[np.uint8],
    min_radius: float,
    max_radius: float,
    polarity: str = "bright",
    contrast: float = 0.05,
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
    answers most strongly at sigma = r / sqrt(2). The search is that of `skimage.feature.blob_log`.
    """
    from skimage.feature import blob_log
    from skimage.transform import resize

    gray = rgb.max(axis=2).astype(np.float32) / 255
    height, width = gray.shape
    factor = min(1.0, SEARCH_RADIUS / min_radius)
    small = max(1, round(height * factor)), max(1, round(width * factor))
    if small != gray.shape:
        gray = resize(gray, small, order=1, anti_aliasing=True, mode="edge").astype(np.float32)
    steps = 1 + int(np.ceil(np.log(max_radius / min_radius) / np.log(SCALE_STEP)))
    found = [
        blob_log(
            sign * gray,
            min_sigma=min_radius * factor / np.sqrt(2),
            max_sigma=max_radius * factor / np.sqrt(2),
            num_sigma=steps,
            threshold=contrast * DISC_RESPONSE,
            log_scale=True,
            overlap=0.5,
        )
        for sign, wanted in ((1, "dark"), (-1, "bright"))
        if polarity != wanted
    ]
    blobs = np.concatenate(found).astype(np.float64).reshape(-1, 3)
    centers = (blobs[:, :2] + 0.5) * (np.array([height, width]) / small) - 0.5
    return np.column_stack([centers, blobs[:, 2] * np.sqrt(2) / factor])


def iterate_blobs(
    rgb: NDArray[np.uint8], model: Model, parameters: BlobsParameters, cache: EmbeddingCache
) -> Masks:
    """Prompt with the centre and the extent of each blob, and keep one mask per object."""
    yield Progress(0, 0, "objects")
    blobs = find_blobs(
        rgb,
        parameters.min_radius,
        parameters.max_radius,
        parameters.polarity,
        parameters.contrast,
    )
    shape = (rgb.shape[0], rgb.shape[1])
    prompts = [_point_at(blob, shape) for blob in blobs]
    yield Progress(0, len(prompts), "objects")
    embedding = Segmenter(model, cache).set_rgb(rgb)
    accept = Filter(
        parameters.pred_iou_thresh,
        parameters.stability_score_thresh,
        parameters.min_area,
        parameters.max_area,
    )
    masks = yield from iterate_prompts(
        model, embedding, prompts, parameters.points_per_batch, accept
    )
    kept = suppress_duplicates(masks, [m.predicted_iou for m in masks], parameters.max_overlap)
    return [masks[i] for i in kept]


def _point_at(blob: NDArray[np.float64], plane_shape: tuple[int, int]) -> Prompts:
    """Make the prompt for a blob: its centre, and the box around its disc."""
    center, reach = blob[:2], blob[2] * BOX_MARGIN
    box = np.concatenate([center - reach, center + reach])
    return make_prompts([center], box=box, plane_shape=plane_shape)
