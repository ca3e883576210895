#!/usr/bin/python3
"""A stand-in for every image of a Dify: one program under many names, which listens where the real one does.

What the real ones need of their surroundings it needs, too: a folder that it may write to, the secrets that others
have, the migration before the services behind it. It says what it finds by HTTP. Where PostgreSQL is in the image, too,
its services are real ones, and the migration makes tables.
"""

import json
import os
import socket
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NAME = Path(sys.argv[0]).name
STORAGE = Path("/app/api/storage")
POSTGRES = next(Path("/opt/programs").glob("*/pginstall/bin"), None)
SERVED = ("listen_addresses=*", "fsync=off", "shared_buffers=16MB", "unix_socket_directories=/var/run/postgresql,/tmp")
TABLES = """
CREATE TABLE IF NOT EXISTS alembic_version (version_num text PRIMARY KEY);
CREATE TABLE IF NOT EXISTS accounts (id serial PRIMARY KEY, email text);
DELETE FROM alembic_version;
INSERT INTO alembic_version VALUES ('{version}');
"""
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
    elif POSTGRES is not None and "PGDATA" in os.environ:
        be_postgres(Path(os.environ["PGDATA"]))
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
        sql(os.environ["DB_DATABASE"], TABLES.format(version=os.environ.get("NEW_SWITCH", "old")))
        return
    if mode and STORAGE.is_mount() and STORAGE.joinpath("migrated").read_text() != os.environ["SECRET_KEY"]:
        sys.exit("the migration was made with another key")
    if "SERVER_KEY" in os.environ:
        Path("/app/storage/cwd").mkdir(exist_ok=True)
        sql(
            "postgres",
            r"SELECT 'CREATE DATABASE dify_plugin' WHERE NOT EXISTS "
            r"(SELECT FROM pg_database WHERE datname = 'dify_plugin') \gexec",
        )
    given = os.environ
    serve(
        int(given.get("SANDBOX_PORT") or given.get("SERVER_PORT") or 0)
        or (5432 if "PGUSER" in given else 3000 if "NEXT_TELEMETRY_DISABLED" in given and not mode else 5001)
    )


def be_postgres(data: Path) -> None:
    """As its image: the first start makes the database, with the password that it is given."""
    assert POSTGRES is not None, "main looked"
    given, programs = os.environ, POSTGRES
    if not data.exists():
        secret = Path("/tmp/password")
        secret.write_text(given["POSTGRES_PASSWORD"])
        words = ["-U", "postgres", "--no-sync", "--locale=C", "-E", "UTF8", "-A", "trust", f"--pwfile={secret}"]
        subprocess.run([programs / "initdb", "-D", data, *words], check=True, stdout=subprocess.DEVNULL)
        with (data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        made = f"CREATE DATABASE {given['POSTGRES_DB']};\n"
        alone = [programs / "postgres", "--single", "-D", data, "postgres"]
        subprocess.run(alone, input=made, text=True, check=True, stdout=subprocess.DEVNULL)
    options = [word for one in SERVED for word in ("-c", one)]
    os.execv(programs / "postgres", [str(programs / "postgres"), "-D", str(data), *options])


def sql(database: str, text: str) -> None:
    """Statements on the server that the variables name, where there is one."""
    if POSTGRES is None:
        return
    given = os.environ
    address = ["-h", given["DB_HOST"], "-U", given["DB_USERNAME"], "-d", database]
    subprocess.run(
        [POSTGRES / "psql", "-q", "-v", "ON_ERROR_STOP=1", *address],
        env={**given, "PGPASSWORD": given["DB_PASSWORD"]},
        input=text,
        text=True,
        check=True,
    )


def serve(port: int) -> None:
    """Answers until it is stopped."""
    ThreadingHTTPServer(("0.0.0.0", port), Answers).serve_forever()


if __name__ == "__main__":
    main()
