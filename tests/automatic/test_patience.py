"""A search among what the model proposes ends where the less certain lead to nothing."""

from dataclasses import replace

import numpy as np
import pytest

from napari_sam_onnx import automask, find_masks, generate_masks
from napari_sam_onnx.automatic.finders.decode import PATIENCE
from napari_sam_onnx.embedding import LowResMasks
from tests.fakes import ComponentModel, draw_discs


class Tiring(ComponentModel):
    """Rates the objects of the columns given well, and all others badly, in rows of one disc."""

    def __init__(self, well):
        super().__init__("tiring")
        self.well, self.asked = well, []

    def decode(self, embedding, prompts):
        numbers = [int(prompt.points[0][1]) // 10 for prompt in prompts]
        self.asked += numbers
        scores = np.array([[0.9 if number in self.well else 0.3] for number in numbers])
        windows = [[2, 10 * number + 2, 8, 10 * number + 8] for number in numbers]
        logits = np.pad(np.full((len(prompts), 1, 6, 6), 8.0), ((0, 0), (0, 0), (1, 1), (1, 1)))
        return LowResMasks(
            logits.astype(np.float32) - 4,
            scores.astype(np.float32),
            np.array(windows, np.float32),
            np.zeros(len(prompts), int),
            (0,),
        )


@pytest.mark.parametrize("batch", [7, 16, 100])
def test_a_search_ends_where_the_less_certain_lead_to_nothing(batch):
    row = draw_discs((10, 1200), [(5, 10 * i + 5) for i in range(120)], 3)

    def found(model, **settings):
        masks = generate_masks(row, model, "objects", points_per_batch=batch, **settings)
        return sorted(mask.bbox[1] // 10 for mask in masks)

    last = 10 + PATIENCE  # the last that is looked at after 10
    model = Tiring({*range(11), last, last + PATIENCE + 1})
    assert found(model) == [*range(11), last]
    assert last + PATIENCE <= max(model.asked) < last + PATIENCE + batch
    assert found(Tiring({10 + PATIENCE + 1})) == []
    assert len(found(Tiring({0}), min_rating=0)) == 120  # all pass
    kept = find_masks(row, Tiring({100}), "objects", points_per_batch=batch)
    assert len(kept) == 120 and len(kept.choose()) == 1  # the doubtful are wanted: all are seen


def test_small_objects_that_are_seen_twice_as_large_already_need_no_tiles():
    class Enlarging(ComponentModel):
        def __init__(self, times):
            super().__init__()
            self.times = times

        def encode(self, image):
            seen = tuple(self.times * side for side in image.shape[:2])
            return replace(super().encode(image), input_shape=seen)

    picture = draw_discs((600, 600), [(20, 20), (570, 570)], 9)
    for times, looks in ((1, 4), (2, 1)):  # four tiles, two of them empty alike, or none
        model = Enlarging(times)
        assert automask(picture, model).max() == 2
        assert model.encoded == looks
