"""What a compilation will do, before anything is built: the command line, the profiles, the key of its engine."""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from freehold.adapt.tensorrt import provider
from freehold.adapt.tensorrt.engines import EngineKey
from freehold.adapt.tensorrt.profiles import Asked, Profile, profiles_of, shape_text
from freehold.adapt.tensorrt.subject import Precision, Subject
from freehold.adapt.tensorrt.trtexec import PLANNED, Build, build_command, check_precision
from freehold.adapt.tensorrt.wrapper import ENGINE
from freehold.machine import Gpu

Builder = Literal["trtexec", "onnxruntime"]


@dataclass(frozen=True)
class Compilation:
    """What the user asked for. `path` is an artifact folder or an .onnx file; `name` is the new artifact's.

    `precision` None: the artifact's own, fp32 where that is none of TensorRT's. `program` is the path of trtexec, and
    `gpu` the index of the GPU; `workspace_mb` 0: all of its memory; `timing_cache` None: one kept in the cache. What
    trtexec says lies in `logs` when it is done.
    """

    path: Path
    name: str
    builder: Builder = "trtexec"
    precision: Precision | None = None
    shapes: Asked = field(default_factory=Asked)
    timing_cache: Path | None = None
    workspace_mb: int = 0
    program: str = ""
    gpu: int = 0
    limit_s: float = 7200.0
    logs: Path = Path()


@dataclass(frozen=True)
class Machine:
    """What the engine is built on. `version` is TensorRT's, "" where it is not known."""

    version: str = ""
    gpu: Gpu | None = None


@dataclass(frozen=True)
class Plan:
    """One compilation, thought through. What the machine did not tell is "" in `key`."""

    builder: Builder
    build: Build
    key: EngineKey
    program: str

    @property
    def command(self) -> list[str]:
        """The command line of trtexec; for ONNX Runtime its options stand in `options`."""
        return build_command(self.program or "trtexec", self.build)

    @property
    def options(self) -> Mapping[str, str]:
        """The options of ONNX Runtime's TensorRT provider."""
        return provider.provider_options(self.build, self.build.engine.parent)

    @property
    def unknown(self) -> list[str]:
        """What must be known before the key is that of an engine."""
        named = {"TensorRT": self.key.version, "GPU": self.key.capability, "driver": self.key.driver}
        return [name for name, value in named.items() if not value]

    def as_data(self) -> dict[str, Any]:
        """For programs."""
        way = {"command": self.command} if self.builder == "trtexec" else {"options": dict(self.options)}
        return {
            "builder": self.builder,
            "precision": self.build.precision,
            "graph": str(self.build.graph),
            **way,
            "profiles": [_profile(profile) for profile in self.build.profiles],
            "key": self.key.digest if not self.unknown else None,
            "unknown": self.unknown,
            "tensorrt": self.build.version,
        }

    def as_text(self) -> str:
        """For people."""
        lines = [f"graph      {self.build.graph}", f"precision  {self.build.precision}"]
        width = max((len(profile.name) for profile in self.build.profiles), default=0)
        for profile in self.build.profiles:
            least, usual, most = map(shape_text, (profile.least, profile.usual, profile.most))
            lines.append(f"profile    {profile.name:<{width}}  min {least}  opt {usual}  max {most}")
        if not self.build.profiles:
            lines.append("profile    none: all shapes are fixed")
        missing = ", ".join(self.unknown)
        lines.append(f"key        {f'not known before: {missing}' if missing else self.key.digest}")
        if self.builder == "trtexec":
            assumed = "" if self.key.version else f"  (as for TensorRT {PLANNED}; there is no trtexec to ask)"
            return "\n".join([*lines, f"command{assumed}", "", f"  {_folded(self.command)}"])
        return "\n".join([*lines, "options", "", *(f"  {name}={value}" for name, value in self.options.items())])


def plan(subject: Subject, asked: Compilation, machine: Machine, scratch: Path, cache: Path) -> Plan:
    """What `asked` means for `subject` on `machine`; the engine will be written into `scratch`.

    Raises FreeholdError as `profiles_of` and `check_precision`.
    """
    manifest = subject.artifact.manifest
    own: Precision = "fp32"
    for known in ("fp16", "bf16"):
        if manifest.precision == known:
            own = known
    if subject.explicit:
        own = "int8"
    precision = asked.precision or own
    by_trtexec = asked.builder == "trtexec"
    version = machine.version or PLANNED
    if by_trtexec:
        check_precision(subject, precision, version)
    profiles: tuple[Profile, ...] = profiles_of(subject, asked.shapes)
    gpu = machine.gpu
    key = EngineKey(
        artifact=subject.artifact.digest,
        builder=asked.builder,
        version=machine.version if by_trtexec else provider.VERSION,
        capability=gpu.capability if gpu else "",
        driver=gpu.driver.partition(".")[0] if gpu else "",
        precision=precision,
        workspace_mb=asked.workspace_mb,
        profiles=profiles,
    )
    timing = asked.timing_cache or cache / f"timing-{version}-{key.capability or 'gpu'}.cache"
    build = Build(
        graph=subject.graph,
        engine=scratch / ENGINE,
        profiles=profiles,
        precision=precision,
        version=version,
        gpu=asked.gpu,
        workspace_mb=asked.workspace_mb,
        timing_cache=timing,
        # Integers are indices nearly everywhere, and those that trtexec draws lie outside of what they point into.
        measured=not any(port.datatype.startswith(("INT", "UINT")) for port in subject.inputs),
    )
    return Plan(asked.builder, build, key, asked.program)


def _profile(profile: Profile) -> dict[str, Any]:
    return {"input": profile.name, "min": profile.least, "opt": profile.usual, "max": profile.most}


def _folded(command: list[str]) -> str:
    return " \\\n    ".join(shlex.quote(word) for word in command)
