"""Services of models: what each one runs, what it needs, and which version of it that is."""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import msgspec

from freehold import __version__
from freehold.config import Access, Config, ModelConfig
from freehold.config.deploying import Deploy, Scale
from freehold.config.written import written
from freehold.deploy.services import vllm
from freehold.deploy.services.devices import Devices
from freehold.deploy.services.gateway_file import EVERYWHERE, PORT
from freehold.deploy.services.images import located
from freehold.deploy.services.model_places import folder_inside, inside, mounts, pulls, state
from freehold.deploy.services.secret_files import INTERNAL, reference, with_files
from freehold.deploy.services.units import FILE, Facts, Unit

IMAGE = "freehold/freehold"

SETTLING_S = 60
"""Beyond the reading of weights: the process, two seconds of measuring for each model, at most ten of replays."""
UNKNOWN_S = 1800
"""The startup budget where nothing is known of the weights."""
READINGS = 3
"""How often the weights may be read in that time: a slow moment of the disk is no failure."""
GRACE_MARGIN_S = 5
SPARE = 1.1
"""What is computed of memory, with a tenth to spare."""


@dataclass(frozen=True)
class Ground:
    """What all services of one deployment stand on; as `Deployment.of` has it."""

    config: Config
    settings: Deploy
    facts: Mapping[str, Facts]
    digests: Mapping[str, str]
    home: str

    @property
    def grace_s(self) -> int:
        """How long a service may take to end."""
        return math.ceil(self.config.server.grace_s) + GRACE_MARGIN_S

    def image(self, *, cuda: bool) -> str:
        """Our image."""
        return located(
            self.settings.image or f"{IMAGE}:{__version__}{'-cuda' if cuda else ''}", self.settings, self.digests
        )

    def known(self, model: ModelConfig) -> Facts:
        """What is known of a model's files."""
        return self.facts.get(model.id, Facts())


def unit_of(name: str, models: tuple[ModelConfig, ...], ground: Ground, devices: Devices) -> Unit:
    """The service `name` of `models`, which are alike in all that a service has once: engine, cards, copies."""
    first = models[0]
    cards = devices.take(first.gpu_request, first.gpu_memory) if ground.settings.target != "kubernetes" else ()
    unit = Unit(
        name=name,
        role="models",
        models=models,
        image="",
        command=(),
        secrets=(INTERNAL,),
        mounts=mounts(models, ground.settings, ground.home),
        pulls=pulls(models, [ground.known(model) for model in models], ground.settings),
        artifacts={model.id: known for model in models if (known := _identity(model, ground))},
        gpus=first.gpu_request,
        gpu_ids=cards,
        cpu=_cpu(models, ground),
        memory_mb=_memory_mb(models, ground),
        grace_s=ground.grace_s,
        scale=first.scale,
    )
    is_ours = first.hosting == "here" or (first.engine != "vllm" and first.image is None)
    return versioned(_serving(unit, ground) if is_ours else _other(unit, first, ground))


def versioned(unit: Unit) -> Unit:
    """The unit with its revision: `models` says nothing that is not in its files or command, `scale` is no version."""
    said = msgspec.to_builtins(replace(unit, models=(), scale=Scale()))
    digest = hashlib.sha256(msgspec.json.encode(said, order="sorted")).hexdigest()
    return replace(unit, revision=digest[:8])


def _serving(unit: Unit, ground: Ground) -> Unit:
    """A unit that is a server of ours, with all its models and with what every one of ours is told."""
    config = ground.config
    text, secrets = with_files(
        Config(
            models=tuple(_served(model, ground) for model in unit.models),
            limits=config.limits,
            require=config.require,
            server=msgspec.structs.replace(
                config.server, host=EVERYWHERE, port=PORT, tls=None, grpc=False, grpc_port=None
            ),
            access=Access(key=reference(INTERNAL)),
            observe=config.observe,
        )
    )
    return replace(
        unit,
        image=ground.image(cuda=any(model.device in ("cuda", "tensorrt") for model in unit.models)),
        command=("serve", FILE),
        files={FILE: written(text)},
        secrets=(*unit.secrets, *secrets),
        mounts=(*state(unit.name, ground.settings), *unit.mounts),
        startup_s=_startup_s(unit.models, ground, SETTLING_S),
    )


