"""Triton's model repositories: MODEL/config.pbtxt, which may be absent, and MODEL/VERSION/model.onnx.

The layout and the fields are those of Triton's "Model Repository" and "Model Configuration" pages, and of its
`model_config.proto`.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from freehold.config.document import Node, read_file
from freehold.config.foreign.declared import ForeignModel
from freehold.config.foreign.text_format import parse_text_format
from freehold.config.shapes import DeclaredTensor
from freehold.errors import FreeholdError

CONFIG = "config.pbtxt"
GRAPH = "model.onnx"
BACKEND_OF_FILE = {
    GRAPH: "onnxruntime",
    "model.plan": "tensorrt",
    "model.pt": "pytorch",
    "model.savedmodel": "tensorflow",
    "model.graphdef": "tensorflow",
    "model.py": "python",
    "model.xml": "openvino",
}
BACKEND_OF_PLATFORM = {
    "onnxruntime_onnx": "onnxruntime",
    "tensorrt_plan": "tensorrt",
    "pytorch_libtorch": "pytorch",
    "tensorflow_savedmodel": "tensorflow",
    "tensorflow_graphdef": "tensorflow",
}
OWN_ADVICE = {
    "tensorrt": "triton_backend_tensorrt",
    "pytorch": "triton_backend_pytorch",
    "tensorflow": "triton_backend_tensorflow",
    "python": "triton_backend_python",
    "ensemble": "triton_backend_ensemble",
}
"""Backends for which the fix is a particular one."""

_READ = {"name", "platform", "backend", "max_batch_size", "input", "output", "version_policy", "default_model_filename"}
_TYPES = {"TYPE_STRING": "BYTES"}  # all others are TYPE_ and the name in the Open Inference Protocol


def is_triton_model(folder: Path) -> bool:
    """Whether `folder` is laid out as one model of a Triton repository."""
    if (folder / CONFIG).is_file():
        return True
    return any((version / name).exists() for version in _versions(folder).values() for name in BACKEND_OF_FILE)


def read_triton_model(folder: Path) -> ForeignModel:
    """One model: the versions that the policy allows, and what its configuration declares.

    Raises FreeholdError `repository_file_invalid`, `triton_version_missing`, `triton_stateful`, `triton_reshape` or
    `triton_backend_...` for models that are no ONNX graph.
    """
    config = _config(folder)
    versions = _versions(folder)
    where = config.where
    backend = _backend(config, versions)
    if backend != "onnxruntime":
        code = OWN_ADVICE.get(backend, "triton_backend_other")
        raise FreeholdError(code, where=where, model=folder.name, backend=backend, folder=folder)
    if "sequence_batching" in _fields(config):
        raise FreeholdError("triton_stateful", where=_field(config, "sequence_batching").where, model=folder.name)
    allowed = _allowed(config, versions)
    file = str(_one(config, "default_model_filename", GRAPH))
    graphs = {str(number): versions[number] / file for number in allowed} or {"": folder / "VERSION" / file}
    for graph in graphs.values():
        if not graph.exists():
            found = ", ".join(map(str, sorted(versions))) or "-"
            raise FreeholdError("triton_version_missing", where=where, model=folder.name, path=graph, found=found)
    batched = int(_one(config, "max_batch_size", 0)) > 0
    return ForeignModel(
        name=str(_one(config, "name", "")) or folder.name,
        graph=graph,
        where=where,
        versions=graphs,
        inputs=tuple(_tensor(node, batched) for node in _all(config, "input")),
        outputs=tuple(_tensor(node, batched) for node in _all(config, "output")),
        notes=tuple(_notes(config, folder.name)),
    )


def _config(folder: Path) -> Node:
    path = folder / CONFIG
    if not path.is_file():
        return Node({}, str(folder))
    return parse_text_format(read_file(path), str(path))


def _versions(folder: Path) -> dict[int, Path]:
    """The folders of versions by number; as Triton has it, names that begin with 0 or are no numbers do not count."""
    return {
        int(path.name): path
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path.name.isascii() and path.name.isdigit() and not path.name.startswith("0") and path.is_dir()
    }


def _backend(config: Node, versions: dict[int, Path]) -> str:
    """Whose model it is: as the configuration says, else by the files of its versions."""
    if "ensemble_scheduling" in _fields(config):
        return "ensemble"
    platform = str(_one(config, "platform", ""))
    named = str(_one(config, "backend", "")) or BACKEND_OF_PLATFORM.get(platform, platform)
    if named:
        return named
    files = [
        backend for file, backend in BACKEND_OF_FILE.items() for path in versions.values() if (path / file).exists()
    ]
    return files[0] if files else "onnxruntime"  # without any file, what is missing is said


def _allowed(config: Node, versions: dict[int, Path]) -> list[int]:
    """The versions that the policy allows, in order; without one Triton serves the newest."""
    policy = _field(config, "version_policy")
    if "specific" in _fields(policy):
        wanted = [node.value for node in _all(_field(policy, "specific"), "versions")]
        return sorted(set(versions).intersection(wanted))
    if "all" in _fields(policy):
        return sorted(versions)
    count = int(_one(_field(policy, "latest"), "num_versions", 1))
    return sorted(versions)[-max(1, count) :]


def _tensor(node: Node, batched: bool) -> DeclaredTensor:
    """A declared input or output as the graph has it: with the batch in front, which `max_batch_size` leaves out."""
    name, kind = str(_one(node, "name", "")), str(_one(node, "data_type", ""))
    shape = tuple(_dims(node, "dims"))
    reshaped = _field(node, "reshape")
    if "reshape" in _fields(node) and tuple(_dims(reshaped, "shape")) != shape:
        raise FreeholdError("triton_reshape", where=reshaped.where, name=name)
    if not name or not kind.startswith("TYPE_"):
        raise FreeholdError("repository_file_invalid", where=node.where, reason="a tensor needs `name` and `data_type`")
    return DeclaredTensor(name, _TYPES.get(kind, kind.removeprefix("TYPE_")), ((-1,) if batched else ()) + shape)


def _dims(node: Node, field: str) -> Iterator[int]:
    for entry in _all(node, field):
        if not isinstance(entry.value, int) or isinstance(entry.value, bool) or entry.value < -1 or not entry.value:
            reason = f"{entry.value!r} is no dimension: -1, or 1 and more"
            raise FreeholdError("repository_file_invalid", where=entry.where, reason=reason)
        yield entry.value


def _notes(config: Node, model: str) -> Iterator[FreeholdError]:
    left = sorted(_fields(config).keys() - _READ)
    if left:
        where = _field(config, left[0]).where
        yield FreeholdError("note_repository_settings", where=where, model=model, keys=", ".join(left))


def _fields(node: Node) -> dict[str, Node]:
    return node.value if isinstance(node.value, dict) else {}


def _all(node: Node, name: str) -> list[Node]:
    """Every value of a field."""
    found = _fields(node).get(name)
    return found.value if found is not None and isinstance(found.value, list) else []


def _field(node: Node, name: str) -> Node:
    """The last message under `name`, as protobuf merges them; an empty one where there is none."""
    return next(reversed(_all(node, name)), Node({}, node.file, node.line))


def _one(node: Node, name: str, otherwise: Any) -> Any:
    """The last value of a field, which must be of the type of `otherwise`."""
    found = next(reversed(_all(node, name)), None)
    if found is None:
        return otherwise
    if type(found.value) is not type(otherwise):
        wanted = "a number" if isinstance(otherwise, int) else "a text"
        raise FreeholdError("repository_file_invalid", where=found.where, reason=f"`{name}` must be {wanted}")
    return found.value
