"""The planes of an nD array: automatic masks plane by plane, linked along z or t."""

from napari_sam_onnx.stacks.iterate import (
    Link,
    StackUpdate,
    automask_stack,
    iterate_planes,
    iterate_stack,
    read_plane,
    write_plane,
)

__all__ = [
    "Link",
    "StackUpdate",
    "automask_stack",
    "iterate_planes",
    "iterate_stack",
    "read_plane",
    "write_plane",
]
