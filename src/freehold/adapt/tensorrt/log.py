"""What `trtexec` says while it works, and what it means: of TensorRT 8.6, 10 and 11.

Its lines are for people and differ between versions; what is not understood is kept as it is, and that an engine is
there and answers as recorded is found out from the engine, never from a line.
"""

import re
from dataclasses import dataclass
from typing import Literal

Failure = Literal["", "operator", "memory", "profile", "option", "driver", "incompatible", "other"]

MOST_KEPT = 20  # warnings and errors each
LONGEST = 400  # characters of a line that is shown

_LINE = re.compile(r"^\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] \[(?P<level>[VIWEF])\] (?:\[TRT\] )?(?P<text>.*)$")
_BANNER = re.compile(r"&&&& (?P<state>RUNNING|PASSED|FAILED) TensorRT\.trtexec \[TensorRT v(?P<digits>\d{4,7})\]")
_BUILT = re.compile(r"Engine built in (?P<seconds>[\d.]+) sec")
_SIZE = re.compile(r"(?:Created engine with size|Loaded engine size): (?P<size>[\d.]+) (?P<unit>[KMG]iB)")
_THROUGHPUT = re.compile(r"Throughput: (?P<qps>[\d.]+(?:e[+-]?\d+)?) qps")
_TIMES = re.compile(r"^(?P<what>Latency|GPU Compute Time): (?P<rest>min = .*)$")
_TIME = re.compile(r"(?P<name>min|max|mean|median|percentile\((?P<percent>\d+)%\)) = (?P<ms>[\d.]+(?:e[+-]?\d+)?) ms")
_UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}

_OPERATORS = (
    re.compile(r"No importer registered for op: (?P<operator>[\w:.]+)"),
    re.compile(
        r"and operator: (?P<operator>[\w:.]+) \("
    ),  # 10 and later: In node 3 with name: n and operator: Op (...)
    re.compile(r"While parsing node number \d+ \[(?P<operator>[\w:.]+) -> "),
)
_FAILURES: tuple[tuple[Failure, re.Pattern[str]], ...] = (
    (
        "incompatible",
        re.compile(r"plan file is (?:not compatible|generated on an incompatible)|Version tag does not match"),
    ),
    ("operator", re.compile(r"No importer registered|UNSUPPORTED_NODE|importFallbackPluginImporter|Plugin not found")),
    ("memory", re.compile(r"out of memory|OutOfMemory|could not be allocated|insufficient memory", re.IGNORECASE)),
    (
        "profile",
        re.compile(
            r"optimization profile|Dynamic dimensions required|[Ss]tatic dimension mismatch|MIN <= OPT <= MAX"
            r"|Cannot find input tensor|dimensions in profile \d"
        ),
    ),
    ("option", re.compile(r"Unknown option|Unrecognized (?:option|argument)|Model missing or format not recognized")),
    ("driver", re.compile(r"CUDA initialization failure|driver version is insufficient|no CUDA-capable device")),
)
_STEPS = (
    ("Start parsing network model", "parsing the graph"),
    ("Finished parsing network model", "building the engine"),
    ("Engine built in", "measuring the engine"),
    ("Loading engine", "loading the engine"),
    ("Starting inference", "measuring the engine"),
)


@dataclass(frozen=True)
class Times:
    """Milliseconds of one run; a percentile that was not printed is None."""

    least: float
    most: float
    mean: float
    median: float
    p90: float | None = None
    p95: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class Log:
    """What a log says. `version` is TensorRT's ("10.13.3"), "" without a banner; `passed` is None where it ends early.

    `operator` is the one that TensorRT cannot compute, where that is the failure.
    """

    version: str = ""
    passed: bool | None = None
    built_s: float | None = None
    engine_bytes: int | None = None
    throughput: float | None = None
    latency: Times | None = None
    compute: Times | None = None
    warnings: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    failure: Failure = ""
    operator: str = ""


def parse_log(text: str) -> Log:
    """Read a whole log; nothing in it is an error here."""
    found: dict[str, object] = {}
    warnings: dict[str, None] = {}
    errors: dict[str, None] = {}
    for raw in text.splitlines():
        banner = _BANNER.search(raw)
        if banner is not None:
            found["version"] = version_of(banner["digits"])
            if banner["state"] != "RUNNING":
                found["passed"] = banner["state"] == "PASSED"
            continue
        line = _LINE.match(raw)
        if line is None:
            continue
        if line["level"] == "W":
            warnings[line["text"][:LONGEST]] = None
        elif line["level"] in "EF":
            errors[line["text"][:LONGEST]] = None
        else:
            found |= _measured(line["text"])
    passed = found.get("passed")
    failure, operator = _failure([] if passed else [*errors])
    return Log(
        **found,  # type: ignore[arg-type]  # each key has its field's type
        warnings=tuple(warnings)[:MOST_KEPT],
        errors=tuple(errors)[:MOST_KEPT],
        failure=failure,
        operator=operator,
    )


def step_of(line: str) -> str:
    """The step that a line shows to have begun, in words; "" for all other lines."""
    return next((step for mark, step in _STEPS if mark in line), "")


def version_of(digits: str) -> str:
    """TensorRT's version from its banner: 8601 is 8.6.1, 101303 is 10.13.3."""
    number = int(digits)
    if number >= 100_000:  # from 10 on two digits a part
        return f"{number // 10_000}.{number // 100 % 100}.{number % 100}"
    return f"{number // 1000}.{number // 100 % 10}.{number % 100}"


def _measured(text: str) -> dict[str, object]:
    """What one line of information says in numbers."""
    if match := _BUILT.search(text):
        return {"built_s": float(match["seconds"])}
    if match := _SIZE.search(text):
        return {"engine_bytes": int(float(match["size"]) * _UNITS[match["unit"]])}
    if match := _THROUGHPUT.search(text):
        return {"throughput": float(match["qps"])}
    if match := _TIMES.match(text):
        times = _times(match["rest"])
        return {"latency" if match["what"] == "Latency" else "compute": times} if times else {}
    return {}


def _times(text: str) -> Times | None:
    values = {found["percent"] or found["name"]: float(found["ms"]) for found in _TIME.finditer(text)}
    try:
        plain = (values["min"], values["max"], values["mean"], values["median"])
    except KeyError:
        return None
    return Times(*plain, values.get("90"), values.get("95"), values.get("99"))


def _failure(errors: list[str]) -> tuple[Failure, str]:
    whole = "\n".join(errors)
    if not whole:
        return "", ""
    kind: Failure = next((kind for kind, pattern in _FAILURES if pattern.search(whole)), "other")
    if kind != "operator":
        return kind, ""
    match = next((match for pattern in _OPERATORS if (match := pattern.search(whole))), None)
    return kind, match["operator"] if match else "?"
