"""The log: one JSON object a line, joined to its request, without secrets."""

import io
import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from freehold.telemetry import REQUEST_ID, LogFormat, configure_logs

Logged = Callable[..., io.StringIO]


@pytest.fixture
def logged() -> Iterator[Logged]:
    """`logged(form, level)` configures logging into a text; everything is put back afterwards."""
    loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.error", "uvicorn.access")]
    before = [([*logger.handlers], logger.level, logger.propagate) for logger in loggers]

    def configure(form: LogFormat = "json", level: str = "info") -> io.StringIO:
        stream = io.StringIO()
        configure_logs(form, level, stream)
        return stream

    yield configure
    for logger, (handlers, level, propagate) in zip(loggers, before, strict=True):
        logger.handlers[:], logger.propagate = handlers, propagate
        logger.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_time_level_logger_and_message(logged: Logged) -> None:
    """The time carries its zone."""
    stream = logged()
    logging.getLogger("freehold.http").warning("model %s is slow", "bge-m3")
    (line,) = lines(stream)
    assert (line["level"], line["logger"], line["message"]) == ("warning", "freehold.http", "model bge-m3 is slow")
    assert datetime.fromisoformat(line["time"]).utcoffset() == timedelta(0)
    assert "request_id" not in line


def test_a_line_of_a_request_carries_its_id(logged: Logged) -> None:
    """Without anybody handing it on."""
    stream = logged()
    token = REQUEST_ID.set("abc-1")
    logging.getLogger("freehold.engine").info("batch done")
    REQUEST_ID.reset(token)
    assert lines(stream)[0]["request_id"] == "abc-1"


def test_extras_are_fields_of_the_line(logged: Logged) -> None:
    """Numbers stay numbers; what JSON does not know becomes text."""
    stream = logged()
    logging.getLogger("x").info("loaded", extra={"model": "m", "load_s": 1.5, "code": "ok", "where": object})
    line = lines(stream)[0]
    assert (line["model"], line["load_s"], line["code"], line["where"]) == ("m", 1.5, "ok", "<class 'object'>")


def test_a_traceback_stays_within_its_line(logged: Logged) -> None:
    """Log collectors split at line ends."""
    stream = logged()
    try:
        raise KeyError("lost")
    except KeyError:
        logging.getLogger("x").exception("failed\nbadly")
    (line,) = lines(stream)
    assert "KeyError: 'lost'" in line["traceback"]
    assert line["message"] == "failed\nbadly"


@pytest.mark.parametrize("form", ["json", "text"])
@pytest.mark.parametrize("name", ["authorization", "Api_Key", "password", "client_secret"])
def test_a_value_whose_name_speaks_of_a_secret_is_hidden(logged: Logged, form: LogFormat, name: str) -> None:
    """Should somebody pass one as an extra."""
    stream = logged(form)
    logging.getLogger("x").info("called", extra={name: "fh_abc"})
    assert "fh_abc" not in stream.getvalue()
    assert "(hidden)" in stream.getvalue()


def test_the_text_form_is_for_people(logged: Logged) -> None:
    """Time, level, message, then what else there is."""
    stream = logged("text")
    token = REQUEST_ID.set("abc-1")
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("x").exception("failed", extra={"model": "m"})
    REQUEST_ID.reset(token)
    first, *rest = stream.getvalue().splitlines()
    assert re.fullmatch(r"\S+\+00:00 error +failed model=m request_id=abc-1", first)
    assert rest[-1] == "ValueError: bad"


def test_uvicorn_speaks_through_the_same_log(logged: Logged) -> None:
    """Its warnings are lines of ours; its notices of start and end, which repeat ours, are not."""
    stream = logged()
    logging.getLogger("uvicorn.error").info("Started server process")
    logging.getLogger("uvicorn.error").warning("Invalid HTTP request received.")
    assert [line["message"] for line in lines(stream)] == ["Invalid HTTP request received."]


def test_the_level_bounds_what_is_written(logged: Logged) -> None:
    """For every logger."""
    stream = logged(level="error")
    logging.getLogger("freehold").warning("no")
    logging.getLogger("uvicorn.error").warning("no")
    logging.getLogger("freehold").error("yes")
    assert [line["message"] for line in lines(stream)] == ["yes"]
