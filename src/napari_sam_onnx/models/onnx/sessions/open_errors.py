"""What onnxruntime says of a graph that it cannot open, as what the user can do about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def first_line(error: Exception) -> str:
    """Return the first line of an error, without its full stop."""
    text = str(error).strip().splitlines()
    return text[0].rstrip(".") if text else type(error).__name__


def explain_open_error(path: Path, error: Exception) -> str:
    """Turn an error of opening a graph into what the user can do about it."""
    text = str(error)
    lowered = text.lower()
    absent = ("not exist", "no such", "not found", "cannot open", "cannot get file", "filesystem")
    if "external" in lowered and any(words in lowered for words in absent):
        return (
            f"{path.name} keeps its weights in a second file that is not beside it; put the "
            f"file there under its original name ({first_line(error)})."
        )
    if path.stat().st_size == 0:
        return f"{path.name} is empty; get the file again."
    if "opset" in lowered or "ir version" in lowered or "ir_version" in lowered:
        return f"{path.name} is newer than the installed onnxruntime; update onnxruntime."
    if "not_implemented" in lowered or "could not find an implementation" in lowered:
        return (
            f"{path.name} needs an operation that the installed onnxruntime lacks; take another "
            f"export of the model, at full precision if this one is smaller ({first_line(error)})."
        )
    plain = f"{path.name} is not an ONNX file that can be read, or is damaged; get the file again"
    return f"{plain}." if "invalid_protobuf" in lowered else f"{plain} ({first_line(error)})."
