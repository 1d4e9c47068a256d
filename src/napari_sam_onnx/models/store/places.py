"""Where model files and the user's own cards live on this computer.

Three environment variables move them:

``NAPARI_SAM_ONNX_HOME``
    Everything this package keeps (models, hashes, cards) goes below this folder.
``NAPARI_SAM_ONNX_MODELS``
    A folder of model files that somebody else put there (a lab share, a USB stick); it is
    read, never written.
``NAPARI_SAM_ONNX_MIRROR``
    An https address that serves copies of the public files; see `mirror_url`.
"""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit

import platformdirs

APP = "napari-sam-onnx"
HOME_VARIABLE = "NAPARI_SAM_ONNX_HOME"
MODELS_VARIABLE = "NAPARI_SAM_ONNX_MODELS"
MIRROR_VARIABLE = "NAPARI_SAM_ONNX_MIRROR"


def data_dir() -> Path:
    """Where downloaded models and their hashes are kept."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser()
    # appauthor=False: Windows would otherwise nest the name twice
    return Path(platformdirs.user_data_dir(APP, appauthor=False))


def models_dir() -> Path:
    """Where each downloaded model has a folder, named by its id."""
    return data_dir() / "models"


def compiled_dir() -> Path:
    """Where graphs lie that were compiled from decoders; it may be emptied at any time."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser() / "compiled"
    return Path(platformdirs.user_cache_dir(APP, appauthor=False)) / "compiled"


def config_dir() -> Path:
    """Where what the user has set and saved is kept."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser() / "config"
    return Path(platformdirs.user_config_dir(APP, appauthor=False))


def log_dir() -> Path:
    """Where faults leave their tracebacks."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser() / "logs"
    return Path(platformdirs.user_log_dir(APP, appauthor=False))


def cache_dir() -> Path:
    """Where embeddings are kept on disk."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser() / "embeddings"
    return Path(platformdirs.user_cache_dir(APP, appauthor=False)) / "embeddings"


def journals_dir() -> Path:
    """Where work that is not saved yet is written down in case of a crash."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser() / "journals"
    return Path(platformdirs.user_state_dir(APP, appauthor=False)) / "journals"


def cards_dir() -> Path:
    """Where the user's own cards (``*.toml``) are looked for."""
    if home := os.environ.get(HOME_VARIABLE):
        return Path(home).expanduser() / "cards"
    return Path(platformdirs.user_config_dir(APP, appauthor=False)) / "models"


def shared_dir() -> Path | None:
    """Name the read-only folder of files for computers without internet, if there is one."""
    named = os.environ.get(MODELS_VARIABLE)
    return Path(named).expanduser() if named else None


def mirror_url(url: str) -> str:
    """Rewrite a public address for the mirror, where one is named.

    ``https://mirror.lab`` turns ``https://huggingface.co/a/b.onnx`` into
    ``https://mirror.lab/huggingface.co/a/b.onnx``. A mirror with another layout is written
    with ``{host}`` and ``{path}``: ``https://mirror.lab/hf/{path}``. Hashes are checked
    either way, so a mirror need not be trusted for files whose hash is published.
    """
    mirror = os.environ.get(MIRROR_VARIABLE, "").strip()
    if not mirror:
        return url
    parts = urlsplit(url)
    path = parts.path.lstrip("/") + (f"?{parts.query}" if parts.query else "")
    if "{path}" in mirror:
        return mirror.replace("{host}", parts.netloc).replace("{path}", path)
    return f"{mirror.rstrip('/')}/{parts.netloc}/{path}"
