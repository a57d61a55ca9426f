"""What a preset may be called: its name is a file's, too."""

from __future__ import annotations

from unicodedata import normalize

from lightmill.errors import FieldError, InvalidInput

MAX_NAME_CHARS = 64
MAX_NAME_BYTES = 200
"""In UTF-8: file systems take 255 bytes, and the suffix needs some."""
BUILT_IN_MARK = ":"
"""Between a pipeline's id and the name of a preset that it brings; no saved name has one."""
NOT_IN_NAMES = frozenset('/\\:*?"<>|')
NAME_RULE = (
    f"use 1 to {MAX_NAME_CHARS} letters, digits, spaces and signs ({MAX_NAME_BYTES} bytes), none of "
    f"{' '.join(sorted(NOT_IN_NAMES))}, no dot or space at the start or the end"
)


def is_name(name: str) -> bool:
    """Whether ``name`` is safe as a file's on every system."""
    return (
        0 < len(name) <= MAX_NAME_CHARS
        and name.isprintable()
        and not NOT_IN_NAMES & set(name)
        and name == name.strip(". ")
        and len(name.encode()) <= MAX_NAME_BYTES
    )


def checked_preset_name(name: str) -> str:
    """The name in Unicode's composed form. Raises `InvalidInput`."""
    composed = normalize("NFC", name)
    if not is_name(composed):
        message = f"{name[:80]!r} is no preset's name: {NAME_RULE}"
        raise InvalidInput(message, (FieldError("name", NAME_RULE),))
    return composed


def is_built_in(name: str) -> bool:
    return BUILT_IN_MARK in name
