import numpy as np
import pytest

from lightmill.pipelines.effects.cube import InvalidCube, packed, parse


def cube_text(function, size=5, head=(), digits=6):
    """A 3-D table of ``function(r, g, b)``; red runs fastest, as the format says."""
    at = np.linspace(0, 1, size)
    lines = ['TITLE "made here"', "# a comment", f"LUT_3D_SIZE {size}", *head, ""]
    for blue in at:
        for green in at:
            lines += [" ".join(f"{v:.{digits}f}" for v in function(red, green, blue)) for red in at]
    return "\n".join(lines) + "\n"


def identity(*rgb):
    return rgb


def test_red_runs_fastest():
    cube = parse(cube_text(lambda r, g, b: (r, g / 2, 0), size=3))
    assert cube.is_3d and cube.title == "made here"
    assert cube.points[2, 1, 0].tolist() == [0, 64, 0]
    assert cube.points[0, 0, 2].tolist() == [255, 0, 0]


@pytest.mark.parametrize("size", [2, 16, 17, 18, 33, 65])
def test_any_size_is_kept_in_at_most_17_points(size):
    cube = parse(cube_text(identity, size, digits=4))
    kept = cube.points.shape[0]
    assert kept == min(size, 17)
    expected = np.round(np.linspace(0, 255, kept))
    assert np.abs(cube.points[0, 0, :, 0] - expected).max() <= 1


def test_one_dimension():
    text = "LUT_1D_SIZE 3\n0 0 0\n0.5 0.25 0.5\n1 1 1\n"
    cube = parse(text)
    assert not cube.is_3d and cube.points.shape == (256, 3)
    assert np.abs(cube.points[64].astype(int) - [64, 32, 64]).max() <= 1
    assert cube.points[255].tolist() == [255, 255, 255]


def test_the_domain_says_where_the_points_stand():
    head = ("DOMAIN_MIN 0 0 0", "DOMAIN_MAX 0.5 0.5 0.5")
    cube = parse(cube_text(identity, 17, head))
    assert cube.points[0, 0, 4, 0] == 128  # an input of 1/4 is the middle of the table
    assert cube.points[0, 0, 8:, 0].min() == 255  # beyond the domain its end holds
    ranged = parse(cube_text(identity, 17, ("LUT_3D_INPUT_RANGE 0 0.5",)))
    assert np.array_equal(ranged.points, cube.points)


@pytest.mark.parametrize(
    "text", [cube_text(lambda r, g, b: (b, r * g, 1 - g), 9), "LUT_1D_SIZE 2\n1 1 1\n0 0 0\n"]
)
def test_packing_loses_nothing_and_is_short(text):
    cube = parse(text)
    again = parse(packed(cube))
    assert np.array_equal(again.points, cube.points) and again.title == cube.title
    assert packed(again) == packed(cube)


def test_a_packed_table_fits_a_data_channel_message():
    dice = np.random.default_rng(1)
    text = cube_text(lambda r, g, b: (r**0.8, g**1.2, (b + dice.random() * 0.02)), 33, digits=10)
    assert len(text) < 1_500_000
    assert len(packed(parse(text))) < 24_000


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no line LUT_3D_SIZE"),
        ("hello", "line 1: 'hello' is no keyword"),
        ("LUT_3D_SIZE 66\n", "line 1: LUT_3D_SIZE takes a number from 2 to 65"),
        ("LUT_3D_SIZE\n", "line 1: LUT_3D_SIZE takes"),
        ("LUT_3D_SIZE 1\n", "line 1: LUT_3D_SIZE takes"),
        (
            "LUT_1D_SIZE 99999999999999999999\n",
            "line 1: LUT_1D_SIZE takes a number from 2 to 65536",
        ),
        ("LUT_3D_SIZE 2\n0 0 0\n", "needs 8 points, not 1, the last in line 2"),
        ("LUT_1D_SIZE 2\n\n0 0 0\n1 x 1\n", "line 4: there must be 3 numbers, not '1 x 1'"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 1\n", "line 3: there must be 3 numbers, not '1 1'"),
        ("LUT_1D_SIZE 2\n0 0 0\n1 nan 1\n", "line 3"),
        ("LUT_1D_SIZE 2\nDOMAIN_MIN 0 0\n", "line 2: there must be 3 numbers"),
        ("DOMAIN_MIN 1 1 1\nDOMAIN_MAX 1 1 1\nLUT_1D_SIZE 2\n", "line 2: the domain's end"),
        ("LUT_3D_SIZE 2\nLIGHTMILL_PACKED !!\n", "packed points are damaged"),
        ("LUT_3D_SIZE 2\nLIGHTMILL_PACKED eJwDAAAAAAE=\n", "24 bytes"),
        ("LUT_3D_SIZE 60\nLIGHTMILL_PACKED eJwDAAAAAAE=\n", "must be 17"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(text, message):
    with pytest.raises(InvalidCube, match=message.replace("(", r"\(")):
        parse(text)


def test_comments_and_keywords_may_stand_among_the_points():
    text = cube_text(identity, 2)
    first = text.index("0.000000 0.000000 0.000000")
    mixed = text[: first + 27] + "# half\nTITLE late\n" + text[first + 27 :].rstrip() + " # end\n"
    cube = parse(mixed)
    assert np.array_equal(cube.points, parse(text).points) and cube.title == "late"


def test_a_file_from_windows_with_a_byte_order_mark_is_read():
    text = "\ufeff" + cube_text(identity, 2).replace("\n", "\r\n")
    assert parse(text).points.shape == (2, 2, 2, 3)


def test_a_bomb_is_not_unpacked():
    import base64
    import zlib

    bomb = base64.b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    with pytest.raises(InvalidCube, match="14739 bytes"):
        parse(f"LUT_3D_SIZE 17\nLIGHTMILL_PACKED {bomb}\n")
