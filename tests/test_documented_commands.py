"""Commands that pages and scripts tell of exist, and take the options that they are shown with."""

import ast
import re
from pathlib import Path

import pytest
import typer

from napari_sam_onnx.cli.app import app

REPOSITORY = Path(__file__).parents[1]
PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "training/README.md")),
    *sorted((REPOSITORY / "docs").glob("**/*.md")),
    *sorted((REPOSITORY / "benchmarks").glob("**/*.py")),
]
MODULE = re.compile(r"\bpython\S* -m ((?:benchmarks|tests)[\w.]*)")
OPTION = re.compile(r"(?<!\S)--[a-z][\w-]*")


def read_commands(page):
    """Commands in a page, each on one line: inline code and indented lines."""
    text = page.read_text(encoding="utf-8")
    indented = re.findall(r"^ {4}(\S.*)$", text, re.MULTILINE)
    plain = "" if page.suffix == ".py" else re.sub(r"^( {4}|```).*$", "", text, flags=re.MULTILINE)
    inline = [re.sub(r"\s+", " ", code) for code in re.findall(r"`([^`|]+)`", plain)]
    return [re.split(r" #|   | && ", command)[0] for command in indented + inline]


def options_in(module):
    """Options that a module of this repository names, as strings in its source."""
    at = REPOSITORY.joinpath(*module.split("."))
    source = at / "__main__.py" if at.is_dir() else at.with_suffix(".py")
    constants = ast.walk(ast.parse(source.read_text(encoding="utf-8")))
    return {node.value for node in constants if isinstance(node, ast.Constant)}


def find_command(words):
    """The command of the program that some words begin with, and what they are."""
    command, path = typer.main.get_command(app), []
    for word in words:
        if word not in getattr(command, "commands", {}):
            break
        command = command.commands[word]
        path.append(word)
    return command, path


MODULES = [
    (page.name, match[1], command)
    for page in PAGES
    for command in read_commands(page)
    if (match := MODULE.search(command))
]
OURS = [
    (page.name, command)
    for page in PAGES
    for command in read_commands(page)
    if re.match(r"napari-sam-onnx [a-z]", command)
]


def test_commands_are_found_in_the_pages():
    assert len(MODULES) > 100 and len(OURS) > 30


@pytest.mark.parametrize("module", sorted({module for _, module, _ in MODULES}))
def test_modules_that_pages_run_know_their_options(module):
    known = options_in(module)
    told = [(page, command) for page, name, command in MODULES if name == module]
    unknown = [one for one in told if not known.issuperset(OPTION.findall(one[1]))]
    assert not unknown


def test_commands_of_the_program_know_their_options():
    wrong = []
    for page, line in OURS:
        command, path = find_command(line.split()[1:])
        known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
        if not path or not known.issuperset(OPTION.findall(line)):
            wrong.append((page, line))
    assert not wrong
