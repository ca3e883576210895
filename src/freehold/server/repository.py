"""Triton's model repository extension, over REST and gRPC: which models there are, load one, unload one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from freehold.config.foreign.triton import CONFIG
from freehold.errors import FreeholdError
from freehold.http import Call, Response, Route
from freehold.protocol import oip_repository as protocol
from freehold.protocol.oip_metadata import encode_metadata
from freehold.protocol.wire import brief
from freehold.server.dataplane import DataPlane
from freehold.server.description import TOLD
from freehold.server.models import Override
from freehold.server.visible import Visible

OWN = "freehold"
"""The only name that `repository_name` and the path of a repository know: there is one."""

PLAIN = b"text/plain"
_BATCH = -1
_TYPES = {"TYPE_STRING": "BYTES"}  # all others are TYPE_ and the protocol's name
_WITHOUT_EFFECT = frozenset(
    {
        *("runtime", "optimization", "dynamic_batching", "instance_group", "model_warmup", "response_cache"),
        *("cc_model_filenames", "metric_tags", "model_operations", "model_repository_agents", "model_metrics"),
    }
)
"""Fields of `ModelConfig` that say how Triton is to run a model: here that is measured, or said in freehold.yaml."""
_FIELDS = frozenset(
    {
        *("name", "backend", "platform", "max_batch_size", "input", "output", "parameters", "version_policy"),
        "default_model_filename",
    }
)
_BACKENDS = frozenset({"", "onnxruntime", "onnxruntime_onnx", "onnx_onnxv1"})


def routes(plane: DataPlane) -> list[Route]:
    """Index, load and unload, each also with the name of the repository."""

    async def index(call: Call) -> Response:
        _check_repository(call)
        asked = protocol.parse_index(await call.body())
        return Response(encode_metadata(list(entries(plane.seen_by(call), ready=asked.ready))))

    async def load(call: Call) -> Response:
        _check_repository(call)
        await load_model(plane.seen_by(call), call.params["model"], protocol.parse_load(await call.body()))
        return Response(b"", content_type=PLAIN)

    async def unload(call: Call) -> Response:
        _check_repository(call)
        protocol.parse_unload(await call.body())
        await plane.seen_by(call).unload_model(call.params["model"])
        return Response(b"", content_type=PLAIN)

    return [
        Route("POST", f"/v2/repository{named}{path}", endpoint, "oip", "repository")
        for path, endpoint in (("/index", index), ("/models/{model}/load", load), ("/models/{model}/unload", unload))
        for named in ("", "/{repository}")
    ]


def entries(models: Visible, *, ready: bool) -> Iterator[protocol.IndexEntry]:
    """Every version of every model; with `ready` those that answer."""
    for row in models.index():
        if not ready or row.state == "READY":
            yield protocol.IndexEntry(*row)


async def load_model(models: Visible, model: str, asked: protocol.Wanted) -> None:
    """Load a model as asked, or again. Raises what `settings_of`, `files_of` and `Models.load_model` do."""
    override = Override(settings_of(model, asked.config), files_of(model, asked))
    await models.load_model(model, override)


def files_of(model: str, asked: protocol.Wanted) -> Mapping[str, bytes]:
    """The files of a model in the layout of Triton's repositories, with what its configuration says of them: which
    versions are served, and what a graph is called. Raises `load_config_invalid`.
    """
    config, said = asked.config, []
    policy = config.get("version_policy", {})
    match policy:
        case {} if not policy:
            pass
        case {"latest": {} as latest}:
            said.append(
                f"version_policy {{ latest {{ num_versions: {_number(model, latest.get('num_versions', 1))} }} }}"
            )
        case {"all": {}}:
            said.append("version_policy { all { } }")
        case {"specific": {"versions": [*versions]}}:
            numbers = " ".join(f"versions: {_number(model, version)}" for version in versions)
            said.append(f"version_policy {{ specific {{ {numbers} }} }}")
        case _:
            raise _wrong(model, "`version_policy` is none of latest, all and specific")
    name = config.get("default_model_filename", "")
    if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z0-9._-]*", name):
        raise _wrong(model, "`default_model_filename` is no name of a file")
    if name:
        said.append(f'default_model_filename: "{name}"')
    if not (asked.files and said):
        return asked.files
    return {**asked.files, CONFIG: "\n".join(said).encode()}


def settings_of(model: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of freehold.yaml that a configuration of Triton comes to.

    `input` and `output` become what the graph must have; `parameters`, each `{"string_value": TEXT}`, are settings by
    their names, but for those by which `/config` tells what a model is. Fields that say how Triton is to run it have no
    effect, as in a `config.pbtxt`. Raises `load_config_invalid`, for a field that changes what is computed, too.
    """
    refused = sorted(map(brief, config.keys() - _FIELDS - _WITHOUT_EFFECT))
    if refused:
        raise _wrong(model, f"{', '.join(f'`{name}`' for name in refused)} cannot be done here")
    if config.get("name", model) != model:
        raise _wrong(model, f"`name` is {brief(config['name'])!r}")
    for field in ("backend", "platform"):
        if config.get(field, "") not in _BACKENDS:
            raise _wrong(model, f"`{field}` is {brief(config[field])!r}, and ONNX Runtime is what runs models here")
    batch = _number(model, config.get("max_batch_size", 0))
    if batch < 0:
        raise _wrong(model, "`max_batch_size` is less than 0")
    settings: dict[str, Any] = dict(_parameters(model, config.get("parameters", {})))
    for field, setting in (("input", "inputs"), ("output", "outputs")):
        tensors = _list(model, config.get(field, []))
        if tensors:
            settings[setting] = [_tensor(model, field, tensor, batched=batch > 0) for tensor in tensors]
    return settings


