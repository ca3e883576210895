"""A SavedModel or a Keras file, opened as one function of named tensors. Code that the source carries is refused."""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import keras
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.python.framework import op_def_registry  # nothing public says which operations are stateful
from tensorflow.python.saved_model.loader_impl import parse_saved_model  # nor reads what would be loaded
from tf2onnx import tfonnx

from freehold.adapt.children import tensorflow_ops  # noqa: F401 - registers more of what can be converted
from freehold.adapt.children.keras_config import Found, examined
from freehold.adapt.children.report import ChildError
from freehold.adapt.children.saved_model_ops import HARMLESS, operations

SERVE = "serve"  # the tag under which a SavedModel keeps what is to be served
DEFAULT_SIGNATURE = "serving_default"
# What acts although it is not declared stateful.
SILENT = frozenset({"DecodeProtoV2", "EncodeProto", "MatchingFiles", "ReadFile"})
ACTING_WORDS = ("Dataset", "Debug", "File", "Iterator", "Print", "PyFunc")

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
    """Open by kind. Raises ChildError: `tensorflow_...`, `keras_...`."""
    if path.is_dir():
        return open_saved_model(path, signature, trusted)
    if signature:
        raise ChildError("keras_signature", source=path.name, signature=signature)
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
    inputs = tuple(tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in _arguments(function))
    outputs = tuple(sorted(function.structured_outputs))

    def call(tensors: Tensors) -> Tensors:
        # Asked for anew, since a signature holds its variables only weakly.
        answer: Tensors = loaded.signatures[chosen](**tensors)
        return answer

    return RawModel(inputs, outputs, call, "tensorflow", tf.__version__)


def _arguments(function: Any) -> list[tuple[str, Any]]:
    """Names and TensorSpecs of a signature's inputs, in the order of the function's (the file keeps them in none)."""
    order = [tensor.name.partition(":")[0] for tensor in function.inputs]
    arguments = sorted(function.structured_input_signature[1].items())
    return sorted(arguments, key=lambda one: order.index(one[0]) if one[0] in order else len(order))


def _meta_graph(path: Path) -> Any:
    """What TensorFlow's own reader finds (a folder may hold several forms of the file), so that what is examined is
    what is loaded."""
    try:
        saved = parse_saved_model(str(path))
    except (OSError, DecodeError, UnicodeDecodeError) as error:
        raise ChildError("tensorflow_source_invalid", source=path.name, reason=first_line(error)) from error
    served = [meta_graph for meta_graph in saved.meta_graphs if set(meta_graph.meta_info_def.tags) == {SERVE}]
    if len(served) != 1:
        tags = [", ".join(meta_graph.meta_info_def.tags) or "no tag" for meta_graph in saved.meta_graphs]
        reason = f"one graph must be tagged {SERVE!r} alone; its graphs are tagged {tags}"
        raise ChildError("tensorflow_source_invalid", source=path.name, reason=reason)
    return served[0]


def _signature(path: Path, meta_graph: Any, asked: str) -> str:
    names: list[str] = sorted(name for name in meta_graph.signature_def if not name.startswith("__"))
    if asked in names:
        return asked
    if not asked and DEFAULT_SIGNATURE in names:
        return DEFAULT_SIGNATURE
    if not asked and len(names) == 1:
        return names[0]
    if not names:
        raise ChildError("tensorflow_no_signature", source=path.name)
    wanted, known = asked or DEFAULT_SIGNATURE, ", ".join(names)
    raise ChildError("tensorflow_signature", source=path.name, signature=wanted, known=known)


def refuse_what_acts(path: Path, found: Mapping[str, str]) -> None:
    """Raise ChildError unless all of `found` (operation -> where) only computes, or holds a graph together.

    `tensorflow_acts` for what may read, write or call Python, `tensorflow_ops_unsupported` for the rest.
    """
    unknown = {op: place for op, place in found.items() if op not in HARMLESS and op not in convertible()}
    acting = {op: place for op, place in unknown.items() if _acts(op)}
    for code, kinds in (("tensorflow_acts", acting), ("tensorflow_ops_unsupported", unknown)):
        if kinds:
            shown = ", ".join(f"{op} (in {place})" for op, place in sorted(kinds.items()))
            raise ChildError(code, source=path.name, operations=shown)


def convertible() -> set[str]:
    """Kinds of operations that tf2onnx has an ONNX form for: arithmetic and control flow, nothing that acts."""
    domains = tfonnx.handler.tf_op.get_opsets().values()
    return {op for versions in domains for version in versions for op in version}


def _acts(op: str) -> bool:
    definition = op_def_registry.get(op)
    if op in SILENT or any(word in op for word in ACTING_WORDS):
        return True
    return definition is not None and bool(definition.is_stateful)


# -- Keras


def open_keras(path: Path, trusted: bool) -> RawModel:
    """Build the model of a .keras or .h5 file, once its configuration is known to name only Keras' own parts."""
    found = _examined(path)
    if found.custom:
        raise ChildError("keras_custom", source=path.name, parts=", ".join(found.custom))
    if found.code and not trusted:
        raise ChildError("keras_code", source=path.name, parts=", ".join(found.code))
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=not trusted)
    except (ValueError, TypeError, KeyError, OSError, SyntaxError, EOFError) as error:
        reason, version = first_line(error), keras.__version__
        raise ChildError("keras_unreadable", source=path.name, version=version, reason=reason) from error
    return of_keras(path, model)


def of_keras(path: Path, model: Any) -> RawModel:
    """A built model as one function in its inference form."""
    symbols = keras.tree.flatten(getattr(model, "inputs", None) or [])
    if not symbols:
        raise ChildError("keras_not_built", source=path.name)
    names = _distinct([symbol.name.partition(":")[0] for symbol in symbols])
    inputs = tuple(tf.TensorSpec(symbol.shape, symbol.dtype, name) for symbol, name in zip(symbols, names, strict=True))
    outputs = _distinct(_output_names(model))

    form = symbols[0] if isinstance(model, keras.Sequential) else model.input

    def call(tensors: Tensors) -> Tensors:
        given = keras.tree.pack_sequence_as(form, [tensors[name] for name in names])
        return dict(zip(outputs, keras.tree.flatten(model(given, training=False)), strict=True))

    return RawModel(inputs, outputs, call, "keras", f"{keras.__version__} on TensorFlow {tf.__version__}")


def _output_names(model: Any) -> list[str]:
    """The keys of a dictionary, else the names of the layers that answer."""
    if isinstance(model, keras.Sequential):
        return [model.layers[-1].name]
    return sorted(model.output) if isinstance(model.output, dict) else list(model.output_names)


def _distinct(names: Sequence[str]) -> tuple[str, ...]:
    """A layer that is used twice gives two tensors of one name."""
    before = [names[:index].count(name) for index, name in enumerate(names)]
    return tuple(f"{name}_{count}" if count else name for name, count in zip(names, before, strict=True))


def _examined(path: Path) -> Found:
    try:
        return examined(_configuration(path))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, RecursionError) as error:
        raise ChildError("tensorflow_source_invalid", source=path.name, reason=first_line(error)) from error


def _configuration(path: Path) -> str | bytes:
    """The JSON that describes the model; the form of the file is told by its suffix, as Keras does."""
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            return archive.read("config.json")
    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
    if config is None:
        raise ChildError("keras_weights_only", source=path.name)
    return config if isinstance(config, str | bytes) else str(config)


def first_line(error: BaseException) -> str:
    """What an error of the framework says, without the page that may follow."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
