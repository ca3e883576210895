"""Checks a tree against the shapes, collecting every problem, and builds the frozen objects from it."""

import math
import re
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import inspect as mi

from freehold.config.document import Node
from freehold.config.nearest import nearest
from freehold.config.shapes import Config
from freehold.errors import FreeholdError

_NEVER_ECHOED = frozenset({"config_secret_literal", "config_proxy_invalid"})  # what was written may be a secret


def check(node: Node) -> list[FreeholdError]:
    """Every place where `node` is not a Config: unknown keys, missing keys, wrong values."""
    return list(_check(node, mi.type_info(Config)))


def build(node: Node) -> Config:
    """The objects of a tree that `check` found nothing in."""
    return msgspec.convert(node.plain(), Config)


def notation(kind: mi.Type) -> str:
    """How a value of this type is written, in words that need no translation: `integer >= 1`, `cpu | cuda`."""
    kind, extra = _unwrapped(kind)
    if "notation" in extra:
        return str(extra["notation"])
    match kind:
        case mi.UnionType(types=types):
            return " | ".join(notation(member) for member in types)
        case mi.LiteralType(values=values):
            return " | ".join(str(value) for value in values)
        case mi.IntType():
            return "integer" + _bounds(kind)
        case mi.FloatType():
            return "number" + _bounds(kind)
        case mi.BoolType():
            return "true | false"
        case mi.NoneType():
            return "null"
        case mi.VarTupleType(item_type=item):
            return f"[{notation(item)}, ...]"
        case mi.DictType(value_type=value):
            return f"{{NAME: {notation(value)}, ...}}"
        case mi.StructType(fields=fields):
            return "{" + ", ".join(field.encode_name for field in fields) + "}"
    return "text"


def _bounds(kind: mi.IntType | mi.FloatType) -> str:
    low = f" >= {kind.ge}" if kind.ge is not None else f" > {kind.gt}" if kind.gt is not None else ""
    high = f" <= {kind.le}" if kind.le is not None else f" < {kind.lt}" if kind.lt is not None else ""
    return low + ("," if low and high else "") + high


def _unwrapped(kind: mi.Type) -> tuple[mi.Type, dict[str, Any]]:
    return (kind.type, kind.extra or {}) if isinstance(kind, mi.Metadata) else (kind, {})


def _check(node: Node, declared: mi.Type) -> Iterator[FreeholdError]:
    kind, _ = _unwrapped(declared)
    match kind:
        case mi.UnionType(types=types):
            yield from _check_union(node, declared, types)
        case mi.StructType() if isinstance(node.value, dict):
            yield from _check_struct(node, node.value, kind)
        case mi.VarTupleType(item_type=item) if isinstance(node.value, list):
            for entry in node.value:
                yield from _check(entry, item)
        case mi.DictType(key_type=key, value_type=value) if isinstance(node.value, dict):
            choices = [str(choice) for choice in key.values] if isinstance(key, mi.LiteralType) else []
            for name, entry in node.value.items():
                if choices and name not in choices:
                    free = [choice for choice in choices if choice not in node.value]
                    yield _unknown(entry, name, known=choices, free=free)
                yield from _check(entry, value)
        case _ if not _fits(node.value, declared):
            yield _wrong(node, declared)


def _check_union(node: Node, declared: mi.Type, members: tuple[mi.Type, ...]) -> Iterator[FreeholdError]:
    """Within a list or mapping the first member of that form says what is wrong; a scalar is wrong for all of it."""
    for member in members:
        if isinstance(node.value, dict | list) and _same_form(node.value, member):
            yield from _check(node, member)
            return
    if not any(_fits(node.value, member) for member in members):
        yield _wrong(node, declared)


def _check_struct(node: Node, entries: dict[str, Node], kind: mi.StructType) -> Iterator[FreeholdError]:
    fields = {field.encode_name: field for field in kind.fields}
    for name, entry in entries.items():
        if name in fields:
            yield from _check(entry, fields[name].type)
        else:
            yield _unknown(entry, name, known=list(fields), free=[field for field in fields if field not in entries])
    for name, field in fields.items():
        if field.required and name not in entries:
            allowed = notation(field.type)
            yield FreeholdError("config_value_missing", where=node.where, key=node.key, name=name, allowed=allowed)


def _unknown(entry: Node, name: str, known: list[str], free: list[str]) -> FreeholdError:
    details = {"where": entry.where, "key": entry.key, "allowed": ", ".join(known)}
    closest = nearest(name, free)
    if closest is None:
        return FreeholdError("config_key_unknown", **details)
    return FreeholdError("config_key_misspelled", closest=closest, **details)


def _same_form(value: object, declared: mi.Type) -> bool:
    kind, _ = _unwrapped(declared)
    match kind:
        case mi.NoneType():
            return value is None
        case mi.StructType() | mi.DictType():
            return isinstance(value, dict)
        case mi.VarTupleType():
            return isinstance(value, list)
        case mi.StrType() | mi.LiteralType():
            return isinstance(value, str)
        case mi.BoolType():
            return isinstance(value, bool)
        case mi.IntType():
            return _is_integer(value)
        case mi.FloatType():
            return _is_integer(value) or (isinstance(value, float) and math.isfinite(value))
    return False


def _is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63


def _fits(value: Any, declared: mi.Type) -> bool:
    """Whether a scalar is of the declared type, within its bounds."""
    if not _same_form(value, declared):
        return False
    kind, extra = _unwrapped(declared)
    match kind:
        case mi.LiteralType(values=values):
            return value in values
        case mi.StrType(pattern=pattern, min_length=least):
            return len(value) >= (least or 0) and (pattern is None or re.fullmatch(pattern, value) is not None)
        case mi.IntType() | mi.FloatType():
            return value != extra.get("never") and _within(value, kind)
    return True


def _within(value: float, kind: mi.IntType | mi.FloatType) -> bool:
    return (
        (kind.ge is None or value >= kind.ge)
        and (kind.gt is None or value > kind.gt)
        and (kind.le is None or value <= kind.le)
        and (kind.lt is None or value < kind.lt)
    )


def _wrong(node: Node, declared: mi.Type) -> FreeholdError:
    members = _members(declared)
    code = next(
        (str(extra["code"]) for _, extra in map(_unwrapped, members) if "code" in extra), "config_value_invalid"
    )
    details = {"where": node.where, "key": node.key, "allowed": notation(declared)}
    if code in _NEVER_ECHOED:
        return FreeholdError(code, **details)
    if isinstance(node.value, int | float) and any(_fits(shown(node.value), member) for member in members):
        code = "config_value_unquoted"
    return FreeholdError(code, found=shown(node.value), **details)


def _members(declared: mi.Type) -> tuple[mi.Type, ...]:
    """The members of a union; any other type is its own only member."""
    kind, _ = _unwrapped(declared)
    return kind.types if isinstance(kind, mi.UnionType) else (declared,)


def shown(value: object) -> str:
    """A value as a message shows it: short, and in words that need no translation."""
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case dict():
            return "{" + ", ".join(value) + "}" if len(value) <= 4 else "{...}"
        case list():
            items = ", ".join(shown(entry.value) if isinstance(entry, Node) else shown(entry) for entry in value[:8])
            return f"[{items}{', ...' if len(value) > 8 else ''}]"
        case str():
            return f'"{value if len(value) <= 60 else value[:57] + "..."}"'
    return str(value)
