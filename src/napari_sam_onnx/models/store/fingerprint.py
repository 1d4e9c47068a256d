"""What identifies a model: the content of its files and how they are fed.

Dates, names and places say nothing, so that the same files are the same model on every computer,
and files that were rewritten are another, whatever their dates say.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from napari_sam_onnx.models.store.external_data import find_external_data
from napari_sam_onnx.models.store.integrity import sha256_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_QUICK = 64 << 20  # bytes; smaller files are hashed in each process and not written down


def fingerprint(graphs: Sequence[Path], fed: str) -> str:
    """Identify graphs by their content, their external weights included.

    Hashes are remembered by size and times of change, see `integrity`.

    Parameters
    ----------
    graphs : sequence of Path
        ONNX files, in an order that means something.
    fed : str
        How planes are put into them: the same weights under another contract give other
        embeddings.

    Returns
    -------
    str
        Twelve hexadecimal digits.
    """
    digest = hashlib.sha256(fed.encode())
    for graph in graphs:
        for path in (graph, *find_external_data(graph)):
            digest.update(sha256_of(path, write_down=path.stat().st_size > _QUICK).encode())
    return digest.hexdigest()[:12]
