"""The one home of onnxruntime: sessions, their providers and their threads.

A `Session` knows the names, types and shapes of its inputs and outputs and runs arrays
through the graph. It knows nothing of SAM. It refuses files that are no readable ONNX, with
a sentence; a provider that fails is replaced by the CPU, with a warning that says so.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import nullcontext
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
import onnxruntime as ort

from napari_sam_onnx.arguments import require
from napari_sam_onnx.errors import Notice
from napari_sam_onnx.memory import format_bytes, give_back_memory
from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.onnx.sessions.interruptible import (
    TookTooLongError,
    TookTooMuchError,
    run_interruptibly,
)
from napari_sam_onnx.models.onnx.sessions.open_errors import explain_open_error, first_line
from napari_sam_onnx.models.onnx.sessions.tensors import spec_of
from napari_sam_onnx.models.onnx.sessions.threads import choose_threads, count_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

PROVIDERS: Mapping[str, str] = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "tensorrt": "TensorrtExecutionProvider",
    "rocm": "ROCMExecutionProvider",
    "migraphx": "MIGraphXExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
}
"""Names that users write, and onnxruntime's names for the same."""

_AUTO_ORDER = ("cuda", "rocm", "migraphx", "directml", "openvino")
"""What "auto" takes first. TensorRT is left out because it compiles for minutes on first
use, Core ML because it splits SAM's decoders into pieces and is then slower than the CPU."""

SPARE = 2**28
"""Bytes of memory that a run must leave free; it is stopped where it does not."""

_BREATH = 1.0
"""Seconds between two times that memory is given back while an encoder runs again and again."""

_open_sessions: WeakSet[Session] = WeakSet()

_ORT_ERRORS = (Exception,)  # onnxruntime's own errors share no narrower base


def runtime_version() -> str:
    """Tell which onnxruntime is installed."""
    return str(ort.__version__)


def list_providers() -> tuple[str, ...]:
    """List what the installed onnxruntime can run on, by the names that users write."""
    installed = set(ort.get_available_providers())
    return tuple(name for name, long_name in PROVIDERS.items() if long_name in installed)


def choose_provider(provider: str = "auto") -> tuple[str, str]:
    """Decide where a model runs, and say why.

    Parameters
    ----------
    provider : str
        "auto", or one of `PROVIDERS`. "auto" takes the first installed of CUDA, ROCm,
        MIGraphX, DirectML and OpenVINO, else the CPU; it measures nothing.

    Returns
    -------
    name, reason : str
        One of `PROVIDERS`, and why it was taken.

    Raises
    ------
    ModelError
        If the provider is unknown or not installed.
    """
    require(provider, str, "A provider is auto or the name of one, such as cpu", ModelError)
    installed = list_providers()
    if provider == "auto":
        for name in _AUTO_ORDER:
            if name in installed:
                return name, "the fastest kind that the installed onnxruntime offers"
        return "cpu", "the installed onnxruntime offers no accelerator that auto uses"
    if provider not in PROVIDERS:
        raise ModelError(
            f"There is no provider {provider!r}; write auto or one of {', '.join(PROVIDERS)}."
        )
    if provider not in installed:
        raise ModelError(
            f"The installed onnxruntime has no provider {provider!r}, only "
            f"{', '.join(installed)}; install the onnxruntime package that brings it."
        )
    return provider, "it was asked for"


