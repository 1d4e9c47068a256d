"""Two hundred prompts, clicks and boxes and corrections, made again by the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tifffile
from typer.testing import CliRunner

from napari_sam_onnx.cli.app import app
from napari_sam_onnx.plugin.commits.recording import describe_layer
from tests.fakes import ComponentModel, draw_discs

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from tests.plugin.conftest import Bench

SPOTS = [(6 + 11 * row, 6 + 11 * column) for row in range(13) for column in range(15)]
TOGETHER = 150


def test_two_hundred_prompts_make_the_same_labels(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = draw_discs((146, 170), SPOTS, 3)
    bench.open(picture)
    prompts = 0
    bench.session.choose_each_click(True)
    for row in range(0, TOGETHER, 15):  # several objects at once
        bench.session.layers.set_next_sign(True)
        bench.session.layers.points.add(np.array(SPOTS[row : row + 15], float))
        bench.commits.accept()
        prompts += 15
    bench.session.choose_each_click(False)
    for number, (y, x) in enumerate(SPOTS[TOGETHER:]):
        if number % 7 == 3:
            bench.session.add_box((y - 4, x - 4, y + 4, x + 4))
        else:
            bench.click(y, x)
        prompts += 1
        if number % 5 == 2 or number > 35:  # beside it, which corrects
            bench.click(y, x + 5, positive=False)
            prompts += 1
        if number % 9 == 4:
            bench.session.dialogue.cycle()
        bench.commits.accept()
        if number % 11 == 5:
            bench.commits.undo()
            bench.commits.discard()
        elif number % 13 == 6:
            bench.commits.delete_at((y, x))
    assert prompts >= 200 and len(bench.ids) > 100
    recipe, source, out = (tmp_path / name for name in ("recipe.json", "in.tif", "out.tif"))
    recipe.write_text(describe_layer(bench.commits.labels.layer).to_json())
    tifffile.imwrite(source, picture)
    monkeypatch.setattr(
        "napari_sam_onnx.cli.commands.replay.load_model", lambda _: ComponentModel("pebble")
    )
    result = CliRunner().invoke(app, ["replay", str(recipe), str(source), "-o", str(out), "-q"])
    assert result.exit_code == 0, result.output or result.exception
    np.testing.assert_array_equal(tifffile.imread(out), bench.labels)
