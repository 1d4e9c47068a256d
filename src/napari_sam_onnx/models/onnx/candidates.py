"""Which of a decoder's candidates is shown first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from napari_sam_onnx.embedding import Logits
    from napari_sam_onnx.prompts import Prompts


def choose_candidates(
    logits: NDArray[np.float32] | Logits,
    scores: NDArray[np.float32],
    prompts: Sequence[Prompts],
    rule: str,
) -> NDArray[np.int64]:
    """Pick the candidate to show first for each prompt.

    Parameters
    ----------
    logits : (B, M, h, w) float32
    scores : (B, M) float32
        Raw predicted IoU; values above 1 count as they are.
    prompts : sequence of B Prompts
    rule : {"token", "iou", "stability"}
        See `DecoderContract` in `rows`. "stability" is the area at 1 over the area at −1
        (Kirillov et al. 2023, appendix B), which EdgeSAM's authors advise.

    Returns
    -------
    (B,) int64
    """
    if rule == "stability":
        values = np.asarray(logits)
        sure = np.count_nonzero(values > 1, axis=(2, 3))
        possible = np.count_nonzero(values > -1, axis=(2, 3))
        best = np.argmax(sure / np.maximum(possible, 1), axis=1)
    elif rule == "token" and logits.shape[1] == 4:
        ambiguous = np.array([prompt.ambiguous for prompt in prompts])
        best = np.where(ambiguous, 1 + np.argmax(scores[:, 1:], axis=1), 0)
    else:
        best = np.argmax(scores, axis=1)
    return np.asarray(best, np.int64)
