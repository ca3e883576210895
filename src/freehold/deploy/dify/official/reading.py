"""An official installation as Compose would see it: services with the environment that their containers get.

Up to 1.14 one anchor `x-shared-env` holds all variables, since 1.15 lists of `env_file` do, `.env` last; `environment`
goes before both. Variables of the shell that runs Compose are not known here.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from freehold.errors import FreeholdError

FILES = ("compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml")
"""In the order in which Compose looks for them; Dify's is the last."""
OVERRIDES = (
    "compose.override.yml",
    "compose.override.yaml",
    "docker-compose.override.yml",
    "docker-compose.override.yaml",
)
NGINX_TEMPLATE = Path("nginx/conf.d/default.conf.template")
MARKS = ("api", "worker", "plugin_daemon")
"""Services by which a Dify is known; the daemon came with 1.0."""

_LONGEST = 4 << 20
_ROUNDS = 8  # a default within a default within ...
_VARIABLE = re.compile(
    r"^[ \t]*(?:export[ \t]+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)[ \t]*=[ \t]*"
    r"""(?:'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<plain>[^\n]*))""",
    re.M | re.S,
)
_ESCAPE = re.compile(r"\\(.)", re.S)
_ESCAPED = {"n": "\n", "r": "\r", "t": "\t", "$": "$$"}
_PLACE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)(?:(:?[-+?])([^{}]*))?\})")


class _Replacing(list[Any]):
    """What stands in place of what is below it, and is not added: Compose's `!override`, and `!reset` with nothing."""


class _Compose(yaml.SafeLoader):
    """YAML with Compose's own tags."""


