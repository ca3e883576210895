"""What a Dify's variables say of its data."""

import pytest

from freehold.deploy.dify.backup.pieces import Variables

OWN = {"DB_HOST": "10.0.0.5", "DB_PASSWORD": "hush", "VECTOR_STORE": "pgvector", "PGVECTOR_HOST": "vectors.corp"}


def test_pgvector_beside_dify_in_one_database_is_saved_once() -> None:
    """The host and the name are the same; another host is another piece."""
    api = {"DB_HOST": "db", "VECTOR_STORE": "pgvector", "PGVECTOR_HOST": "db", "PGVECTOR_DATABASE": "dify"}
    hosts = {"db": "db_postgres", "vec": "pgvector"}
    found = Variables(api, {"DB_HOST": "db"}, hosts).installed("1.15.0", {})
    assert [(one.piece, one.service, one.name) for one in found.databases] == [
        ("dify", "db_postgres", "dify"),
        ("dify_plugin", "db_postgres", "dify_plugin"),
    ]
    other = Variables(api | {"PGVECTOR_HOST": "vec"}, {"DB_HOST": "db"}, hosts).installed("1.15.0", {})
    assert other.databases[2].service == "pgvector"
    assert [one.piece for one in other.folders] == ["app-storage", "plugin-daemon"]


@pytest.mark.parametrize(
    ("api", "outside"),
    [
        ({"VECTOR_STORE": "qdrant"}, {"vectors": "qdrant"}),
        ({"STORAGE_TYPE": "s3"}, {"files": "s3"}),
        ({"STORAGE_TYPE": "opendal", "OPENDAL_SCHEME": "s3"}, {"files": "s3"}),
        ({"STORAGE_TYPE": "opendal", "OPENDAL_SCHEME": "fs"}, {}),
        ({}, {}),
    ],
)
def test_what_lies_elsewhere_is_named(api: dict[str, str], outside: dict[str, str]) -> None:
    """Vectors and files, by where they are."""
    assert Variables(api, {}, {}).installed("1.15.0", {}).outside == outside


def test_an_own_postgresql_is_verified_by_the_authorities_that_are_known() -> None:
    """Those that are said, else this machine's; libpq alone would ask for a file in the user's own folder."""
    plain, checked = Variables(OWN, {}, {}), Variables(OWN, {"DB_SSL_MODE": "verify-full"}, {})
    assert [one.service for one in plain.installed("1", {}).databases] == [
        "your PostgreSQL",
        "your PostgreSQL",
        "your pgvector",
    ]
    address = plain.address("your PostgreSQL")
    assert address is not None
    assert (address.tls, address.authorities, "hush" in repr(address)) == ("prefer", "", False)
    assert checked.address("db_postgres") is None
    for said, used in (("/ca.pem", "/ca.pem"), ("", "/")):
        address = checked.address("your pgvector", said)
        assert address is not None
        assert (address.host, address.tls) == ("vectors.corp", "verify-full")
        assert address.authorities.startswith(used)
    assert "hush" not in repr(plain)
