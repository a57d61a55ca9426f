"""Where the page's files are."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def static_root() -> Path:
    """The checkout's ``static/`` when the package runs from one, else the packaged copy."""
    checkout = PACKAGE.parent.parent / "static"
    return checkout if (checkout / "index.html").is_file() else PACKAGE / "static"
