"""What the README shows is true: its example runs, its files exist, its keys are the dock's."""

import re
from pathlib import Path

import pytest

from napari_sam_onnx.cli import main

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = ("README.md", "CONTRIBUTING.md", "docs/index.md")
LINKS = [
    (page, link)
    for page in PAGES
    for link in re.findall(r"\]\(([^)]+)\)", (REPOSITORY / page).read_text(encoding="utf-8"))
    if "://" not in link
]


def test_the_example_runs(capsys):
    (code,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    scope = {}
    exec(compile(code, "README.md", "exec"), scope)
    area, msa = re.fullmatch(
        r"(\d+) pixels, predicted IoU [\d.]+, \(768, 768\)\n([\d.]+)\n", capsys.readouterr().out
    ).groups()
    assert 900 < int(area) < 1700  # the nucleus in the box has 1294
    assert 0 < float(msa) <= 1
    assert scope["labels"].shape == scope["stack"].shape


@pytest.mark.parametrize(("page", "link"), LINKS)
def test_linked_files_exist(page, link):
    assert (REPOSITORY / page).parent.joinpath(link).exists()


@pytest.mark.parametrize("script", ["scripts/quickstart.sh", "scripts/test.sh"])
def test_the_two_commands_are_there(script):
    assert f"    {script}\n" in README
    assert (REPOSITORY / script).stat().st_mode & 0o100


def test_the_keys_are_those_of_the_dock():
    from napari_sam_onnx.plugin import keys

    table = re.findall(r"^\| (.+?) \| (.+?) \|$", README, flags=re.MULTILINE)
    assert ("Mouse or key", "") not in table
    assert table == [(binding.shown, binding.text) for binding in keys.BINDINGS]


@pytest.mark.parametrize("line", re.findall(r"^    napari-sam-onnx (.+)$", README, re.MULTILINE))
def test_every_command_line_is_understood(line, capsys):
    """Options and commands exist: what fails is the missing file, not the syntax."""
    import shlex

    with pytest.raises(SystemExit) as stop:
        main(shlex.split(line))
    err = capsys.readouterr().err
    assert "Usage" not in err
    assert stop.value.code == 0 or "There is no file" in err or "does not exist" in err
