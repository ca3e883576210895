"""From one configuration to all services that it takes."""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType

import msgspec

from freehold import __version__
from freehold.config import Access, Config, Gpus, ModelConfig, Network, Source
from freehold.config.deploying import Deploy, Scale
from freehold.config.labels import GATEWAY, label
from freehold.config.written import written
from freehold.deploy import vllm
from freehold.deploy.gateway_file import EVERYWHERE, PORT, Shares, gateway_file
from freehold.deploy.images import located
from freehold.deploy.secret_files import ACCESS, INTERNAL, reference, with_files
from freehold.deploy.units import Facts, Mount, Pull, Unit
from freehold.errors import FreeholdError

IMAGE = "freehold/freehold"
FILE = "/etc/freehold/freehold.yaml"
HOME = "/app/data"
"""FREEHOLD_HOME in our images."""

SETTLING_S = 60
"""Beyond the reading of weights: the process, two seconds of measuring for each model, at most ten of replays."""
UNKNOWN_S = 1800
"""The startup budget where nothing is known of the weights."""
GRACE_MARGIN_S = 5
SPARE = 1.1
"""What is computed of memory, with a tenth to spare."""


@dataclass(frozen=True)
class Deployment:
    """All services of one configuration. `units` are in the order of the models, the gateway is apart."""

    name: str
    config: Config
    settings: Deploy
    units: tuple[Unit, ...]
    gateway: Unit

    @classmethod
    def of(
        cls,
        config: Config,
        facts: Mapping[str, Facts] = MappingProxyType({}),
        digests: Mapping[str, str] = MappingProxyType({}),
        home: str = "/var/lib/freehold",
    ) -> "Deployment":
        """The services of `config`. Pure: `facts` by the ids of models, `digests` as for `images.located`, `home` the
        folder on this machine whose store and fetched models Compose and systemd mount.

        Raises `units_name_taken` where two of them would have one name on the network.
        """
        settings = config.deploy or Deploy()
        place = _Place(config, settings, facts, digests, home)
        units = place.units()
        return cls(settings.name, config, settings, units, place.gateway(units))

    def gateway_file(self, coming: "Deployment | None" = None, shares: Shares = MappingProxyType({})) -> str:
        """The gateway's configuration while this is what is released and `coming` is on its way: see `gateway_file`."""
        return gateway_file(_entered(self.config, self.settings), self.units, coming.units if coming else (), shares)[0]


