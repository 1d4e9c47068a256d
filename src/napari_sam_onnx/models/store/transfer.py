"""One attempt at a download: one request, and its body appended to a ``.part`` file.

What the server must not do: redirect to http, serve a size other than the one that is known,
or change the file between two attempts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

from napari_sam_onnx.models.model import ModelError
from napari_sam_onnx.models.store.disk import (
    ensure_space,
    explain_write_error,
    format_bytes,
    size_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    import requests

OnReceived = Callable[[str, int, "int | None"], None]
"""Called with a file's name, the bytes that are here, and all its bytes (None: unknown)."""

Cancel = Callable[[], bool]
"""Asked often; True stops the download and keeps what has arrived."""

_CHUNK = 1 << 18
_REDIRECTS = 10
_LATER = frozenset({408, 425, 429, 500, 502, 503, 504})
_LOCALHOST = frozenset({"127.0.0.1", "localhost", "::1"})


class DownloadCancelled(ModelError):
    """The user stopped a download; what has arrived is kept for the next attempt."""


class TryAgain(Exception):
    """An attempt failed in a way that another attempt may cure."""


@dataclass(frozen=True, slots=True)
class Network:
    """How patient a download is.

    Parameters
    ----------
    attempts : int
        Attempts in a row that bring no new byte before giving up.
    backoff : float
        Seconds before the second attempt; doubled for each further one.
    timeout : float
        Seconds without an answer or a byte that count as a failed attempt.
    plain_localhost : bool
        Whether ``http://localhost`` is allowed. For servers on this very machine, such as
        those of the tests; no setting of a user reaches it.
    """

    attempts: int = 5
    backoff: float = 1.0
    timeout: float = 20.0
    plain_localhost: bool = False


