import numpy as np
import pytest
import torch

from lightmill.errors import InvalidSettings
from lightmill.pipelines.effects import MODULES
from lightmill.pipelines.effects.frames import FrameEffect, PlaneEffect, rgb_of_hex, yuv_of
from lightmill.pipelines.registry import registry
from lightmill.planes import YuvPlanes
from tests.unit.pipelines.effects.seeing import CONVERTER, Show, flat, seen, texture

ENTRIES = [
    entry for entry in registry().entries() if issubclass(entry.pipeline, FrameEffect | PlaneEffect)
]
IDS = [entry.config.pipeline_id for entry in ENTRIES]
ON_PLANES = [e.config.pipeline_id for e in ENTRIES if e.pipeline.accepts == "yuv420p"]
COUNTING = {"glitch", "kaleidoscope"}  # they count frames on, whatever their size
each = pytest.mark.parametrize("pipeline_id", IDS)


def test_all_are_here():
    assert len(ENTRIES) == 11 and len(MODULES) == 15


def as_input(effect, pictures):
    tensors = [torch.from_numpy(picture)[None].clone() for picture in pictures]
    if effect.pipeline.accepts == "rgb":
        return tensors
    return [
        YuvPlanes(*(torch.from_numpy(plane) for plane in planes_of(picture)))
        for picture in pictures
    ]


def planes_of(picture):
    """Y, U and V of any size, odd ones too (OpenCV and swscale want even ones)."""
    height, width = picture.shape[:2]
    half = picture[::2, ::2]
    y = picture[..., 1].copy()
    return y, half[..., 2].copy(), half[: (height + 1) // 2, : (width + 1) // 2, 0].copy()


@each
@pytest.mark.parametrize("size", [(47, 63), (16, 17), (1, 1), (2, 3), (97, 9)])
def test_odd_and_tiny_sizes_keep_their_size(pipeline_id, size):
    effect = Show(pipeline_id)
    pictures = [texture(*size, seed=seed) for seed in range(3)]
    for made in effect.raw(as_input(effect, pictures)):
        shape = made.y.shape if isinstance(made, YuvPlanes) else made.shape[:2]
        assert tuple(shape) == size


@each
def test_many_frames_in_one_chunk_are_as_many_chunks_of_one(pipeline_id):
    pictures = [texture(48, 64, seed) for seed in range(5)]
    at_once, one_by_one = Show(pipeline_id), Show(pipeline_id)
    together = at_once(*pictures)
    apart = [made for picture in pictures for made in one_by_one(picture)]
    assert len(together) == len(apart)
    assert all(np.array_equal(a, b) for a, b in zip(together, apart, strict=True))


@pytest.mark.parametrize("pipeline_id", [name for name in IDS if name not in COUNTING])
def test_another_size_in_the_middle_forgets_the_old_pictures(pipeline_id):
    before, after = texture(48, 64), [texture(64, 96, seed) for seed in (1, 2)]
    switched, fresh = Show(pipeline_id), Show(pipeline_id)
    switched(before, before)
    made, expected = switched(*after), fresh(*after)
    assert all(np.array_equal(a, b) for a, b in zip(made, expected, strict=True))


@each
def test_the_default_changes_what_is_seen(pipeline_id):
    picture = texture(96, 128)
    picture[:, :40] = (0, 177, 64)  # something to key
    pictures = [np.roll(picture, 3 * step, axis=1) for step in range(6)]
    made = Show(pipeline_id)(*pictures)
    if pipeline_id == "interpolate":
        assert len(made) == 12
        return
    assert np.abs(made[-1].astype(int) - pictures[-1]).mean() > 4


@each
def test_what_was_given_out_is_not_written_into_later(pipeline_id):
    effect = Show(pipeline_id)
    first = effect.raw(as_input(effect, [texture(48, 64, 1)]))
    kept = [made.clone() for made in tensors_of(first)]
    effect.raw(as_input(effect, [texture(48, 64, 2)]))
    assert all(torch.equal(a, b) for a, b in zip(tensors_of(first), kept, strict=True))


@each
def test_the_next_stage_may_write_into_what_it_gets(pipeline_id):
    """Nothing that is kept, and no other picture, lies in the same memory."""
    written, left = Show(pipeline_id), Show(pipeline_id)
    for seed in range(4):
        made = list(written.raw(as_input(written, [texture(48, 64, seed)])))
        expected = [
            t.clone() for t in tensors_of(left.raw(as_input(left, [texture(48, 64, seed)])))
        ]
        for one, other in zip(tensors_of(made), expected, strict=True):
            assert torch.equal(one, other)
            with torch.inference_mode():
                one.fill_(7)


def tensors_of(video):
    for made in video:
        if isinstance(made, YuvPlanes):
            yield from (made.y, made.u, made.v)
        else:
            yield made


@pytest.mark.parametrize("pipeline_id", ON_PLANES)
def test_planes_keep_their_matrix_and_range(pipeline_id):
    effect = Show(pipeline_id)
    y, u, v = (torch.from_numpy(plane) for plane in planes_of(texture(48, 64)))
    made = effect.raw([YuvPlanes(y, u, v, "bt709", True)])[-1]
    assert (made.matrix, made.full_range) == ("bt709", True)


@pytest.mark.parametrize("colour", [(0, 177, 64), (255, 255, 255), (12, 200, 250), (0, 0, 0)])
@pytest.mark.parametrize("kind", [("bt601", False), ("bt601", True), ("bt709", False)])
def test_yuv_of_a_colour_is_seen_as_that_colour(colour, kind):
    levels = yuv_of(colour, *kind)
    planes = [
        torch.full(size, level, dtype=torch.uint8)
        for size, level in zip(((16, 16), (8, 8), (8, 8)), levels, strict=True)
    ]
    shown = seen([YuvPlanes(*planes, *kind)])[0][8, 8]
    assert np.abs(shown.astype(int) - colour).max() <= 3


def test_colours_are_written_as_in_html():
    assert rgb_of_hex("#0a141e") == (10, 20, 30)
    with pytest.raises(InvalidSettings) as refused:
        Show("chroma-key", key_colour="green")
    assert refused.value.fields[0].field == "key_colour"


def test_the_converter_of_these_tests_loses_little():
    picture = flat((90, 150, 60))
    (rgb,) = CONVERTER.to_rgb(CONVERTER.to_frames([torch.from_numpy(picture)]))
    assert np.abs(rgb[0].numpy().astype(int) - picture).max() <= 3


@each
def test_what_comes_back_is_on_the_stages_device(pipeline_id):
    """``meta`` stands for a GPU: what OpenCV made on the CPU must have been moved."""
    entry = registry().entry(pipeline_id)
    values = entry.config.validate_settings("video", {})
    pipeline = entry.pipeline(device=torch.device("meta"), components=None, **values)
    given = as_input(Show(pipeline_id), [texture(48, 64)])
    made = pipeline(**values, video=given, init_cache=True)["video"]
    assert {tensor.device.type for tensor in tensors_of(made)} == {"meta"}
