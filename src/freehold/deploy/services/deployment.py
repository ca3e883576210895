"""From one configuration to all services that it takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import msgspec

from freehold.config import Config, KeyLimits, ModelConfig
from freehold.config.deploying import Deploy, Scale
from freehold.config.labels import GATEWAY, label
from freehold.config.routing import Gateway
from freehold.deploy.services.devices import Devices
from freehold.deploy.services.gateway_file import Shares, gateway_file, http_port_of, port_of
from freehold.deploy.services.model_places import state
from freehold.deploy.services.model_units import Ground, unit_of, versioned
from freehold.deploy.services.secret_files import ACCESS, INTERNAL, reference
from freehold.deploy.services.units import FILE, Facts, Unit
from freehold.errors import FreeholdError

GATEWAYS = 2
"""Copies of a cluster's gateway: a node may go without anybody noticing."""


@dataclass(frozen=True)
class Deployment:
    """All services of one configuration. `units` are in the order of the models, the gateway is apart."""

    name: str
    config: Config
    settings: Deploy
    units: tuple[Unit, ...]
    gateway: Unit
    digests: Mapping[str, str] = field(default_factory=dict)
    """As for `images.located`: those of a Dify that is deployed beside them are made where it is rendered."""

    @property
    def has_dify(self) -> bool:
        """Whether a Dify is deployed beside the models."""
        return self.config.dify is not None and self.config.dify.version is not None

    @classmethod
    def of(
        cls,
        config: Config,
        facts: Mapping[str, Facts] = MappingProxyType({}),
        digests: Mapping[str, str] = MappingProxyType({}),
        home: str = "/var/lib/freehold",
    ) -> "Deployment":
        """The services of `config`. Pure: `facts` by the ids of models, `digests` as for `images.located`, `home` the
        FREEHOLD_HOME of this machine, whose store and fetched models Compose and systemd mount.

        Raises `units_name_twice` where two of them would have one name on the network, and `units_versions`.
        """
        settings = config.deploy or Deploy()
        ground = Ground(config, settings, facts, digests, home)
        devices = Devices()
        units = tuple(unit_of(name, models, ground, devices) for name, models in _services(config).items())
        return cls(settings.name, config, settings, units, _gateway(ground, units), dict(digests))

    def gateway_file(self, coming: "Deployment | None" = None, shares: Shares = MappingProxyType({})) -> str:
        """The gateway's configuration while this is what is released and `coming` is on its way: see `gateway_file`."""
        return gateway_file(_entered(self.config), self.units, coming.units if coming else (), shares)[0]


def _services(config: Config) -> Mapping[str, tuple[ModelConfig, ...]]:
    """By the name on the network, the models that share a service; each has its own where nothing is said."""
    services: dict[str, tuple[ModelConfig, ...]] = {}
    owners = {GATEWAY: ("service", GATEWAY)}
    for model in config.models:
        if model.hosting == "upstream":
            continue
        if len(model.versions) > 1:
            raise FreeholdError("units_versions", id=model.id, versions=", ".join(model.versions))
        said = ("model", model.id) if model.service is None else ("service", model.service)
        name = label(said[1])
        owner = owners.setdefault(name, said)
        if owner != said or name == GATEWAY:
            raise FreeholdError("units_name_twice", id=model.id, name=name, other=owner[1])
        services[name] = (*services.get(name, ()), model)
    return services


def _gateway(ground: Ground, units: Sequence[Unit]) -> Unit:
    """The one service that is reached from outside. What it reads again while it runs makes no other version of it."""
    config = _entered(ground.config)
    text, secrets = gateway_file(config, units)
    rereads = {
        "models": (),
        "routes": (),
        "gateway": Gateway(body_mb=config.gateway.body_mb),
        "access": msgspec.structs.replace(config.access, limits=KeyLimits(), teams={}),
    }
    lasting, _ = gateway_file(msgspec.structs.replace(config, **rereads), ())
    unit = Unit(
        name=GATEWAY,
        role="gateway",
        models=(),
        image=ground.image(cuda=False),
        command=("gateway", FILE),
        port=port_of(config),
        published=_published(ground.settings),
        http_port=http_port_of(config),
        grpc_port=config.server.grpc_port if config.server.grpc else None,
        files={FILE: lasting},
        secrets=(INTERNAL, *([ACCESS] if _makes_access(ground.config) else []), *secrets),
        mounts=state(GATEWAY, ground.settings),
        https=config.server.tls is not None,
        grace_s=ground.grace_s,
        scale=Scale(least=GATEWAYS) if ground.settings.target == "kubernetes" else Scale(),
    )
    return replace(versioned(unit), files={FILE: text})


def _published(settings: Deploy) -> str:
    """Where this machine has the gateway; a cluster has its own ways to it."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return "" if settings.target == "kubernetes" else f"{host}:{settings.port}"


def _entered(config: Config) -> Config:
    """`config` with the key that the deployment makes for its gateway, where the user names none."""
    if not _makes_access(config):
        return config
    return msgspec.structs.replace(config, access=msgspec.structs.replace(config.access, key=reference(ACCESS)))


def _makes_access(config: Config) -> bool:
    is_rolled_out = (config.deploy or Deploy()).target != "systemd"  # by a rollout, which asks the gateway things, too
    return is_rolled_out and config.access.auth == "keys" and config.access.key is None