class Session:
    """A graph that is ready to run. Safe to call from several threads.

    Parameters
    ----------
    path : Path
        The ONNX file; external data files lie beside it under their original names.
    provider : str
        See `choose_provider`.
    threads : int, optional
        Threads per call; `default_threads` where omitted.
    content : bytes, optional
        A changed graph to run in place of the file's; its external data is still looked
        for beside `path`.
    time_limit : float, optional
        Seconds that one run may take; without end where omitted.
    keep_memory : bool
        Whether memory that a run took on the CPU is kept for the next run, which is faster for
        many small ones; where not, it is the system's again as soon as nothing uses it.
    share_memory : bool
        Whether memory that is kept is that of all sessions that share it, also when this one is
        closed: for several that run in turns.

    Attributes
    ----------
    inputs, outputs : tuple of TensorSpec
        What the graph takes and gives, in the graph's order.
    metadata : mapping of str to str
        What the exporter wrote into the file besides the graph; often nothing.
    provider : str
        Where it runs now.
    description : str
        What was chosen and why, in one sentence.

    Raises
    ------
    ModelError
        If the file is missing, is no readable ONNX, or lacks its external data.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        provider: str = "auto",
        threads: int | None = None,
        content: bytes | None = None,
        time_limit: float | None = None,
        keep_memory: bool = True,
        share_memory: bool = False,
    ) -> None:
        self.path = Path(path)
        if not self.path.is_file():
            raise ModelError(f"There is no file {str(self.path)!r}; check the path of the model.")
        self.threads = choose_threads(threads)
        self.time_limit = time_limit
        self.keep_memory = keep_memory
        self._shares_memory = share_memory and provider == "cpu" and _make_shared_memory()
        self._runs: set[ort.RunOptions] = set()
        self._content = content
        self._rewritten = content is not None
        self._lock = threading.RLock()
        name, reason = choose_provider(provider)
        self.provider = name
        self.description = f"{name}, {count_of(self.threads, 'thread')}: {reason}"
        try:
            session = self._open(name)
        except _ORT_ERRORS as error:
            if name == "cpu":
                raise ModelError(explain_open_error(self.path, error)) from error
            session = self._fall_back(first_line(error))
        if session.get_providers()[0] != PROVIDERS[self.provider]:
            session = self._fall_back("it did not start on this machine")
        self._session: ort.InferenceSession | None = session
        if self.provider == "cpu":
            self._content = None  # only a provider that may fail still needs it
        try:
            self.inputs = tuple(spec_of(arg) for arg in session.get_inputs())
            self.outputs = tuple(spec_of(arg) for arg in session.get_outputs())
            self.metadata: Mapping[str, str] = dict(session.get_modelmeta().custom_metadata_map)
        except UnicodeDecodeError as error:
            raise ModelError(
                f"{self.path.name} is damaged: a name in it is no text; get the file again."
            ) from error
        _open_sessions.add(self)

    def run(
        self,
        feeds: Mapping[str, NDArray[Any]],
        outputs: Sequence[str] | None = None,
        *,
        release: bool = False,
    ) -> dict[str, NDArray[Any]]:
        """Run arrays through the graph.

        Parameters
        ----------
        feeds : mapping of str to array
            One array per input; cast to the input's type where it differs.
        outputs : sequence of str, optional
            The outputs wanted; all where omitted.
        release : bool
            Whether memory that was kept is given back to the system after this run, on the CPU,
            as far as nothing uses it; see `keep_memory`.

        Returns
        -------
        dict of str to array

        Raises
        ------
        ModelError
            If the graph refuses the arrays, takes longer than it may or all memory, or the session
            was closed.
            An exception that interrupts the wait, such as Ctrl+C, ends the run.
        """
        names = list(outputs) if outputs is not None else [spec.name for spec in self.outputs]
        dtypes = {spec.name: spec.dtype for spec in self.inputs}
        cast = {
            name: np.ascontiguousarray(array, dtype=dtypes.get(name, array.dtype))
            for name, array in feeds.items()
        }
        session = self._session
        if session is None:
            raise ModelError(f"The model {self.path.name} was closed; load it again.")
        try:
            return dict(zip(names, self._run(session, names, cast, release), strict=True))
        except TookTooLongError as error:
            raise ModelError(
                f"{self.path.name} ran for more than {self.time_limit:g} s and was stopped; it may "
                "never end, or a model this slow needs a longer time limit."
            ) from error
        except TookTooMuchError as error:
            raise ModelError(
                f"{self.path.name} took {format_bytes(error.taken)} of memory and was stopped "
                "before nothing was left; take a smaller model, or close other programs."
            ) from error
        except _ORT_ERRORS as error:
            if self._session is None:
                raise ModelError(f"{self.path.name} was closed while it ran.") from error
            if self.provider == "cpu":
                raise ModelError(f"{self.path.name} failed: {first_line(error)}") from error
            reason = first_line(error)
        with self._lock:
            if self.provider != "cpu":
                self._session = self._fall_back(reason)
        return self.run(feeds, outputs, release=release)

    def open_alone(self) -> Session | None:
        """Open the graph once more, for one thread, so that several runs go on side by side.

        None where that gains nothing: with one thread, beyond the CPU, or where the graph is
        another than the file's.
        """
        if self.threads == 1 or self.provider != "cpu" or self._rewritten:
            return None
        return Session(self.path, provider="cpu", threads=1, time_limit=self.time_limit)

    def close(self) -> None:
        """End what runs and free the graph's memory; the session cannot run any more."""
        self._session = None
        for options in tuple(self._runs):
            options.terminate = True
        self._content = None

    def _run(
        self,
        session: ort.InferenceSession,
        names: list[str],
        feeds: dict[str, NDArray[Any]],
        release: bool,
    ) -> list[NDArray[Any]]:
        options = ort.RunOptions()
        options.log_severity_level = 4
        shrinks = release and self.keep_memory and self.provider == "cpu"
        if shrinks:
            options.add_run_config_entry("memory.enable_memory_arena_shrinkage", "cpu:0")

        def stop() -> None:
            options.terminate = True

        # a prompt is answered too soon to be watched; pictures, and all while a model is tried, are
        spare = SPARE if release or self.time_limit is not None else None
        self._runs.add(options)
        # DirectML forbids two runs of one session at once
        with self._lock if self.provider == "directml" else nullcontext():
            try:
                answers = run_interruptibly(
                    lambda: session.run(names, feeds, options), stop, self.time_limit, spare
                )
                # a small answer would hold the large block of memory in which it was made
                return [np.array(answer) if shrinks else answer for answer in answers]
            finally:
                self._runs.discard(options)
                if not self.keep_memory:
                    give_back_memory(at_most_every=_BREATH)
                elif release and self.provider == "cpu":
                    give_back_memory()

    def _open(self, provider: str) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.log_severity_level = 4  # refusals reach the user as sentences, not as a log
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.enable_cpu_mem_arena = self.keep_memory
        if self._shares_memory:
            options.add_session_config_entry("session.use_env_allocators", "1")
        # weights apart, so that what is between them can be given back
        options.add_session_config_entry("session.use_device_allocator_for_initializers", "1")
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        providers = [PROVIDERS[provider]]
        if provider == "tensorrt" and "cuda" in list_providers():
            providers.append(PROVIDERS["cuda"])  # for the nodes that TensorRT leaves over
        if provider == "directml":
            options.enable_mem_pattern = False
            options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        if provider != "cpu":
            providers.append(PROVIDERS["cpu"])
        graph: str | bytes = str(self.path)
        if self._content is not None:
            graph = self._content
            options.add_session_config_entry(
                "session.model_external_initializers_file_folder_path", str(self.path.parent)
            )
        session = ort.InferenceSession(graph, options, providers=providers, enable_fallback=0)
        session.disable_fallback()  # ours warns, onnxruntime's prints
        return session

    def _fall_back(self, reason: str) -> ort.InferenceSession:
        """Open the graph on the CPU instead, and say so."""
        message = f"{self.path.name} cannot run on {self.provider} ({reason}); using the CPU."
        warnings.warn(message, Notice, stacklevel=4)
        self.provider = "cpu"
        self.description = f"cpu, {count_of(self.threads, 'thread')}: {message}"
        try:
            return self._open("cpu")
        except _ORT_ERRORS as error:
            raise ModelError(explain_open_error(self.path, error)) from error


@cache
def _make_shared_memory() -> bool:
    """Make the store of sessions that share memory; it takes what is asked for, and no more."""
    kind = ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    info = ort.OrtMemoryInfo("Cpu", kind, 0, ort.OrtMemType.DEFAULT)
    try:
        ort.create_and_register_allocator(info, ort.OrtArenaCfg({"arena_extend_strategy": 1}))
    except _ORT_ERRORS:  # somebody else made one
        return False
    return True


def close_sessions() -> None:
    """End all runs of this process, and close what they ran in."""
    for session in tuple(_open_sessions):
        session.close()
