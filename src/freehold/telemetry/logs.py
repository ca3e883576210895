"""One line of JSON a log record, with the request it belongs to. Secrets never come here: headers are not logged."""

import logging
import sys
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Literal, TextIO

import msgspec

LogFormat = Literal["json", "text"]

REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that the running task answers; empty outside of requests."""

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "color_message"}
_SECRET = ("authorization", "api_key", "api-key", "password", "secret")


class JsonFormatter(logging.Formatter):
    """time (ISO 8601, UTC), level, logger, message, request_id, the record's extras, and a traceback if any."""

    def format(self, record: logging.LogRecord) -> str:
        """`record` as one line."""
        line: dict[str, object] = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        request_id = REQUEST_ID.get()
        if request_id:
            line["request_id"] = request_id
        line.update(_extras(record))
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return msgspec.json.encode(line, enc_hook=str).decode("utf-8")


class TextFormatter(logging.Formatter):
    """The same for people: time, level, message, then what else there is as name=value."""

    def format(self, record: logging.LogRecord) -> str:
        """`record` as one line, with its traceback below."""
        extras = _extras(record)
        request_id = REQUEST_ID.get()
        if request_id:
            extras["request_id"] = request_id
        tail = "".join(f" {name}={value}" for name, value in extras.items())
        text = f"{_time(record)} {record.levelname.lower():<7} {record.getMessage()}{tail}"
        if record.exc_info:
            text += "\n" + self.formatException(record.exc_info)
        return text


def configure_logs(form: LogFormat = "json", level: str = "info", stream: TextIO | None = None) -> None:
    """Send every logger of the process, uvicorn's too, to `stream` (default stderr) in `form`."""
    output = logging.StreamHandler(stream or sys.stderr)
    output.setFormatter(JsonFormatter() if form == "json" else TextFormatter())
    root = logging.getLogger()
    for old in [*root.handlers]:
        root.removeHandler(old)
    root.addHandler(output)
    root.setLevel(level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access"):
        theirs = logging.getLogger(name)
        theirs.handlers.clear()
        theirs.propagate = True
    logging.getLogger("uvicorn.error").setLevel(
        max(logging.WARNING, root.level)
    )  # its start and stop lines repeat ours


def _time(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def _extras(record: logging.LogRecord) -> dict[str, object]:
    """What the caller passed as `extra`; a value whose name speaks of a secret is not shown."""
    return {
        name: "(hidden)" if any(word in name.lower() for word in _SECRET) else value
        for name, value in vars(record).items()
        if name not in _STANDARD
    }
