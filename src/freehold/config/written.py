"""A configuration as the text of a file: what a deployment gives to each of its services.

Reading the text again gives the same configuration. What has its default is left out, and the text is a function of
the configuration alone: it is compared, hashed and kept in version control.
"""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache

import msgspec

from freehold.config.canonical import SHARED
from freehold.config.forms import Shape
from freehold.config.shapes import Config, ModelConfig

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*")
_WORDS = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})  # no texts, in YAML 1.1 or 1.2


def written(config: Config) -> str:
    """The YAML of `config`, whose paths are absolute as `load` leaves them."""
    plain = _changed(config)
    plain |= {"models": [_model(model, config) for model in config.models]} if config.models else {}
    return "".join(f"{line}\n" for line in _mapping(plain)) or "{}\n"


def _model(model: ModelConfig, config: Config) -> dict[str, object]:
    """What stands at top level counts for every model that does not say otherwise, so that a model says what differs
    from that."""
    shared = {name: _differences(getattr(model, name), getattr(config, name)) for name in SHARED}
    said = _changed(model) | shared
    return {name: said[name] for name in model.__struct_fields__ if name in said and said[name] != {}}


def _changed(shape: Shape) -> dict[str, object]:
    """The fields of `shape` that have not their defaults."""
    usual = _defaults(type(shape))
    values = ((name, getattr(shape, name)) for name in shape.__struct_fields__)
    return {name: _plain(value) for name, value in values if name not in usual or value != usual[name]}


@cache
def _defaults(kind: type[Shape]) -> Mapping[str, object]:
    """By field, its default; those that must be said have none."""
    fields = msgspec.structs.fields(kind)
    made = {field.name: field.default_factory() for field in fields if field.default_factory is not msgspec.NODEFAULT}
    return made | {field.name: field.default for field in fields if field.default is not msgspec.NODEFAULT}


def _differences(shape: Shape, usual: Shape) -> dict[str, object]:
    names = shape.__struct_fields__
    return {name: _plain(value) for name in names if (value := getattr(shape, name)) != getattr(usual, name)}


def _plain(value: object) -> object:
    match value:
        case Shape():
            return _changed(value)
        case tuple():
            return [_plain(entry) for entry in value]
        case Mapping():
            return {name: _plain(entry) for name, entry in value.items()}
    return value


def _mapping(entries: Mapping[str, object]) -> Iterator[str]:
    for name, value in entries.items():
        key = _scalar(name)
        match value:
            case dict() if value:
                yield f"{key}:"
                yield from (f"  {line}" for line in _mapping(value))
            case list() if any(isinstance(entry, dict) for entry in value):
                yield f"{key}:"
                yield from (f"  {line}" for entry in value for line in _item(entry))
            case _:
                yield f"{key}: {_flow(value)}"


def _item(entry: object) -> Iterator[str]:
    """One entry of a list, its first line behind the dash."""
    lines = _mapping(entry) if isinstance(entry, dict) else iter([_flow(entry)])
    yield f"- {next(lines)}"
    yield from (f"  {line}" for line in lines)


def _flow(value: object) -> str:
    match value:
        case dict():
            return "{" + ", ".join(f"{_scalar(name)}: {_flow(entry)}" for name, entry in value.items()) + "}"
        case list():
            return "[" + ", ".join(_flow(entry) for entry in value) + "]"
    return _scalar(value)


def _scalar(value: object) -> str:
    """A text stands without quotes only where nothing could take it for something else; JSON's quotes are YAML's."""
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
