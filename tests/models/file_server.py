"""A server on this machine that serves files, and misbehaves where a test asks it to."""

from __future__ import annotations

import hashlib
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator


@dataclass
class Route:
    """What one path answers."""

    body: bytes = b""
    etag: str = ""
    cut_after: list[int] = field(default_factory=list)
    """Per request in order: bytes of the body to send before the connection breaks."""
    statuses: list[int] = field(default_factory=list)
    """Per request in order: a status to answer instead."""
    redirect: str = ""
    ranges: bool = True
    pause: float = 0.0
    """Seconds between two pieces of 1000 bytes."""
    declare_length: bool = True
    shift: int = 0
    """Bytes by which an answer to a Range starts too late."""
    content_type: str = "application/octet-stream"


@dataclass
class Request:
    """What was asked."""

    path: str
    range: str | None
    if_range: str | None
    sent: int = 0


class FileServer:
    """Routes by path, and everything that was asked for."""

    def __init__(self) -> None:
        self.routes: dict[str, Route] = {}
        self.requests: list[Request] = []
        self.base = ""

    def serve(self, path: str, body: bytes = b"", **options: object) -> str:
        """Serve a body at a path; returns its address."""
        self.routes[path] = Route(body, **options)  # type: ignore[arg-type]
        return f"{self.base}{path}"

    def ranges(self, path: str) -> list[str | None]:
        """The Range headers of the requests for a path, in order."""
        return [request.range for request in self.requests if request.path == path]


@contextmanager
def run_server(context: ssl.SSLContext | None = None) -> Iterator[FileServer]:
    """Run a server in a thread, with TLS where a context is given."""
    server = FileServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self, server)

        def log_message(self, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    scheme = "http"
    if context is not None:
        http.socket = context.wrap_socket(http.socket, server_side=True)
        scheme = "https"
    http.handle_error = lambda *_: None  # type: ignore[method-assign]
    server.base = f"{scheme}://localhost:{http.server_address[1]}"
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def answer(handler: BaseHTTPRequestHandler, server: FileServer) -> None:
    request = Request(handler.path, handler.headers.get("Range"), handler.headers.get("If-Range"))
    server.requests.append(request)
    route = server.routes.get(handler.path)
    if route is None:
        handler.send_error(404)
        return
    if route.statuses:
        status = route.statuses.pop(0)
        if status != 200:
            handler.send_error(status)
            return
    if route.redirect:
        handler.send_response(302)
        handler.send_header("Location", route.redirect)
        handler.send_header("Content-Length", "0")
        handler.end_headers()
        return
    start = 0
    asked = re.fullmatch(r"bytes=(\d+)-", request.range or "")
    unchanged = request.if_range is None or request.if_range == route.etag
    if asked and route.ranges and unchanged:
        start = int(asked[1]) + route.shift
        if start >= len(route.body):
            handler.send_response(416)
            handler.send_header("Content-Range", f"bytes */{len(route.body)}")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        handler.send_response(206)
        handler.send_header(
            "Content-Range", f"bytes {start}-{len(route.body) - 1}/{len(route.body)}"
        )
    else:
        handler.send_response(200)
    handler.send_header("Content-Type", route.content_type)
    if route.etag:
        handler.send_header("ETag", route.etag)
    body = route.body[start:]
    if route.declare_length:
        handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    stop = route.cut_after.pop(0) if route.cut_after else len(body)
    step = 1000 if route.pause else max(stop, 1)
    try:
        for at in range(0, min(stop, len(body)), step):
            piece = body[at : min(at + step, stop)]
            handler.wfile.write(piece)
            handler.wfile.flush()
            request.sent += len(piece)
            time.sleep(route.pause)
    except OSError:
        return  # the client hung up


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def md5(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
