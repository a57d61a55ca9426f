from __future__ import annotations

from lightmill.media.congestion.canvas import Canvas


def test_smaller_pictures_of_the_same_shape_keep_the_size():
    canvas = Canvas()
    sizes = [(480, 360), (640, 480), (320, 240), (426, 320), (640, 480)]
    assert [canvas.update(*size) for size in sizes] == [(480, 360), *[(640, 480)] * 4]


def test_another_shape_is_another_size():
    canvas = Canvas()
    assert canvas.update(640, 480) == (640, 480)
    assert canvas.update(480, 640) == (480, 640)
    assert canvas.update(641, 361) == (640, 360)
