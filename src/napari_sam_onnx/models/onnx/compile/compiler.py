"""From a decoder's file to a `CompiledDecoder` that was compared with it, or to the reason why not.

What was compiled, or why it was not, is kept in a folder under the hash of the decoder's
file, this code's version and ONNX Runtime's, so that it happens once. Without a folder that
can be written it happens at each loading.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.compile.keep import keep_files
from napari_sam_onnx.models.onnx.compile.runner import CompiledDecoder
from napari_sam_onnx.models.onnx.compile.structure.refusal import NotCompilableError
from napari_sam_onnx.models.onnx.compile.verify import make_embedding, make_feeds, verify
from napari_sam_onnx.models.onnx.sessions.runtime import Session, runtime_version

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from napari_sam_onnx.models.onnx.contracts.rows import DecoderContract

    Contents = tuple[bytes, bytes, bytes]

VERSION = 5
"""To be raised with every change of what the graphs compute."""

FAMILIES = ("A", "B", "C", "D", "E", "F", "G", "I", "J")
"""Rows of contracts whose decoders are SAM's two-way transformer."""

_FILES = ("picture.onnx", "tokens.onnx", "masks.onnx")
_REFUSED = "refused.txt"
_SINGLE = "one_prompt_a_time.txt"
_LARGEST = 256 * 2**20  # bytes; no decoder comes near
_SLOWER = "the decoder runs as it is, some four times slower than compiled: "
_CLICK = (1, -1)
_OPSET = 17
_UPSCALING = 4  # two transposed convolutions with stride 2


def compile_decoder(
    original: Session, row: DecoderContract, folder: Path | None = None
) -> tuple[CompiledDecoder | None, str]:
    """Make the graphs of a decoder that answer faster, where that can be.

    Parameters
    ----------
    original : Session
        Of the decoder; it stays open.
    row : DecoderContract
    folder : Path, optional
        Where compiled graphs are kept.

    Returns
    -------
    compiled : CompiledDecoder or None
        None where the original is to be used.
    finding : str
        What was found, as one sentence without its full stop; "" for families that are not
        tried, such as the embedded model.
    """
    if row.name not in FAMILIES or original.provider != "cpu":
        return None, ""
    kept = None if folder is None else folder / _hash(original, row)
    try:
        contents = None if kept is None else _read(kept)
        if kept is not None and contents is not None:
            compiled = _open(original, contents, row)
            compiled.takes_batches = not (kept / _SINGLE).is_file()
            return compiled, "the decoder runs compiled"
        contents = _write_graphs(original, row)
        compiled = _try(original, contents, row, kept)
    except NotCompilableError as error:
        return None, _SLOWER + str(error)
    files = dict(zip(_FILES, contents, strict=True))
    keep_files(kept, files if compiled.takes_batches else {**files, _SINGLE: b""})
    return compiled, "the decoder runs compiled: it answered random prompts as before"


def _try(
    original: Session, contents: Contents, row: DecoderContract, kept: Path | None
) -> CompiledDecoder:
    """Open graphs and compare them; that they failed is remembered, since trying takes long.

    Raises
    ------
    NotCompilableError
        If they fail, or answer differently.
    """
    compiled = None
    try:
        compiled = _open(original, contents, row)
        compiled.takes_batches = verify(original, compiled, row)
    except (NotCompilableError, ModelError) as error:
        if compiled is not None:
            compiled.close()
        told = isinstance(error, NotCompilableError)
        reason = str(error) if told else "the faster graphs do not run here"
        keep_files(kept, {_REFUSED: reason.encode()})
        raise NotCompilableError(reason) from error
    return compiled


