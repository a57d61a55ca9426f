"""The host whose sessions live in this process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection
from time import monotonic
from typing import Any, Literal, Protocol
from weakref import WeakValueDictionary

import lightmill
from lightmill.config import Config
from lightmill.errors import (
    ConfigError,
    LimitReached,
    PeerNotFound,
    PipelineNotFound,
    PipelineUnavailable,
    SessionExists,
    SessionNotFound,
)
from lightmill.inference.artifacts.store import ArtifactStore
from lightmill.inference.components import ComponentStore
from lightmill.inference.executors import DeviceExecutors, resolve_device
from lightmill.media.source import SourceSpec
from lightmill.media.threads import CodecThreads
from lightmill.pipelines.config import BasePipelineConfig
from lightmill.pipelines.registry import PipelineRegistry
from lightmill.session.beginning import default_chain
from lightmill.session.events import EventHub, EventStream
from lightmill.session.fitting import fit
from lightmill.session.host import (
    Catalogue,
    ImageFormat,
    PeerAnswer,
    PeerRecord,
    PeerRequest,
    PeerRole,
    PreviewPicture,
    PreviewRequest,
    SessionRequest,
    SnapshotOf,
    SourceRequest,
    generated_name,
    ice_servers_json,
)
from lightmill.session.peer import Peer
from lightmill.session.services import Services
from lightmill.session.session import Session
from lightmill.session.source_rules import source_spec
from lightmill.session.udp_mux import UdpMux
from lightmill.session.wish import MAIN, ChainWish

logger = logging.getLogger(__name__)


class HostListener(Protocol):
    """Hears what happens by itself: a worker tells its front process."""

    def opened(self, name: str) -> None: ...

    def peers(self, name: str, ids: Collection[str]) -> None:
        """These peers are in the session now."""
        ...

    def ended(self, name: str, reason: str) -> None: ...


class LocalSessionHost:
    """Implements `SessionHost`: names to sessions, peer ids to peers, limits."""

    def __init__(
        self,
        config: Config,
        registry: PipelineRegistry,
        *,
        failed_plugins: list[dict[str, Any]] | None = None,
        listener: HostListener | None = None,
        index: int = 0,
    ) -> None:
        executors = DeviceExecutors(config.inference.cpu_threads, config.inference.torch_threads)
        self._artifacts = ArtifactStore(config.artifacts, registry.artifacts)
        self._config = config
        self._services = Services(
            config=config,
            registry=registry,
            executors=executors,
            components=ComponentStore(executors, self._artifacts),
            codecs=CodecThreads(config.media.codec_threads),
            device=resolve_device(config.inference.device),
            udp=UdpMux(config.rtc, index),
        )
        self._sessions: dict[str, Session] = {}
        self._opening: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._ending: set[asyncio.Task[None]] = set()
        self._started = monotonic()
        self._listener = listener
        self._failed_plugins = failed_plugins or []
        self._hub = EventHub()
        try:
            registry.get(config.session.default_pipeline)
        except (PipelineNotFound, PipelineUnavailable) as error:
            raise ConfigError(f"session.default_pipeline: {error}") from error
        self._default_chain = default_chain(config, registry)
        self._closed = False

    async def start(self) -> None:
        self._services.udp.open()

    async def connect(self, request: PeerRequest) -> PeerAnswer:
        name = request.session or generated_name()
        async with self._opening_of(name):
            session = await self._session_for(name, request)
            codec = session.codec
            if request.role is PeerRole.DUPLEX and request.codec is not None:
                session.codec = request.codec
            try:
                return await session.accept(request)
            except BaseException:
                session.codec = codec
                kept = session.pinned or session.is_fed or session.waits_for_publisher
                if not session.peers and not kept:
                    await self._end(session, "its first peer was refused")
                raise

    async def _session_for(self, name: str, request: PeerRequest) -> Session:
        session = self._sessions.get(name)
        if session is None:
            return await self._open(name, request, pinned=False)
        if request.role is not PeerRole.VIEWER:
            wish = session.production.remaining(request.chain)
            if not wish.empty:
                await session.update(wish)
        return session

    async def _open(
        self, name: str, request: PeerRequest | SessionRequest, *, pinned: bool
    ) -> Session:
        if self._closed:
            raise LimitReached("the server is shutting down")
        if len(self._sessions) >= self._config.session.max_sessions:
            raise LimitReached(
                f"{len(self._sessions)} sessions are open, the most that session.max_sessions allows"
            )
        session = Session(
            name, self._services, pinned=pinned, on_end=self._end_soon, on_state=self._show
        )
        session.codec = request.codec or session.codec
        self._sessions[name] = session
        if self._listener is not None:
            self._listener.opened(name)
        try:
            await session.production.switch(self._first_chain(request.chain))
        except BaseException:
            await self._end(session, "it could not start")
            raise
        return session

    def _first_chain(self, wish: ChainWish) -> ChainWish:
        """What a new session starts with: the wish, or else ``session.default_preset``."""
        default = self._default_chain
        if default is None or wish.model_copy(update={"settings": None}) != ChainWish():
            return wish
        settings = {**(default.settings or {}), **(wish.settings or {})}
        return default.model_copy(update={"settings": settings})

    async def create_session(self, request: SessionRequest) -> dict[str, Any]:
        name = request.name or generated_name()
        async with self._opening_of(name):
            if name in self._sessions:
                raise SessionExists(f"session {name} exists; choose another name or PATCH it")
            spec = request.source and await self._spec_of(request.source)
            session = await self._open(name, request, pinned=True)
            if spec is not None:
                await session.set_source(spec)
            session.start_idle_countdown()
            return session.describe()

    def _opening_of(self, name: str) -> asyncio.Lock:
        """The lock of one name; it is forgotten when nobody opens that session any more."""
        return self._opening.setdefault(name, asyncio.Lock())

    async def add_candidates(self, peer: str, fragment: str) -> None:
        await self._find(peer)[1].add_candidates(fragment)

    def peer(self, peer: str) -> PeerRecord:
        session, found = self._find(peer)
        return PeerRecord(found.role, session.name, found.etag)

    async def disconnect(self, peer: str) -> None:
        await self._find(peer)[0].leave(peer)

    def _find(self, peer_id: str) -> tuple[Session, Peer]:
        for session in self._sessions.values():
            peer = session.peers.get(peer_id)
            if peer is not None:
                return session, peer
        raise PeerNotFound(f"no peer {peer_id}; it may have left, open a new connection")

    async def sessions(self) -> list[dict[str, Any]]:
        return [session.describe() for session in self._sessions.values()]

    async def session(self, name: str) -> dict[str, Any]:
        return self._get(name).describe()

    async def update_session(
        self, name: str, chain: ChainWish, *, codec: str | None = None
    ) -> dict[str, Any]:
        session = self._get(name)
        if not chain.empty:
            await session.update(chain)
        if codec is not None:
            session.prefer(codec)
        return session.describe()

    async def fit_preset(self, document: dict[str, Any]) -> dict[str, Any]:
        max_stages = self._config.session.max_stages
        return fit(document, self._services.registry, max_stages).to_json()

    async def update_settings(
        self, name: str, settings: dict[str, Any], stage: str = MAIN
    ) -> dict[str, Any]:
        return await self._get(name).update_settings(settings, stage)

    async def snapshot(
        self, name: str, of: SnapshotOf = "output", image: ImageFormat = "jpg"
    ) -> bytes:
        return await self._get(name).snapshot(of, image)

    async def start_recording(self, name: str) -> dict[str, Any]:
        return await self._get(name).recordings.start()

    async def stop_recording(self, name: str) -> dict[str, Any]:
        return await self._get(name).recordings.stop()

    async def sinks(self, name: str) -> list[dict[str, Any]]:
        return self._get(name).sinks.describe()

    async def add_sink(
        self, name: str, url: str, audio: Literal["opus", "aac"] | None = None
    ) -> dict[str, Any]:
        return await self._get(name).sinks.add(url, audio)

    async def remove_sink(self, name: str, sink: str) -> None:
        await self._get(name).sinks.remove(sink)

    async def preview(self, name: str, request: PreviewRequest, after: int) -> PreviewPicture:
        return await self._get(name).previews.next(request, after)

    async def set_source(self, name: str, source: SourceRequest) -> dict[str, Any]:
        self._get(name)
        spec = await self._spec_of(source)
        session = self._get(name)
        await session.set_source(spec)
        return session.describe()

    async def _spec_of(self, source: SourceRequest) -> SourceSpec:
        """Check a wish where a slow disk holds nobody up. Raises `InvalidInput`."""
        return await asyncio.to_thread(source_spec, source, self._config.sources)

    async def clear_source(self, name: str) -> None:
        await self._get(name).clear_source()

    async def end_session(self, name: str) -> None:
        await self._end(self._get(name), "ended by request")

    async def events(self, name: str) -> EventStream:
        session = self._get(name)
        stream = self._hub.subscribe(name)
        stream.introduce(session.describe())
        return stream

    def _show(self, session: Session, description: dict[str, Any]) -> None:
        if self._sessions.get(session.name) is not session:
            return
        self._hub.show(session.name, description)
        if self._listener is not None:
            self._listener.peers(session.name, session.peers.keys())

    def _get(self, name: str) -> Session:
        try:
            return self._sessions[name]
        except KeyError:
            raise SessionNotFound(
                f"no session {name}; GET /sessions lists those that run"
            ) from None

    def _end_soon(self, session: Session, reason: str) -> None:
        task = asyncio.ensure_future(self._end(session, reason))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    async def _end(self, session: Session, reason: str) -> None:
        if self._sessions.get(session.name) is session:
            del self._sessions[session.name]
            self._hub.end(session.name, reason)
            if self._listener is not None:
                self._listener.ended(session.name, reason)
        await session.aclose(reason)

    def catalogue(self) -> Catalogue:
        pipelines = [entry.describe() for entry in self._services.registry.entries()]
        return Catalogue(pipelines, self._failed_plugins)

    async def artifacts(self, pipeline: str) -> list[dict[str, Any]]:
        return await self._artifacts.describe(self._config_class(pipeline))

    async def fetch_artifacts(self, pipeline: str) -> list[dict[str, Any]]:
        self._artifacts.fetch_ahead(self._config_class(pipeline))
        return await self.artifacts(pipeline)

    async def remove_artifacts(self, pipeline: str) -> None:
        await self._artifacts.remove(self._config_class(pipeline))

    def _config_class(self, pipeline: str) -> type[BasePipelineConfig]:
        return self._services.registry.entry(pipeline).config

    def ice_servers(self) -> list[dict[str, Any]]:
        return ice_servers_json(self._config.rtc)

    def health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "version": lightmill.__version__,
            "uptime_s": round(monotonic() - self._started, 3),
            "sessions": len(self._sessions),
            "peers": sum(len(session.peers) for session in self._sessions.values()),
            "workers": [],
        }

    async def aclose(self) -> None:
        self._closed = True
        await asyncio.gather(
            *(self._end(session, "the server stops") for session in list(self._sessions.values()))
        )
        await asyncio.gather(*self._ending)
        await self._artifacts.aclose()
        self._services.udp.close()
        await self._services.executors.aclose()
        await asyncio.to_thread(self._services.codecs.close)
