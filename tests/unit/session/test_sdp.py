"""What the answer repeats of Opus."""

from __future__ import annotations

from lightmill.session.sdp import opus_parameters


def test_stereo_and_fec_are_repeated_and_the_rest_is_not():
    sdp = (
        "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 63 111 0\r\na=rtpmap:63 red/48000/2\r\n"
        "a=fmtp:63 111/111\r\na=fmtp:111 minptime=10; stereo=1;useinbandfec=1;usedtx=1\r\n"
        "a=rtpmap:111 opus/48000/2\r\na=rtpmap:0 PCMU/8000\r\n"
    )
    assert opus_parameters(sdp) == {111: {"minptime": "10", "stereo": "1", "useinbandfec": "1"}}


def test_opus_without_parameters():
    assert opus_parameters("m=audio 9 X 96\r\na=rtpmap:96 OPUS/48000/2\r\n") == {96: {}}
    assert opus_parameters("m=audio 9 X 0\r\na=rtpmap:0 PCMU/8000\r\n") == {}
