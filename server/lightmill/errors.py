"""The one error tree of Lightmill.

::

    LightmillError
    ├── ConfigError             the server's configuration cannot be used
    ├── InvalidInput            a caller's value is wrong; ``fields`` names each one
    │   ├── InvalidSettings     ... in a pipeline's settings
    │   └── InvalidDescription  ... in an SDP description or fragment
    ├── NotFound                the named resource is not there
    │   ├── PipelineNotFound
    │   ├── PresetNotFound
    │   ├── SessionNotFound
    │   ├── PeerNotFound
    │   ├── RecordingNotFound
    │   └── SinkNotFound
    ├── Conflict                the resource's present state forbids the request
    │   ├── SessionExists
    │   ├── PresetExists
    │   ├── PublisherPresent
    │   └── PipelineUnavailable this machine cannot run that pipeline
    ├── Unavailable             it cannot be done now; ``retry_after_s`` says when to try again
    │   ├── LimitReached        a configured limit is reached
    │   └── WorkerDied          the worker process that should have answered is gone
    ├── ArtifactError           a file that a pipeline needs is not here; the message says where it belongs
    │   ├── ArtifactUnreachable its source does not answer, or the server is offline (also Unavailable)
    │   ├── ArtifactCorrupt     its source sends something else than what was declared
    │   ├── CacheFull           the cache directory's disk has no room for it
    │   └── CacheUnwritable     the cache directory cannot be written
    ├── PipelineFailed          a pipeline raised while loading or running
    ├── BenchError              a load run cannot start, or the server under test let it down
    ├── MediaError              a codec refused its input
    │   └── SourceRefused       ... a source cannot be shown, however often it is tried
    └── Closed                  the queue, stage or session has ended

Every message says what is wrong and what to do; ``code`` is stable and meant for programs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class FieldError:
    """One wrong value: ``field`` is its dotted path, ``message`` says what is accepted."""

    field: str
    message: str

    def to_json(self) -> dict[str, str]:
        return {"field": self.field, "message": self.message}


class LightmillError(Exception):
    """The root: everything that Lightmill raises on purpose."""

    code: ClassVar[str] = "error"


class ConfigError(LightmillError):
    """The configuration is wrong; the message names the key and where it came from."""

    code = "config"


class InvalidInput(LightmillError):
    """A caller sent values that cannot be used; nothing was changed by them."""

    code = "invalid_input"

    def __init__(self, message: str, fields: tuple[FieldError, ...] = ()) -> None:
        super().__init__(message)
        self.fields = fields


class InvalidSettings(InvalidInput):
    """Settings that the pipeline's config class refuses."""

    code = "invalid_settings"


class InvalidDescription(InvalidInput):
    """An SDP description or candidate fragment that cannot be negotiated."""

    code = "invalid_sdp"


class NotFound(LightmillError):
    """The named resource does not exist, or no longer does."""

    code = "not_found"


class PipelineNotFound(NotFound):
    """No pipeline has this id."""

    code = "pipeline_not_found"


class PresetNotFound(NotFound):
    """No preset has this name."""

    code = "preset_not_found"


class SessionNotFound(NotFound):
    """No session has this name."""

    code = "session_not_found"


class PeerNotFound(NotFound):
    """No peer has this id; it may have left already."""

    code = "peer_not_found"


class RecordingNotFound(NotFound):
    """No recording has this id."""

    code = "recording_not_found"


class SinkNotFound(NotFound):
    """The session sends to no sink of this id."""

    code = "sink_not_found"


class Conflict(LightmillError):
    """The request is valid but does not fit the present state."""

    code = "conflict"


class SessionExists(Conflict):
    """A session with this name is already there."""

    code = "session_exists"


class PresetExists(Conflict):
    """A preset with this name is saved, or a pipeline brings it."""

    code = "preset_exists"


class PublisherPresent(Conflict):
    """The session has a publisher and takeover is switched off."""

    code = "publisher_present"


class PipelineUnavailable(Conflict):
    """The pipeline exists, but this machine cannot run it; the message says why."""

    code = "pipeline_unavailable"


class Unavailable(LightmillError):
    """It cannot be done now; ``retry_after_s`` says when a new try makes sense."""

    code = "unavailable"

    def __init__(self, message: str, retry_after_s: int = 5) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LimitReached(Unavailable):
    """A configured limit is reached."""

    code = "limit_reached"


class WorkerDied(Unavailable):
    """The worker process that should have answered ended; a replacement is being started."""

    code = "worker_died"


class ArtifactError(LightmillError):
    """A file that a pipeline needs is not here; the message says where it belongs."""

    code = "artifact"


class ArtifactUnreachable(ArtifactError, Unavailable):
    """The file is not here, and its source does not answer or the server is offline."""

    code = "artifact_unreachable"


class ArtifactCorrupt(ArtifactError):
    """What its source sends, or what lies in its place, is not the file that was declared."""

    code = "artifact_corrupt"


class CacheFull(ArtifactError):
    """The disk of the cache directory has no room for the file."""

    code = "cache_full"


class CacheUnwritable(ArtifactError):
    """The cache directory cannot be made or written."""

    code = "cache_unwritable"


class PipelineFailed(LightmillError):
    """A pipeline raised while it was loading or running."""

    code = "pipeline_failed"


class BenchError(LightmillError):
    """A load run cannot start or go on; the message names the URL and what it answered."""

    code = "bench"


class MediaError(LightmillError):
    """A codec or converter refused its input."""

    code = "media"


class SourceRefused(MediaError):
    """A source that cannot be shown; trying again would not help."""

    code = "source_refused"


class Closed(LightmillError):
    """The resource has been closed; nothing more comes out of it."""

    code = "closed"
