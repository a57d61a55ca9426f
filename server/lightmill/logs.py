"""How log lines look, in the server and in its workers."""

from __future__ import annotations

import logging

CHATTY_LIBRARIES = ("aioice", "aiortc")


def configure_logging(level: str, origin: str | None = None) -> None:
    """Write to standard error; every line names ``origin``, such as ``worker 1``."""
    where = f"{origin} " if origin else ""
    logging.basicConfig(
        level=level.upper(), format=f"%(asctime)s %(levelname)s {where}%(name)s: %(message)s"
    )
    for library in CHATTY_LIBRARIES:
        logging.getLogger(library).setLevel(logging.WARNING)
