"""How the preview looks: outline and fill, and what differs for doubtful and refused masks."""

from __future__ import annotations

import numpy as np
from napari.layers import Image

from napari_sam_onnx.masks.mask import Mask
from napari_sam_onnx.plugin.layers.colors import Tint
from napari_sam_onnx.plugin.layers.preview import FILL, Preview, Shown, erode
from napari_sam_onnx.plugin.picture.picture import Picture
from napari_sam_onnx.plugin.picture.plane import Plane

PLANE = Plane((0, 1), (0, 0))
RED, BLUE = (1.0, 0.0, 0.0), (0.0, 0.0, 1.0)


def block(shape: tuple[int, int], y0: int, x0: int, y1: int, x1: int) -> Mask:
    plane = np.zeros(shape, bool)
    plane[y0:y1, x0:x1] = True
    return Mask.from_array(plane)


def colors_of(preview: Preview) -> np.ndarray:
    return np.asarray(preview.layer.colormap.map(preview.layer.data))


def test_an_outline_and_a_light_fill() -> None:
    shape = (60, 80)
    preview = Preview(Picture((Image(np.zeros(shape)),)))
    sure, doubtful, refused = (block(shape, 5, x, 35, x + 20) for x in (5, 30, 55))
    preview.show(
        [
            Shown(sure, tint=Tint(RED)),
            Shown(doubtful, "doubtful", Tint(BLUE)),
            Shown(refused, "refused"),
        ],
        PLANE,
    )
    shown = np.asarray(preview.layer.data) > 0
    assert shown.sum() == 3 * 30 * 20 and (shown >= np.asarray(refused)).all()
    colors = colors_of(preview)
    assert colors[20, 5, 3] == 1 and np.isclose(colors[20, 15, 3], FILL, atol=0.01)
    assert (colors[5:35, 5, 3] == 1).all()  # without gaps
    fill = colors[20, 40, 3]
    assert 0 < fill < FILL
    for edge in (colors[5:35, 30, 3], colors[5, 30:50, 3]):
        assert len(np.unique(edge.round(2))) == 2  # dashes
    assert np.ptp(colors[5, 55, :3]) < 0.01 and colors[20, 65, 3] == 0  # grey, and not filled
    np.testing.assert_allclose(colors[20, 15, :3], RED, atol=1e-6)
    np.testing.assert_allclose(colors[20, 40, :3], BLUE, atol=1e-6)
    preview.clear()
    assert not np.any(preview.layer.data)


def test_only_pixels_that_change_are_drawn_again() -> None:
    shape = (400, 300)
    preview = Preview(Picture((Image(np.zeros((2, *shape))),)))
    plane = Plane((1, 2), (1, 0, 0))
    screen = np.zeros(shape, np.uint8)

    def draw(event: object) -> None:
        (y, x), part = event.offset, event.data
        screen[y : y + part.shape[0], x : x + part.shape[1]] = part
        drawn.append(part.size)

    drawn: list[int] = []
    preview.show([Shown(block(shape, 5, 5, 15, 25))], plane)
    screen[:] = np.asarray(preview.layer.data)[0]
    preview.layer.events.labels_update.connect(draw)
    preview.show([Shown(block(shape, 10, 20, 30, 40)), Shown(block(shape, 50, 5, 60, 9))], plane)
    np.testing.assert_array_equal(screen, np.asarray(preview.layer.data)[0])
    assert drawn == [55 * 35]
    preview.clear()
    preview.clear()
    assert not screen.any() and drawn == [55 * 35, 50 * 35]


def test_large_planes_hold_the_blocks_that_objects_lie_in() -> None:
    shape = (3000, 2000)
    preview = Preview(Picture((Image(np.zeros(shape, np.uint8), multiscale=False),)))

    def show(*places: tuple[int, int]) -> None:
        preview.show([Shown(block(shape, y, x, y + 40, x + 20)) for y, x in places], PLANE)
        seen = np.zeros(shape, bool)
        top, left = (round(float(edge)) for edge in preview.layer.translate)
        held = np.asarray(preview.layer.data)
        assert held.size <= 2048 * 1024
        seen[top : top + held.shape[0], left : left + held.shape[1]] = held > 0
        expected = np.zeros(shape, bool)
        for y, x in places:
            expected[y : y + 40, x : x + 20] = True
        np.testing.assert_array_equal(seen, expected)

    show((100, 50), (160, 40))
    first = preview.layer.data
    assert first.shape == (512, 512)
    show((300, 400))  # in the same block: nothing is laid anew
    assert preview.layer.data is first
    show((500, 500))  # across four
    assert preview.layer.data.shape == (1024, 1024)
    show((2950, 1975))  # at the plane's end
    np.testing.assert_allclose(preview.layer.translate, (2560, 1536))
    assert preview.layer.data.shape == (440, 464)


def test_the_rim_is_as_wide_as_asked() -> None:
    crop = np.ones((20, 30), bool)
    for steps in (1, 2, 5):
        inside = np.ones((20 - 2 * steps, 30 - 2 * steps), bool)
        np.testing.assert_array_equal(erode(crop, steps), np.pad(inside, steps))
    assert not erode(np.ones((4, 9), bool), 2).any()
    assert not erode(np.ones((1, 1), bool), 1).any()


def test_more_colors_than_fit() -> None:
    shape = (100, 100)
    preview = Preview(Picture((Image(np.zeros(shape)),)))
    colors = [(number / 80, 0.5, 0.25) for number in range(80)]
    places = [divmod(number, 10) for number in range(80)]
    blocks = [block(shape, 10 * y, 10 * x, 10 * y + 8, 10 * x + 8) for y, x in places]
    preview.show([Shown(mask, tint=Tint(c)) for mask, c in zip(blocks, colors, strict=True)], PLANE)
    drawn = [tuple(colors_of(preview)[10 * y + 4, 10 * x + 4, :3]) for y, x in places]
    np.testing.assert_allclose(drawn[:63], colors[:63], atol=1e-6)
    np.testing.assert_allclose(drawn[63:], colors[:17], atol=1e-6)
    for number in (79, 0, 70):  # then each alone, in its own
        preview.show([Shown(blocks[number], tint=Tint(colors[number]))], PLANE)
        y, x = places[number]
        there = colors_of(preview)[10 * y + 4, 10 * x + 4, :3]
        np.testing.assert_allclose(there, colors[number], atol=1e-6)


def test_outlines_are_seen_on_the_picture_and_on_the_label() -> None:
    def light(color: tuple[float, ...]) -> float:
        return float(np.dot(color, (0.3, 0.59, 0.11)))

    for color in ((0.1, 0.05, 0.0), BLUE, (0.9, 0.9, 0.2)):
        assert light(Tint(color).edge) >= 0.499
        corrected = Tint(color, on_itself=True)
        assert abs(light(corrected.edge) - light(color)) > 0.3 and corrected.color == color
    assert Tint((0.9, 0.9, 0.2)).edge == (0.9, 0.9, 0.2)  # light enough as it is
