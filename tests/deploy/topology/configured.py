"""Configurations that deploy a Dify, and what is made of them."""

from pathlib import Path
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from freehold.config import Config
from freehold.deploy.topology.installation import installation
from freehold.deploy.topology.service import Installation

VERSION = "1.15.0"
OWN: dict[str, Any] = {
    "postgres": {"host": "pg.corp", "password": "${env:PG}", "user": "dify", "tls": "verify-full"},
    "redis": {"host": "redis.corp", "port": 6380, "password": "${env:REDIS}", "user": "app", "tls": True},
    "storage": {
        "endpoint": "https://s3.corp",
        "bucket": "dify",
        "access_key": "${env:S3_ID}",
        "secret_key": "${file:/etc/s3}",
    },
    "vectors": {"endpoint": "vectors.corp:5433", "key": "${env:VECTORS}", "user": "v", "database": "vectors"},
}
"""Everything that the user may have in place of a container."""


def config(deploy: dict[str, Any] | None = None, ca: str | None = None, **dify: Any) -> Config:
    """A configuration with a Dify and no models."""
    said = {"deploy": {"data": "/srv/data", **(deploy or {})}, "network": {"ca": ca}}
    return msgspec.convert({"models": [], **said, "dify": {"version": VERSION, **dify}}, Config)


def installed(deploy: dict[str, Any] | None = None, ca: str | None = None, **dify: Any) -> Installation:
    """The services of that Dify."""
    found = installation(config(deploy, ca, **dify))
    assert found is not None
    return found


def package_key(folder: Path, form: PublicFormat = PublicFormat.PKCS1) -> Path:
    """A public key of packages, as the plugin daemon reads it, or in another form."""
    path = folder / "packages.pub"
    path.write_bytes(rsa.generate_private_key(65537, 1024).public_key().public_bytes(Encoding.PEM, form))
    return path
