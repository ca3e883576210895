"""A deployment as units of systemd: the same services without Docker, each a program of this machine behind walls.

What differs from a container is put right: a service has a port of loopback instead of a name on a network, and finds
its files, secrets and state where they lie on this machine. One version runs at a time. Pure: same input, same bytes.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import PurePosixPath
from shlex import quote

from freehold.config.labels import GATEWAY
from freehold.deploy.services.deployment import Deployment
from freehold.deploy.services.model_places import HOME, state
from freehold.deploy.services.secret_commands import command_for
from freehold.deploy.services.secret_files import FOLDER as SECRETS
from freehold.deploy.services.units import Mount, Unit
from freehold.errors import FreeholdError

ETC = "/etc/freehold"
USER = "freehold"
PROGRAM = "/opt/freehold/bin/freehold"
HIGHEST_PORT, FIRST_FREE_PORT = 65_535, 1024

_WALLS = """\
NoNewPrivileges=yes
CapabilityBoundingSet={capabilities}
AmbientCapabilities={capabilities}
PrivateTmp=yes
PrivateDevices={private_devices}
ProtectSystem=strict
ProtectHome=tmpfs
ProtectClock={private_devices}
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077"""
_INSIDE = """
IPAddressDeny=any
IPAddressAllow=localhost"""

_SERVICE = """\
# Made by `freehold render systemd`: change freehold.yaml and render again.
[Unit]
Description=Freehold, {deployment}: {unit}
PartOf={deployment}.target
After=network-online.target
Wants=network-online.target

[Service]
Type=exec
User={user}
ExecStart={command}
ExecStartPost=/bin/sh -c "until curl -sfk --noproxy '*' -m 4 -o /dev/null {url}; do kill -0 $$MAINPID || exit 1; \
sleep 1; done"
TimeoutStartSec={startup_s}
TimeoutStopSec={grace_s}
KillMode=mixed
Restart=always
RestartSec=2
LimitNOFILE=65536
{settings}
{walls}

[Install]
WantedBy={deployment}.target
"""

_TARGET = """\
# Made by `freehold render systemd`.
[Unit]
Description=Freehold, {name}

[Install]
WantedBy=multi-user.target
"""

_README = """\
# {name}

Made by `freehold render systemd`, for programs of this machine instead of containers. As root, in this folder:

```
useradd --system --home-dir /nonexistent --shell /usr/sbin/nologin {user}
install -d -m 0700 {etc}/secrets
{secrets}
chmod 0600 {etc}/secrets/*
install -d -o {user} -g {user} -m 0700 {states}
cp -r config/. {etc}
install -m 0644 *.service *.target /etc/systemd/system
systemctl daemon-reload
systemctl enable --now {name}.target {services}
```

It needs systemd 247 or later, curl, and Freehold at {program}. The user {user} must be able to read the model files.

The gateway listens on {host}:{port}, the services behind it on ports of loopback above that one. `systemctl start`
returns once the models have answered what was recorded with them; `journalctl -u {name}-gateway` shows what the
gateway wrote.
{keys}
The gateway takes up a changed `freehold.yaml` without a restart. Another version of a model is a restart of its
service: versions run beside each other under Compose and Kubernetes only.
"""

_KEYS = """
Beyond loopback it asks for a key{initial}.
Each program gets one of its own:

