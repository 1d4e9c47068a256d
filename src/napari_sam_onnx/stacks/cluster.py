"""Pieces of a run as tasks of Dask: on processes of this machine, or on any cluster.

A worker is sent what a piece needs, pixels included, so that it needs this package and the model,
but none of the picture's disk. It loads the model once. A piece whose worker fails is done again
by another one. Pieces are told of in their order, so that labels are the same however many workers
there are.
"""

from __future__ import annotations

import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from threading import Lock
from typing import TYPE_CHECKING, Any

from napari_sam_onnx.cache import EmbeddingCache
from napari_sam_onnx.errors import UserError
from napari_sam_onnx.generators import drive
from napari_sam_onnx.models import ModelError, load_model
from napari_sam_onnx.pieces import Moment

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    from napari_sam_onnx.models import Model
    from napari_sam_onnx.pieces import KeptPieces, Parts, Piece, Task

PACKAGE = "napari-sam-onnx"

REPEATS = 3
"""How often a piece that raises is tried again; one whose worker dies as often as Dask allows."""

AHEAD = 2
"""Pieces that are sent to each worker: one that is worked on, others that wait."""

TICK = 0.5
"""Seconds after which whoever waits is told that nothing has happened yet, and may stop it."""

REACH = 10.0
"""Seconds for which a scheduler is tried to be reached."""

PATIENCE = 60.0
"""Seconds without any worker after which nobody waits any more."""


class ClusterError(UserError, RuntimeError):
    """Workers that cannot be used; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ModelSource:
    """How a worker opens a model.

    Parameters
    ----------
    source : str or tuple of str
        An id, or the paths of its files, which every worker must see.
    fingerprint : str
        The model's own `id`, which follows its content; "" where any will do.
    provider : str
    threads : int
        Of each worker.
    overrides : tuple of (str, value)
        See `napari_sam_onnx.load_model`.
    """

    source: str | tuple[str, ...]
    fingerprint: str = ""
    provider: str = "auto"
    threads: int = 1
    overrides: tuple[tuple[str, Any], ...] = ()


class Cluster:
    """Sends pieces to the workers of Dask: a `napari_sam_onnx.pieces.Workshop`.

    Parameters
    ----------
    client : distributed.Client
    source : ModelSource or str
        The model of the run; the id of one is enough.
    kept : KeptPieces, optional
        Where finished pieces are kept, on this side.

    Raises
    ------
    ClusterError
        If there are no workers, or one lacks this package or has another version of it.
    """

    def __init__(
        self, client: Any, source: ModelSource | str, kept: KeptPieces | None = None
    ) -> None:
        self._client, self._kept = client, kept
        self._source = ModelSource(source) if isinstance(source, str) else source
        check_workers(client)

    def keeping(self, kept: KeptPieces | None) -> Cluster:
        """Return one of the same workers that keeps pieces elsewhere."""
        made = object.__new__(Cluster)
        made._client, made._source, made._kept = self._client, self._source, kept
        return made

    def do(self, pieces: Sequence[Piece], model: Any, cache: Any) -> Generator[Moment, None, None]:
        """See `Workshop.do`; nothing is told of steps inside a piece."""
        source = replace(self._source, fingerprint=getattr(model, "id", ""))
        waiting: deque[_Sent] = deque()
        following = 0
        try:
            for number, piece in enumerate(pieces):
                while following < len(pieces) and len(waiting) < self._room():
                    waiting.append(self._send(pieces[following], source))
                    following += 1
                sent = waiting[0]
                while not sent.ready:
                    yield Moment(number)
                    self._await(sent)
                    for one in waiting:
                        self._settle(one)
                waiting.popleft()
                parts = sent.parts
                value = None if parts is None else piece.unpack(parts)
                yield Moment(number, done=True, value=value)
        finally:
            left = [sent.future for sent in waiting if sent.future is not None]
            if left:
                with suppress(Exception):  # the scheduler may be gone
                    self._client.cancel(left, force=True)

    def _room(self) -> int:
        """How many pieces may be on their way."""
        return AHEAD * max(1, len(self._client.nthreads()))

    def _send(self, piece: Piece, source: ModelSource) -> _Sent:
        """Look whether a piece is kept; else prepare it and send it."""
        parts = None if self._kept is None else self._kept.read(piece.key)
        if parts is not None:
            return _Sent(piece, parts=parts, ready=True)
        task = piece.prepare()
        if task is None:
            return _Sent(piece, ready=True)
        import dask

        # pixels travel with the task, so that it can be done again when a worker is lost
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "10GB"}):
            future = self._client.submit(
                do_piece, source, task, piece.pack, pure=False, retries=REPEATS
            )
        return _Sent(piece, future)

    def _await(self, sent: _Sent) -> None:
        """Wait for a piece for a moment; give up where no worker is left."""
        from distributed import wait

        with suppress(TimeoutError), self._client.as_current():
            wait(sent.future, timeout=TICK)
            return
        now = time.monotonic()
        if self._client.status == "closed":
            raise ClusterError("The scheduler of Dask is gone; what was done is kept.")
        if self._client.nthreads():
            sent.since = now
        elif now - sent.since > PATIENCE:
            raise ClusterError(
                "No worker is left; look at their logs (memory?), start some, and go on."
            )

    def _settle(self, sent: _Sent) -> None:
        """Take the result of a piece that is finished, and keep it at once."""
        if sent.ready or sent.future is None or not sent.future.done():
            return
        sent.parts, sent.ready = self._fetch(sent.future), True
        sent.future = None  # so that the worker lets go of it
        if self._kept is not None:
            self._kept.write(sent.piece.key, sent.parts)

    def _fetch(self, future: Any) -> Parts:
        from distributed import KilledWorker

        try:
            answer: Parts | Refusal = future.result()
        except KilledWorker as error:
            raise ClusterError(
                "A piece of the work ended each worker that did it, most likely for lack of "
                "memory: take fewer workers on a machine, or smaller tiles."
            ) from error
        except (ImportError, PackageNotFoundError) as error:
            raise ClusterError(f"A worker lacks a package: {error}.") from error
        if isinstance(answer, Refusal):
            raise ClusterError(f"Worker {answer.worker}: {answer.sentence}")
        return answer


@dataclass(slots=True, eq=False)
class _Sent:
    """A piece on its way."""

    piece: Piece
    future: Any = None
    parts: Parts | None = None
    ready: bool = False
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a worker cannot do a piece, however often it tries."""

    worker: str
    sentence: str


