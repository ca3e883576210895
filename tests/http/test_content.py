"""What a line of the audit holds of a request and its answer."""

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.http.content import LONGEST, Passage
from tests.audited import Audited

JSON = {b"content-type": b"application/json"}


def told(*pieces: bytes, **headers: bytes) -> dict[str, Any]:
    """What stands there of a body in these pieces."""
    passage = Passage()
    passage.describe({**JSON, **{name.replace("_", "-").encode(): value for name, value in headers.items()}})
    for piece in pieces:
        passage.take(piece)
    return passage.told()


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_length_and_hash_are_of_the_whole_however_it_comes(pieces: list[bytes]) -> None:
    """Text is its bytes, or nothing."""
    whole, found = b"".join(pieces), told(*pieces)
    if not whole:
        assert found == {}
        return
    assert (found["bytes"], found["sha256"]) == (len(whole), sha256(whole).hexdigest())
    if "text" in found and "\ufffd" not in found["text"]:
        assert found["text"].encode() == whole


@pytest.mark.parametrize("character", ["x", "ü", "语", "🦀"])
def test_a_long_text_is_cut_between_characters_and_says_so(character: str) -> None:
    """Its length and hash tell of how much; what is no longer than that stands there whole."""
    long = character * (LONGEST + 1)
    found = told(long.encode())
    assert (found["begins"], found["bytes"], "text" in found) == (long[:-1], len(long.encode()), False)
    assert found["sha256"] == sha256(long.encode()).hexdigest()
    assert told(long[:-1].encode())["text"] == long[:-1]


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4]])
def test_a_packed_text_can_be_read(pack: Callable[[bytes], bytes]) -> None:
    """Its length and hash are those of what was sent; of a bomb no more is unpacked than is kept."""
    coding = b"gzip" if pack is gzip.compress else b"deflate"
    found = told(pack(b'{"a": 1}'), content_encoding=coding)
    assert (found["text"], found["bytes"]) == ('{"a": 1}', len(pack(b'{"a": 1}')))
    bomb = told(pack(b" " * (1 << 24)), content_encoding=coding)
    assert (bomb["begins"], "text" in bomb) == (" " * LONGEST, False)


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"\x00\x00\x80\x3f", {}),
        (b"\xff\xfe", {}),
        (b"plain", {"content_type": b"application/octet-stream"}),
        (b"{}plain", {"inference_header_content_length": b"2"}),
        (b"{}", {"content_encoding": b"br"}),
        (b"no gzip", {"content_encoding": b"gzip"}),
        (gzip.compress(b"\x00\x01", mtime=0), {"content_encoding": b"gzip"}),
    ],
)
def test_what_is_no_text_is_a_length_and_a_hash(body: bytes, headers: dict[str, bytes]) -> None:
    """Tensors, sounds, and what nobody here can unpack."""
    assert told(body, **headers) == {"bytes": len(body), "sha256": sha256(body).hexdigest()}


def test_a_terminal_finds_no_command_in_it() -> None:
    """Those that JSON does not escape stand there as a sign that something was; all else as it came."""
    assert told("a\x9b2J\x7f\u2028\x1b[2J\n\u200f".encode())["text"] == "a\ufffd2J\ufffd\ufffd\x1b[2J\n\u200f"


@pytest.fixture
def audited(tmp_path: Path) -> Iterator[Audited]:
    """Books that keep the content of requests."""
    made = Audited(tmp_path)
    yield made
    made.close()


def test_a_request_and_its_answer_stand_in_its_line_and_no_header_does(
    serving: Callable[..., Any], audited: Audited, tmp_path: Path
) -> None:
    """Those that failed too, with what their client was told."""
    live = serving(entrance=audited.entrance)
    secrets = {"api_key": audited.key, "cookie": "sweet-secret"}
    body = json.dumps({"input": "你好"}, ensure_ascii=False).encode()
    assert live.ask("POST", "/v1/echo", body, **secrets).status == 200
    assert live.ask("POST", "/v1/pass", gzip.compress(body), content_type="x", content_encoding="gzip", **secrets)
    failed = live.ask("POST", "/v1/fail", b"{}", **secrets)
    echoed, passed, refused = audited.lines()
    same = {"bytes": len(body), "sha256": sha256(body).hexdigest(), "text": body.decode()}
    assert echoed["content"] == {"request": same, "answer": same}
    assert (passed["content"]["request"]["text"], passed["details"]["path"]) == (body.decode(), "/v1/pass")
    assert refused["outcome"] == str(failed.status)
    assert refused["content"]["answer"]["text"] == failed.body.decode()
    audited.close()
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"dify" in kept
    assert audited.key.encode() not in kept
    assert b"sweet-secret" not in kept


def test_nothing_of_it_stands_there_unless_told(serving: Callable[..., Any], tmp_path: Path) -> None:
    """Who asked, and not what."""
    audited = Audited(tmp_path, content=False)
    live = serving(entrance=audited.entrance)
    assert live.ask("POST", "/v1/echo", b'"private"', api_key=audited.key).status == 200
    (line,) = audited.lines()
    assert line["what"] == "model.infer"
    assert "private" not in json.dumps(line)
    audited.close()


@pytest.mark.parametrize(
    ("query", "frames", "outcome"),
    [("before=3", 3, "done"), ("before=2&fail=broken", 2, "cut"), ("fail=broken", 0, "500")],
)
def test_of_a_stream_stands_there_what_was_sent(
    serving: Callable[..., Any], audited: Audited, query: str, frames: int, outcome: str
) -> None:
    """Up to its end, or to where it was cut short; an error in place of its beginning is an answer like any other."""
    client = serving(entrance=audited.entrance).connect()
    answer = client.ask("GET", f"/v1/answers?{query}", api_key=audited.key) if not frames else None
    if answer is None:
        client.send(f"GET /v1/answers?{query} HTTP/1.1\r\nHost: t\r\napi-key: {audited.key}\r\n\r\n".encode())
        client.head()
        while client.chunk():
            pass
    (line,) = audited.lines()
    sent = b"data: x\n\n" * frames if answer is None else answer.body
    assert (line["outcome"], line["content"]) == (outcome, {"answer": told(sent)})


def test_of_a_stream_whose_client_left_stands_there_what_it_got(
    serving: Callable[..., Any], audited: Audited, house: Any, eventually: Callable[..., None]
) -> None:
    """What would have come never did."""
    client = serving(entrance=audited.entrance).connect()
    client.send(f"GET /v1/answers?before=1&wait=1 HTTP/1.1\r\nHost: t\r\napi-key: {audited.key}\r\n\r\n".encode())
    client.head()
    assert client.chunk() == b"data: x\n\n"
    client.close()
    eventually(lambda: len(audited.lines()) == 1)
    assert (audited.lines()[0]["outcome"], audited.lines()[0]["content"]) == ("499", {"answer": told(b"data: x\n\n")})
