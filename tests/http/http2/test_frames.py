"""Frames as others read them: the package hyperframe."""

import pytest
from hyperframe.frame import Frame, GoAwayFrame, PingFrame, RstStreamFrame, SettingsFrame, WindowUpdateFrame

from freehold.http.http2 import frames
from freehold.http.http2.frames import Code, Flag, Http2Error, Setting


def read(data: bytes) -> Frame:
    """The one frame that `data` is."""
    frame, size = Frame.parse_frame_header(memoryview(data[: frames.HEAD]))
    frame.parse_body(memoryview(data[frames.HEAD :]))
    assert len(data) == frames.HEAD + size
    return frame


def test_what_is_written_is_read_by_others() -> None:
    """Every kind that a server sends beside headers and data."""
    settings = read(frames.settings({Setting.MAX_CONCURRENT_STREAMS: 7, Setting.INITIAL_WINDOW_SIZE: 2**31 - 1}))
    assert isinstance(settings, SettingsFrame)
    assert settings.settings == {3: 7, 4: 2**31 - 1}
    assert "ACK" in read(frames.acknowledged()).flags
    window = read(frames.window_update(5, 70_000))
    assert isinstance(window, WindowUpdateFrame)
    assert (window.stream_id, window.window_increment) == (5, 70_000)
    ended = read(frames.reset(5, Code.CANCEL))
    assert isinstance(ended, RstStreamFrame)
    assert ended.error_code == 8
    pong = read(frames.ping(b"12345678", ack=True))
    assert isinstance(pong, PingFrame)
    assert (pong.opaque_data, "ACK" in pong.flags) == (b"12345678", True)
    gone = read(frames.goaway(9, Code.PROTOCOL_ERROR, b"why"))
    assert isinstance(gone, GoAwayFrame)
    assert (gone.last_stream_id, gone.error_code, gone.additional_data) == (9, 1, b"why")


def test_padding_is_taken_off() -> None:
    """And refused where it is longer than the frame."""
    assert frames.unpadded(b"abc", 0) == b"abc"
    assert frames.unpadded(b"\x02ab\0\0", Flag.PADDED) == b"ab"
    assert frames.unpadded(b"\x00", Flag.PADDED) == b""
    for wrong in (b"", b"\x01", b"\x05abcd"):
        with pytest.raises(Http2Error):
            frames.unpadded(wrong, Flag.PADDED)
