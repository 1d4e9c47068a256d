"""Objects of a volume: maps in three views -> seeds -> partition -> labels, chunk by chunk."""

from napari_sam_onnx.stacks.volumes.parameters import VolumeParameters
from napari_sam_onnx.stacks.volumes.run import label_volume, iterate_volume
from napari_sam_onnx.stacks.volumes.survey import Survey, survey_volume

__all__ = ["Survey", "VolumeParameters", "iterate_volume", "label_volume", "survey_volume"]
