import numpy as np

from lightmill.pipelines.effects.flow import wheel
from tests.unit.pipelines.effects.seeing import Show, flat, moved, show, texture

LARGE = texture(480, 640)
MOTION = {"picture": 0, "persistence": 0}


def walk(x, y, count=3):
    return [moved(LARGE, x * step, y * step) for step in range(count)]


def colour(**settings):
    made = Show("flow", **MOTION, **settings)(*walk(4, 0))[-1]
    return np.median(made.reshape(-1, 3), axis=0)


def test_stillness_is_dark_and_the_first_picture_too():
    picture = texture()
    first, second = Show("flow", **MOTION)(picture, picture)
    assert first.max() == 0 and np.median(second) == 0


def test_directions_have_their_colours():
    right, left, down = (
        np.median(Show("flow", **MOTION)(*walk(*way))[-1].reshape(-1, 3), axis=0)
        for way in ((4, 0), (-4, 0), (0, 4))
    )
    assert right.argmax() == 0 and right[0] > 150  # red
    assert left[0] < 60 and left[1:].min() > 100  # cyan
    assert down.argmax() == 1  # green


def test_faster_is_brighter_and_full_speed_says_how_fast():
    assert colour(full_speed=32).max() < colour(full_speed=8).max()


def test_persistence_leaves_trails():
    still = walk(4, 0)[-1]
    none, long = (
        np.median(Show("flow", picture=0, persistence=p)(*walk(4, 0), still, still)[-1])
        for p in (0, 0.9)
    )
    assert none == 0 and long > 0


def test_the_picture_shines_through():
    (made,) = show("flow", texture(), picture=0.5)
    assert np.abs(made.astype(int) - texture() // 2).max() <= 1


def test_arrows_stand_where_something_moves():
    frames = [texture(240, 320).copy() for _ in range(2)]
    for step, frame in enumerate(frames):
        frame[60:180, 40:160] = np.roll(texture(120, 160, seed=9), 5 * step, axis=1)[:, :120]
    made = Show("flow", style="arrows", **MOTION)(*frames)[-1]
    assert (made[70:170, 50:150].max(axis=2) > 0).mean() > 0.02
    assert made[:, 230:].max() == 0


def test_a_cut_is_no_motion():
    one, two = texture(seed=1), texture(seed=2)
    assert Show("flow", **MOTION)(one, two)[-1].max() < 20


def test_a_plain_wall_does_not_move():
    walls = [flat((90, 90, 90), 240, 320), flat((92, 92, 92), 240, 320)]
    assert Show("flow", **MOTION)(*walls)[-1].max() < 20


def test_the_wheel_is_black_in_the_middle():
    assert wheel(np.zeros((2, 2, 2), np.float32), 5).max() == 0
