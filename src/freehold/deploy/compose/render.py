"""A deployment as files for Compose: `compose.yaml`, what the containers read, and what is to be done by hand.

Only keys that both Compose v2 and docker-compose 1.29 know are written: no `name`, no `host_ip`, no `start_interval`,
no `create_host_path`. Pure: the same deployment gives the same bytes.
"""

from collections.abc import Mapping
from typing import Any

from freehold.config.shapes import NVIDIA_GPU
from freehold.deploy.compose import dify
from freehold.deploy.compose.layout import (
    FILE,
    config_folder,
    files_of,
    mounts_of,
    secret_path,
    secrets_of,
    service_of,
    units_of,
)
from freehold.deploy.compose.readme import readme
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.units import Unit
from freehold.deploy.topology.installation import installation
from freehold.deploy.yaml_text import as_yaml
from freehold.errors import FreeholdError

Tree = dict[str, Any]

HOST_LABEL = "freehold.host"
"""The label that says which version of a unit a container is: Unit.host."""
URL_LABEL = "freehold.url"
"""The label that says how this machine reaches what is published."""
USER = "10001:10001"  # of our image, which owns what it has to write
TEMPORARY = "/tmp"  # noqa: S108 - in a container of its own
PROBE_TIMEOUT_S = 4
PROBE_INTERVAL_S = 5

_WALLS: Tree = {"cap_drop": ["ALL"], "security_opt": ["no-new-privileges:true"]}
_LOGGING: Tree = {"logging": {"driver": "json-file", "options": {"max-size": "10m", "max-file": "5"}}}
_HEADER = "# Made by `freehold render compose`: change freehold.yaml and render again.\n"


def render(deployment: Deployment) -> Mapping[str, str]:
    """Every file by its path below the folder that Compose is started in.

    Raises FreeholdError `compose_accelerator` for GPUs that Docker cannot give to a container, and what `installation`
    raises.
    """
    units = units_of(deployment)
    document: Tree = {
        "services": {service_of(unit): _service(unit) for unit in units},
        "networks": {"units": {"internal": True}, "front": {}},
        "secrets": {secret.name: {"file": f"./{secret_path(secret)}"} for secret in secrets_of(units)},
    }
    files: dict[str, str] = {}
    for unit in units:
        files |= files_of(unit)
    beside = installation(deployment.config, deployment.digests)
    if beside is not None:
        settings = deployment.config.dify
        assert settings is not None, "it has a version"
        document["services"] |= {
            name: tree | _WALLS | _LOGGING for name, tree in dify.services(beside, settings).items()
        }
        document["networks"] |= dify.NETWORKS
        document["volumes"] = dify.volumes(beside, deployment.name)
        document["secrets"] |= dify.secrets(beside)
        files |= dify.files(beside)
    return {FILE: _HEADER + as_yaml(_escaped(document)), **files, "README.md": readme(deployment, beside)}


def _service(unit: Unit) -> Tree:
    service: Tree = {"image": unit.image, "labels": {HOST_LABEL: unit.host}}
    if unit.published:
        service["labels"][URL_LABEL] = unit.url
    if unit.entrypoint:
        service["entrypoint"] = list(unit.entrypoint)
    service["command"] = list(unit.command)
    if unit.environment:
        service["environment"] = dict(sorted(unit.environment.items()))
    if unit.secrets:
        service["secrets"] = [secret.name for secret in unit.secrets]
    mounts = mounts_of(unit, f"./{config_folder(service_of(unit))}")
    if mounts:
        service["volumes"] = [
            {"type": "bind", "source": one.source, "target": one.target, "read_only": one.read_only} for one in mounts
        ]
    service |= _network(unit) | _limits(unit) | _walls(unit)
    service["healthcheck"] = {
        "test": list(probe(unit)),
        "interval": f"{PROBE_INTERVAL_S}s",
        "timeout": f"{PROBE_TIMEOUT_S + 1}s",
        "start_period": f"{unit.startup_s}s",
        "retries": 3,
    }
    service["restart"] = "unless-stopped"
    service["stop_grace_period"] = f"{unit.grace_s}s"
    service["init"] = True
    return service | _LOGGING


