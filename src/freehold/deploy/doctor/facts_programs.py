"""Facts of Docker and Compose, as their own command lines tell them."""

from __future__ import annotations

import json
import re
from typing import Any

from freehold.deploy.doctor.facts_network import without_password
from freehold.deploy.doctor.reading import Reader, UnreadableError, output_of

COMPOSE_S = 10.0  # version 1 unpacks a Python of its own at each start


def docker() -> dict[str, Any]:
    """`{client, server, runtimes, mirrors, storage, folder}`; `trouble` instead of what only the daemon knows."""
    version = re.search(r"version\s+([0-9][^\s,]*)", output_of(["docker", "--version"]))
    found: dict[str, Any] = {"client": version.group(1) if version else ""}
    try:
        return {**found, **parse_info(output_of(["docker", "info", "--format", "{{json .}}"]))}
    except UnreadableError as error:
        return {**found, "trouble": str(error)}


def parse_info(text: str) -> dict[str, Any]:
    """What `docker info` tells of the daemon. Raises UnreadableError where it tells why it reached none."""
    try:
        info = json.loads(text)
    except ValueError:
        raise UnreadableError("docker info printed no JSON") from None
    if not isinstance(info, dict):
        raise UnreadableError("docker info printed no object")
    errors = info.get("ServerErrors")
    if errors or not info.get("ServerVersion"):
        raise UnreadableError(str(errors[0]) if isinstance(errors, list) and errors else "no daemon answers")
    registries = info.get("RegistryConfig")
    mirrors = registries.get("Mirrors") if isinstance(registries, dict) else None
    runtimes = info.get("Runtimes")
    return {
        "server": info["ServerVersion"],
        "runtimes": sorted(runtimes) if isinstance(runtimes, dict) else [],
        "mirrors": [without_password(str(url)) for url in mirrors or ()],
        "storage": info.get("Driver"),
        "folder": info.get("DockerRootDir"),
    }


def compose() -> dict[str, str]:
    """`{v2, v1}`: versions of `docker compose` and of docker-compose, as far as they are there."""
    found, reasons = {}, []
    for name, command in (("v2", ["docker", "compose"]), ("v1", ["docker-compose"])):
        try:
            answer = output_of([*command, "version", "--short"], COMPOSE_S)
        except UnreadableError as error:
            reasons.append(str(error))
            continue
        version = re.match(r"v?([0-9]+\.[0-9]+[^\s]*)\s*$", answer)
        if version:
            found[name] = version.group(1)
    if not found:
        raise UnreadableError("; ".join(reasons) or "neither tells a version")
    return found


READERS: dict[str, Reader] = {"docker": docker, "compose": compose}
