"""A SESSION made short for the control channel, where pictures and tables in settings have no room.

A browser takes messages of 256 KiB at most and closes the channel over a longer one, and a state is
pushed to every peer each second.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

MAX_SETTING_CHARS = 2000
"""Longer settings are left out; `docs/protocol.md` says so."""
STAGE_LISTS = ("preprocessors", "postprocessors")


def brief_session(session: Mapping[str, Any]) -> dict[str, Any]:
    """The SESSION without long settings, of any stage."""
    brief = brief_settings(session)
    if session["main"] is not None:
        brief["main"] = brief_settings(session["main"])
    for place in STAGE_LISTS:
        brief[place] = [brief_settings(stage) for stage in session[place]]
    return brief


def brief_settings(holder: Mapping[str, Any]) -> dict[str, Any]:
    """The same, its ``settings`` without long ones; their names are in ``omitted``, if there are any."""
    settings: dict[str, Any] = holder["settings"]
    omitted = [name for name, value in settings.items() if _is_long(value)]
    if not omitted:
        return dict(holder)
    kept = {name: value for name, value in settings.items() if name not in omitted}
    return {**holder, "settings": kept, "omitted": omitted}


def _is_long(value: object) -> bool:
    """``value`` is JSON-ready."""
    if isinstance(value, (list, dict)):
        return len(json.dumps(value)) > MAX_SETTING_CHARS
    return isinstance(value, str) and len(value) > MAX_SETTING_CHARS
