"""The commented file that `freehold config init` writes."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import yaml

from freehold.config.canonical import id_from
from freehold.config.shapes import Config, ModelConfig
from freehold.config.source import Source, parse

_HEAD = """\
# Which models are served, and how. Every key with its default: docs/reference/config.md
# Check it:  freehold config check        Serve it:  freehold serve
"""
_MODEL_KEYS = ("kind", "context_length", "device", "precision", "workers", "keep_alive", "generation")
_SECTIONS = ("limits", "server", "access", "observe")


def template(sources: Sequence[tuple[str, Source]]) -> str:
    """A file that serves `sources`, pairs of id and source; the settings that are changed most stand as comments."""
    lines = [_HEAD, "models:"]
    for name, source in sources:
        lines += [f"  - id: {_scalar(name)}", f"    source: {_scalar(str(source))}"]
    lines += [f"    # {line}" for line in _settings(ModelConfig, _MODEL_KEYS)]
    for section in _SECTIONS:
        value = getattr(Config(), section)
        lines += ["", f"# {section}:", *(f"#   {line}" for line in _settings(type(value), value.__struct_fields__))]
    return "\n".join(lines) + "\n"


def models_in(folder: Path) -> list[tuple[str, Source]]:
    """The models that lie in `folder`: itself, its .onnx files and model folders, with sources relative to it."""
    if _is_model(folder):
        return _named([folder], folder)
    return _named([path for path in sorted(folder.iterdir()) if path.suffix == ".onnx" or _is_model(path)], folder)


def _is_model(path: Path) -> bool:
    if not path.is_dir():
        return False
    has_weights = any(path.glob("*.safetensors")) or any(path.glob("*.onnx"))
    return has_weights and any((path / name).is_file() for name in ("manifest.json", "config.json", "model.onnx"))


def _named(paths: list[Path], folder: Path) -> list[tuple[str, Source]]:
    """Each with an id of its own: two that suggest the same get a number."""
    found: list[tuple[str, Source]] = []
    for path in paths:
        suggested = id_from(Source("path", str(path.absolute()))) or "model"
        taken = {name for name, _ in found}
        name = next(
            name for n in range(1, len(paths) + 2) if (name := suggested + (f"-{n}" if n > 1 else "")) not in taken
        )
        relative = "." if path == folder else f"./{path.relative_to(folder)}"
        found.append((name, parse(relative)))
    return found


def _settings(shape: type[msgspec.Struct], names: Sequence[str]) -> list[str]:
    info = msgspec.inspect.type_info(shape)
    assert isinstance(info, msgspec.inspect.StructType)
    fields = {field.encode_name: field for field in info.fields}
    settings = {f"{name}: {_scalar(_default(fields[name]))}": description(fields[name].type) for name in names}
    width = max(map(len, settings))
    return [f"{setting:<{width}}  # {text}" for setting, text in settings.items()]


def _default(field: msgspec.inspect.Field) -> object:
    """What a key is where it is left out; mappings are made anew for each."""
    made = field.default_factory
    return field.default if made is msgspec.NODEFAULT else made()


def description(kind: msgspec.inspect.Type) -> str:
    """The one line of documentation of a declared key."""
    schema = kind.extra_json_schema if isinstance(kind, msgspec.inspect.Metadata) else None
    return str((schema or {}).get("description", ""))


def _scalar(value: object) -> str:
    plain = msgspec.to_builtins(value)
    written = yaml.safe_dump(plain, sort_keys=False, default_flow_style=True, allow_unicode=True, width=10_000)
    return str(written).removesuffix("\n...\n").strip()
