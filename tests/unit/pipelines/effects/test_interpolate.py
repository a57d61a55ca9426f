import numpy as np

from tests.unit.pipelines.effects.seeing import CONVERTER, Show, as_seen, distance, moved, texture

LARGE = texture(480, 640)


def test_two_pictures_come_out_for_each_and_the_second_is_the_input():
    frames = [moved(LARGE, 3 * step, 0) for step in range(4)]
    made = Show("interpolate")(*frames)
    assert len(made) == 8
    assert all(np.array_equal(a, as_seen(b)) for a, b in zip(made[1::2], frames, strict=True))
    assert np.array_equal(made[0], as_seen(frames[0]))  # nothing comes before the first


def test_the_picture_between_is_where_things_are_half_way():
    before, truth, after = (moved(LARGE, 4 * step, 2 * step) for step in range(3))
    between = Show("interpolate")(before, after)[2]
    core = (slice(20, -20), slice(20, -20))
    ghost = (before.astype(int) + after) // 2
    assert distance(between[core], truth[core]) < distance(ghost[core], truth[core]) / 4


def test_a_cut_does_not_ghost():
    one, two = texture(seed=1), texture(seed=2)
    made = Show("interpolate")(one, one, two, two)
    assert np.array_equal(made[4], as_seen(two))
    assert distance(made[6], as_seen(two)) < 1


def test_the_mismatch_that_counts_as_a_cut_is_a_setting():
    one, two = texture(seed=1), texture(seed=2)
    made = Show("interpolate", max_mismatch=100)(one, two)
    assert not np.array_equal(made[2], as_seen(two))


def test_stillness_stays_as_it_is():
    picture = texture()
    made = Show("interpolate")(picture, picture)
    assert distance(made[2], as_seen(picture)) < 1


def test_frame_rate_is_left_to_playout():
    import torch

    effect = Show("interpolate")
    planes = CONVERTER.to_planes(CONVERTER.to_frames([torch.from_numpy(texture())]))
    result = effect.pipeline(**effect.values, video=planes, init_cache=True)
    assert set(result) == {"video"}
