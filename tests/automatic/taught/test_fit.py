"""Settings that reproduce labels of one's own."""

import numpy as np
import pytest
from scipy import ndimage

from napari_sam_onnx import automask
from napari_sam_onnx.automatic import ParameterError
from napari_sam_onnx.automatic.taught.fit import fit_settings
from tests.automatic.test_scale import CENTERS, Free, as_rgb
from tests.fakes import ComponentModel, draw_discs

PICTURE = draw_discs((200, 200), CENTERS, 14)
LABELS = ndimage.label(PICTURE)[0]


def test_the_default_stays_where_it_is_as_good():
    steps = []
    fitted = fit_settings(
        PICTURE, Free(), LABELS, progress=lambda done, total: steps.append((done, total))
    )
    assert fitted.settings == {} and fitted.score == fitted.default == 1
    assert steps[-1] == (5, 5)


def test_a_scale_that_shows_the_labelled_objects_is_found():
    model = Free(heaps_below=2.5)  # and twice its own size, which is tried by default, is too small
    part = np.zeros(PICTURE.shape, bool)
    part[:160] = True
    fitted = fit_settings(PICTURE, model, np.where(part, LABELS, 0), part)
    assert fitted.default < 0.2 and fitted.score == 1
    assert fitted.settings["diameter"] == pytest.approx(50 / 3)
    labels = automask(as_rgb(PICTURE), Free(heaps_below=2.5), **fitted.settings)
    assert labels.max() == len(CENTERS)


def test_a_rating_that_keeps_the_labelled_objects_is_found():
    model = ComponentModel(scores=(0.5, 0.2, 0.1))  # below the default
    fitted = fit_settings(PICTURE, model, LABELS)
    assert fitted.default == 0 and fitted.score == 1
    assert fitted.settings == {"min_rating": 0.3}


def test_labels_that_say_nothing_are_refused():
    with pytest.raises(ParameterError, match="no label in the part"):
        fit_settings(PICTURE, Free(), LABELS, np.zeros(PICTURE.shape))
    with pytest.raises(ParameterError, match="of one size"):
        fit_settings(PICTURE, Free(), LABELS[:50])


def test_few_labels_change_nothing():
    model = ComponentModel(scores=(0.5, 0.2, 0.1))
    fitted = fit_settings(PICTURE, model, np.where(LABELS <= 3, LABELS, 0))
    assert fitted.few and fitted.objects == 3 and fitted.settings == {}
    assert model.encoded == 1  # no other scale was tried
