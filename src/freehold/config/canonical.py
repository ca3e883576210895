"""From the forms that a file may take to the one form that the shapes describe.

`model: {path, input_shape, max_tokens}` becomes a list of one; aliases get their proper names; ids that were left out
are taken from the source; relative paths become absolute; top-level limits and requirements become every model's.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from freehold.config.deploying import DATA
from freehold.config.document import Node
from freehold.config.forms import ID
from freehold.config.home import expanded
from freehold.config.source import Source, parse
from freehold.errors import FreeholdError

ALIASES = {"path": "source", "max_tokens": "context_length"}
SHARED = ("limits", "require")
"""What stands at top level for every model, which overrides it key by key."""

PATHS = (
    (("network",), ("ca", "client_certificate", "client_key"), ("proxy",)),
    (("server", "tls"), ("certificate", "key", "client_ca"), ()),
    (("server", "tls", "acme"), ("ca",), ()),
    (("access",), (), ("key", "database")),
    (("deploy",), ("data",), ()),
    (("dify",), ("plugin_key",), ("admin_key", "password", "models_key")),
    (("dify", "tls"), ("certificate", "key"), ()),
    (("dify", "postgres"), (), ("password",)),
    (("dify", "redis"), (), ("password",)),
    (("dify", "storage"), (), ("access_key", "secret_key")),
    (("dify", "vectors"), (), ("key",)),
)
"""Below which keys there are paths and references to files, each relative to the file's folder."""


def canonical(root: Node, base: Path) -> tuple[Node, list[FreeholdError]]:
    """The tree in its one form, and what stood in the way. Relative paths are relative to `base`."""
    if not isinstance(root.value, dict):
        return replace(root, value={}), [FreeholdError("config_not_mapping", where=root.where)]
    problems: list[FreeholdError] = []
    entries = dict(root.value)
    if "model" in entries and "models" in entries:
        single = entries.pop("model")
        both = FreeholdError("config_model_and_models", where=single.where, other=entries["models"].where)
        return replace(root, value=entries), [both]
    if "model" in entries:  # in its place, so that problems come in the order of the file
        entries["model"] = replace(entries["model"], value=[entries["model"]])
        entries = {"models" if key == "model" else key: node for key, node in entries.items()}
    if "require" in entries:
        entries["require"] = _with_keys(entries["require"], base)
    models = entries.get("models")
    if models is not None and isinstance(models.value, list):
        shared = {name: entries[name] for name in SHARED if name in entries}
        canonical_models = [_model(node, index, base, shared, problems) for index, node in enumerate(models.value)]
        entries["models"] = replace(models, value=canonical_models)
    deploy = entries.get("deploy")
    if deploy is not None and isinstance(deploy.value, dict):  # its default is below the file's folder, too
        entries["deploy"] = replace(deploy, value={"data": replace(deploy, value=DATA), **deploy.value})
    for place, paths, secrets in PATHS:
        _place_paths(entries, place, base, paths, secrets)
    return replace(root, value=entries), problems


def absolute(source: Source, base: Path) -> Source:
    """A path source with `~` expanded and made absolute; any other source as it is."""
    if source.kind != "path":
        return source
    return Source("path", _absolute(source.name, base))


def _absolute(path: str, base: Path) -> str:
    return os.path.normpath(base / expanded(path))


def id_from(source: Source) -> str | None:
    """The id that a source suggests: a file's stem, the folder's name for `model.onnx`; None for an upstream."""
    if source.kind == "upstream":
        return None
    name = source.name.rstrip("/").rpartition("/")[2]
    if source.kind == "path":
        path = Path(source.name)
        name = path.parent.name if path.name == "model.onnx" else path.name.removesuffix(".onnx")
        if path.parent.name == "snapshots" and path.parents[1].name.startswith("models--"):  # a Hugging Face cache
            name = path.parents[1].name.rpartition("--")[2]
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("._-")[:128].rstrip("._-")
    return name if re.match(ID, name) else None


