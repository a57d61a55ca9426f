"""The datagrams of one ICE connection and its consent checks, past aioice's queue (aioice 0.13)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from time import monotonic
from typing import Any

from aioice import ice, stun

RTT_WEIGHT = 0.25
"""Share of the newest measurement in the smoothed round-trip time."""


class IceWire:
    """The datagrams of one ICE connection, in and out, without a task or a queue for each.

    ``on_datagram`` sees every datagram that is no STUN message, at once and in the loop's
    thread; those for which it returns ``False`` go on to whoever reads the connection.

    Consent checks (RFC 7675) also count the media that a peer proves to send (`heard`): ffmpeg's
    WHIP muxer answers no STUN request while it streams, and aioice alone would cut it off after
    30 s. A peer that sends none and answers nothing for ``CONSENT_FAILURES`` checks is gone.
    """

    def __init__(self, connection: ice.Connection, on_datagram: Callable[[bytes], bool]) -> None:
        internals: Any = connection
        self.rtt_s: float | None = None
        """Smoothed round-trip time of the consent checks, seconds; ``None`` before the first."""
        self._connection = internals
        self._on_datagram = on_datagram
        self._heard_at = 0.0
        self._answered_at = 0.0
        self._pass_on: Callable[[bytes, int], None] = internals.data_received
        internals.data_received = self._data_received
        internals.query_consent = self._query_consent

    def send(self, data: bytes) -> bool:
        """Send one datagram now; ``False`` when there is no connection to send it on."""
        pair = self._connection._nominated.get(1)
        if pair is None:
            return False
        pair.protocol.transport.sendto(data, pair.remote_addr)
        return True

    def heard(self, now: float) -> None:
        """Note a packet that only the peer can have sent."""
        self._heard_at = now

    def _data_received(self, data: bytes, component: int) -> None:
        if data and not self._on_datagram(data):
            self._pass_on(data, component)

    async def _query_consent(self) -> None:
        connection, failures = self._connection, 0
        while failures < ice.CONSENT_FAILURES:
            checked_at = monotonic()
            for pair in list(connection._nominated.values()):
                await self._check(pair)
            await asyncio.sleep(ice.CONSENT_INTERVAL * random.uniform(0.8, 1.2))
            alive = self._heard_at > checked_at or self._answered_at >= checked_at
            failures = 0 if alive else failures + 1
        connection._query_consent_task = None
        await connection.close()

    async def _check(self, pair: Any) -> None:  # Any: aioice's internal pair
        connection = self._connection
        request = connection.build_request(pair, nominate=False)
        key = connection.remote_password.encode()
        asked_at = monotonic()
        try:
            await pair.protocol.request(
                request, pair.remote_addr, integrity_key=key, retransmissions=0
            )
        except stun.TransactionError:
            return
        self._answered_at = monotonic()
        seen = self._answered_at - asked_at
        known = seen if self.rtt_s is None else self.rtt_s
        self.rtt_s = known + RTT_WEIGHT * (seen - known)
