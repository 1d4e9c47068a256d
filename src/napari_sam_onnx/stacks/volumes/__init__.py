"""Objects of a volume: maps in three views -> seeds -> partition -> labels, chunk by chunk."""

from napari_sam_onnx.stacks.volumes.parameters import VolumeParameters
from napari_sam_onnx.stacks.volumes.run import VolumeStep, iterate_volume
from napari_sam_onnx.stacks.volumes.survey import Survey, choose_sample, survey_volume
from napari_sam_onnx.stacks.volumes.volume import Volume, measure_thickness

__all__ = [
    "Survey",
    "Volume",
    "VolumeParameters",
    "VolumeStep",
    "choose_sample",
    "iterate_volume",
    "measure_thickness",
    "survey_volume",
]
