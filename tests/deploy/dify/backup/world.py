"""A small Dify for backups: real databases, real files, and something that writes until it is held."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from pyrage import x25519

from freehold.deploy.dify.backup.direct import Address
from freehold.deploy.dify.backup.place import Database, Folder, Installed
from freehold.deploy.dify.backup.restoring import Source
from freehold.deploy.dify.backup.saving import Backup, Terms, back_up
from tests.deploy.dify.backup.direct import Direct
from tests.postgres import PASSWORD, Server

TENANT = "11111111-1111-1111-1111-111111111111"
PLUGIN = "langgenius/openai_api_compatible:0.0.63@9f2c"
KEY = x25519.Identity.generate()
PAIR = rsa.generate_private_key(65537, 2048)
PRIVATE = PAIR.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
PUBLIC = PAIR.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
SECRET = "s3cret-key-of-dify"
EMPTY = """
CREATE EXTENSION "uuid-ossp";
CREATE TABLE alembic_version (version_num text);
INSERT INTO alembic_version VALUES ('1150');
CREATE TABLE tenants (id uuid PRIMARY KEY DEFAULT uuid_generate_v4(), name text, encrypt_public_key text);
CREATE TABLE accounts (id serial PRIMARY KEY, email text);
CREATE TABLE apps (id serial PRIMARY KEY, name text);
CREATE TABLE datasets (id serial PRIMARY KEY, name text);
"""
FILLED = f"""
INSERT INTO tenants VALUES ('{TENANT}', '工作空间', '{PUBLIC.decode()}');
INSERT INTO accounts (email) SELECT 'user' || n || '@example.com' FROM generate_series(1, 50) n;
INSERT INTO apps (name) VALUES ('one'), ('two');
INSERT INTO datasets (name) VALUES ('handbook');
"""
PLUGINS = "CREATE TABLE plugins (id serial, plugin_unique_identifier text, install_type text);"
EMPTIES = {"dify": EMPTY, "dify_plugin": PLUGINS}
"""By piece, what Dify's migrations make."""
PLUGINS_FILLED = f"INSERT INTO plugins (plugin_unique_identifier, install_type) VALUES ('{PLUGIN}', 'local');"
VECTORS_FILLED = """
CREATE EXTENSION vector;
CREATE TABLE embedding_vector_index_a (id int PRIMARY KEY, embedding vector(3));
INSERT INTO embedding_vector_index_a
  SELECT n, ARRAY[sin(n), sin(n * 1.7), cos(n * 0.3)]::vector FROM generate_series(1, 200) n;
CREATE INDEX ON embedding_vector_index_a USING hnsw (embedding vector_cosine_ops);
"""
NEIGHBOURS = "SELECT id FROM embedding_vector_index_a ORDER BY embedding <=> '[1,0.2,-0.5]' LIMIT 10"


@dataclass
class World:
    """Dify number `number` on the shared servers. `held` is what was said to its writers."""

    postgres: Server
    number: int
    folder: Path
    vectors: Server | None = None
    version: str = "1.15.0"
    bound: Mapping[str, str] = field(default_factory=lambda: {"SECRET_KEY": SECRET})
    outside: Mapping[str, str] = field(default_factory=dict)
    held: list[str] = field(default_factory=list)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def fill(self) -> "World":
        """Somebody's data."""
        self.sql("dify", FILLED)
        self.sql("dify_plugin", PLUGINS_FILLED)
        if self.vectors is not None:
            self.vectors.sql(self.name("vectors"), VECTORS_FILLED)
        storage, plugins = self.folder / "storage", self.folder / "plugins"
        _write(storage / f"privkeys/{TENANT}/private.pem", PRIVATE)
        _write(storage / "upload_files/一.txt", "你好".encode())
        _write(storage / "upload_files/large.bin", os.urandom(300_000))
        _write(plugins / f"plugin/{PLUGIN}", b"PK package")
        _write(plugins / "cwd/venv/lib/one.py", b"print()")
        os.link(plugins / "cwd/venv/lib/one.py", plugins / "cwd/venv/lib/two.py")
        (plugins / "cwd/venv/python").symlink_to("/usr/bin/python3")
        (plugins / "assets").mkdir()
        return self

    def make(self) -> "World":
        """A new one that nobody has used."""
        made = (f"CREATE DATABASE {self.name(piece)} TEMPLATE empty_{piece};" for piece in EMPTIES)
        self.postgres.sql("postgres", "".join(made))
        if self.vectors is not None:
            self.vectors.sql("postgres", f"CREATE DATABASE {self.name('vectors')}")
        for name in ("storage", "plugins"):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "plugins" / "cwd").mkdir()
        return self

    def remove(self) -> None:
        """Databases and files."""
        gone = (f"DROP DATABASE IF EXISTS {self.name(piece)} WITH (FORCE);" for piece in EMPTIES)
        self.postgres.sql("postgres", "".join(gone))
        if self.vectors is not None:
            self.vectors.sql("postgres", f"DROP DATABASE IF EXISTS {self.name('vectors')} WITH (FORCE)")
        shutil.rmtree(self.folder)

    def name(self, piece: str) -> str:
        """A database's name."""
        return f"{piece}{self.number}"

    def sql(self, piece: str, text: str) -> str:
        """Statements in `dify` or `dify_plugin`."""
        return self.postgres.sql(self.name(piece), text)

    def databases(self) -> list[str]:
        """All that the server has of this world, by name."""
        found = self.postgres.sql("postgres", "SELECT datname FROM pg_database").split()
        return sorted(name for name in found if name.startswith((self.name("dify"), self.name("dify_plugin"))))

    @property
    def place(self) -> Direct:
        """As Freehold sees it."""
        addresses = {"db_postgres": _address(self.postgres)}
        if self.vectors is not None:
            addresses["pgvector"] = _address(self.vectors)
        return Direct(
            name="a test",
            installed=self.found,
            addresses=addresses,
            environ=self.environ,
            hold=lambda held: self.held.append("freeze" if held else "thaw"),
            run=lambda runs: self.held.append("start" if runs else "stop"),
        )

    def found(self) -> Installed:
        """What it consists of."""
        databases = [Database(piece, "db_postgres", self.name(piece), "postgres") for piece in ("dify", "dify_plugin")]
        if self.vectors is not None:
            databases.append(Database("vectors", "pgvector", self.name("vectors"), "postgres"))
        return Installed(
            version=self.version,
            databases=tuple(databases),
            folders=(
                Folder("app-storage", "api", str(self.folder / "storage")),
                Folder("plugin-daemon", "plugin_daemon", str(self.folder / "plugins")),
            ),
            environment={"dify-secrets.json": b'{"secret_key": "s3cret-key-of-dify"}', "envs/one.env": b"A=1\n"},
            bound=self.bound,
            outside=self.outside,
        )

    def save(self, path: Path, **terms: object) -> Backup:
        """A backup of it in `path`."""
        return back_up(self.place, path, replace(Terms([KEY.to_public()]), **terms), lambda _text: None)


def source(path: Path) -> Source:
    """A backup, and the key that opens it."""
    return Source(path, [KEY])


def _address(postgres: Server) -> Address:
    return Address("127.0.0.1", postgres.port, PASSWORD, programs=str(postgres.programs))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
