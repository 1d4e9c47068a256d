"""The planes of an nD array, one by one and linked, or as volumes."""

from napari_sam_onnx.stacks.automask import (
    METHODS,
    are_of_planes,
    automask_stack,
    choose_method,
    count_depth,
    iterate_volumes,
    make_volume_parameters,
    split_stitching,
)
from napari_sam_onnx.stacks.iterate import Link, StackUpdate, iterate_stack
from napari_sam_onnx.stacks.stitch import StitchParameters, stitch_planes
from napari_sam_onnx.stacks.volumes import VolumeParameters
from napari_sam_onnx.stacks.whole import (
    WholeRequest,
    WholeResult,
    WholeStep,
    iterate_stitched,
    iterate_tracks,
    iterate_whole,
)

__all__ = [
    "METHODS",
    "Link",
    "StackUpdate",
    "StitchParameters",
    "VolumeParameters",
    "WholeRequest",
    "WholeResult",
    "WholeStep",
    "are_of_planes",
    "automask_stack",
    "choose_method",
    "count_depth",
    "iterate_stack",
    "iterate_stitched",
    "iterate_tracks",
    "iterate_volumes",
    "iterate_whole",
    "make_volume_parameters",
    "split_stitching",
    "stitch_planes",
]
