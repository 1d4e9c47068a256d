"""Places of label images that deserve a look: one queue for all who find some, and going there."""

from napari_sam_onnx.plugin.review.places import Place, ReviewQueue
from napari_sam_onnx.plugin.review.reviewer import Reviewer
from napari_sam_onnx.plugin.review.stack_edits import StackEdits

__all__ = ["Place", "ReviewQueue", "Reviewer", "StackEdits"]
