"""What is logged while a command runs goes to a file; the terminal shows the command's own words.

Libraries log what they meet in a damaged file, and Python prints that where nobody listens: the
user's one sentence would stand below lines that are no user's.
"""

from __future__ import annotations

import _thread
import logging
import signal
import sys
import threading
from contextlib import contextmanager, suppress
from logging.handlers import RotatingFileHandler
from typing import TYPE_CHECKING

from napari_sam_onnx.cli.output import say
from napari_sam_onnx.errors import Notice, logger
from napari_sam_onnx.models.store.places import log_dir

if TYPE_CHECKING:
    from collections.abc import Iterator


class LogFile(logging.Handler):
    """A log file that is made with its first line.

    Where it cannot be made, our own faults go to standard error and what libraries say nowhere.

    Attributes
    ----------
    place : str
        The file's name, or what takes its place, for a sentence.
    """

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
        self._file: logging.Handler | None = None
        self.place = str(log_dir() / "napari-sam-onnx.log")

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        if self._file is None:
            self._file = self._open()
        if isinstance(self._file, RotatingFileHandler) or record.name == logger.name:
            self._file.handle(record)

    def close(self) -> None:
        """Close the file, where there is one."""
        if self._file is not None:
            self._file.close()
        super().close()

    def _open(self) -> logging.Handler:
        made: logging.Handler
        folder = log_dir()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            made = RotatingFileHandler(
                folder / "napari-sam-onnx.log",
                maxBytes=1_000_000,
                backupCount=1,
                encoding="utf-8",
                errors="backslashreplace",
            )
        except OSError:
            made, self.place = logging.StreamHandler(), "what stands above"
        made.setFormatter(self.formatter)
        return made


@contextmanager
def keep_logs() -> Iterator[LogFile]:
    """Send what is logged inside, by whichever library, to a file.

    So is what Python could not raise: of an object that an interrupt left half-made, say. Where it
    is the interrupt itself that was lost so, it is sent again.
    """
    log, root, level = LogFile(), logging.getLogger(), logger.level
    root.addHandler(log)
    hook, sys.unraisablehook = sys.unraisablehook, _keep_unraisable
    logger.setLevel(logging.INFO)  # with what decoders said of files that the user was told of
    try:
        yield log
    finally:
        sys.unraisablehook = hook
        logger.setLevel(level)
        root.removeHandler(log)
        with suppress(OSError):
            log.close()


def _keep_unraisable(lost: sys.UnraisableHookArgs) -> None:
    """Log an exception that was raised where nobody can catch it; interrupt again if it was one."""
    again = {KeyboardInterrupt: signal.SIGINT, SystemExit: signal.SIGTERM}  # as our handlers raise
    if lost.exc_type in again:
        # a moment later: sent from here it would be lost like the first
        timer = threading.Timer(0.05, _thread.interrupt_main, (again[lost.exc_type],))
        timer.daemon = True
        timer.start()
    else:
        error = lost.exc_value
        logger.info("Lost in %r", lost.object, exc_info=error or True)


def show_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Print what the user should know; keep what libraries warn of in the log."""
    if issubclass(category, Notice):
        say(f"Warning: {message}", error=True)
    else:
        logging.getLogger("py.warnings").warning("%s: %s", category.__name__, message)
