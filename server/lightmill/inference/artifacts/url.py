"""`UrlArtifact`: one file over HTTPS, resumed where the last try broke off (RFC 9110 section 14)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import suppress
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import IO, Any, BinaryIO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from lightmill import __version__
from lightmill.errors import ArtifactCorrupt, ArtifactError
from lightmill.inference.artifacts.faults import FULL, unreachable
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import CachedFile, part_of, validator_of
from lightmill.inference.artifacts.placing import (
    BLOCK_BYTES,
    put,
    refuse_digest,
    refuse_excess,
    sync,
)
from lightmill.pipelines.artifacts import UrlArtifact

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
RANGE_NOT_SATISFIABLE = 416
PARTIAL_CONTENT = 206


def fetch(files: Sequence[CachedFile], job: Job) -> dict[Path, ArtifactError]:
    """Bring the one file. Blocks; what came before a failure is kept beside it.

    Raises:
        ArtifactUnreachable: the address does not answer, or not with the file.
        ArtifactCorrupt: the file has another sha256.
        OSError: the cache cannot be written.

    """
    for file in files:
        part = part_of(file.path)
        part.parent.mkdir(parents=True, exist_ok=True)
        resumed = _size(part) > 0
        try:
            _bring(file, part, job)
        except ArtifactCorrupt:
            _discard(file)
            if not resumed:
                raise
            _bring(file, part, job)  # the beginning was of another try, perhaps of another file
        except OSError as error:
            if error.errno in FULL:
                _discard(file)
            raise
    return {}


def _bring(file: CachedFile, part: Path, job: Job) -> None:
    try:
        digest = _download(file, part, job)
        refuse_digest(file, digest)
    except ArtifactCorrupt:
        _discard(file)
        raise
    put(part, file.path)
    validator_of(file.path).unlink(missing_ok=True)


def _download(file: CachedFile, part: Path, job: Job) -> str:
    """Fetch what is missing; returns the sha256 of the whole."""
    start = _size(part)
    if start == file.size_bytes:
        return _hash_of(part, job)
    response = _ask(file, part, start, job)
    with response, part.open("r+b" if start else "wb") as out:
        done = _starts_at(response, start)
        if not done:
            out.truncate(0)
            _keep_validator(validator_of(file.path), response.headers.get("ETag", ""))
        digest = _hash_beginning(out, done, job)
        length = response.headers.get("Content-Length")
        total = done + int(length) if length is not None and length.isdigit() else file.size_bytes
        while block := _read(file, response):
            digest.update(block)
            out.write(block)
            done += len(block)
            refuse_excess(file, done)
            job.report(file.name, done, total)
        sync(out.fileno())
        if length is not None and done != total:
            raise unreachable(file, f"the connection broke after {done} of {total} bytes.")
    return digest.hexdigest()


def _ask(file: CachedFile, part: Path, start: int, job: Job) -> HTTPResponse:
    """Ask for the file from ``start`` on; the answer's status says where it begins."""
    url = cast("UrlArtifact", file.artifact).url
    headers = {"User-Agent": f"lightmill/{__version__}", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
        with suppress(OSError):
            headers["If-Range"] = validator_of(file.path).read_text()
    try:
        refuse_address(url, url)
        opener = build_opener(_Redirects())
        return opener.open(Request(url, headers=headers), timeout=job.config.stall_timeout_s)
    except HTTPError as error:
        error.close()
        if error.code == RANGE_NOT_SATISFIABLE and start:
            _discard(file)
            part.touch()
            return _ask(file, part, 0, job)
        raise unreachable(file, f"{url} answers {error.code} {error.reason}.") from error
    except (OSError, HTTPException, ValueError) as error:
        raise unreachable(file, f"{url}: {_why(error)}.") from error


def refuse_address(url: str, origin: str) -> None:
    """Only HTTPS, or plain HTTP that never leaves this machine. Raises ``ValueError``."""
    parts, first = urlsplit(url), urlsplit(origin)
    is_local = parts.hostname in LOOPBACK and first.hostname in LOOPBACK
    if parts.scheme != "https" and not (parts.scheme == "http" and is_local):
        raise ValueError(f"{url} is not an https address")


class _Redirects(HTTPRedirectHandler):
    """Follows redirects, but never to a place that could not have been declared."""

    def redirect_request(  # the signature is urllib's
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: Any, newurl: str
    ) -> Request | None:
        try:
            refuse_address(newurl, req.full_url)
        except ValueError:
            fp.close()
            raise
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, URLError) else error
    return str(reason) or type(error).__name__


def _starts_at(response: HTTPResponse, start: int) -> int:
    """Where the answer's bytes belong: at ``start``, or at 0 when the server sends the whole."""
    if response.status != PARTIAL_CONTENT:
        return 0
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != start:
        raise ArtifactCorrupt(f"{response.url} sends another part than it was asked for")
    return start


def _read(file: CachedFile, response: HTTPResponse) -> bytes:
    try:
        return response.read1(BLOCK_BYTES)
    except (OSError, HTTPException) as error:
        raise unreachable(file, f"the connection broke: {_why(error)}.") from error


def _hash_beginning(out: BinaryIO, n_bytes: int, job: Job) -> hashlib._Hash:  # pyright: ignore[reportPrivateUsage]  its only name
    """Hash what is there already and leave ``out`` at its end."""
    digest = hashlib.sha256()
    out.seek(0)
    while n_bytes > 0 and (block := out.read(min(BLOCK_BYTES, n_bytes))):
        job.check()
        digest.update(block)
        n_bytes -= len(block)
    return digest


def _hash_of(part: Path, job: Job) -> str:
    with part.open("rb") as stream:
        return _hash_beginning(stream, _size(part), job).hexdigest()


def _keep_validator(place: Path, etag: str) -> None:
    if etag.startswith('"'):
        place.write_text(etag)
    else:
        place.unlink(missing_ok=True)


def _discard(file: CachedFile) -> None:
    part_of(file.path).unlink(missing_ok=True)
    validator_of(file.path).unlink(missing_ok=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
