"""From a name or two files to a model that is ready to run."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_sam_onnx.arguments import as_paths
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.contracts.detect import detect_contract, is_decoder, stated_fields
from napari_sam_onnx.models.onnx.contracts.rows import FLOWS_CONTRACT
from napari_sam_onnx.models.onnx.onnx_model import OnnxModel
from napari_sam_onnx.models.store.cards import NUMBERS, ModelCard
from napari_sam_onnx.models.store.catalog import find_card
from napari_sam_onnx.models.store.files import locate
from napari_sam_onnx.models.store.fingerprint import fingerprint
from napari_sam_onnx.models.store.integrity import sha256_of
from napari_sam_onnx.models.store.places import compiled_dir

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from os import PathLike
    from pathlib import Path

    from napari_sam_onnx.models.onnx.compile.runner import CompiledDecoder
    from napari_sam_onnx.models.onnx.flow_model import FlowModel
    from napari_sam_onnx.models.onnx.memory.memory_model import MemoryModel
    from napari_sam_onnx.models.onnx.sessions.runtime import Session

    Paths = str | PathLike[str] | Sequence[str | PathLike[str]]

_GRAPHS = ("encoder", "decoder", "model", "flows", "memory_encoder", "memory_attention", "times")
"""Roles in a card that are run."""

_MOST_GRAPHS = 5  # of a model that remembers


def load_model(
    source: ModelCard | Paths = "pebble",
    *,
    provider: str = "auto",
    threads: int | None = None,
    overrides: Mapping[str, object] | None = None,
    compiled: bool = True,
    time_limit: float | None = None,
) -> OnnxModel | FlowModel | MemoryModel:
    """Open a model.

    Parameters
    ----------
    source : str, ModelCard, path or sequence of paths
        The id of a model in the catalogue, a card, or the files of a model: its encoder and
        its decoder, in any order, or the one file that is both; of one that remembers, all its
        graphs and the JSON files beside them. Text that ends in ".onnx" is a path.
    provider : str
        Where to run: "auto", "cpu", "cuda", "tensorrt", "rocm", "migraphx", "directml",
        "openvino" or "coreml". One that fails is replaced by the CPU, with a warning.
    threads : int, optional
        Threads per call; all cores but one where omitted.
    overrides : mapping, optional
        Fields of the contract that the files cannot tell, see `detect_contract`; they are
        added to those of the card.
    compiled : bool
        Whether graphs of SAM's structure that run on the CPU are replaced by some that give the
        same answers sooner, and encoders with less memory, see `compile_decoder` and
        `fuse_encoder`. They are made when a file is opened for the first time, which takes some
        seconds.
    time_limit : float, optional
        Seconds that one run of a graph may take, those that loading tries included; without end
        where omitted.

    Returns
    -------
    OnnxModel, FlowModel or MemoryModel
        Close it to free its memory.

    Raises
    ------
    ModelError
        If the model is unknown or not downloaded, a file is missing or damaged, or the
        files are no SAM model or do not fit; the sentence says which.

    Examples
    --------
    >>> model = load_model("pebble")
    >>> model.id.startswith("pebble@")
    True
    """
    # ONNX Runtime is imported only here, so that commands which open no model start at once
    from napari_sam_onnx.models.onnx.compile.compiler import compile_decoder
    from napari_sam_onnx.models.onnx.compile.encoders.encoder import fuse_encoder
    from napari_sam_onnx.models.onnx.flow_model import FlowModel, is_flow_network
    from napari_sam_onnx.models.onnx.memory.layouts import has_memory
    from napari_sam_onnx.models.onnx.probes import probe_decoder
    from napari_sam_onnx.models.onnx.sessions.runtime import Session
    from napari_sam_onnx.models.onnx.surgery.pruning import prune_session

    name, paths, numbers, stated = _resolve(source)
    changes = {**stated, **(overrides or {})}
    sessions: list[Session] = []
    faster: CompiledDecoder | None = None
    try:
        for path in paths:
            written = fuse_encoder(path, _find_place, provider) if compiled else None
            where = path.resolve() if written else path  # links may lead to where the weights lie
            sessions.append(
                Session(
                    where,
                    provider=provider,
                    threads=threads,
                    content=written,
                    time_limit=time_limit,
                )
            )
        if len(sessions) == 1 and is_flow_network(sessions[0]):
            key = fingerprint(paths, FLOWS_CONTRACT)
            return FlowModel(sessions[0], model_id=f"{name}@{key}", name=name)
        if has_memory(sessions):
            return _open_memory(name, sessions, numbers)
        if len(sessions) > 2 or numbers:
            raise ModelError(
                f"A model is an encoder and a decoder, or one file that is both; got "
                f"{len(paths) + len(numbers)} files, and none recalls what was seen on other "
                "planes."
            )
        encoder, decoder = _tell_apart(sessions)
        contract = detect_contract(
            None if encoder is None else (encoder.inputs, encoder.outputs),
            (decoder.inputs, decoder.outputs),
            changes,
        )
        row, finding = contract.decoder, ""
        if compiled:
            faster, finding = compile_decoder(decoder, row, compiled_dir())
        if faster is not None:
            decoder.close()
            if "batch" not in stated_fields(changes):
                row = replace(row, batch=faster.takes_batches)
        else:
            pruned = prune_session(decoder, row)
            sessions.append(pruned)
            decoder = pruned
        opened, row, findings = probe_decoder(faster or decoder, row, stated_fields(changes))
    except BaseException:
        for session in sessions:
            session.close()
        if faster is not None:
            faster.close()
        raise
    contract = replace(contract, decoder=row)
    return OnnxModel(
        encoder,
        opened,
        contract,
        model_id=f"{name}@{fingerprint(paths, repr(contract.encoder))}",
        name=name,
        findings=(*findings, finding) if finding else findings,
    )


def _find_place(path: Path) -> Path:
    """Say where what is written of an encoder is kept; its weights are looked for by its name."""
    known = f"{path.resolve().name}|{sha256_of(path)}"
    return compiled_dir() / hashlib.sha256(known.encode()).hexdigest()[:24]


def _open_memory(name: str, sessions: Sequence[Session], numbers: Sequence[Path]) -> MemoryModel:
    """Open a model that follows objects through planes."""
    from napari_sam_onnx.models.onnx.memory.constants import read_constants
    from napari_sam_onnx.models.onnx.memory.layouts import sort_graphs
    from napari_sam_onnx.models.onnx.memory.memory_model import MemoryModel

    layout, graphs = sort_graphs(sessions)
    constants = read_constants(numbers)
    paths = [graphs[role].path for role in sorted(graphs)]
    stated = "".join(sha256_of(path, write_down=False) for path in numbers)
    key = fingerprint(paths, layout.name + stated)
    return MemoryModel(layout, graphs, constants, model_id=f"{name}@{key}", name=name)


def _resolve(
    source: ModelCard | Paths,
) -> tuple[str, list[Path], list[Path], Mapping[str, object]]:
    """Find name, graphs, files of numbers and overrides of a source."""
    if isinstance(source, str) and not source.lower().endswith(".onnx"):
        source = find_card(source)
    if isinstance(source, ModelCard):
        found = locate(source)
        graphs = [found[role] for role in _GRAPHS if role in found]
        numbers = [path for role, path in found.items() if role in NUMBERS]
        if not graphs:
            raise ModelError(f"The card of {source.id} names no encoder and no decoder.")
        return source.id, graphs, numbers, source.overrides
    wanted = "A model is an id, a card, or the paths of its encoder and decoder"
    paths = as_paths(source, wanted, ModelError)
    numbers = [path for path in paths if path.suffix.lower() == ".json"]
    graphs = [path for path in paths if path not in numbers]
    if not graphs or len(graphs) > _MOST_GRAPHS:
        raise ModelError(
            f"A model is an encoder and a decoder, or one file that is both; got {len(paths)} "
            "files."
        )
    return graphs[-1].stem, graphs, numbers, {}


def _tell_apart(sessions: Sequence[Session]) -> tuple[Session | None, Session]:
    """Tell the encoder (none where one file is both) and the decoder, in any order."""
    takers = [session for session in sessions if is_decoder(session.inputs)]
    if len(sessions) == 1:
        return None, sessions[0]
    if len(takers) == 2:
        names = " and ".join(session.path.name for session in takers)
        raise ModelError(f"{names} are both decoders; give the encoder and the decoder.")
    if not takers:
        images = [s for s in sessions if len(s.inputs) == 1 and len(s.inputs[0].shape) in (3, 4)]
        if len(images) == 2:
            names = " and ".join(session.path.name for session in images)
            raise ModelError(f"{names} are both encoders; give the encoder and the decoder.")
        return sessions[0], sessions[1]  # refused by what they take, in the next step
    encoder = next(session for session in sessions if session is not takers[0])
    return encoder, takers[0]
