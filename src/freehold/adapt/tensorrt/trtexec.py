"""The command lines of `trtexec`, NVIDIA's own builder and runner of engines.

Flags are those of its `--help` in TensorRT 8.6, 10 and 11. What changed between them: bf16 came with 10, and 11 has no
precision flags at all, since its networks are what their graph says ("strongly typed").
"""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from freehold.adapt.tensorrt.profiles import Profile, shape_text
from freehold.adapt.tensorrt.subject import Precision, Subject
from freehold.errors import FreeholdError

PLACES = ("/usr/src/tensorrt/bin", "/opt/tensorrt/bin", "/usr/local/tensorrt/bin")
"""Where NVIDIA's packages and images put it without adding it to PATH."""

PLANNED = "10.13"
"""The version whose command line a plan shows where there is no trtexec to ask."""
OLDEST = 8, 6
STRONGLY_TYPED = 11


@dataclass(frozen=True)
class Build:
    """One build. `version` is TensorRT's ("10.13.3"); `workspace_mb` 0: all that the GPU has. `measured`: trtexec runs
    the engine when it is built, with inputs that it draws itself.
    """

    graph: Path
    engine: Path
    profiles: tuple[Profile, ...]
    precision: Precision
    version: str
    gpu: int = 0
    workspace_mb: int = 0
    timing_cache: Path | None = None
    measured: bool = True


def find_trtexec(named: str | None, environ: Mapping[str, str]) -> Path | None:
    """The program that was named, else the one of PATH or of NVIDIA's usual places; None where there is none."""
    if named:
        found = shutil.which(named, path=environ.get("PATH"))
        return Path(found) if found else None
    found = shutil.which("trtexec", path=os.pathsep.join((environ.get("PATH", ""), *PLACES)))
    return Path(found) if found else None


def numbers(version: str) -> tuple[int, ...]:
    """ "10.13.3" as (10, 13, 3)."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def check_precision(subject: Subject, precision: Precision, version: str) -> None:
    """Whether TensorRT `version` can compute this graph in `precision` with results that mean something.

    Raises FreeholdError `tensorrt_too_old`; `tensorrt_int8_uncalibrated` for int8 of a graph without scales, which
    trtexec would invent; `tensorrt_bf16_unknown`; and `tensorrt_precision_in_graph` where only the graph could ask.
    """
    known = numbers(version)
    if known[:2] < OLDEST:
        raise FreeholdError("tensorrt_too_old", version=version, least=".".join(map(str, OLDEST)))
    if precision == "int8" and not subject.explicit:
        raise FreeholdError("tensorrt_int8_uncalibrated", path=subject.graph)
    if precision == "bf16" and known[0] < 10:  # the first with --bf16
        raise FreeholdError("tensorrt_bf16_unknown", version=version)
    if precision in ("fp16", "bf16") and known[0] >= STRONGLY_TYPED and not subject.halves:
        raise FreeholdError("tensorrt_precision_in_graph", version=version, precision=precision)


def build_command(program: str, build: Build) -> list[str]:
    """The command line that builds an engine and, where `measured`, runs it at the usual shapes."""
    command = [program, f"--onnx={build.graph}", f"--saveEngine={build.engine}", f"--device={build.gpu}"]
    if build.profiles:
        for flag, bound in (("minShapes", "least"), ("optShapes", "usual"), ("maxShapes", "most")):
            shapes = {profile.name: getattr(profile, bound) for profile in build.profiles}
            command.append(f"--{flag}={_by_name(shapes)}")
    if build.precision == "fp32":
        # TF32, TensorRT's default for fp32, rounds products to 10 bits: goldens of fp32 would not hold.
        command.append("--noTF32")
    elif numbers(build.version)[0] < STRONGLY_TYPED:
        command.append(f"--{build.precision}")
    if build.workspace_mb:
        command.append(f"--memPoolSize=workspace:{build.workspace_mb}")
    if build.timing_cache is not None:
        command.append(f"--timingCacheFile={build.timing_cache}")
    return command if build.measured else [*command, "--skipInference"]


def replay_command(
    program: str, engine: Path, gpu: int, shapes: Mapping[str, Sequence[int]], files: Mapping[str, Path], output: Path
) -> list[str]:
    """The command line that runs an engine once with the inputs in `files`, and writes its outputs as JSON.

    `shapes` are those of the inputs with free dimensions.
    """
    loaded = ",".join(f"{_quoted(name)}:{path}" for name, path in files.items())
    command = [program, f"--loadEngine={engine}", f"--device={gpu}", f"--loadInputs={loaded}"]
    if shapes:
        command.append(f"--shapes={_by_name(shapes)}")
    return [*command, f"--exportOutput={output}", "--iterations=1", "--warmUp=0", "--duration=0"]


def _by_name(shapes: Mapping[str, Sequence[int]]) -> str:
    return ",".join(f"{_quoted(name)}:{shape_text(dims)}" for name, dims in shapes.items())


def _quoted(name: str) -> str:
    """Names with colons and commas stand in quotes, since these part names from shapes."""
    return f"'{name}'" if ":" in name or "," in name else name
