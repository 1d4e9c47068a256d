"""A command line that runs in this process, on a model whose answers are known."""

import signal
import warnings

import numpy as np
import pytest
import tifffile

from napari_sam_onnx.cli import main
from tests.fakes import ComponentModel, draw_discs

CENTERS = [(12, 12), (12, 40), (40, 26)]


@pytest.fixture
def component_model(monkeypatch):
    """Every model that a command opens is this one."""
    model = ComponentModel()
    monkeypatch.setattr("napari_sam_onnx.cli.commands.segment.load_model", lambda *_, **__: model)
    return model


@pytest.fixture
def run(capsys, monkeypatch):
    """Run a command line: returns its exit code, standard output and standard error."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments):
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code or 0
        else:
            code = 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.fixture
def discs():
    """A plane with three discs, (54, 54) uint8."""
    return draw_discs((54, 54), CENTERS, 7)


@pytest.fixture
def picture(tmp_path, discs):
    """The discs as a TIFF file."""
    path = tmp_path / "discs.tif"
    tifffile.imwrite(path, discs)
    return path


def objects_of(labels):
    """Each object's pixels, whatever its number."""
    return {frozenset(map(tuple, np.argwhere(labels == i))) for i in np.unique(labels) if i}
