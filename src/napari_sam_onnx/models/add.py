"""Add models from files that the user has: checked, copied, and given a card.

External weights are found by reading what a graph says about them, never by guessing names,
and travel with it under their own names.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.rows import FLOWS_CONTRACT
from napari_sam_onnx.models.store.card_toml import is_valid_id, write_card
from napari_sam_onnx.models.store.cards import NUMBERS, ModelCard, ModelFile
from napari_sam_onnx.models.store.catalog import find_card, read_catalogue
from napari_sam_onnx.models.store.disk import ensure_space, explain_write_error
from napari_sam_onnx.models.store.external_data import find_external_data
from napari_sam_onnx.models.store.files import claim
from napari_sam_onnx.models.store.integrity import sha256_of
from napari_sam_onnx.models.store.leftovers import STAGING
from napari_sam_onnx.models.store.places import cards_dir, data_dir, models_dir
from napari_sam_onnx.writing import sync

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TIME_LIMIT = 300.0
"""Seconds that one run of a model may take while it is added; slower ones never end."""

Check = Callable[["Sequence[Path]", "Mapping[str, Any]"], str]
"""Opens the files of a model and says which contract they follow, or raises ModelError."""


def add_local(
    encoder: Path,
    decoder: Path | None,
    model_id: str,
    *,
    more: Sequence[Path] = (),
    name: str = "",
    licence: str = "",
    copy: bool = True,
    overrides: Mapping[str, Any] | None = None,
    check: Check | None = None,
) -> ModelCard:
    """Make a model of files on this computer.

    Parameters
    ----------
    encoder : Path
        The encoder, or the one file that is both.
    decoder : Path or None
        The decoder.
    model_id : str
        The id to give; lower-case letters, digits, ``.``, ``-``, ``_``.
    more : sequence of Path
        Of a model that remembers: its other graphs and the JSON files beside them, in any order
        with the first two.
    name, licence : str, optional
        For the list; the id and "unknown" where omitted.
    copy : bool
        Whether the files go into the data folder. Otherwise they stay where they are, and
        the model is refused once they change.
    overrides : mapping, optional
        What the files do not tell of the contract; kept in the card. See
        `napari_sam_onnx.models.load_model`.
    check : callable, optional
        Opens the files, with the overrides, and returns the contract; `open_pair` where omitted.

    Returns
    -------
    ModelCard
        As the list shows it from now on.

    Raises
    ------
    ModelError
        If the id is taken or not usable, a file is missing, the files are no model, or they
        cannot be copied. Nothing is left behind then.
    """
    _refuse_id(model_id)
    graphs = {"encoder": encoder, "decoder": decoder} if decoder else {"model": encoder}
    if decoder is not None and more:
        graphs = tell_roles([encoder, decoder, *more])
    sources: dict[str, Path] = {}
    for role, path in graphs.items():
        graph = Path(path).expanduser().absolute()
        if not graph.is_file():
            raise ModelError(f"There is no file {path}.")
        sources[role] = graph
        for i, beside in enumerate([] if role in NUMBERS else find_external_data(graph)):
            sources[f"{role}_data{i + 1 if i else ''}"] = beside
    stated = dict(overrides or {})
    contract = (check or open_pair)([sources[role] for role in graphs], stated)
    if contract == FLOWS_CONTRACT:  # the role says that it answers no clicks
        sources = {role.replace("model", "flows"): path for role, path in sources.items()}
    card_file = cards_dir() / f"{model_id}.toml"
    try:
        with claim(model_id, None):
            _refuse_id(model_id)  # another process may have added it meanwhile
            paths = _copy_all(sources, models_dir() / model_id) if copy else sources
            try:
                files = tuple(_describe(role, path) for role, path in paths.items())
                card = ModelCard(
                    id=model_id,
                    name=name or model_id,
                    family="added",
                    files=files,
                    contract=contract,
                    licence=licence or "unknown",
                    hash_source="hashed when the model was added",
                    overrides=stated,
                )
                write_card(card, card_file)
            except BaseException:
                if copy:
                    shutil.rmtree(models_dir() / model_id, ignore_errors=True)
                raise
    except OSError as error:
        raise explain_write_error(error, card_file) from error
    return find_card(model_id)


def add_detector(path: Path, model_id: str, *, name: str = "", licence: str = "") -> ModelCard:
    """Make a detector of a file on this computer; it stays where it is, with its tokenizer.

    Parameters
    ----------
    path : Path
        Grounding DINO or a YOLOv8-style detector.
    model_id : str
        The id to give.
    name, licence : str, optional
        For the list.

    Returns
    -------
    ModelCard
        As the list shows it from now on.

    Raises
    ------
    ModelError
        If the id is taken or not usable, or the file is missing or no detector.
    """
    from napari_sam_onnx.models.text.detectors import load_detector

    _refuse_id(model_id)
    graph = Path(path).expanduser().absolute()
    load_detector(graph).close()
    card_file = cards_dir() / f"{model_id}.toml"
    card = ModelCard(
        id=model_id,
        name=name or model_id,
        family="detector",
        files=(ModelFile("detector", graph.name, path=graph, **_measure(graph)),),
        licence=licence or "unknown",
        hash_source="hashed when the detector was added",
    )
    try:
        with claim(model_id, None):
            _refuse_id(model_id)
            write_card(card, card_file)
    except OSError as error:
        raise explain_write_error(error, card_file) from error
    return find_card(model_id)


def open_pair(paths: Sequence[Path], overrides: Mapping[str, Any]) -> str:
    """Open the files of a model to see that they are one; its contract's name."""
    from napari_sam_onnx.models.load import load_model

    model = load_model(paths, overrides=overrides, time_limit=TIME_LIMIT)
    try:
        return model.contract_name
    finally:
        model.close()


