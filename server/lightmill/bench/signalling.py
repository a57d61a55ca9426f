"""Offers over HTTP: JSON to ``/offer``, SDP to WHIP and WHEP (RFC 9725, draft-ietf-wish-whep)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import aiohttp

from lightmill.errors import BenchError

TIMEOUT_S = 15
EXCERPT = 300
"""Characters of a refusal that are shown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """``resource`` is the URL that ends the peer by DELETE, where the server names one."""

    sdp: str
    resource: str | None


class Signalling:
    """One HTTP session for all peers of a run; the owner closes it."""

    def __init__(self, token: str | None = None) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        self._http = aiohttp.ClientSession(headers=headers, timeout=timeout)

    async def offer(self, url: str, sdp: str, extra: Mapping[str, Any]) -> Answer:
        """``POST`` JSON. Raises `BenchError`."""
        body, _ = await self._post(url, {"json": {"sdp": sdp, "type": "offer", **extra}})
        try:
            answer: Any = json.loads(body)
            resource = answer.get("resource")
            return Answer(answer["sdp"], urljoin(url, resource) if resource else None)
        except (ValueError, KeyError, AttributeError) as error:
            raise BenchError(f"{url} answered no JSON with an SDP: {body[:EXCERPT]}") from error

    async def sdp(self, url: str, sdp: str) -> Answer:
        """``POST`` SDP. Raises `BenchError`."""
        body, headers = await self._post(
            url, {"data": sdp, "headers": {"Content-Type": "application/sdp"}}
        )
        if not body.startswith("v=0"):
            raise BenchError(f"{url} answered no SDP: {body[:EXCERPT]}")
        location = headers.get("Location")
        return Answer(body, urljoin(url, location) if location else None)

    async def delete(self, resource: str) -> None:
        """End a peer; a server that is gone has ended it, too."""
        with suppress(aiohttp.ClientError, TimeoutError):
            async with self._http.delete(resource):
                pass

    async def aclose(self) -> None:
        await self._http.close()

    async def _post(self, url: str, arguments: dict[str, Any]) -> tuple[str, Mapping[str, str]]:
        try:
            async with self._http.post(url, **arguments) as reply:
                body = await reply.text()
                if reply.status not in (200, 201):
                    excerpt = body[:EXCERPT].strip()
                    raise BenchError(f"{url} refused with {reply.status}: {excerpt}")
                return body, reply.headers
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            reason = str(error) or "no answer in time"
            raise BenchError(f"{url} cannot be reached: {reason}") from error
