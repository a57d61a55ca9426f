"""Classic effects: arithmetic on pixels, no weights. One file each."""

from lightmill.pipelines.effects import (
    cartoon,
    chroma_key,
    color,
    edges,
    flow,
    glitch,
    grade,
    gray,
    interpolate,
    kaleidoscope,
    pixelate,
    slit_scan,
    stabilise,
    thermal,
    trails,
)

MODULES = (
    gray,
    color,
    grade,
    edges,
    cartoon,
    pixelate,
    thermal,
    glitch,
    kaleidoscope,
    trails,
    slit_scan,
    flow,
    interpolate,
    stabilise,
    chroma_key,
)
