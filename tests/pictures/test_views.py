"""A picture seen another way."""

import numpy as np
import pytest
from skimage.color import hed2rgb

from napari_sam_onnx.masks.regions import Region
from napari_sam_onnx.pictures.image import ImageError
from napari_sam_onnx.pictures.views import COLORS, STAINS, VIEWS, name_view, show_view
from napari_sam_onnx.planes import ArrayPlanes


def stained(which):
    """A white slide with a square of one stain."""
    amounts = np.zeros((20, 20, 3))
    amounts[5:15, 5:15, which] = 0.15
    return (hed2rgb(amounts) * 255).round().astype(np.uint8)


@pytest.mark.parametrize("which", range(3))
def test_a_stain_is_bright_where_there_is_much_of_it(which):
    slide = stained(which)
    for number, stain in enumerate(STAINS):
        seen = show_view(slide, stain)
        assert seen.shape == slide.shape and seen.dtype == np.uint8
        assert seen[0, 0].max() < 8  # white holds no stain
        assert (seen[10, 10, 0] > 100) == (number == which)
        np.testing.assert_allclose(
            show_view(slide, f"{stain}-inverted").astype(int), 255 - seen.astype(int), atol=1
        )


def test_inverted_is_inverted_and_nothing_is_nothing():
    slide = stained(0)
    np.testing.assert_array_equal(show_view(slide, "inverted"), 255 - slide)
    assert show_view(slide, "") is slide
    with pytest.raises(ImageError, match="no view 'silver'"):
        show_view(slide, "silver")


@pytest.mark.parametrize("which", range(3))
def test_one_colour_is_shown_alone(which):
    slide = np.zeros((4, 5, 3), np.uint8)
    slide[..., which] = 200
    for number, color in enumerate(COLORS):
        value = 200 if number == which else 0
        assert (show_view(slide, color) == value).all()
        assert (show_view(slide, f"{color}-inverted") == 255 - value).all()
    assert name_view("red-inverted") == "red, inverted" and name_view("") == "as it is"


@pytest.mark.parametrize("view", VIEWS)
def test_planes_are_read_in_a_view(view):
    slide = stained(1)
    planes = ArrayPlanes(slide, "YXC", view=view)
    np.testing.assert_array_equal(planes.read(()), show_view(slide, view))
    part = Region((3, 4, 13, 18))
    np.testing.assert_array_equal(planes.read((), part), show_view(slide, view)[3:13, 4:18])
    with pytest.raises(ImageError, match="no view"):
        ArrayPlanes(slide, "YXC", view="silver")
