"""The user reads one sentence; a fault leaves its traceback in the log, once."""

import logging

import numpy as np
import pytest

from napari_sam_onnx.automatic import ParameterError, make_parameters
from napari_sam_onnx.errors import UserError, explain, log_fault
from napari_sam_onnx.evaluation.evaluate import EvaluationError
from napari_sam_onnx.labels.label_image import LabelError
from napari_sam_onnx.models import ModelError
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.pictures.picture_file import PictureFileError
from napari_sam_onnx.prompting.compare import CompareError
from napari_sam_onnx.prompts import PromptError

OURS = [
    CompareError,
    EvaluationError,
    ImageError,
    LabelError,
    ModelError,
    ParameterError,
    PictureFileError,
    PromptError,
]


@pytest.mark.parametrize("kind", OURS)
def test_a_mistake_is_its_own_sentence_and_no_fault(kind, caplog):
    assert issubclass(kind, UserError)
    assert explain(kind("Do this.")) == "Do this."
    assert not caplog.records


def test_a_value_of_many_lines_is_told_on_one():
    with pytest.raises(ParameterError, match="min_area") as caught:
        make_parameters("objects", min_area=np.zeros((3, 4)))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 120


def test_a_fault_is_one_sentence_and_a_traceback_in_the_log(caplog):
    try:
        {}["a\nkey"]
    except KeyError as error:
        fault = error
    log_fault(fault)
    sentence = explain(fault)
    assert "KeyError" in sentence and "report" in sentence and "\n" not in sentence
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("napari_sam_onnx", logging.ERROR)
    assert "test_errors.py" in caplog.text


def test_too_little_memory_is_no_fault(caplog):
    assert "not enough memory (8 GiB)" in explain(MemoryError("8 GiB"))
    assert not caplog.records
