"""Fetch one address into one file: resumable, over https alone, patient and cancellable.

Knows nothing of models. The bytes collect in a ``.part`` file that the caller checks and
moves; a cut connection, a cancelled or a killed download leaves the part, and the next
attempt asks the server only for the rest.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.disk import size_of
from napari_sam_onnx.models.store.places import APP, mirror_url
from napari_sam_onnx.models.store.transfer import (
    Cancel,
    DownloadCancelled,
    Network,
    OnReceived,
    Transfer,
    TryAgain,
    refuse_plain,
)

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT_NETWORK = Network()


def fetch(
    url: str,
    part: Path,
    *,
    name: str,
    size: int | None = None,
    fixed: bool = False,
    progress: OnReceived | None = None,
    cancel: Cancel | None = None,
    network: Network = DEFAULT_NETWORK,
) -> None:
    """Download an address into ``part``, going on where an earlier attempt stopped.

    Parameters
    ----------
    url : str
        The public address; a mirror, where one is named, replaces its host.
    part : Path
        Collects the bytes; complete when this returns, and not yet checked.
    name : str
        The file as the user knows it, for messages and progress.
    size : int, optional
        Bytes the file must have.
    fixed : bool
        Whether the caller checks a hash that is known beforehand. Otherwise an old part is
        continued only if the server vouches (ETag) that the file is still the same.
    progress, cancel : callable, optional
        See `OnReceived` and `Cancel`.
    network : Network
        Patience.

    Raises
    ------
    DownloadCancelled
        If ``cancel`` said so.
    ModelError
        With one sentence: no connection, refused, wrong size, disk full …
    """
    import requests

    address = mirror_url(url)
    refuse_plain(address, network, None)
    failures = 0
    with requests.Session() as session:
        session.headers.update({"User-Agent": APP, "Accept-Encoding": "identity"})
        while True:
            before = size_of(part)
            try:
                transfer = Transfer(session, address, part, name, size, fixed, network)
                transfer.run(progress, cancel)
                return
            except TryAgain as error:
                failures = 1 if size_of(part) > before else failures + 1
                if failures >= network.attempts:
                    raise ModelError(
                        f"{name} could not be downloaded from {urlsplit(address).netloc} "
                        f"({error}); check the connection and try again: "
                        "it goes on where it stopped."
                    ) from error
            _wait(network.backoff * 2 ** (failures - 1), name, cancel)


def _wait(seconds: float, name: str, cancel: Cancel | None) -> None:
    """Sleep, but wake for a cancel."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if cancel is not None and cancel():
            raise DownloadCancelled(f"The download of {name} was stopped.")
        time.sleep(min(left, 0.1))
