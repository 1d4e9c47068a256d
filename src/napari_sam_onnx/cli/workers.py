"""Workers that do planes, tiles and chunks: processes of this machine, or a cluster of Dask."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.automatic import ParameterError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from napari_sam_onnx.stacks.cluster import Cluster


@contextmanager
def open_workers(
    workers: int | None,
    scheduler: str | None,
    named: str | tuple[Path, ...],
    provider: str = "auto",
    threads: int | None = None,
    overrides: Mapping[str, Any] | None = None,
) -> Iterator[Cluster | None]:
    """Offer the workers that were asked for; None where none were.

    Parameters
    ----------
    workers : int or None
        Processes to start on this machine.
    scheduler : str or None
        The address of a cluster's scheduler.
    named, provider, threads, overrides
        The model, see `napari_sam_onnx.load_model`; a worker has one thread where omitted.

    Raises
    ------
    ParameterError
        If both were asked for.
    ClusterError
        If there are no workers that can do it.
    """
    if workers is None and scheduler is None:
        yield None
        return
    if workers is not None and scheduler is not None:
        raise ParameterError("A cluster has workers of its own; leave --workers or --scheduler.")
    from napari_sam_onnx.stacks.cluster import Cluster, ModelSource, open_client

    told = tuple(sorted((overrides or {}).items()))
    files = named if isinstance(named, str) else tuple(str(path.resolve()) for path in named)
    source = ModelSource(files, "", provider, threads or 1, told)
    with open_client(scheduler, workers) as client:
        yield Cluster(client, source)
