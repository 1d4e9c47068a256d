"""Channels are tried and shown as small pictures; the model then sees the one that is chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Qt
from qtpy.QtTest import QTest

from napari_sam_onnx.plugin.commits.recording import describe_layer
from napari_sam_onnx.plugin.picture.picture import split_axis
from napari_sam_onnx.plugin.runs.advising import SHOWN
from napari_sam_onnx.plugin.runs.thumbnails import OUTLINE
from napari_sam_onnx.records.follow import follow
from napari_sam_onnx.records.recipes import Recipe, open_planes, replay
from tests.fakes import ComponentModel, draw_discs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.plugin.driver import Driver

LEFT = Qt.MouseButton.LeftButton
CENTERS = [(30, 30), (30, 80), (75, 55)]


def two_channels() -> Any:
    noise = np.zeros((100, 120), np.uint8)
    noise[::2, ::2] = 40
    noise[3:97, 3:117] += 200  # one heap that hides the cells where both are mixed
    return np.stack([noise, draw_discs((100, 120), CENTERS, 10)])


def suggest(d: Driver) -> Any:
    QTest.mouseClick(d.dock.image_panel.suggest, LEFT)
    d.until(lambda: not d.dock.advising.work.busy)
    return d.dock.suggestions


def test_the_channel_that_is_chosen_is_seen_and_kept_in_the_recipe(
    drive: Callable[..., Driver],
) -> None:
    picture = two_channels()
    d = drive(picture)
    d.session.choose_picture(split_axis(d.picture, 0))
    d.until(lambda: d.session.status.kind == "ready")
    window = suggest(d)
    assert window.isVisible() and len(d.dock.advising.advices) == SHOWN
    card = window.cards[0]
    assert card.title.text() == "Channel 1" and "3 objects" in card.facts.text()
    drawn = d.dock.advising.advices[0].drawn
    assert (drawn == OUTLINE).all(axis=2).sum() > 50 and card.picture.pixmap().width() == 200
    QTest.mouseClick(card.take, LEFT)
    d.settle()
    assert [channel.index for channel in d.session.reader.channels] == [1]
    assert card.take.text() == "In use" and not card.take.isEnabled()
    QTest.mouseClick(d.dock.automatic_panel.run, LEFT)
    d.until(lambda: not d.dock.automatic.work.busy)
    assert len(d.ids) == 3
    recipe = Recipe.from_dict(d.commits.labels.layer.metadata["napari-sam-onnx"]["recipe"])
    made = list(replay(recipe, open_planes(recipe, picture), d.models["pebble"]))[-1]
    np.testing.assert_array_equal(made.labels, d.labels.squeeze())


def test_an_inverted_picture_is_clicked_replayed_and_shown_as_it_is_again(
    drive: Callable[..., Driver],
) -> None:
    dark = 255 - draw_discs((100, 120), CENTERS, 10)
    d = drive(dark)
    sight = d.dock.image_panel.sight
    window = suggest(d)
    assert window.cards[0].title.text() == "Inverted"
    QTest.mouseClick(window.cards[0].take, LEFT)
    d.settle()
    assert sight.inverted.isChecked()
    d.click(*CENTERS[0])
    d.press(Qt.Key.Key_N)
    assert len(d.ids) == 1 and d.labels[CENTERS[0]] and not d.labels[5, 5]
    act = d.commits.labels.layer.metadata["napari-sam-onnx"]["acts"][0]
    assert act.view == "inverted"
    again = np.zeros(dark.shape, np.uint32)
    list(follow(describe_layer(d.commits.labels.layer).acts, dark, again, d.models.__getitem__))
    np.testing.assert_array_equal(again, d.labels)
    sight.inverted.click()
    d.settle()
    assert d.session.picture.view == "" and window.cards[0].take.isEnabled()


class Mute(ComponentModel):
    def propose(self, embedding: Any) -> None:
        return None


def test_where_the_model_proposes_nothing_pebble_looks_and_a_picture_that_goes_takes_all_along(
    drive: Callable[..., Driver],
) -> None:
    d = drive()
    d.models["mute"] = Mute("mute")
    d.session.choose_model("mute")
    window = suggest(d)
    assert d.dock.advising.judge == "pebble" and "pebble looks" in window.about.text()
    assert d.dock.advising.advices and d.session.source == "mute"
    d.viewer.layers.remove(d.picture)
    assert not d.dock.advising.advices and not window.cards[0].take.isVisible()
    assert not d.dock.image_panel.suggest.isEnabled()
