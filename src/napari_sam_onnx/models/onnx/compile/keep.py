"""Keep what was written of a model, so that it is written once."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


def keep_files(kept: Path | None, files: dict[str, bytes]) -> None:
    """Keep files in a folder that appears with all of them; where it cannot be, keep nothing."""
    if kept is None:
        return
    part = None
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=kept.parent))
        for name, content in files.items():
            (part / name).write_bytes(content)
        os.replace(part, kept)
    except OSError:  # another process may have been faster
        if part is not None:
            shutil.rmtree(part, ignore_errors=True)
