"""What `freehold config apply` waits for."""

import hashlib
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from freehold.cli import applying
from freehold.cli.applying import applied
from freehold.errors import FreeholdError


@contextmanager
def telling(answers: list[dict[str, Any]]) -> Iterator[str]:
    """The address of a server whose /readyz tells `answers` one after the other, the last one for ever."""

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(answers.pop(0) if len(answers) > 1 else answers[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            """Quiet."""

    with HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "freehold.yaml"
    path.write_text("models: []\n")
    return path


def readiness(
    file: Path | None, *, changing: bool = False, troubles: tuple[str, ...] = (), read: int = 0
) -> dict[str, Any]:
    told = [{"code": "x", "cause": cause, "fix": ""} for cause in troubles]
    digest = "" if file is None else hashlib.sha256(file.read_bytes()).hexdigest()
    state = {"configuration": digest, "changing": changing, "read": read}
    return {"ready": True, "models": [], "troubles": told, **state}


def test_it_waits_until_the_file_is_in_force_and_its_models_have_settled(file: Path) -> None:
    """In that order."""
    with telling([readiness(None), readiness(file, changing=True), readiness(file)]) as url:
        assert not applied(file, url, "", 30).changing


def test_models_are_waited_for_no_longer_than_asked(file: Path) -> None:
    """What is known by then is told."""
    with telling([readiness(file, changing=True)]) as url:
        assert applied(file, url, "", 0).changing


@pytest.mark.parametrize("troubles", [(), ("line 3 is wrong.",)])
def test_a_file_that_is_not_taken_up_is_told_with_the_servers_reason(
    file: Path, monkeypatch: pytest.MonkeyPatch, troubles: tuple[str, ...]
) -> None:
    """Without one, it is another server's."""
    monkeypatch.setattr(applying, "NOTICE_S", 0.05)
    with telling([readiness(None, troubles=troubles)]) as url, pytest.raises(FreeholdError) as caught:
        applied(file, url, "", 30)
    assert caught.value.code == "config_not_taken"
    assert caught.value.details["reason"] == (troubles[0] if troubles else "it serves by another file.")


def test_a_refusal_counts_once_the_file_was_read_again(file: Path) -> None:
    """What the server said of it before may be over: what the file lacked has come."""
    os.utime(file, ns=(1, 1))
    stale = readiness(None, troubles=("it was not there.",), read=1)
    with telling([stale, stale, readiness(file)]) as url:
        assert applied(file, url, "", 30).configuration
    assert file.stat().st_mtime_ns > 1


def test_a_refusal_of_the_file_as_it_is_ends_the_wait(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the server's reason. Of a file that may not be touched, what was said of it holds."""
    written = file.stat().st_mtime_ns

    def forbidden(*_: object) -> None:
        raise PermissionError

    monkeypatch.setattr(applying.os, "utime", forbidden)
    refusal = readiness(None, troubles=("it is not there.",), read=written)
    with telling([refusal]) as url, pytest.raises(FreeholdError, match="it is not there"):
        applied(file, url, "", 30)