def _served(model: ModelConfig, ground: Ground) -> ModelConfig:
    """A model as its own service reads it: what only says where and how often it runs is left out."""
    usual = ModelConfig(id="", source="")
    require, generation = model.require, model.generation
    if generation.kv_mb is None and model.resources.memory_mb is None:
        generation = msgspec.structs.replace(generation, kv_mb=ground.known(model).kv_mb)
    if require.proof is None and ground.settings.target == "kubernetes" and model.hosting == "here":
        require = msgspec.structs.replace(require, proof="always")
    return msgspec.structs.replace(
        model,
        source=str(inside(model.parsed_source, ground.known(model))),
        image=usual.image,
        service=usual.service,
        resources=usual.resources,
        scale=usual.scale,
        locality=usual.locality,
        versions=usual.versions,
        tenant=usual.tenant,  # the gateway's business, which asks with a key of its own
        require=require,
        generation=generation,
    )


def _other(unit: Unit, model: ModelConfig, ground: Ground) -> Unit:
    """A unit that vLLM is, or any other server."""
    is_vllm = model.engine == "vllm"
    found = msgspec.structs.replace(model, source=str(folder_inside(model.parsed_source)))
    words = vllm.words(found, unit.port, ground.known(model).architecture)
    return replace(
        unit,
        role="vllm" if is_vllm else "other",
        image=located(model.image or vllm.IMAGE, ground.settings, ground.digests),
        entrypoint=vllm.ENTRYPOINT if is_vllm else words[:1],
        command=words if is_vllm else words[1:],
        environment=vllm.ENVIRONMENT if is_vllm else {},
        shm_mb=vllm.shm_mb(model) if unit.gpus is not None else unit.shm_mb,
        ready=vllm.READY,
        alive=vllm.READY,
        startup_s=_startup_s(unit.models, ground, vllm.SETTLING_S),
    )


def _identity(model: ModelConfig, ground: Ground) -> str:
    """What its files are; "" where only the cluster knows: another copy of what is on a volume may lie here."""
    known = ground.known(model)
    return known.digest or ("" if ground.settings.target == "kubernetes" else known.fingerprint)


def _cpu(models: Sequence[ModelConfig], ground: Ground) -> float | None:
    """What the configuration says. Nodes of a cluster may have more cores than memory was computed for: no more of them
    are used then. (Docker refuses a bound above what its machine has, and its machine is this one.)"""
    said = _sum(model.resources.cpu for model in models)
    if said is not None or ground.settings.target != "kubernetes":
        return said
    computed = (ground.known(model).cores for model in models if model.resources.memory_mb is None)
    return max((cores for cores in computed if cores is not None), default=None)


def _memory_mb(models: Sequence[ModelConfig], ground: Ground) -> int | None:
    needed = _sum(model.resources.memory_mb or _computed_mb(ground.known(model)) for model in models)
    return None if needed is None else math.ceil(needed)


def _computed_mb(facts: Facts) -> float | None:
    return None if facts.memory_mb is None else facts.memory_mb * SPARE


def _startup_s(models: Sequence[ModelConfig], ground: Ground, settling_s: int) -> int:
    size = _sum(ground.known(model).bytes for model in models)
    if size is None:
        return UNKNOWN_S
    return settling_s + math.ceil(READINGS * size / (ground.settings.disk_mb_s * 1e6))


def _sum(numbers: Iterable[float | None]) -> float | None:
    """Their sum; None where one is not known."""
    known = list(numbers)
    return None if None in known else math.fsum(number for number in known if number is not None)
