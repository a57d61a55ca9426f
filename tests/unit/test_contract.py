"""What every registered pipeline keeps to, the documentation's example included."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

from lightmill.errors import InvalidSettings
from lightmill.media.pixels import FrameConverter, split_output
from lightmill.pipelines.registry import build_registry
from lightmill.planes import YuvPlanes
from tests.artifact_files import fetch

ROOT = Path(__file__).parents[2]


def example(name, class_name):
    spec = importlib.util.spec_from_file_location(name, ROOT / f"docs/examples/{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return getattr(module, class_name)


EXAMPLES = {"negative": "Negative", "night_vision": "NightVision"}
REGISTRY = build_registry()
for file, pipeline_class in EXAMPLES.items():
    REGISTRY.register(example(file, pipeline_class), plugin="docs")
CASES = [(entry, mode) for entry in REGISTRY.entries() for mode in entry.config.modes]
every = pytest.mark.parametrize(
    ("entry", "mode"), CASES, ids=[f"{entry.config.pipeline_id}-{mode}" for entry, mode in CASES]
)


def frames(count, height=48, width=64):
    generator = torch.Generator().manual_seed(7)
    shape = (1, height, width, 3)
    return [
        torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator) for _ in range(count)
    ]


CONVERTER = FrameConverter(torch.device("cpu"))


def inputs(pipeline, count, height, width):
    """What the stage would hand over, by what the pipeline accepts."""
    tensors = frames(count, height, width)
    if pipeline.accepts == "rgb":
        return tensors
    native = CONVERTER.to_frames([tensor[0] for tensor in tensors])
    return native if pipeline.accepts == "native" else CONVERTER.to_planes(native)


def pictures_of(video):
    """What viewers see of a result, as ``(H, W, 3)`` uint8 tensors."""
    made = split_output(video)
    if all(isinstance(picture, torch.Tensor) for picture in made):
        return [picture.clone() for picture in made]
    return [rgb[0] for rgb in CONVERTER.to_rgb(CONVERTER.to_frames(made))]


GROWTH = {"upscale": 2}
"""How much larger a picture becomes, where it does not keep its size."""


@cache
def components(pipeline):
    """What the sessions of a pipeline share, from its real files."""
    config = pipeline.get_config_class()
    return pipeline.load_components(config(), torch.device("cpu"), fetch(config.artifacts))


def make(entry, mode, **settings):
    values = entry.config.validate_settings(mode, settings)
    shared = components(entry.pipeline)
    pipeline = entry.pipeline(device=torch.device("cpu"), components=shared, **values)
    return pipeline, values


def call(pipeline, values, mode, *, first=True, height=48, width=64):
    asked = pipeline.prepare(**values, **({"video": True} if mode == "video" else {}))
    assert (asked is None) == (mode == "text")
    kwargs = dict(values, init_cache=first)
    if asked:
        kwargs["video"] = inputs(pipeline, asked.input_size, height, width)
    with torch.inference_mode():
        result = pipeline(**kwargs)
    return pictures_of(result["video"])


@every
def test_pictures_have_the_right_shape_and_type(entry, mode):
    pictures = call(*make(entry, mode), mode)
    assert pictures
    for picture in pictures:
        assert picture.ndim == 3 and picture.shape[-1] == 3 and picture.dtype == torch.uint8


@every
def test_the_same_input_gives_the_same_output(entry, mode):
    if mode == "text":
        pytest.importorskip("torch")
        settings = {"show_settings": False} if "show_settings" in entry.config.model_fields else {}
        a, b = (call(*make(entry, mode, **settings), mode)[0] for _ in range(2))
        assert torch.equal(a[:200, 100:], b[:200, 100:])  # a clock may stand below
        return
    a, b = (call(*make(entry, mode), mode) for _ in range(2))
    assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@every
def test_the_resolution_may_change_between_chunks(entry, mode):
    pipeline, values = make(entry, mode)
    call(pipeline, values, mode)
    if mode == "text":
        values = entry.config.validate_settings(mode, {"height": 96, "width": 128})
    picture = call(pipeline, values, mode, first=False, height=96, width=128)[0]
    growth = GROWTH.get(entry.config.pipeline_id, 1)
    assert picture.shape == (96 * growth, 128 * growth, 3)
    pipeline.close()


@every
def test_the_ends_of_every_range_work(entry, mode):
    for name, schema in entry.config.settings_schema()["properties"].items():
        ends = [schema.get("minimum"), schema.get("maximum"), *schema.get("enum", [])]
        for value in [end for end in ends if end is not None]:
            if name in ("height", "width") and value > 512:
                continue
            call(*make(entry, mode, **{name: value}), mode)


@every
def test_the_schema_is_valid_and_holds_the_defaults(entry, mode):
    description = entry.describe()
    schema = description["config_schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(description["modes"][mode]["defaults"], schema)


@every
def test_unknown_and_wrong_settings_are_refused_by_name(entry, mode):
    with pytest.raises(InvalidSettings) as refused:
        entry.config.validate_settings(mode, {"no_such": 1})
    assert [field.field for field in refused.value.fields] == ["no_such"]
    with pytest.raises(InvalidSettings) as refused:
        entry.config.validate_settings(mode, {"height": "tall"})
    assert [field.field for field in refused.value.fields] == ["height"]


def test_gray_edges_color_and_negative_do_what_they_say():
    picture = frames(1)[0]
    by_id = {entry.config.pipeline_id: entry for entry in REGISTRY.entries()}

    def run(pipeline_id, video=picture, **settings):
        pipeline, values = make(by_id[pipeline_id], "video", **settings)
        return split_output(pipeline(**values, video=[video], init_cache=True)["video"])[0].numpy()

    gray = run("gray")
    assert (gray[..., 0] == gray[..., 1]).all()
    expected = picture[0].numpy() @ np.array([0.299, 0.587, 0.114])
    assert np.abs(gray[..., 0] - expected).max() <= 1
    assert (run("color") == picture[0].numpy()).all()
    assert np.abs(run("color", saturation=0)[..., 0] - expected).max() <= 1
    turned = run("color", hue=120, video=torch.tensor([[[[200, 0, 0]]]], dtype=torch.uint8))
    assert turned[0, 0].tolist() == [0, 200, 0]
    flat = torch.full((1, 32, 32, 3), 90, dtype=torch.uint8)
    assert run("edges", video=flat).max() == 0
    flat[:, :, 16:] = 200
    edges = run("edges", video=flat)
    assert edges[16, 15:17].min() == 255 and edges[16, 4].max() == 0
    assert (run("negative") == 255 - picture[0].numpy()).all()


def test_the_document_shows_the_example_as_it_is():
    document = (ROOT / "docs/writing-a-pipeline.md").read_text()
    for name in EXAMPLES:
        assert (ROOT / f"docs/examples/{name}.py").read_text() in document


def test_night_vision_brightens_planes_without_touching_what_it_got():
    entry = next(e for e in REGISTRY.entries() if e.config.pipeline_id == "night-vision")
    pipeline, values = make(entry, "video", gain=2.0)
    given = YuvPlanes(
        torch.full((32, 32), 66, dtype=torch.uint8),
        *(torch.full((16, 16), 200, dtype=torch.uint8) for _ in range(2)),
    )
    (made,) = pipeline(**values, video=[given], init_cache=True)["video"]
    assert made.y.unique().tolist() == [116] and made.u.unique().tolist() == [96]
    assert given.y.unique().tolist() == [66]
    red, green, blue = pictures_of([made])[0][8, 8].tolist()
    assert green > red and green > blue