_models: dict[ModelSource, Model] = {}
_opening = Lock()


def do_piece(source: ModelSource, task: Task, pack: Callable[[Any], Parts]) -> Parts | Refusal:
    """Do a piece in a worker.

    Raises
    ------
    Exception
        What is no matter of the input; the piece is then tried again.
    """
    try:
        model = open_model(source)
        return pack(drive(task.function(model, EmbeddingCache(max_bytes=0), *task.values)))
    except UserError as error:
        return Refusal(_name_worker(), str(error))


def open_model(source: ModelSource) -> Model:
    """Return a model of this process, loaded when it is first asked for.

    Raises
    ------
    ModelError
        If it is not here, or its content is another.
    """
    with _opening:
        if source not in _models:
            named = source.source
            model = load_model(
                named if isinstance(named, str) else list(named),
                provider=source.provider,
                threads=source.threads,
                overrides=dict(source.overrides),
            )
            if source.fingerprint and model.id != source.fingerprint:
                model.close()
                raise ModelError(
                    f"the model is {model.id} there and {source.fingerprint} here; get the same "
                    "version on both sides."
                )
            _models[source] = model
        return _models[source]


def check_workers(client: Any) -> None:
    """Refuse a cluster whose workers cannot do pieces.

    Raises
    ------
    ClusterError
        If there are none within half a minute, or one has not this version of the package.
    """
    try:
        client.wait_for_workers(1, timeout=PATIENCE / 2)
    except TimeoutError as error:
        raise ClusterError(
            "The scheduler has no workers; start some: dask worker ADDRESS."
        ) from error
    own = version(PACKAGE)
    told: Mapping[str, Any] = client.run(version, PACKAGE, on_error="return")
    for worker, found in told.items():
        if isinstance(found, PackageNotFoundError):
            raise ClusterError(
                f"The worker {worker} lacks {PACKAGE}; install version {own} where it runs."
            )
        if isinstance(found, BaseException):
            raise ClusterError(f"The worker {worker} does not answer: {found}.")
        if found != own:
            raise ClusterError(
                f"The worker {worker} has {PACKAGE} {found} and this side {own}; install the same "
                "version."
            )


@contextmanager
def open_client(scheduler: str | None = None, workers: int | None = None) -> Iterator[Any]:
    """Offer a client of Dask: of a cluster that runs, or of new processes on this machine.

    Parameters
    ----------
    scheduler : str, optional
        The address of a scheduler, such as ``tcp://10.0.0.5:8786``.
    workers : int, optional
        Processes to start here, where no scheduler is named; each holds the model.

    Raises
    ------
    ClusterError
        If Dask is not installed, or the scheduler cannot be reached.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ClusterError(
            'Work is divided by Dask: pip install "napari-sam-onnx[dask]".'
        ) from error
    import logging

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=REACH, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            raise ClusterError(
                f"The scheduler {scheduler} cannot be reached; see that it runs there "
                "(dask scheduler) and that its port is open."
            ) from error
        with client:
            yield client
        return
    with (
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            memory_limit=0,  # a worker is not ended for what the model takes
            dashboard_address=None,
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def _name_worker() -> str:
    from distributed import get_worker

    with suppress(ValueError):  # called by hand
        return str(get_worker().address)
    return "here"