```
runuser -u {user} -- env FREEHOLD_HOME={home} {program} \\
  keys create --config {etc}/gateway/freehold.yaml --name NAME --role client
```
"""


@dataclass(frozen=True)
class _Host:
    """One machine: which port each unit has, and what runs our servers."""

    deployment: Deployment
    program: str
    ports: Mapping[str, int] = field(default_factory=dict)

    @property
    def units(self) -> tuple[Unit, ...]:
        return (*self.deployment.units, self.deployment.gateway)

    @property
    def etc(self) -> str:
        return f"{ETC}/{self.deployment.name}"

    def service(self, unit: Unit) -> str:
        return f"{self.deployment.name}-{unit.name}.service"

    def here(self, unit: Unit, text: str) -> str:
        """`text` of a container, with the names and paths of this machine."""
        for other in self.deployment.units:
            text = text.replace(f"//{other.host}:{other.port}/", f"//127.0.0.1:{self.ports[other.name]}/")
        text = text.replace(f"{SECRETS}/", f"/run/credentials/{self.service(unit)}/")
        for path in unit.files:
            text = text.replace(path, f"{self.etc}/{unit.name}/{PurePosixPath(path).name}")
        return text


def render(deployment: Deployment, program: str = PROGRAM) -> Mapping[str, str]:
    """Units, configurations and README by path; `program` is the `freehold` that runs them.

    Raises FreeholdError `systemd_image` for a service that is an image, `systemd_ports` where ports run out.
    """
    free = (port for port in count(deployment.settings.port + 1) if port != deployment.gateway.grpc_port)
    ports = {unit.name: next(free) for unit in deployment.units}
    if ports and max(ports.values()) > HIGHEST_PORT:
        raise FreeholdError("systemd_ports", port=deployment.settings.port, count=len(ports), highest=HIGHEST_PORT)
    host = _Host(deployment, program, ports)
    files = {host.service(unit): _service(host, unit) for unit in host.units}
    files[f"{deployment.name}.target"] = _TARGET.format(name=deployment.name)
    for unit in host.units:
        for path, text in unit.files.items():
            files[f"config/{unit.name}/{PurePosixPath(path).name}"] = host.here(unit, text)
    return files | {"README.md": _readme(host)}


def _service(host: _Host, unit: Unit) -> str:
    settings = host.deployment.settings
    is_front = unit.role == "gateway"
    address = settings.host if is_front else "127.0.0.1"
    port = settings.port if is_front else host.ports[unit.name]
    low = is_front and any(one < FIRST_FREE_PORT for one in _published(host))
    # ProtectClock allows the clock's device, and so no other: that would be the end of GPUs
    walls = _WALLS.format(
        capabilities="CAP_NET_BIND_SERVICE" if low else "", private_devices="no" if unit.gpus else "yes"
    )
    return _SERVICE.format(
        deployment=host.deployment.name,
        unit=unit.name,
        user=USER,
        command=" ".join(_word(host.here(unit, word)) for word in _command(host, unit, address, port)),
        url=f"{unit.url if is_front else f'http://127.0.0.1:{port}'}{unit.ready}",
        startup_s=unit.startup_s + 10,
        grace_s=unit.grace_s,
        settings="\n".join(_settings(host, unit)),
        walls=walls if is_front else walls + _INSIDE,
    )


def _published(host: _Host) -> Iterator[int]:
    tls = host.deployment.config.server.tls
    yield host.deployment.settings.port
    if tls is not None and tls.http_port is not None:
        yield tls.http_port
    if host.deployment.gateway.grpc_port is not None:
        yield host.deployment.gateway.grpc_port


def _command(host: _Host, unit: Unit, address: str, port: int) -> Sequence[str]:
    """The command line, with an address of its own where the container had all and its one port."""
    if unit.role == "other":
        raise FreeholdError("systemd_image", service=unit.name, image=unit.image)
    if unit.role == "vllm":
        own = {"--host": address, "--port": str(port)}
        words = [own.get(before, word) for before, word in zip(("", *unit.command), unit.command, strict=False)]
        return [*unit.entrypoint, *words]
    return [host.program, *unit.command, "--host", address, "--port", str(port)]


def _settings(host: _Host, unit: Unit) -> Iterator[str]:
    """Secrets, state, model files, bounds, environment."""
    for secret in unit.secrets:
        yield f"LoadCredential={secret.name}:{host.etc}/secrets/{secret.name}"
    home = next((mount.source for mount in unit.mounts if mount.target == HOME), None)
    for mount in unit.mounts:
        target = mount.target if home is None else re.sub(rf"^{HOME}(?=/|$)", lambda _: str(home), mount.target)
        yield f"{'BindReadOnlyPaths' if mount.read_only else 'BindPaths'}={_bound(Mount(mount.source, target))}"
    if host.program.startswith(("/home/", "/root/")):
        prefix = str(PurePosixPath(host.program).parents[1])
        yield f"BindReadOnlyPaths={_bound(Mount(prefix, prefix))}"
    if unit.memory_mb is not None:
        yield f"MemoryMax={unit.memory_mb}M"
        yield "MemorySwapMax=0"
    if unit.cpu is not None:
        yield f"CPUQuota={unit.cpu * 100:g}%"
    environment = dict(unit.environment)
    environment |= {"FREEHOLD_HOME": home} if home is not None else {"PATH": _path(host.program)}
    environment |= {"CUDA_VISIBLE_DEVICES": ",".join(unit.gpu_ids)} if unit.gpu_ids else {}
    for name, value in sorted(environment.items()):
        yield f"Environment={_quoted(f'{name}={value}')}"


def _path(program: str) -> str:
    """Where another server's program is looked for: beside ours first."""
    return f"{PurePosixPath(program).parent}:/usr/local/bin:/usr/bin:/bin"


def _bound(mount: Mount) -> str:
    source, target = (path.replace("\\", "\\\\").replace(":", "\\:") for path in (mount.source, mount.target))
    return _quoted(source if source == target else f"{source}:{target}")


def _word(word: str) -> str:
    """A word of a command line: systemd reads variables in it besides."""
    return _quoted(word.replace("$", "$$"))


def _quoted(text: str) -> str:
    """`text` for systemd.syntax(7): its specifiers begin with %, its quotes are C's."""
    text = text.replace("%", "%%")
    if re.fullmatch(r"[\w@%+=:,./-]+|[\w@%+:,./-]+=[^\s\"'\\]*", text, re.ASCII):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'


def _readme(host: _Host) -> str:
    deployment, units = host.deployment, host.units
    secrets = sorted({secret for unit in units for secret in unit.secrets}, key=lambda secret: secret.name)
    states = sorted({mount.source for unit in units for mount in unit.mounts if not mount.read_only})
    return _README.format(
        keys=_keys(host) if deployment.config.access.auth == "keys" else "",
        name=deployment.name,
        user=USER,
        etc=host.etc,
        program=host.program,
        host=deployment.settings.host,
        port=deployment.settings.port,
        secrets="\n".join(f"{command_for(secret)} > {host.etc}/secrets/{secret.name}" for secret in secrets),
        states=" ".join(map(quote, states)),
        services=" ".join(map(host.service, units)),
    )


def _keys(host: _Host) -> str:
    home = quote(state(GATEWAY, host.deployment.settings)[0].source)
    is_made = host.deployment.config.access.key is None
    initial = f", and writes the first one, a client's, to\n{home}/initial-key" if is_made else ""
    return _KEYS.format(initial=initial, user=USER, home=home, program=host.program, etc=host.etc)
