"""From an argument, the environment and the files of a folder to one Config.

Precedence: argument > MODEL_PATH > ./freehold.yaml > ./config.yaml (taken only if its top level has `model` or
`models`). The argument or the folder chooses the file; MODEL_PATH then replaces the path of that file's one model and
keeps its other fields. An argument that is itself a model stands alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from freehold.config.canonical import absolute, canonical
from freehold.config.decode import build, check
from freehold.config.document import Node, parse_document, read_file
from freehold.config.foreign.repository import Repository, read_repository
from freehold.config.home import expanded
from freehold.config.invalid import ConfigInvalidError
from freehold.config.notes import notes_on
from freehold.config.rules import broken_rules
from freehold.config.shapes import Config
from freehold.config.source import parse
from freehold.errors import FreeholdError

CONFIG_SUFFIXES = frozenset({".yaml", ".yml", ".json"})

_OURS = re.compile(r"^[\"']?models?[\"']?\s*:", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read, from where, and what is wrong with it. `config` is None where there are problems."""

    origin: str
    config: Config | None
    tree: Node
    problems: tuple[FreeholdError, ...]
    notes: tuple[FreeholdError, ...]


def load(argument: str | None, environ: Mapping[str, str], cwd: Path, port: int | None = None) -> Config:
    """The configuration that `argument`, the environment and the files of `cwd` make together.

    `port` is one to listen on that goes before the file's; 0, any that is free, does not.
    Model files are not looked for (see `locate`), secrets are not read (see `secret`). Raises the one problem found,
    or `config_invalid` with all of them.
    """
    reading = read(argument, environ, cwd, port)
    if reading.config is not None:
        return reading.config
    if len(reading.problems) == 1:
        raise reading.problems[0]
    raise ConfigInvalidError(reading.origin, reading.problems)


def read(argument: str | None, environ: Mapping[str, str], cwd: Path, port: int | None = None) -> Reading:
    """As `load`, but problems and notes are returned; raises only where there is nothing that can be read."""
    file = file_of(argument, environ, cwd)
    problems: list[FreeholdError] = []
    repository = _repository(argument or environ.get("MODEL_PATH"), cwd) if file is None else None
    if file is not None:
        origin, base = _named(file, cwd), file.parent
        root, problems = parse_document(read_file(file), origin)
    elif repository is not None:
        origin, base = argument or "MODEL_PATH", cwd
        root, problems = repository.tree, list(repository.problems)
    elif argument is not None:
        origin, base = argument, cwd
        root = _one_model(Node(argument, "MODEL", key="MODEL"))
    elif environ.get("MODEL_PATH"):
        origin, base = "MODEL_PATH", cwd
        root = Node({}, origin)
    else:
        raise FreeholdError("config_no_model", folder=cwd)
    alone = file is None and (argument is not None or repository is not None)
    environment = {**environ, "MODEL_PATH": ""} if alone else environ
    written, root = root, _with_environment(root, environment, cwd, problems)
    tree, obstacles = canonical(_with_port(root, port), base)
    mistyped = check(tree)
    problems += [*obstacles, *mistyped]
    if mistyped:
        return Reading(origin, None, tree, _distinct(problems), ())
    config = build(tree)
    problems += broken_rules(config, tree)
    if problems:
        return Reading(origin, None, tree, _distinct(problems), ())
    notes = [*_passed_over(written, argument, environment, cwd), *notes_on(config, tree, environment)]
    notes += repository.notes if repository is not None else ()
    return Reading(origin, config, tree, (), _distinct(notes))


def file_of(argument: str | None, environ: Mapping[str, str], cwd: Path) -> Path | None:
    """The configuration file that `load` reads, or None where there is none."""
    if argument is not None:
        path = cwd / expanded(argument)
        return path if path.suffix in CONFIG_SUFFIXES and "://" not in argument and not _is_folder(path) else None
    ours = cwd / "freehold.yaml"
    if ours.is_file():
        return ours
    shared = cwd / "config.yaml"  # a common name: another program's file is left alone
    return shared if shared.is_file() and _is_ours(shared) else None


