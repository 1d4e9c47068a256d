"""The planes of an nD array: automatic masks plane by plane, linked along z or t."""

from napari_sam_onnx.stacks.iterate import (
    Link,
    StackUpdate,
    as_planes,
    automask_stack,
    iterate_stack,
)

__all__ = [
    "Link",
    "StackUpdate",
    "as_planes",
    "automask_stack",
    "iterate_stack",
]
