"""A SavedModel or a Keras file, opened as one function of named tensors. Code that the source carries is refused."""

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf
import tf2onnx
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow.python.framework import op_def_registry  # nothing public says which operations are stateful

from freehold.adapt.children.keras_config import Found, examined
from freehold.adapt.children.report import Failed
from freehold.adapt.children.saved_model_ops import HARMLESS, operations

SERVE = "serve"  # the tag under which a SavedModel keeps what is to be served
DEFAULT_SIGNATURE = "serving_default"
SILENT = frozenset({"DecodeProtoV2", "EncodeProto", "MatchingFiles", "PyFuncStateless", "ReadFile"})  # act, undeclared

Tensors = Mapping[str, Any]


@dataclass(frozen=True)
class RawModel:
    """The model as its framework runs it: `call` takes tensors by the names of `inputs` and answers by `outputs`."""

    inputs: tuple["tf.TensorSpec", ...]
    outputs: tuple[str, ...]
    call: Callable[[Tensors], Tensors]
    framework: str
    version: str


def open_source(path: Path, signature: str, trusted: bool) -> RawModel:
    """Open by kind. Raises Failed: `tensorflow_...`, `keras_...`."""
    if path.is_dir():
        return open_saved_model(path, signature, trusted)
    if signature:
        raise Failed("keras_signature", source=path.name, signature=signature)
    return open_keras(path, trusted)


# -- SavedModel


def open_saved_model(path: Path, signature: str, trusted: bool) -> RawModel:
    """Load what `signature` names, once every operation that would run is known to do nothing but compute."""
    meta_graph = _meta_graph(path)
    chosen = _signature(path, meta_graph, signature)
    if not trusted:
        refuse_what_acts(path, operations(meta_graph, chosen))
    loaded = tf.saved_model.load(str(path), tags=[SERVE])
    function = loaded.signatures[chosen]
    inputs = tuple(tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in _arguments(function).items())
    outputs = tuple(function.structured_outputs)

    def call(tensors: Tensors) -> Tensors:
        answer: Tensors = function(**tensors)
        return answer

    # The function holds its variables only weakly: whoever has the model must keep what was loaded.
    call.loaded = loaded  # type: ignore[attr-defined]
    return RawModel(inputs, outputs, call, "tensorflow", tf.__version__)


def _arguments(function: Any) -> dict[str, Any]:
    """Name -> TensorSpec of a signature, in the order of its declaration."""
    arguments: dict[str, Any] = function.structured_input_signature[1]
    return arguments


def _meta_graph(path: Path) -> Any:
    saved = saved_model_pb2.SavedModel()
    try:
        saved.ParseFromString((path / "saved_model.pb").read_bytes())
    except (OSError, DecodeError) as error:
        raise Failed("tensorflow_source_invalid", source=path.name, reason=error) from error
    for meta_graph in saved.meta_graphs:
        if SERVE in meta_graph.meta_info_def.tags:
            return meta_graph
    tags = [", ".join(meta_graph.meta_info_def.tags) or "no tag" for meta_graph in saved.meta_graphs]
    raise Failed("tensorflow_source_invalid", source=path.name, reason=f"its graphs are tagged {tags}, none {SERVE!r}")


def _signature(path: Path, meta_graph: Any, asked: str) -> str:
    names = sorted(name for name in meta_graph.signature_def if not name.startswith("__"))
    if asked in names:
        return asked
    if not asked and DEFAULT_SIGNATURE in names:
        return DEFAULT_SIGNATURE
    if not asked and len(names) == 1:
        return names[0]
    if not names:
        raise Failed("tensorflow_no_signature", source=path.name)
    raise Failed("tensorflow_signature", source=path.name, signature=asked or DEFAULT_SIGNATURE, known=", ".join(names))


def refuse_what_acts(path: Path, found: Mapping[str, str]) -> None:
    """Raise Failed unless all of `found` (operation -> where) is arithmetic that tf2onnx knows, or holds a graph
    together: `tensorflow_acts` for what may read, write or call Python, `tensorflow_ops_unsupported` for the rest."""
    unknown = {op: place for op, place in found.items() if op not in HARMLESS and op not in convertible()}
    acting = {op: place for op, place in unknown.items() if _acts(op)}
    for code, kinds in (("tensorflow_acts", acting), ("tensorflow_ops_unsupported", unknown)):
        if kinds:
            shown = ", ".join(f"{op} (in {place})" for op, place in sorted(kinds.items()))
            raise Failed(code, source=path.name, operations=shown)


def convertible() -> set[str]:
    """Kinds of operations that tf2onnx has an ONNX form for."""
    domains = tf2onnx.handler.tf_op.get_opsets().values()
    return {op for versions in domains for version in versions for op in version}


def _acts(op: str) -> bool:
    definition = op_def_registry.get(op)
    words = ("Dataset", "Debug", "File", "Iterator", "Print", "PyFunc")
    return op in SILENT or any(word in op for word in words) or (definition is not None and definition.is_stateful)


# -- Keras


def open_keras(path: Path, trusted: bool) -> RawModel:
    """Build the model of a .keras or .h5 file, once its configuration is known to name only Keras' own parts."""
    found = _examined(path)
    if found.custom:
        raise Failed("keras_custom", source=path.name, parts=", ".join(found.custom))
    if found.code and not trusted:
        raise Failed("keras_code", source=path.name, parts=", ".join(found.code))
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=not trusted)
    except (ValueError, TypeError, KeyError, OSError, SyntaxError, EOFError) as error:
        raise Failed("keras_unreadable", source=path.name, version=keras.__version__, reason=_first(error)) from error
    return of_keras(path, model)


def of_keras(path: Path, model: Any) -> RawModel:
    """A built model as one function in its inference form."""
    symbols = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if not symbols:
        raise Failed("keras_not_built", source=path.name)
    names = _distinct([symbol.name.partition(":")[0] for symbol in symbols])
    inputs = tuple(tf.TensorSpec(symbol.shape, symbol.dtype, name) for symbol, name in zip(symbols, names, strict=True))
    outputs = _distinct(_output_names(model))

    def call(tensors: Tensors) -> Tensors:
        given = keras.tree.pack_sequence_as(model.input, [tensors[name] for name in names])
        return dict(zip(outputs, keras.tree.flatten(model(given, training=False)), strict=True))

    return RawModel(inputs, outputs, call, "keras", f"{keras.__version__} on TensorFlow {tf.__version__}")


def _output_names(model: Any) -> list[str]:
    """The keys of a dictionary, else the names of the layers that answer."""
    if isinstance(model.output, dict):
        return sorted(model.output)
    names = getattr(model, "output_names", None) or [model.layers[-1].name]
    return [str(name) for name in names]


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """A layer that is used twice gives two tensors of one name."""
    before = [names[:index].count(name) for index, name in enumerate(names)]
    return tuple(f"{name}_{count}" if count else name for name, count in zip(names, before, strict=True))


def _examined(path: Path) -> Found:
    try:
        return examined(_configuration(path))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RecursionError) as error:
        raise Failed("tensorflow_source_invalid", source=path.name, reason=_first(error)) from error


def _configuration(path: Path) -> str | bytes:
    """The JSON that describes the model."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json")
    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
    if config is None:
        raise Failed("keras_weights_only", source=path.name)
    return config if isinstance(config, str | bytes) else json.dumps(config)


def _first(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
