#!/usr/bin/python3
"""A stand-in for every image of a Dify: one program under many names, which listens where the real one does.

What the real ones need of their surroundings it needs, too: a folder that it may write to, the secrets that others
have, the migration before the services behind it. It says what it finds by HTTP.
"""

import json
import os
import socket
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAME = Path(sys.argv[0]).name
STORAGE = Path("/app/api/storage")
PORTS = {"postgres": 5432, "redis-server": 6379, "squid": 3128, "nginx": 8080}


class Answers(BaseHTTPRequestHandler):
    """Tells its variables: what is secret in a test is nobody's."""

    def do_GET(self) -> None:
        """Any path."""
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *words: Any) -> None:  # noqa: A002 - the base class calls it so
        """Quiet."""


def main() -> None:
    """Does what the program of its name does."""
    if NAME == "pg_isready":
        socket.create_connection(("127.0.0.1", 5432), 2).close()
    elif NAME == "redis-cli":
        socket.create_connection(("127.0.0.1", 6379), 2).close()
        sys.stdout.write("PONG\n")
    elif NAME == "celery":
        sys.exit(0 if STORAGE.joinpath("migrated").exists() else 1)
    elif NAME in PORTS:
        serve(PORTS[NAME])
    elif sys.argv[1:]:
        os.execvp(sys.argv[1], sys.argv[1:])
    else:
        be_service()


def be_service() -> None:
    """The image's own program: by its variables, as the real entrypoints do."""
    mode = os.environ.get("MODE", "")
    if mode == "migration":
        if os.environ.get("FAILS") == "migration":
            sys.exit("relation tenants is locked")
        STORAGE.joinpath("migrated").write_text(os.environ["SECRET_KEY"])
        return
    if mode and STORAGE.is_mount() and STORAGE.joinpath("migrated").read_text() != os.environ["SECRET_KEY"]:
        sys.exit("the migration was made with another key")
    if "SERVER_KEY" in os.environ:
        Path("/app/storage/cwd").mkdir(exist_ok=True)
    given = os.environ
    serve(
        int(given.get("SANDBOX_PORT") or given.get("SERVER_PORT") or 0)
        or (5432 if "PGUSER" in given else 3000 if "NEXT_TELEMETRY_DISABLED" in given and not mode else 5001)
    )


def serve(port: int) -> None:
    """Answers until it is stopped."""
    ThreadingHTTPServer(("0.0.0.0", port), Answers).serve_forever()


if __name__ == "__main__":
    main()