@dataclass(slots=True)
class Transfer:
    """One attempt: one request, and its body appended to the part."""

    session: requests.Session
    url: str
    part: Path
    name: str
    size: int | None
    fixed: bool
    network: Network

    def run(self, progress: OnReceived | None, cancel: Cancel | None) -> None:
        """Bring the part to its full length, or raise `TryAgain` or `ModelError`."""
        have = self._resumable()
        if have and have == self.size:
            return
        headers = {"Range": f"bytes={have}-"} if have else {}
        tag = self._tag()
        if have and tag:
            headers["If-Range"] = tag
        with self._open(headers) as response:
            if response.headers.get("Content-Range") == f"bytes */{have}":
                return  # asked for what follows the last byte: the part is complete
            have, total = self._agree(response, have)
            tag_now = response.headers.get("ETag", "")
            # weak tags do not promise equal bytes
            self._keep_tag("" if tag_now.startswith("W/") else tag_now)
            if total is not None:
                ensure_space(self.part.parent, total - have, self.name)
            self._write(response, have, total, progress, cancel)

    def _resumable(self) -> int:
        """Bytes of an earlier attempt that may be continued; others are thrown away."""
        have = size_of(self.part)
        if have and self.size is not None and have > self.size:
            have = 0
        if have and not self.fixed and not self._tag():
            have = 0
        if not have:
            self.part.unlink(missing_ok=True)
        return have

    def _open(self, headers: dict[str, str]) -> requests.Response:
        """Send the request, following redirects only to where bytes travel encrypted."""
        import requests

        url = self.url
        for _ in range(_REDIRECTS):
            try:
                response = self.session.get(
                    url,
                    headers=headers,
                    stream=True,
                    allow_redirects=False,
                    timeout=self.network.timeout,
                )
            except requests.exceptions.SSLError as error:
                if "CERTIFICATE_VERIFY_FAILED" not in str(error):
                    raise TryAgain("the encrypted connection failed") from error
                raise ModelError(
                    f"The certificate of {urlsplit(url).netloc} is not trusted, so {self.name} "
                    "was not downloaded; behind a firewall that inspects traffic set "
                    "REQUESTS_CA_BUNDLE to its certificate file."
                ) from error
            except requests.exceptions.ProxyError as error:
                raise TryAgain("the proxy does not answer, see HTTPS_PROXY") from error
            except requests.exceptions.Timeout as error:
                raise TryAgain("no answer in time") from error
            except requests.exceptions.ConnectionError as error:
                raise TryAgain("no connection") from error
            except requests.exceptions.RequestException as error:
                raise ModelError(f"{url} cannot be requested ({error}).") from error
            if not response.is_redirect:
                return response
            target = urljoin(url, response.headers["Location"])
            response.close()
            refuse_plain(target, self.network, url)
            url = target
        raise ModelError(f"{self.url} redirects more than {_REDIRECTS} times; it is not followed.")

    def _agree(self, response: requests.Response, have: int) -> tuple[int, int | None]:
        """Find out from the answer's head which bytes follow and how many there are in all."""
        status = response.status_code
        if status in _LATER:
            raise TryAgain(f"the server answered {status}")
        if status == 416 and have:
            # nothing of this file lies beyond our part: it is another file's, or too long
            self.part.unlink(missing_ok=True)
            raise TryAgain("the file was replaced meanwhile")
        if status not in (200, 206):
            raise ModelError(_explain_status(status, self.url, self.name))
        if response.headers.get("Content-Type", "").startswith("text/html"):
            raise ModelError(
                f"{urlsplit(self.url).netloc} answered with a web page instead of {self.name}; "
                "the network may ask for a login first."
            )
        total: int | None
        if status == 206:
            match = re.fullmatch(
                r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", "")
            )
            if match is None or int(match[1]) != have:
                self.part.unlink(missing_ok=True)
                raise TryAgain("the server sent another part than asked for")
            total = None if match[2] == "*" else int(match[2])
        else:
            have = 0  # the server starts over
            length = response.headers.get("Content-Length", "")
            total = int(length) if length.isdigit() else None
        if total is not None and self.size is not None and total != self.size:
            self.part.unlink(missing_ok=True)
            raise ModelError(
                f"{self.name} is not the file it should be: {urlsplit(self.url).netloc} offers "
                f"{total} bytes instead of {self.size}; nothing was downloaded."
            )
        return have, self.size if total is None else total

    def _write(
        self,
        response: requests.Response,
        have: int,
        total: int | None,
        progress: OnReceived | None,
        cancel: Cancel | None,
    ) -> None:
        try:
            # closing may fail like writing: what is buffered is written then
            with self.part.open("ab" if have else "wb") as stream:
                for chunk in self._receive(response):
                    stream.write(chunk)
                    have += len(chunk)
                    if progress is not None:
                        progress(self.name, have, total)
                    if cancel is not None and cancel():
                        raise DownloadCancelled(f"The download of {self.name} was stopped.")
                    if total is not None and have > total:
                        break
                # on disk before it is called complete: a power cut must not leave a hole in
                # a file of the right length
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise explain_write_error(error, self.part) from error
        if total is not None and have > total:
            self.part.unlink(missing_ok=True)
            raise ModelError(f"{self.name} is longer at the source than it should be.")
        if total is not None and have < total:
            raise TryAgain(f"the connection ended after {format_bytes(have)}")
        _tag_file(self.part).unlink(missing_ok=True)

    def _receive(self, response: requests.Response) -> Iterator[bytes]:
        """Yield an empty piece and then whatever has arrived, as soon as it has."""
        import urllib3

        yield b""
        while True:
            try:
                # read1 does not wait for more: a slow server cannot delay a cancel
                chunk = response.raw.read1(_CHUNK, decode_content=False)
            except (urllib3.exceptions.HTTPError, OSError) as error:
                raise TryAgain("the connection broke") from error
            if not chunk:
                return
            yield chunk

    def _tag(self) -> str:
        try:
            return _tag_file(self.part).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def _keep_tag(self, tag: str) -> None:
        """Remember which version of the file the part belongs to."""
        note = _tag_file(self.part)
        try:
            if tag and tag.isascii():
                note.write_text(tag, encoding="ascii")
            else:
                note.unlink(missing_ok=True)
        except OSError as error:
            raise explain_write_error(error, note) from error


def _tag_file(part: Path) -> Path:
    return part.with_name(part.name + ".etag")


def refuse_plain(url: str, network: Network, came_from: str | None) -> None:
    """Refuse an address whose bytes anyone on the way could replace."""
    parts = urlsplit(url)
    if parts.scheme == "https":
        return
    if parts.scheme == "http" and network.plain_localhost and parts.hostname in _LOCALHOST:
        return
    if came_from is None:
        raise ModelError(f"{url} is not fetched: only https addresses are.")
    raise ModelError(
        f"{urlsplit(came_from).netloc} redirects to {url}, which is not encrypted; nothing was "
        "downloaded."
    )


def _explain_status(status: int, url: str, name: str) -> str:
    host = urlsplit(url).netloc
    if status in (401, 403):
        return (
            f"{host} refuses to give {name} ({status}): it may ask for an account or a licence "
            f"to be accepted first; download it in a browser from {url} and use "
            "'napari-sam-onnx models add'."
        )
    if status in (404, 410):
        return f"{name} is no longer at {url}; it may have moved, see the model's source page."
    return f"{host} answered {status} for {name}; nothing was downloaded."