def _repository(named: str | None, cwd: Path) -> Repository | None:
    """What a folder of another server's models says; None for everything else that an argument may be."""
    if not named or "://" in named:
        return None
    folder = cwd / expanded(named)
    return read_repository(folder) if _is_folder(folder) else None


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # too long, or in a folder that may not be entered: said when it is read
        return False


def _is_ours(path: Path) -> bool:
    try:
        text = read_file(path)
    except FreeholdError:
        return False
    try:
        root, _ = parse_document(text, path.name)
    except FreeholdError:
        return _OURS.search(text) is not None
    return isinstance(root.value, dict) and not root.value.keys().isdisjoint({"model", "models"})


def _named(file: Path, cwd: Path) -> str:
    return str(file.relative_to(cwd)) if file.is_relative_to(cwd) else str(file)


def _one_model(source: Node) -> Node:
    return Node({"model": Node({"source": source}, source.file, key=source.key)}, source.file)


def _with_environment(root: Node, environ: Mapping[str, str], cwd: Path, problems: list[FreeholdError]) -> Node:
    """The tree with MODEL_PATH, MODEL_ID and FREEHOLD_AUTH written over it."""
    if not isinstance(root.value, dict):
        return root
    entries = dict(root.value)
    for variable, name in (("MODEL_PATH", "source"), ("MODEL_ID", "id")):
        value = environ.get(variable)
        if not value:
            continue
        if "models" in entries:
            where = entries["models"].where
            problems.append(FreeholdError("config_variable_beside_models", variable=variable, value=value, where=where))
            continue
        single = entries.get("model", Node({}, variable, key="model"))
        if isinstance(single.value, dict):
            fields = {key: node for key, node in single.value.items() if name != "source" or key != "path"}
            node = Node(_from_folder(value, cwd) if name == "source" else value, variable, key=variable)
            entries["model"] = replace(single, value={**fields, name: node})
    if environ.get("FREEHOLD_AUTH"):
        access = entries.get("access", Node({}, "FREEHOLD_AUTH", key="access"))
        auth = Node(environ["FREEHOLD_AUTH"], "FREEHOLD_AUTH", key="access.auth")
        if isinstance(access.value, dict):
            entries["access"] = replace(access, value={**access.value, "auth": auth})
    return replace(root, value=entries)


def _with_port(root: Node, port: int | None) -> Node:
    """The tree with the port of the command line written over it."""
    if not port or not isinstance(root.value, dict):
        return root
    server = root.value.get("server", Node({}, "--port", key="server"))
    if not isinstance(server.value, dict):
        return root
    said = Node(port, "--port", key="server.port")
    return replace(root, value={**root.value, "server": replace(server, value={**server.value, "port": said})})


def _passed_over(written: Node, argument: str | None, environ: Mapping[str, str], cwd: Path) -> Iterator[FreeholdError]:
    """Notes on what another setting went before: a path that MODEL_PATH replaces, a second file."""
    for name in ("source", "path"):
        path = written.at("model", name)
        if environ.get("MODEL_PATH") and path.key == f"model.{name}":
            yield FreeholdError("note_path_replaced", where=path.where, key=path.key, value=environ["MODEL_PATH"])
    if argument is None and (cwd / "freehold.yaml").is_file() and _is_ours(cwd / "config.yaml"):
        yield FreeholdError("note_file_passed_over", other="config.yaml", file="freehold.yaml")


def _from_folder(text: str, cwd: Path) -> str:
    """MODEL_PATH is relative to the working folder, wherever the file lies; one that is no source is said later."""
    try:
        return str(absolute(parse(text), cwd))
    except FreeholdError:
        return text


def _distinct(problems: Iterable[FreeholdError]) -> tuple[FreeholdError, ...]:
    """Each problem once: top-level limits are checked again as every model's."""
    return tuple({str(problem): problem for problem in problems}.values())