def _network(unit: Unit) -> Tree:
    """Units reach one another and nothing else; the gateway alone is published, and reaches upstreams."""
    tree: Tree = {"networks": ["units", "front"] if unit.role == "gateway" else ["units"]}
    if unit.published:
        host = unit.published.rpartition(":")[0]
        others = [port for port in (unit.http_port, unit.grpc_port) if port is not None]
        tree["ports"] = [f"{unit.published}:{unit.port}", *(f"{host}:{port}:{port}" for port in others)]
    return tree


def _limits(unit: Unit) -> Tree:
    tree: Tree = {}
    if unit.cpu is not None:
        tree["cpus"] = unit.cpu
    if unit.memory_mb is not None:  # both: without the second one as much again may be swapped
        tree["mem_limit"] = tree["memswap_limit"] = f"{unit.memory_mb}m"
    tree["shm_size"] = f"{unit.shm_mb}m"
    if unit.gpus is not None:
        tree["deploy"] = {"resources": {"reservations": {"devices": [_devices(unit)]}}}
    return tree


def _devices(unit: Unit) -> Tree:
    assert unit.gpus is not None, "it asks for some"
    if unit.gpus.resource != NVIDIA_GPU:
        raise FreeholdError("compose_accelerator", service=unit.name, resource=unit.gpus.resource, known=NVIDIA_GPU)
    which: Tree = {"device_ids": list(unit.gpu_ids)} if unit.gpu_ids else {"count": unit.gpus.count}
    return {"driver": "nvidia", **which, "capabilities": ["gpu"]}


def _walls(unit: Unit) -> Tree:
    """What a unit may do. Images that others chose keep their user and a root file system that can be written."""
    tree = dict(_WALLS)
    if unit.role == "other":
        return tree
    # vLLM loads from there what it compiled; without the word nothing in a tmpfs can be executed
    options = ":exec" if unit.role == "vllm" else ""
    return tree | {"user": USER, "read_only": True, "tmpfs": [f"{TEMPORARY}{options}"]}


def probe(unit: Unit) -> tuple[str, ...]:
    """The command that asks a unit whether it is ready, in its own container; it prints what the unit says.

    By no proxy, though the environment may name one; by its plain port, where it has one, since that answers while the
    first certificate is awaited; else by any certificate, since it asks itself. An image that others chose must have
    curl, wget or python3.
    """
    port, https = (unit.port, unit.https) if unit.http_port is None else (unit.http_port, False)
    kind, trust = ("HTTPS", ",context=ssl._create_unverified_context()") if https else ("HTTP", "")
    script = (
        f"import http.client,{'ssl,' if https else ''}sys;"
        f"c=http.client.{kind}Connection('127.0.0.1',{port},timeout={PROBE_TIMEOUT_S}{trust});"
        f"c.request('GET','{unit.ready}');r=c.getresponse();"
        "print(r.read(4000).decode('utf-8','replace'));sys.exit(r.status!=200)"
    )
    if unit.role != "other":
        return ("CMD", "python3", "-ISc", script)
    url = f"http://127.0.0.1:{unit.port}{unit.ready}"
    curl = f"curl --noproxy '*' -fsS -m {PROBE_TIMEOUT_S} {url}"
    wget = f"wget -Y off -q -T {PROBE_TIMEOUT_S} -O - {url}"
    return ("CMD-SHELL", f'{curl} || {wget} || python3 -ISc "{script}"')


def _escaped(value: Any) -> Any:
    """`value` with each `$` doubled: Compose reads `$NAME` as a variable in every text."""
    if isinstance(value, str):
        return value.replace("$", "$$")
    if isinstance(value, dict):
        return {key: _escaped(entry) for key, entry in value.items()}
    return [_escaped(entry) for entry in value] if isinstance(value, list) else value
