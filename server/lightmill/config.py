"""The server's static configuration: code defaults < TOML file < environment < flags.

``config/default.toml`` is the manual: it holds every key with its default, and a test keeps
it equal to these models. Environment names join the path with two underscores, as in
``LIGHTMILL_SERVER__PORT=9000``. A name or a file that does not exist is an error, never
silently ignored.
"""

from __future__ import annotations

import ipaddress
import json
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from lightmill.errors import ConfigError

ENV_PREFIX = "LIGHTMILL_"
ENV_DELIMITER = "__"

Seconds = Annotated[float, Field(ge=0)]
PositiveSeconds = Annotated[float, Field(gt=0)]
PositiveInt = Annotated[int, Field(gt=0)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerConfig(_Section):
    """Where the HTTP server listens and whom it lets in."""

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=0, le=65535)
    token: SecretStr | None = None
    cors_origins: list[str] = Field(default_factory=list)
    max_body_bytes: PositiveInt = 2_097_152
    shutdown_timeout_s: PositiveSeconds = 5.0
    worker_silence_s: PositiveSeconds = 15.0
    workers: int = Field(default=0, ge=0, le=64)


class SessionConfig(_Section):
    """Life and limits of sessions."""

    default_pipeline: str = "passthrough"
    default_preset: str = ""
    max_sessions: PositiveInt = 64
    max_viewers: PositiveInt = 64
    max_stages: PositiveInt = 8
    grace_s: Seconds = 15.0
    idle_s: Seconds = 300.0
    publisher_takeover: bool = True
    apply_timeout_s: PositiveSeconds = 10.0
    stats_interval_s: PositiveSeconds = 1.0


class IceServer(_Section):
    """One STUN or TURN server, as it is used here and handed to peers."""

    urls: list[str] = Field(min_length=1)
    username: str | None = None
    credential: SecretStr | None = None


@dataclass(frozen=True, slots=True)
class Advertised:
    """An address that leads to ours through a NAT; ``port=None`` means the same port as here."""

    host: str
    port: int | None = None


class RtcConfig(_Section):
    """How peers reach each other."""

    udp_port: int = Field(default=8189, ge=0, le=65535)
    ephemeral_ports: bool = False
    advertise: list[str] = Field(default_factory=list)
    interfaces: list[Annotated[str, Field(pattern=r"^!?[^!\s]+$")]] = Field(default_factory=list)
    address_family: Literal["any", "ipv4", "ipv6"] = "any"
    ice_servers: list[IceServer] = Field(default_factory=list[IceServer])
    connect_timeout_s: PositiveSeconds = 20.0
    max_candidates: PositiveInt = 64

    def advertised(self) -> list[Advertised]:
        return [_advertised(text) for text in self.advertise]

    @model_validator(mode="after")
    def _advertise_is_possible(self) -> RtcConfig:
        has_port = [one.port is not None for one in self.advertised()]
        if self.ephemeral_ports and any(has_port):
            raise ValueError("advertise names a port, which ephemeral_ports = true cannot keep")
        return self


class MediaConfig(_Section):
    """Codecs, bit rates and queues of the media path."""

    codec: Literal["auto", "h264", "vp8"] = "auto"
    h264_encoder: Literal["auto", "libx264", "nvenc"] = "auto"
    h264_preset: Literal["auto", "ultrafast", "superfast", "veryfast"] = "auto"
    start_bitrate_bps: PositiveInt = 1_500_000
    min_bitrate_bps: PositiveInt = 250_000
    max_bitrate_bps: PositiveInt = 8_000_000
    keyframe_interval_min_s: PositiveSeconds = 0.5
    codec_threads: int = Field(default=0, ge=0)
    viewer_queue_frames: PositiveInt = 15
    max_loss_wait_s: PositiveSeconds = 0.12
    max_picture_pixels: PositiveInt = 8_294_400
    max_frame_age_s: PositiveSeconds = 0.05
    text_fps: float = Field(default=30.0, gt=0, le=120)
    audio_bitrate_bps: int = Field(default=96_000, ge=6_000, le=510_000)
    max_data_bytes: PositiveInt = 65_536
    waiting_fps: float = Field(default=5.0, gt=0, le=30)


