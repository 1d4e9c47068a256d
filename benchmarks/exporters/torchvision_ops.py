"""Let torchvision be imported where its compiled operators cannot be loaded.

Its wheel for CUDA beside torch's for the CPU lacks them, and then refuses to be imported
because it cannot find ``nms`` and ``qnms``. Nothing here calls them: declaring is enough.
"""

import torch

try:
    import torchvision  # noqa: F401
except RuntimeError:
    for _name in ("nms", "qnms"):
        torch.library.define(
            f"torchvision::{_name}",
            "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
        )