def _model(node: Node, index: int, base: Path, shared: Mapping[str, Node], problems: list[FreeholdError]) -> Node:
    if not isinstance(node.value, dict):
        return node
    entries = _with_paths(node.value, base, secrets=("key",))
    for alias, name in ALIASES.items():
        if alias not in entries:
            continue
        entry = entries.pop(alias)
        if name in entries:
            problems.append(
                FreeholdError("config_alias_twice", where=entry.where, key=entry.key, alias=alias, name=name)
            )
        entries.setdefault(name, entry)
    _place_versions(entries, base, problems)
    _place(entries, base, problems)
    entries.setdefault("id", replace(node, value=f"model-{index}"))  # why there is none is among the problems
    if "device" not in entries and "gpus" in entries and entries["gpus"].value != 0:
        entries["device"] = replace(entries["gpus"], value="cuda")
    if "require" in entries:
        entries["require"] = _with_keys(entries["require"], base)
    for name, common in shared.items():
        own = entries.get(name, replace(common, value={}))
        if isinstance(common.value, dict) and isinstance(own.value, dict):
            entries[name] = replace(own, value={**common.value, **own.value})
    return replace(node, value=entries)


def _with_keys(require: Node, base: Path) -> Node:
    """`require` with the paths of its public keys made absolute."""
    if not isinstance(require.value, dict):
        return require
    keys = require.value.get("keys")
    if keys is None or not isinstance(keys.value, list):
        return require
    paths = [
        replace(key, value=_absolute(key.value, base)) if isinstance(key.value, str) and key.value else key
        for key in keys.value
    ]
    return replace(require, value={**require.value, "keys": replace(keys, value=paths)})


def _with_paths(
    entries: dict[str, Node], base: Path, paths: tuple[str, ...] = (), secrets: tuple[str, ...] = ()
) -> dict[str, Node]:
    """The entries with the paths that stand under `paths`, and in `${file:PATH}` under `secrets`, made absolute."""
    changed = dict(entries)
    for name in paths:
        node = entries.get(name)
        if node is not None and isinstance(node.value, str) and node.value:
            changed[name] = replace(node, value=_absolute(node.value, base))
    for name in secrets:
        node = entries.get(name)
        if node is not None and isinstance(node.value, str) and (match := re.fullmatch(r"\$\{file:(.+)\}", node.value)):
            changed[name] = replace(node, value=f"${{file:{_absolute(match[1], base)}}}")
    return changed


def _place_paths(
    entries: dict[str, Node], place: tuple[str, ...], base: Path, paths: tuple[str, ...], secrets: tuple[str, ...]
) -> None:
    """Make what stands under `place` absolute, where that is a mapping."""
    node = entries.get(place[0])
    if node is None or not isinstance(node.value, dict):
        return
    below = dict(node.value)
    if place[1:]:
        _place_paths(below, place[1:], base, paths, secrets)
    else:
        below = _with_paths(below, base, paths, secrets)
    entries[place[0]] = replace(node, value=below)


def _place_versions(entries: dict[str, Node], base: Path, problems: list[FreeholdError]) -> None:
    """Make the sources of versions absolute; the highest one's is the model's where it has none of its own."""
    versions = entries.get("versions")
    if versions is None or not isinstance(versions.value, dict):
        return
    placed = dict(versions.value)
    for number, written in versions.value.items():
        if isinstance(written.value, str) and written.value:
            try:
                placed[number] = replace(written, value=str(absolute(parse(written.value), base)))
            except FreeholdError as error:
                problems.append(located(error, written))
    entries["versions"] = replace(versions, value=placed)
    numbers = [number for number in placed if number.isdecimal()]
    if numbers:
        entries.setdefault("source", placed[max(numbers, key=int)])


def _place(entries: dict[str, Node], base: Path, problems: list[FreeholdError]) -> None:
    """Make the source absolute, and take the id from it where there is none."""
    written = entries.get("source")
    if written is None or not isinstance(written.value, str) or not written.value:
        return
    try:
        source = absolute(parse(written.value), base)
    except FreeholdError as error:
        problems.append(located(error, written))
        return
    entries["source"] = replace(written, value=str(source))
    if "id" in entries:
        return
    name = id_from(source)
    if name is None:
        problems.append(FreeholdError("config_id_needed", where=written.where, key=written.key, source=written.value))
    else:
        entries["id"] = replace(written, value=name)


def located(error: FreeholdError, node: Node) -> FreeholdError:
    """`error` of the source grammar, with the place in the file where the source stands."""
    return FreeholdError(error.code, **{**error.details, "source": f"{node.where}: {error.details['source']}"})
