"""`HuggingFaceArtifact`: files of one revision, through the library that their owner maintains."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path
from socket import gaierror
from typing import Any, cast

from lightmill.errors import ArtifactError, Closed
from lightmill.inference.artifacts.faults import unreachable
from lightmill.inference.artifacts.job import Job
from lightmill.inference.artifacts.layout import CachedFile, folder_of
from lightmill.pipelines.artifacts import HuggingFaceArtifact

COMMIT = re.compile(r"[0-9a-f]{40}")


def fetch(files: Sequence[CachedFile], job: Job) -> dict[Path, ArtifactError]:
    """Bring the files. Blocks; the library resumes what broke off and compares sizes itself.

    A token is taken from where the library looks for one (``HF_TOKEN``).

    Raises:
        ArtifactUnreachable: the repository does not answer, or has no such file or revision.
        OSError: the cache cannot be written.

    """
    import huggingface_hub  # noqa: PLC0415  loads slowly

    artifact = cast("HuggingFaceArtifact", files[0].artifact)
    if not COMMIT.fullmatch(artifact.revision):
        message = (
            f"{artifact.repo_id}: revision {artifact.revision!r} is no commit of 40 hex digits"
        )
        raise ArtifactError(f"{message}, so its files could change.")
    for file in files:
        job.report(file.name, 0, None)
        try:
            huggingface_hub.hf_hub_download(
                artifact.repo_id,
                file.name,
                revision=artifact.revision,
                local_dir=folder_of(file),
                tqdm_class=_bar(file, job),
            )
        except Closed:
            raise
        except Exception as error:  # the wall before a library whose HTTP client has its own errors
            if _is_of_the_disk(error):
                raise
            raise unreachable(file, f"{_first_line(error)}.") from error
    return {}


def _is_of_the_disk(error: Exception) -> bool:
    """Broken connections and unknown hosts are ``OSError`` too."""
    of_the_net = isinstance(error, (ConnectionError, TimeoutError, gaierror))
    return isinstance(error, OSError) and error.errno is not None and not of_the_net


def _first_line(error: BaseException) -> str:
    """What happened, rather than what the library then looked for in a cache of its own."""
    cause = error.__cause__ or error
    lines = str(cause).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(cause).__name__


def _bar(file: CachedFile, job: Job) -> type[Any]:  # Any: tqdm has no types
    """A progress bar that draws nothing and tells the job."""
    from huggingface_hub.utils import tqdm  # noqa: PLC0415  loads slowly

    class Bar(tqdm):  # pyright: ignore[reportUntypedBaseClass]
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs |= {"file": io.StringIO(), "disable": False}
            super().__init__(*args, **kwargs)

        def update(self, n: float | None = 1) -> bool | None:
            shown = super().update(n)
            total = int(self.total) if self.total else None
            job.report(file.name, int(self.n), total)
            return shown

    return Bar
