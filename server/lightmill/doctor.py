"""What this machine can do for Lightmill, each finding with one line of advice."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from dataclasses import asdict, dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import av
import torch
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext

from lightmill import gpu
from lightmill.config import Config, RtcConfig
from lightmill.errors import ConfigError
from lightmill.inference.artifacts.layout import cache_directory
from lightmill.session.udp_mux import UdpMux

ESSENTIAL_CODECS = (
    ("libx264", "w"),
    ("libvpx", "w"),
    ("h264", "r"),
    ("libvpx", "r"),
    ("libopus", "r"),
)
HARDWARE_CODECS = (("h264_nvenc", "w"), ("h264_cuvid", "r"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact; ``broken`` means that Lightmill cannot work without it."""

    what: str
    found: str
    ok: bool = True
    essential: bool = True
    advice: str = ""

    @property
    def broken(self) -> bool:
        return self.essential and not self.ok

    @property
    def mark(self) -> str:
        return "ok" if self.ok else "MISSING" if self.essential else "none"

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def examine(config: Config) -> list[Finding]:
    """Look at everything; nothing is changed."""
    ffmpeg = ".".join(str(part) for part in av.library_versions["libavcodec"])
    python_ok = sys.version_info >= (3, 11)
    return [
        Finding(
            "Python",
            platform.python_version(),
            python_ok,
            advice="" if python_ok else "install 3.11 or newer",
        ),
        Finding("PyAV", f"{av.__version__} (libavcodec {ffmpeg})"),
        *(_codec(name, mode, essential=True) for name, mode in ESSENTIAL_CODECS),
        *(_codec(name, mode, essential=False) for name, mode in HARDWARE_CODECS),
        _cuda(),
        *_gpus(),
        _cache(cache_directory(config.artifacts.dir), config.artifacts.min_free_bytes),
        _npm(),
        _tcp_port(config.server.host, config.server.port),
        _udp_port(config.rtc),
    ]


def _codec(name: str, mode: str, *, essential: bool) -> Finding:
    """Open the codec for real: being listed does not mean that it works."""
    what = f"{name} ({'encode' if mode == 'w' else 'decode'})"
    try:
        context = av.CodecContext.create(name, cast("Any", mode))
        if mode == "w":
            video = cast("VideoCodecContext", context)
            video.width, video.height, video.pix_fmt = 640, 480, "yuv420p"
            video.time_base = Fraction(1, 30)
        context.open()
    except (FFmpegError, ValueError) as error:
        advice = "reinstall PyAV from its wheel" if essential else "not needed; uses an NVIDIA GPU"
        return Finding(what, f"does not open: {error}", False, essential, advice)
    return Finding(what, "opens", essential=essential)


def _cuda() -> Finding:
    if torch.cuda.is_available():
        return Finding("CUDA", f"torch {torch.__version__}, CUDA {torch.version.cuda}")
    return Finding(
        "CUDA", f"torch {torch.__version__} finds none", False, False, "pipelines run on the CPU"
    )


def _gpus() -> list[Finding]:
    report = gpu.probe()
    if not report.gpus:
        return [Finding("GPU", report.reason or "none", False, False, "large models need one")]
    return [
        Finding("GPU", f"{one.name}: {one.free_bytes / gpu.GIB:.1f} of {one.total_gb:.1f} GB free")
        for one in report.gpus
    ]


def _cache(root: Path, keep_bytes: int) -> Finding:
    """Whether files of pipelines can be stored; nothing is made, so its nearest folder decides."""
    there = next(folder for folder in (root, *root.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        advice = "fetch elsewhere and copy, or set artifacts.dir"
        return Finding("Cache", f"{root} cannot be written", False, False, advice)
    free = shutil.disk_usage(there).free
    found = f"{root}: {free / gpu.GIB:.1f} GB free"
    return Finding(
        "Cache", found, free > keep_bytes, False, "" if free > keep_bytes else "make room"
    )


def _npm() -> Finding:
    where = shutil.which("npm")
    advice = "" if where else "some pipelines fetch their files with it: install Node.js"
    return Finding("npm", where or "none", where is not None, False, advice)


def _tcp_port(host: str, port: int) -> Finding:
    what = f"TCP {host}:{port}"
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Finding(
                what, error.strerror or str(error), False, False, "choose another --port"
            )
    return Finding(what, "free", essential=False)


def _udp_port(rtc: RtcConfig) -> Finding:
    """Take the media port as the server would; an essential finding when it could not start."""
    mux = UdpMux(rtc)
    if mux.ephemeral:
        hosts = ", ".join(mux.addresses())
        return Finding("UDP", f"a random port for each peer on {hosts}", bool(hosts))
    wanted = rtc.udp_port or "any port"
    try:
        mux.bind()
    except ConfigError as error:
        return Finding(f"UDP {wanted}", str(error), False, advice="media needs a UDP port")
    hosts, port = ", ".join(shared.host for shared in mux.sockets), mux.port
    mux.close()
    if rtc.udp_port and port != rtc.udp_port:
        advice = f"the server would use {port}; set rtc.udp_port for a fixed one"
        return Finding(f"UDP {wanted}", "taken by another program", False, False, advice)
    return Finding(f"UDP {wanted}", f"free on {hosts}")
