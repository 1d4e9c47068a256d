"""CONTRIBUTING explains every module, and no module that is not there."""

import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]
PACKAGE = REPOSITORY / "src" / "napari_sam_onnx"
TEXT = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`.+?) \| .+ \|$", TEXT, flags=re.MULTILINE)
NAMED = {name for row in ROWS for name in re.findall(r"`([\w/.]+)`", row)}
MODULES = [
    path.relative_to(PACKAGE).as_posix()
    for path in PACKAGE.rglob("*.py")
    if path.name != "__init__.py"
]


@pytest.mark.parametrize("path", MODULES)
def test_every_module_is_explained(path):
    room_and_name = "/".join(path.split("/")[-2:])  # files of several rooms have one name
    assert {path, room_and_name} & NAMED


@pytest.mark.parametrize("name", sorted(NAMED))
def test_every_module_that_is_explained_exists(name):
    assert [
        path for path in PACKAGE.rglob(Path(name).name) if path.as_posix().endswith(name.strip("/"))
    ]
