"""The services of a Dify as those of Compose, beside the models of the same deployment.

config/SERVICE.env        the variables of a service that are not secret
config/SERVICE/PATH       what it reads, below the path that it has in the container
dify/secrets.json         the secrets that the deployment makes, for its owner alone
dify/SERVICE.env          those that a service has, as variables
secrets/dify-NAME         files of the user's that services read: certificates, keys

Volumes are named after the deployment, whatever folder Compose is started in: there is never another, empty one.
"""

import posixpath
import re
from collections.abc import Iterable, Mapping
from typing import Any

from freehold.config.dify import Dify
from freehold.deploy.compose.layout import CONFIG, config_folder, secret_path
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.nginx import HTTP_PORT, HTTPS_PORT
from freehold.deploy.topology.service import Installation, Probe, Service, Volume
from freehold.deploy.topology.texts import filled
from freehold.errors import FreeholdError

Tree = dict[str, Any]

FOLDER = "dify"
SECRETS_FILE = f"{FOLDER}/secrets.json"
SERVICE_LABEL = "freehold.dify"
"""The label that says which service of Dify a container is."""
STATEFUL_LABEL = "freehold.dify.stateful"
"""On a database: it ends after all that write to it."""
INSIDE, SANDBOX, FRONT = "dify", "dify-sandbox", "front"
"""`front` is the gateway's, and the only one from which anything outside is reached."""
NETWORKS: Tree = {INSIDE: {"internal": True}, SANDBOX: {"internal": True}}
ENTRANCE = "nginx"
"""The service that is published."""
GRACE_S = 60
_PROBES = 3
_UNFIT = re.compile(r"['\\\r\n]|\$\{")
"""What the two programs that read a file of variables, Compose v2 and docker-compose 1.29, read in different ways."""


def services(installation: Installation, dify: Dify) -> Mapping[str, Tree]:
    """By name, the entries of compose.yaml."""
    probed = {service.name for service in installation.services if service.probe is not None}
    jobs = {service.name for service in installation.services if service.kind == "job"}
    return {service.name: _service(service, dify, probed, jobs) for service in installation.services}


def volumes(installation: Installation, name: str) -> Tree:
    """The volumes of the deployment `name`, for compose.yaml."""
    return {_key(volume): {"name": volume_name(name, volume.name)} for volume in _volumes(installation)}


def volume_name(name: str, volume: str) -> str:
    """What Docker calls a volume of the deployment `name`."""
    return f"{name}-dify-{volume}"


def files(installation: Installation) -> Mapping[str, str]:
    """What the services read, nothing of it secret, by path below the folder that Compose is started in."""
    found: dict[str, str] = {}
    for service in installation.services:
        plain = {name: text for name, text in service.environment.items() if not _UNFIT.search(text)}
        if plain:
            found[f"{CONFIG}/{service.name}.env"] = _env(plain)
        found |= {f"{config_folder(service.name)}{path}": text for path, text in service.files.items()}
    return found


def secret_env_files(installation: Installation, values: Mapping[str, str]) -> Mapping[str, str]:
    """The files with the secrets of each service as variables, by path below the folder; `values` by name.

    Raises FreeholdError `dify_secret_unfit` for one that such a file cannot hold.
    """
    found = {}
    for service in (service for service in installation.services if service.secrets):
        texts = {name: filled(text, values) for name, text in service.secrets.items()}
        for name, text in texts.items():
            if _UNFIT.search(text):
                raise FreeholdError("dify_secret_unfit", service=service.name, name=name)
        found[_secret_env(service)] = _env(texts)
    return found


def secret_files(installation: Installation) -> tuple[SecretFile, ...]:
    """The files of the user's that services read below /run/secrets, each once."""
    found = {file for service in installation.services for file in service.secret_files.values()}
    return tuple(sorted(found, key=lambda file: file.name))


def secrets(installation: Installation) -> Tree:
    """Those files, for compose.yaml."""
    return {file.name: {"file": f"./{secret_path(file)}"} for file in secret_files(installation)}


