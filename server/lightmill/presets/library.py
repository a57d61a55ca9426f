"""Every preset by name: those that pipelines bring and those that are saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lightmill.config import PresetsConfig
from lightmill.errors import LightmillError, PresetNotFound
from lightmill.presets.document import new_preset
from lightmill.presets.names import BUILT_IN_MARK, is_built_in
from lightmill.presets.store import SUFFIX, PresetStore, read_preset_file

Catalogue = Sequence[Mapping[str, Any]]
"""PIPELINEs of the protocol: a process that only places sessions has no more of them."""


def built_in_presets(catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """Each pipeline's own presets as documents, by ``PIPELINE:NAME``."""
    found: dict[str, dict[str, Any]] = {}
    for pipeline in catalogue:
        for own, settings in pipeline["presets"].items():
            name = f"{pipeline['id']}{BUILT_IN_MARK}{own}"
            chain = {
                "pipeline": pipeline["id"],
                "mode": pipeline["default_mode"],
                "settings": settings,
            }
            found[name] = new_preset(name, chain)
    return found


class PresetLibrary:
    """Looks names up; the disk is read with every call, in the caller's thread."""

    def __init__(self, config: PresetsConfig) -> None:
        self.store = PresetStore(config)
        self._config = config

    def get(self, name: str, catalogue: Catalogue) -> dict[str, Any]:
        """Raises `PresetNotFound`, or what `PresetStore.load` raises."""
        if not is_built_in(name):
            return self.store.load(name)
        built_in = built_in_presets(catalogue)
        if name not in built_in:
            names = ", ".join(built_in) or "none"
            raise PresetNotFound(f"no preset {name!r}; pipelines bring {names}")
        return built_in[name]

    def open(self, name_or_file: str, catalogue: Catalogue) -> dict[str, Any]:
        """`get`, or read the file that is meant: its path has a slash or ends with ``.json``."""
        if "/" in name_or_file or name_or_file.endswith(SUFFIX):
            return self.read(Path(name_or_file).expanduser())
        return self.get(name_or_file, catalogue)

    def read(self, path: Path) -> dict[str, Any]:
        """A preset from any file, named after it where it has no name. Raises as `read_preset_file`."""
        return {"name": path.stem, **read_preset_file(path, self._config.max_preset_bytes)}

    def listing(self, catalogue: Catalogue) -> list[dict[str, Any]]:
        """What there is, without the chains: the built-in ones, then the saved ones."""
        entries = [
            _entry(name, document, built_in=True)
            for name, document in built_in_presets(catalogue).items()
        ]
        for name in self.store.names():
            try:
                document = self.store.load(name)
            except PresetNotFound:
                continue
            except LightmillError as error:
                entries.append({**_entry(name, {}, built_in=False), "error": str(error)})
            else:
                entries.append(_entry(name, document, built_in=False))
        return entries


def _entry(name: str, document: Mapping[str, Any], *, built_in: bool) -> dict[str, Any]:
    return {
        "name": name,
        "built_in": built_in,
        "description": _text(document.get("description")),
        "pipeline": _text(document.get("chain", {}).get("pipeline")),
        "made_by": _text(document.get("made_by")),
        "error": None,
    }


def _text(value: object) -> str:
    """What stands in a file may be anything."""
    return value if isinstance(value, str) else ""