@dataclass(frozen=True)
class _Place:
    """What every unit of one deployment is made from."""

    config: Config
    settings: Deploy
    facts: Mapping[str, Facts]
    digests: Mapping[str, str]
    home: str

    def units(self) -> tuple[Unit, ...]:
        groups: dict[str, list[ModelConfig]] = {}
        for model in self.config.models:
            if model.hosting != "upstream":
                groups.setdefault(model.service or model.id, []).append(model)
        labels: dict[str, str] = {}
        for name in groups:
            other = labels.setdefault(label(name), name)
            if other != name or label(name) == GATEWAY:
                raise FreeholdError("units_name_taken", id=name, other=other, label=label(name))
        devices = _Devices()
        return tuple(_versioned(self._unit(label(name), tuple(models), devices)) for name, models in groups.items())

    def gateway(self, units: Sequence[Unit]) -> Unit:
        config = _entered(self.config, self.settings)
        text, secrets = gateway_file(config, units)
        unit = Unit(
            name=GATEWAY,
            role="gateway",
            models=(),
            image=self._image(cuda=False),
            command=("gateway", FILE),
            files={FILE: gateway_file(msgspec.structs.replace(config, models=(), routes=()), ())[0]},
            secrets=(INTERNAL, *([ACCESS] if _makes_access(self.config) else []), *secrets),
            mounts=tuple(self._state(GATEWAY)),
            https=config.server.tls is not None,
            grace_s=math.ceil(config.server.grace_s) + GRACE_MARGIN_S,
            scale=Scale(least=2) if self.settings.target == "kubernetes" else Scale(),
        )
        return replace(_versioned(unit), files={FILE: text})

    def _unit(self, name: str, models: tuple[ModelConfig, ...], devices: "_Devices") -> Unit:
        first = models[0]
        serves = first.hosting == "here" or not (first.engine == "vllm" or first.image)
        common = Unit(
            name=name,
            role="models",
            models=models,
            image="",
            command=(),
            secrets=(INTERNAL,),
            mounts=(*(self._state(name) if serves else ()), *self._model_files(models)),
            pulls=tuple(pull for model in models for pull in self._pulls(model)),
            artifacts={model.id: digest for model in models if (digest := self._facts(model).digest)},
            gpus=_together(models),
            gpu_ids=devices.next(models) if self.settings.target != "kubernetes" else (),
            cpu=_sum(model.resources.cpu for model in models),
            memory_mb=_rounded(_sum(self._memory_mb(model) for model in models)),
            grace_s=math.ceil(self.config.server.grace_s) + GRACE_MARGIN_S,
            scale=first.scale,
        )
        return self._serving(common) if serves else self._other(common, first)

    def _serving(self, unit: Unit) -> Unit:
        """A unit that our own server is."""
        inside, secrets = with_files(
            Config(
                models=tuple(self._inside(model) for model in unit.models),
                limits=self.config.limits,
                require=self.config.require,
                server=msgspec.structs.replace(self.config.server, host=EVERYWHERE, port=PORT, tls=None),
                access=Access(key=reference(INTERNAL)),
                network=Network(),
                observe=self.config.observe,
            )
        )
        return replace(
            unit,
            image=self._image(cuda=any(model.device in ("cuda", "tensorrt") for model in unit.models)),
            command=("serve", FILE),
            files={FILE: written(inside)},
            secrets=(*unit.secrets, *secrets),
            startup_s=self._startup_s(unit.models, SETTLING_S),
        )

    def _other(self, unit: Unit, model: ModelConfig) -> Unit:
        """A unit that vLLM is, or any other server."""
        is_vllm = model.engine == "vllm"
        words = vllm.words(model, unit.port, self._facts(model).architecture)
        return replace(
            unit,
            role="vllm" if is_vllm else "other",
            image=located(model.image or vllm.IMAGE, self.settings, self.digests),
            entrypoint=vllm.ENTRYPOINT if is_vllm else words[:1],
            command=words if is_vllm else words[1:],
            environment=vllm.ENVIRONMENT if is_vllm else {},
            shm_mb=vllm.shm_mb(model) if unit.gpus else unit.shm_mb,
            ready=vllm.READY,
            alive=vllm.READY,
            startup_s=self._startup_s(unit.models, vllm.SETTLING_S),
        )

    def _inside(self, model: ModelConfig) -> ModelConfig:
        """A model as its own service reads it: what only says where and how often it runs is left out."""
        usual = ModelConfig(id="", source="")
        require = model.require
        if require.proof is None and self.settings.target == "kubernetes" and model.hosting == "here":
            require = msgspec.structs.replace(require, proof="always")
        return msgspec.structs.replace(
            model,
            source=str(self._pinned(model)),
            image=usual.image,
            service=usual.service,
            resources=usual.resources,
            scale=usual.scale,
            locality=usual.locality,
            require=require,
        )

    def _pinned(self, model: ModelConfig) -> Source:
        source, digest = model.parsed_source, self._facts(model).digest
        return Source("store", source.name, digest=digest) if source.kind == "store" and digest else source

    def _facts(self, model: ModelConfig) -> Facts:
        return self.facts.get(model.id, Facts())

    def _image(self, *, cuda: bool) -> str:
        named = self.settings.image or f"{IMAGE}:{__version__}{'-cuda' if cuda else ''}"
        return located(named, self.settings, self.digests)

    def _memory_mb(self, model: ModelConfig) -> float | None:
        computed = self._facts(model).memory_mb
        return model.resources.memory_mb or (computed * SPARE if computed is not None else None)

    def _startup_s(self, models: Sequence[ModelConfig], settling_s: int) -> int:
        """Three times what the weights take to read at the disk's speed, and what comes after."""
        size = _sum(self._facts(model).bytes for model in models)
        return UNKNOWN_S if size is None else settling_s + math.ceil(3 * size / (self.settings.disk_mb_s * 1e6))

    def _state(self, name: str) -> Iterator[Mount]:
        """Where a service of ours keeps what it need not make again; all versions of it have the same."""
        if self.settings.target != "kubernetes":
            yield Mount(f"{self.settings.data}/{name}", HOME, read_only=False)

    def _model_files(self, models: Sequence[ModelConfig]) -> tuple[Mount, ...]:
        return tuple(dict.fromkeys(mount for model in models for mount in self._mounts(model)))

    def _mounts(self, model: ModelConfig) -> Iterator[Mount]:
        """Where the service finds the model's files, each at the path that it has on this machine."""
        source = model.parsed_source
        if source.kind == "path":
            folder = _folder(source.name)
            yield Mount(folder, folder)
        elif self.settings.target != "kubernetes":
            place = "store" if source.kind == "store" else "models"
            yield Mount(f"{self.home}/{place}", f"{HOME}/{place}")

    def _pulls(self, model: ModelConfig) -> Iterator[Pull]:
        """What a pod brings itself, by digest where that is known."""
        source = model.parsed_source
        if self.settings.target == "kubernetes" and source.kind == "store" and self.settings.pull_from:
            digest = self._facts(model).oci_digest
            which = f"@{digest}" if digest else f":{source.version}" if source.version else ""
            yield Pull(f"oci://{self.settings.pull_from}/{source.name}{which}", source.name)