def _service(service: Service, dify: Dify, probed: Iterable[str], jobs: Iterable[str]) -> Tree:
    stateful = {STATEFUL_LABEL: "true"} if service.stateful else {}
    tree: Tree = {"image": service.image, "labels": {SERVICE_LABEL: service.name, **stateful}}
    if service.entrypoint:
        tree["entrypoint"] = list(service.entrypoint)
    if service.command:
        tree["command"] = list(service.command)
    unfit = {name: text for name, text in service.environment.items() if _UNFIT.search(text)}
    env_files = [f"./{CONFIG}/{service.name}.env"] if len(unfit) < len(service.environment) else []
    env_files += [f"./{_secret_env(service)}"] if service.secrets else []
    if env_files:
        tree["env_file"] = env_files
    if unfit:
        tree["environment"] = unfit
    if service.secret_files:
        tree["secrets"] = [file.name for file in service.secret_files.values()]
    mounts = [*_folders(service), *(_mount(volume) for volume in service.volumes)]
    if mounts:
        tree["volumes"] = mounts
    tree |= _network(service, dify) | _walls(service)
    if service.after:
        tree["depends_on"] = {name: {"condition": _condition(name, probed, jobs)} for name in service.after}
    if service.probe is not None:
        tree["healthcheck"] = _healthcheck(service.probe)
    if service.memory_mb is not None:
        tree["mem_limit"] = tree["memswap_limit"] = f"{service.memory_mb}m"
    is_job = service.kind == "job"
    return tree | {"restart": "no" if is_job else "unless-stopped", "stop_grace_period": f"{GRACE_S}s", "init": True}


def _condition(name: str, probed: Iterable[str], jobs: Iterable[str]) -> str:
    if name in jobs:
        return "service_completed_successfully"
    return "service_healthy" if name in probed else "service_started"


def _network(service: Service, dify: Dify) -> Tree:
    """Services reach one another; the gateway and all that is outside only by another network, where that is said."""
    is_entrance = service.name == ENTRANCE
    named = {"default": INSIDE, "sandbox": SANDBOX}
    networks = [named[network] for network in service.networks]
    if is_entrance or {"gateway", "outside"} & set(service.reaches):
        networks.append(FRONT)
    if not networks:
        return {"network_mode": "none"}
    tree: Tree = {"networks": networks}
    if is_entrance:
        host = f"[{dify.host}]" if ":" in dify.host else dify.host
        tree["ports"] = [f"{host}:{dify.public_port}:{HTTPS_PORT if dify.tls else HTTP_PORT}"]
    return tree


def _walls(service: Service) -> Tree:
    """What a service may do beyond what all are denied."""
    tree: Tree = {}
    if service.capabilities:
        tree["cap_add"] = list(service.capabilities)
    if service.user:
        tree["user"] = service.user
    if service.read_only:
        tree["read_only"] = True
        if service.writable:
            tree["tmpfs"] = list(service.writable)
    return tree


def _healthcheck(probe: Probe) -> Tree:
    return {
        "test": list(probe_command(probe)),
        "interval": f"{probe.interval_s}s",
        "timeout": f"{probe.timeout_s}s",
        "start_period": f"{probe.startup_s}s",
        "retries": _PROBES,
    }


def probe_command(probe: Probe) -> tuple[str, ...]:
    """The command that asks a service in its own container; by whatever its image has that can ask.

    Where the image has nothing that speaks HTTP, that the port is open must do: bash opens it.
    """
    if probe.command:
        return ("CMD", *probe.command)
    open_port = f"bash -c 'exec 3<>/dev/tcp/127.0.0.1/{probe.port}'"
    if not probe.path:
        connect = f'import socket;socket.create_connection(("127.0.0.1",{probe.port}),3)'
        return ("CMD-SHELL", f"nc -z 127.0.0.1 {probe.port} || {open_port} || python3 -c '{connect}'")
    url = f"http://127.0.0.1:{probe.port}{probe.path}"
    curl = f"curl --noproxy '*' -fsS -o /dev/null -m {probe.timeout_s} {url}"
    wget = f"wget -Y off -q -T {probe.timeout_s} -O /dev/null {url}"
    return (
        "CMD-SHELL",
        f"if command -v curl; then {curl}; elif command -v wget; then {wget}; else {open_port}; fi",
    )


def _folders(service: Service) -> list[Tree]:
    """The folders with its files, rather than the files: one that is replaced is then seen at once."""
    folders = dict.fromkeys(posixpath.dirname(path) for path in service.files)
    config = f"./{config_folder(service.name)}"
    return [{"type": "bind", "source": f"{config}{folder}", "target": folder, "read_only": True} for folder in folders]


def _mount(volume: Volume) -> Tree:
    return {"type": "volume", "source": _key(volume), "target": volume.path}


def _volumes(installation: Installation) -> Iterable[Volume]:
    return {volume.name: volume for service in installation.services for volume in service.volumes}.values()


def _key(volume: Volume) -> str:
    return f"dify-{volume.name}"


def _secret_env(service: Service) -> str:
    return f"{FOLDER}/{service.name}.env"


def _env(variables: Mapping[str, str]) -> str:
    """A file of variables, each in quotes between which nothing is replaced."""
    return "".join(f"{name}='{text}'\n" for name, text in variables.items())
