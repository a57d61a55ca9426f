from __future__ import annotations

import pytest
from typer.testing import CliRunner

from lightmill.bench.options import (
    BenchOptions,
    Kind,
    complete_url,
    guess_kind,
    parse_size,
    session_urls,
)
from lightmill.bench.sustain import climb
from lightmill.cli import app
from lightmill.errors import BenchError


@pytest.mark.parametrize(
    ("url", "kind", "complete"),
    [
        ("localhost:8080", Kind.OFFER, "http://localhost:8080/offer"),
        ("https://host/whip/show", Kind.WHIP_WHEP, "https://host/whip/show"),
        ("http://host/show/whep", Kind.WHEP, "http://host/show/whep"),
    ],
)
def test_the_url_says_the_kind(url, kind, complete):
    assert guess_kind(url) is kind
    assert complete_url(url, kind) == complete


def test_sessions_get_their_own_urls():
    assert session_urls("http://h/live/whip", 0) == ("http://h/live/whip", "http://h/live/whep")
    assert session_urls("http://h/whip/a", 2) == ("http://h/whip/a-2", "http://h/whep/a-2")
    whip, whep = session_urls("http://h/{session}/whip", 3)
    assert whip.endswith("-3/whip") and whep.endswith("-3/whep")


def test_the_rate_follows_the_size():
    options = BenchOptions(url="http://h/offer", kind=Kind.OFFER)
    assert options.rate_bps == pytest.approx(2_500_000, rel=0.01)
    assert parse_size("640x480") == (640, 480)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sessions": 0},
        {"seconds": -1},
        {"codec": "AV1"},
        {"width": 641},
        {"height": 9000},
        {"fps": 0},
        {"probes": -1},
    ],
)
def test_wrong_options_are_refused(wrong):
    with pytest.raises(BenchError):
        BenchOptions(url="http://h/offer", kind=Kind.OFFER, **wrong)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["h:1", "--size", "big"], "is no size"),
        (["h:1", "--kind", "rtmp"], "kind rtmp"),
        (["h:1", "--codec", "av1"], "AV1"),
        (["ftp://h"], "no http or https"),
        (["h:1", "--sessions", "0"], "sessions must be"),
    ],
)
def test_wrong_arguments_are_one_line_and_exit_code_2(arguments, message):
    result = CliRunner().invoke(app, ["bench", *arguments])
    assert result.exit_code == 2
    assert message in result.output


@pytest.mark.parametrize("most", [0, 1, 2, 3, 7, 8, 13, 40])
async def test_the_climb_finds_the_most_that_hold(most):
    asked = []

    async def run(sessions: int):
        asked.append(sessions)
        return object() if sessions <= most else None

    assert (await climb(1, run))[0] == most
    assert (await climb(4, run))[0] == most
    assert len(asked) <= 24