def tell_roles(paths: Sequence[Path]) -> dict[str, Path]:
    """Name the files of a model that remembers by what they are for, as cards name them.

    Raises
    ------
    ModelError
        If a file is missing, or they are no such model.
    """
    from napari_sam_onnx.models.onnx.memory.layouts import ROLES, sort_graphs
    from napari_sam_onnx.models.onnx.sessions.runtime import Session

    beside = [path for path in paths if path.suffix.lower() == ".json"]
    if len(beside) > len(NUMBERS):
        raise ModelError(f"A model has {len(NUMBERS)} JSON files at most; got {len(beside)}.")
    sessions: list[Session] = []
    try:
        sessions += [
            Session(path, provider="cpu", time_limit=TIME_LIMIT)
            for path in paths
            if path not in beside
        ]
        _, graphs = sort_graphs(sessions)
        roles = {ROLES[what]: session.path for what, session in graphs.items()}
    finally:
        for session in sessions:
            session.close()
    return roles | dict(zip(NUMBERS, beside, strict=False))


def _refuse_id(model_id: str) -> None:
    if not is_valid_id(model_id):
        raise ModelError(
            f"'{model_id}' cannot be an id; use lower-case letters, digits, '.', '-' and '_'."
        )
    if any(card.id == model_id for card in read_catalogue().cards):
        raise ModelError(f"There is already a model '{model_id}'; choose another id.")
    if (cards_dir() / f"{model_id}.toml").exists():
        raise ModelError(f"{cards_dir() / f'{model_id}.toml'} exists; choose another id.")


def _copy_all(sources: dict[str, Path], folder: Path) -> dict[str, Path]:
    """Copy each graph with its data into a folder of its own, so that names cannot clash.

    The files are collected in a folder beside, which gets its name when they are whole; whoever
    holds the claim on the model finds there only what a killed process left.
    """
    staging = folder.with_name(STAGING + folder.name)
    for left in (staging, folder):
        shutil.rmtree(left, ignore_errors=True)
    staging.mkdir(parents=True)
    needed = sum(path.stat().st_size for path in sources.values())
    copies = {}
    try:
        ensure_space(staging, needed, "the model")
        for role, path in sources.items():
            place = Path(role.split("_data")[0]) / path.name
            (staging / place).parent.mkdir(exist_ok=True)
            shutil.copyfile(path, staging / place)
            sync(staging / place)
            copies[role] = folder / place
        os.replace(staging, folder)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    return copies


def _describe(role: str, path: Path) -> ModelFile:
    """Describe a file for a card; relative where cards and files travel together."""
    known = _measure(path)
    if cards_dir().parent == data_dir() and data_dir() in path.parents:
        path = Path(os.path.relpath(path, cards_dir()))
    return ModelFile(role, path.name, path=path, **known)


def _measure(path: Path) -> dict[str, Any]:
    """Measure what later loads are held to."""
    return {"size": path.stat().st_size, "sha256": sha256_of(path)}