def _parameters(model: str, parameters: Any) -> Iterator[tuple[str, str]]:
    if not isinstance(parameters, dict):
        raise _wrong(model, "`parameters` is no object")
    for name, value in parameters.items():
        text = value.get("string_value") if isinstance(value, dict) else value
        if not isinstance(text, str):
            raise _wrong(model, f'parameter {brief(name)!r} is not {{"string_value": TEXT}}')
        if name not in TOLD:
            yield name, text


def _tensor(model: str, field: str, tensor: Any, *, batched: bool) -> dict[str, Any]:
    known = tensor if isinstance(tensor, dict) else {}
    name, kind, dims = known.get("name"), known.get("data_type"), known.get("dims")
    if not (isinstance(name, str) and isinstance(kind, str) and kind.startswith("TYPE_") and isinstance(dims, list)):
        raise _wrong(model, f"an `{field}` lacks `name`, `data_type` or `dims`")
    sizes = [_number(model, size) for size in dims]
    shape = [_BATCH, *sizes] if batched else sizes
    return {"name": name, "datatype": _TYPES.get(kind, kind.removeprefix("TYPE_")), "shape": shape}


def _number(model: str, value: Any) -> int:
    """A whole number, as JSON has it or, of 64 bits, as protobuf writes it in JSON: as a text."""
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,18}", value):
        return int(value)
    if type(value) is not int:
        raise _wrong(model, f"{brief(value)!r} is no whole number")
    return value


def _list(model: str, tensors: Any) -> list[Any]:
    if not isinstance(tensors, list):
        raise _wrong(model, "`input` and `output` are lists")
    return tensors


def _wrong(model: str, reason: str) -> FreeholdError:
    return FreeholdError("load_config_invalid", model=brief(model), reason=reason)


def _check_repository(call: Call) -> None:
    """Raises `repository_unknown` where the path names another one than ours."""
    check_repository(call.params.get("repository", ""))


def check_repository(name: str) -> None:
    """Raises `repository_unknown` for the name of another one than ours; "" stands for it, too."""
    if name not in ("", OWN):
        raise FreeholdError("repository_unknown", name=brief(name), known=OWN)