class SourcesConfig(_Section):
    """What this server may read video from by itself."""

    url: str | None = None
    session: str = Field(default="source", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")
    loop: bool = True
    schemes: list[Annotated[str, Field(pattern=r"^[a-z]+$")]] = Field(
        default_factory=lambda: ["rtsp", "rtsps", "http", "https", "srt", "rtmp", "rtmps"]
    )
    dir: Path | None = None
    cameras: list[str] = Field(default_factory=list)
    rtsp_transport: Literal["tcp", "udp"] = "tcp"
    open_timeout_s: PositiveSeconds = 10.0
    read_timeout_s: PositiveSeconds = 10.0
    reconnect_max_s: PositiveSeconds = 30.0


class PreviewConfig(_Section):
    """Pictures over HTTP for clients without WebRTC."""

    max_clients: PositiveInt = 16
    max_fps: float = Field(default=15.0, gt=0, le=60)
    max_width: PositiveInt = 1280


class InferenceConfig(_Section):
    """Where pipelines run."""

    device: str = "auto"
    cpu_threads: int = Field(default=0, ge=0)
    torch_threads: PositiveInt = 1
    max_failures: PositiveInt = 10


class ArtifactsConfig(_Section):
    """Where files that pipelines need are kept, and how they are fetched."""

    dir: str = ""
    offline: bool = False
    stall_timeout_s: PositiveSeconds = 30.0
    package_timeout_s: PositiveSeconds = 1800.0
    min_free_bytes: int = Field(default=268_435_456, ge=0)


class RecordingConfig(_Section):
    """Where recordings go, how they are made and how large they may get."""

    dir: str = ""
    audio: Literal["opus", "aac"] = "opus"
    bitrate_bps: PositiveInt = 4_000_000
    keyframe_s: PositiveSeconds = 2.0
    max_length_s: PositiveSeconds = 14_400.0
    max_bytes: PositiveInt = 20_000_000_000
    min_free_bytes: int = Field(default=1_000_000_000, ge=0)

    @property
    def directory(self) -> Path:
        """``dir``, or the place that the XDG base directory specification names."""
        if self.dir:
            return Path(self.dir).expanduser()
        base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share"
        return Path(base) / "lightmill/recordings"


class SinksConfig(_Section):
    """Where sessions may send their output."""

    schemes: list[Literal["rtmp", "rtmps", "srt", "udp", "tcp", "file"]] = Field(
        default_factory=lambda: ["rtmp", "rtmps", "srt", "file"]
    )
    max_per_session: PositiveInt = 4
    timeout_s: PositiveSeconds = 10.0
    retry_most_s: PositiveSeconds = 30.0


class PluginsConfig(_Section):
    """Which plug-ins are loaded."""

    enabled: bool = True
    blocked: list[str] = Field(default_factory=list)


class PresetsConfig(_Section):
    """Where saved presets lie, and how many may."""

    dir: str = ""
    max_presets: PositiveInt = 256
    max_preset_bytes: PositiveInt = 262_144


class LogConfig(_Section):
    """What the log shows."""

    level: Literal["debug", "info", "warning", "error"] = "info"


class Config(BaseSettings):
    """The whole configuration, immutable once the server runs."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=ENV_DELIMITER,
        extra="forbid",
        frozen=True,
    )

    server: ServerConfig = Field(default_factory=ServerConfig)
    session: SessionConfig = Field(default_factory=SessionConfig)
    rtc: RtcConfig = Field(default_factory=RtcConfig)
    media: MediaConfig = Field(default_factory=MediaConfig)
    sources: SourcesConfig = Field(default_factory=SourcesConfig)
    preview: PreviewConfig = Field(default_factory=PreviewConfig)
    inference: InferenceConfig = Field(default_factory=InferenceConfig)
    artifacts: ArtifactsConfig = Field(default_factory=ArtifactsConfig)
    recording: RecordingConfig = Field(default_factory=RecordingConfig)
    sinks: SinksConfig = Field(default_factory=SinksConfig)
    plugins: PluginsConfig = Field(default_factory=PluginsConfig)
    presets: PresetsConfig = Field(default_factory=PresetsConfig)
    log: LogConfig = Field(default_factory=LogConfig)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing by ourselves: `load_config` merges the layers and passes the result."""
        return (init_settings,)


def _advertised(text: str) -> Advertised:
    """Read ``203.0.113.7``, ``203.0.113.7:8189``, ``2001:db8::7`` or ``[2001:db8::7]:8189``."""
    host, port = text, None
    if text.startswith("["):
        host, _, rest = text[1:].rpartition("]")
        port = rest.removeprefix(":") if rest.startswith(":") else rest or None
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    try:
        address = ipaddress.ip_address(host)
        number = None if port is None else int(port)
        usable = not (address.is_unspecified or address.is_multicast or "%" in host)
    except ValueError:
        usable, number = False, None
    if not usable or (number is not None and not 0 < number <= 65535):
        raise ValueError(
            f"advertise takes addresses such as 203.0.113.7, 203.0.113.7:8189 or "
            f"[2001:db8::7]:8189, not {text!r}"
        )
    return Advertised(host, number)


def config_to_json(config: Config) -> str:
    """What was configured, secrets in clear: for another process' eyes, not for logs."""

    def reveal(value: object) -> str:
        if isinstance(value, SecretStr):
            return value.get_secret_value()
        if isinstance(value, Path):
            return str(value)
        raise TypeError(f"{type(value).__name__} has no place in a configuration")

    return json.dumps(config.model_dump(exclude_unset=True), default=reveal)


def config_from_json(text: str) -> Config:
    """The inverse of `config_to_json`."""
    return Config(**json.loads(text))


def load_config(
    path: Path | None = None,
    *,
    environ: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Config:
    """Merge code defaults, the TOML file at ``path``, the environment and ``flags``.

    ``flags`` is nested like the file; entries that are ``None`` count as not given.

    Raises:
        ConfigError: the file is missing or not TOML, a name is unknown, or a value is refused.

    """
    environ = os.environ if environ is None else environ
    layers = (
        _read_file(path) if path is not None else {},
        _read_environment(environ),
        _without_none(flags or {}),
    )
    merged: dict[str, Any] = {}
    for layer in layers:
        _merge_into(merged, layer)
    try:
        return Config(**merged)
    except ValidationError as error:
        raise ConfigError(_explain(error)) from error


def _read_file(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(f"config file {path} does not exist; check --config") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"config file {path} is not valid TOML: {error}") from error
    except OSError as error:
        raise ConfigError(f"config file {path} cannot be read: {error.strerror}") from error


class _MappedEnvSource(EnvSettingsSource):
    """pydantic-settings' environment reader over a given mapping."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {name.lower(): value for name, value in environ.items()}
        super().__init__(Config)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._environ


def _read_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    known = {name.lower() for name in Config.model_fields}
    for name in environ:
        if not name.upper().startswith(ENV_PREFIX):
            continue
        section = name[len(ENV_PREFIX) :].split(ENV_DELIMITER)[0].lower()
        if section not in known:
            sections = ", ".join(sorted(known))
            raise ConfigError(
                f"environment variable {name} names no config section; sections are {sections}, "
                f"and names look like {ENV_PREFIX}SERVER{ENV_DELIMITER}PORT"
            )
    return dict(_MappedEnvSource(environ)())


def _without_none(layer: Mapping[str, Any]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in layer.items():
        if isinstance(value, Mapping):
            kept[key] = _without_none(value)  # pyright: ignore[reportUnknownArgumentType]
        elif value is not None:
            kept[key] = value
    return kept


def _merge_into(target: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        below = target.get(key)
        if isinstance(value, Mapping) and isinstance(below, dict):
            _merge_into(below, value)  # pyright: ignore[reportUnknownArgumentType]
        else:
            target[key] = value


def _explain(error: ValidationError) -> str:
    lines = [
        f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
    ]
    return "the configuration is refused: " + "; ".join(lines)