def _tagged(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> Any:
    if tag == "reset":
        return None if isinstance(node, yaml.ScalarNode) else _Replacing()
    if isinstance(node, yaml.SequenceNode):
        return _Replacing(loader.construct_sequence(node, deep=True))
    if isinstance(node, yaml.MappingNode):
        pairs = loader.construct_mapping(node, deep=True)
        return _Replacing(f"{key}={_plain(value)}" for key, value in pairs.items())
    return loader.construct_scalar(node)  # type: ignore[arg-type]  # what is left


_Compose.add_multi_constructor("!", _tagged)


@dataclass(frozen=True)
class Part:
    """One service."""

    name: str
    image: str
    environment: Mapping[str, str] = field(repr=False)
    """As its container has it; secrets are in it."""
    ports: tuple[str, ...] = ()
    """As in the file: HOST:PORT:TARGET, any of the first two may be missing."""
    volumes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Official:
    """What lies in the folder of an installation."""

    folder: Path
    parts: Mapping[str, Part]
    variables: Mapping[str, str] = field(repr=False)
    """Of `.env`."""
    nginx: str | None = None
    """The template of nginx's server; None where there is none."""
    override: Path | None = None

    def value(self, part: str, name: str) -> str:
        """A variable of a service, empty where there is none."""
        found = self.parts.get(part)
        return found.environment.get(name, "") if found is not None else ""


def read(folder: Path) -> Official:
    """What is in `folder`. Raises FreeholdError `official_missing`, `official_unreadable`."""
    file = next((folder / name for name in FILES if (folder / name).is_file()), None)
    if file is None:
        raise FreeholdError("official_missing", folder=folder, reason=f"it has no {FILES[-1]}")
    variables = _variables(folder / ".env", {})
    tree = _tree(file)
    services = tree.get("services")
    if not isinstance(services, dict) or any(name not in services for name in MARKS):
        raise FreeholdError("official_missing", folder=folder, reason=f"{file.name} has no {', '.join(MARKS)}")
    override = next((folder / name for name in OVERRIDES if (folder / name).exists()), None)
    above = _tree(override).get("services") if override is not None else None
    parts = {}
    for name, one in services.items():
        more = above.get(name) if isinstance(above, dict) else None
        part = _part(str(name), _kept(one, more), file, variables)
        if override is not None and more is not None:
            part = _over(part, _part(part.name, more, override, variables))
        parts[part.name] = part
    template = folder / NGINX_TEMPLATE
    return Official(folder, parts, variables, _text(template) if template.is_file() else None, override)


def parsed(text: str) -> Any:
    """YAML as Compose reads it. Raises yaml.YAMLError, RecursionError, ValueError."""
    return yaml.load(text, _Compose)  # noqa: S506 - a safe one


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Compose's `$NAME`, `${NAME:-DEFAULT}` and the like; `$$` is a dollar."""
    parts = text.split("$$")
    for _ in range(_ROUNDS):
        after = [_PLACE.sub(lambda found: _value(found, variables), part) for part in parts]
        if after == parts or not any("${" in part for part in after):
            return "$".join(after)
        parts = after
    return "$".join(parts)


def _value(found: re.Match[str], variables: Mapping[str, str]) -> str:
    plain, name, how, rest = found.groups()
    value = variables.get(plain or name)
    if how is None or how.endswith("?"):
        return value or ""
    is_there = bool(value) if how.startswith(":") else value is not None
    if how.endswith("+"):
        return rest if is_there else ""
    return value or "" if is_there else rest


def _part(name: str, one: Any, file: Path, variables: Mapping[str, str]) -> Part:
    if not isinstance(one, dict):
        raise FreeholdError("official_unreadable", path=file, reason=f"service `{name}` is no mapping")
    environment: dict[str, str] = {}
    for entry in _listed(one.get("env_file")):
        path, is_needed = (entry.get("path"), entry.get("required", True)) if isinstance(entry, dict) else (entry, True)
        place = file.parent / interpolated(str(path), variables)
        if place.is_file() or is_needed:
            environment |= _variables(place, variables, is_needed=place.name != ".env")
    told = one.get("environment") or {}
    if isinstance(told, list):
        told = dict(str(pair).partition("=")[::2] for pair in told)
    if not isinstance(told, dict):
        raise FreeholdError("official_unreadable", path=file, reason=f"`environment` of `{name}` is no mapping")
    for key, value in told.items():
        environment[str(key)] = variables.get(str(key), "") if value is None else interpolated(_plain(value), variables)
    ports = [_port(port) for port in _listed(one.get("ports"))]
    volumes = [str(volume) for volume in _listed(one.get("volumes"))]
    return Part(
        name,
        interpolated(str(one.get("image", "")), variables),
        environment,
        tuple(interpolated(port, variables) for port in ports),
        tuple(interpolated(volume, variables) for volume in volumes),
    )


def _kept(one: Any, more: Any) -> Any:
    """What of a service `more` does not replace."""
    if not isinstance(one, dict) or not isinstance(more, dict):
        return one
    return {key: value for key, value in one.items() if not isinstance(more.get(key), _Replacing)}


def _over(part: Part, more: Part) -> Part:
    """As Compose merges an override."""
    return Part(
        part.name,
        more.image or part.image,
        {**part.environment, **more.environment},
        (*part.ports, *more.ports),
        (*part.volumes, *more.volumes),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _plain(value: Any) -> str:
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _port(port: Any) -> str:
    if not isinstance(port, dict):
        return str(port)
    return f"{port.get('host_ip', '')}:{port.get('published', '')}:{port.get('target', '')}".lstrip(":")


def _tree(file: Path) -> dict[str, Any]:
    try:
        tree = parsed(_text(file))
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        reason = f"no YAML: {' '.join(str(error).split())[:200]}"
        raise FreeholdError("official_unreadable", path=file, reason=reason) from error
    if not isinstance(tree, dict):
        raise FreeholdError("official_unreadable", path=file, reason="no mapping")
    return tree


def _variables(path: Path, known: Mapping[str, str], is_needed: bool = False) -> dict[str, str]:
    """The variables of an env file, as Compose v2 reads it; a later line sees the earlier ones."""
    if not path.is_file() and not is_needed:
        return {}
    found: dict[str, str] = {}
    for match in _VARIABLE.finditer(_text(path)):
        name, single, double, plain = match.groups()
        if single is not None:
            found[name] = single
        elif double is not None:
            unescaped = _ESCAPE.sub(lambda one: _ESCAPED.get(one[1], one[1]), double)
            found[name] = interpolated(unescaped, {**known, **found})
        else:
            found[name] = interpolated(re.split(r"(?:^|\s)#", plain)[0].strip(), {**known, **found})
    return found


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LONGEST:
            raise FreeholdError("official_unreadable", path=path, reason=f"it is longer than {_LONGEST} bytes")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise FreeholdError("official_unreadable", path=path, reason=error.strerror or error) from error
    except UnicodeDecodeError as error:
        raise FreeholdError("official_unreadable", path=path, reason="it is not UTF-8") from error