class _Devices:
    """Hands the NVIDIA devices of one machine to its services, each the next ones of its own."""

    def __init__(self) -> None:
        self._taken = 0

    def next(self, models: Sequence[ModelConfig]) -> tuple[str, ...]:
        """The numbers of those that these models get."""
        request = _together(models)
        if request is None or not request.resource.startswith("nvidia.com/"):
            return ()
        numbers = range(self._taken, self._taken + request.count)
        self._taken += request.count
        return tuple(map(str, numbers))


def _entered(config: Config, settings: Deploy) -> Config:
    """`config` with the key of a cluster's gateway, where the user names none."""
    if not _makes_access(config):
        return config
    return msgspec.structs.replace(config, access=Access(auth=config.access.auth, key=reference(ACCESS)))


def _makes_access(config: Config) -> bool:
    on_cluster = config.deploy is not None and config.deploy.target == "kubernetes"
    return on_cluster and config.access.auth == "keys" and config.access.key is None


def _folder(path: str) -> str:
    """What is mounted for a path: of a file its folder, where more of the model lies; of a snapshot in a cache of
    Hugging Face the repository, since its files are links to blobs there."""
    place = PurePosixPath(path)
    if place.parent.name == "snapshots" and place.parents[1].name.startswith("models--"):
        return str(place.parents[1])
    return str(place.parent if place.suffix == ".onnx" else place)


def _together(models: Sequence[ModelConfig]) -> Gpus | None:
    """The GPUs of all models of a service, which are of one kind."""
    requests = [request for model in models if (request := model.gpu_request) is not None]
    return Gpus(count=sum(request.count for request in requests), resource=requests[0].resource) if requests else None


def _sum(numbers: "Iterator[float | None]") -> float | None:
    """Their sum; None where one is not known."""
    known = list(numbers)
    return None if None in known else math.fsum(number for number in known if number is not None)


def _rounded(number: float | None) -> int | None:
    return None if number is None else math.ceil(number)


def _versioned(unit: Unit) -> Unit:
    """The unit with its revision: `models` says nothing that is not in its files or command, `scale` is no version."""
    said = msgspec.to_builtins(replace(unit, models=(), scale=Scale()))
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    return replace(unit, revision=digest[:8])
