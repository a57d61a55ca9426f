"""Classic effects: arithmetic on pixels, no weights. One file each."""

from lightmill.pipelines.effects import color, edges, gray, trails

MODULES = (gray, color, edges, trails)