def _open(original: Session, contents: Contents, row: DecoderContract) -> CompiledDecoder:
    def open_one(number: int, threads: int) -> Session:
        return Session(
            original.path,
            provider="cpu",
            threads=threads,
            content=contents[number],
            time_limit=original.time_limit,
            keep_memory=number > 0,  # the first runs once per picture
            share_memory=number > 0,
        )

    def open_alone() -> tuple[Session, Session]:
        return open_one(1, 1), open_one(2, 1)

    picture, tokens, masks = (open_one(number, original.threads) for number in range(3))
    sides = [int(s.shape[-1] or 0) for s in original.inputs if s.name in row.embeddings]
    side = _UPSCALING * min(sides)  # other tensors of an embedding are finer than the first
    return CompiledDecoder(original, (picture, tokens, masks), row, side, open_alone)


def _write_graphs(original: Session, row: DecoderContract) -> Contents:
    # onnx is imported here alone, since it is not needed once a decoder is compiled
    from napari_sam_onnx.models.onnx.compile.graphs.factors import multiply_weights
    from napari_sam_onnx.models.onnx.compile.graphs.masks import write_masks
    from napari_sam_onnx.models.onnx.compile.graphs.picture import write_picture
    from napari_sam_onnx.models.onnx.compile.graphs.tokens import write_tokens
    from napari_sam_onnx.models.onnx.compile.structure.parts import find_parts

    model = _read_model(original.path)
    feeds = make_embedding(original, row) | make_feeds(row, _CLICK, 0)

    def measure(names: Sequence[str]) -> dict[str, NDArray[Any]]:
        return _run_with_outputs(original, model, names, feeds)

    parts = find_parts(model, row.masks, row.scores, measure)
    factors = multiply_weights(parts)
    shared = [*row.embeddings, row.mask_input, row.has_mask]
    each = {row.points, row.labels}
    try:
        return (
            write_picture(parts, factors, shared),
            write_tokens(parts, factors, each),
            write_masks(parts, factors, each),
        )
    except (KeyError, ValueError) as error:
        raise NotCompilableError("its structure is not that of SAM's decoder") from error


def _read_model(path: Path) -> Any:
    """Read a decoder with its weights, at an opset that our own nodes are of."""
    import onnx

    if path.stat().st_size > _LARGEST:
        raise NotCompilableError("it is larger than any decoder that is known")
    try:
        model = onnx.load(str(path))
        opset = max(e.version for e in model.opset_import if e.domain in ("", "ai.onnx"))
        if opset < 13:  # axes became inputs; the same nodes mean something else
            from onnx import version_converter

            model = version_converter.convert_version(model, _OPSET)
    except Exception as error:  # onnx's own errors share no narrower base
        raise NotCompilableError("its file cannot be read by the onnx package") from error
    return model


def _run_with_outputs(
    original: Session, model: Any, names: Sequence[str], feeds: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]]:
    """Run a graph and give tensors from its inside."""
    from onnx import helper

    changed = type(model)()
    changed.CopyFrom(model)
    del changed.graph.output[:]
    changed.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in names)
    try:
        session = Session(
            original.path,
            provider="cpu",
            content=changed.SerializeToString(),
            time_limit=original.time_limit,
        )
    except ModelError as error:
        raise NotCompilableError("its insides cannot be looked at") from error
    taken = {spec.name for spec in session.inputs}
    values = session.run({name: array for name, array in feeds.items() if name in taken}, names)
    session.close()
    return values


def _hash(original: Session, row: DecoderContract) -> str:
    digest = hashlib.sha256(f"{VERSION}|{runtime_version()}|{row}".encode())
    path = original.path
    for file in (path, *sorted(path.parent.glob(f"{path.stem}*data*"))):
        digest.update(file.read_bytes() if file.stat().st_size <= _LARGEST else b"large")
    return digest.hexdigest()[:24]


def _read(kept: Path) -> Contents | None:
    """Read what was kept, or None.

    Raises
    ------
    NotCompilableError
        If it was found that the decoder cannot be compiled.
    """
    try:
        refused = kept / _REFUSED
        if refused.is_file():
            raise NotCompilableError(refused.read_text(encoding="utf-8"))
        contents = [(kept / name).read_bytes() for name in _FILES]
    except OSError:
        return None
    return contents[0], contents[1], contents[2]
