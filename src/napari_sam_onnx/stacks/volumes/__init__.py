"""Objects of a volume: maps in three views -> seeds -> partition -> labels, chunk by chunk."""

from napari_sam_onnx.stacks.volumes.parameters import VolumeParameters
from napari_sam_onnx.stacks.volumes.run import VolumeStep, iterate_volume
from napari_sam_onnx.stacks.volumes.volume import Volume, measure_thickness

__all__ = [
    "Volume",
    "VolumeParameters",
    "VolumeStep",
    "iterate_volume",
    "measure_thickness",
]
