from __future__ import annotations

from pathlib import Path

import pytest
from npe2 import PluginManifest

import napari_sam_onnx

PACKAGE = Path(napari_sam_onnx.__file__).parent


@pytest.fixture(scope="module")
def manifest() -> PluginManifest:
    return PluginManifest.from_file(PACKAGE / "napari.yaml")


def test_commands_exist_and_are_used(manifest: PluginManifest) -> None:
    manifest.validate_imports()
    made = manifest.contributions
    used = {w.command for w in made.widgets} | {s.command for s in made.sample_data}
    used |= {one.command for one in (*made.writers, *made.readers)}
    assert used == {command.id for command in made.commands}
    (entry,) = made.menus["napari/layers/segment"]
    assert entry.command == made.widgets[0].command


def test_every_sample_opens_without_a_network(
    manifest: PluginManifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    import socket

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a sample asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    for command in manifest.contributions.commands:
        if ":open_" in command.python_name:
            module, name = command.python_name.split(":")
            layers = getattr(__import__(module, fromlist=[name]), name)()
            assert layers and all(kind == "image" and data.size for data, _, kind in layers)


def test_top_level_manifest_is_the_package_s() -> None:
    link = Path(__file__).parents[2] / "napari.yaml"
    assert link.read_text() == (PACKAGE / "napari.yaml").read_text()
