"""A configuration file as a tree of values that know their line.

YAML is read by the core schema of YAML 1.2: only `true` and `false` are booleans, only digits are numbers. So `no`,
`on`, `12:30` and dates stay the texts that people meant. No constructor is part of the reader, so no tag can make
an object.
"""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from yaml.composer import Composer
from yaml.error import Mark, MarkedYAMLError, YAMLError
from yaml.nodes import MappingNode, ScalarNode, SequenceNode
from yaml.nodes import Node as YamlNode
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.resolver import Resolver
from yaml.scanner import Scanner

from freehold.errors import FreeholdError

try:
    from yaml._yaml import CParser
except ImportError:  # PyYAML was built without libyaml
    CParser = None  # type: ignore[assignment, misc] # a class elsewhere

MAX_BYTES = 1 << 20
MAX_VALUES = 50_000  # what aliases may expand to; a cycle of them ends here too

_TAG = "tag:yaml.org,2002:"
_CORE_SCHEMA = (
    ("null", re.compile(r"^(~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"^(true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"^([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"), list("-+0123456789")),
    (
        "float",
        re.compile(r"^([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))$"),
        list("-+.0123456789"),
    ),
)


@dataclass(frozen=True, slots=True)
class Node:
    """One value and where it stands, or its key: `line` and `column` count from 1, 0 is unknown; `key` is its path,
    like `models[0].id`."""

    value: "Value"
    file: str
    line: int = 0
    key: str = ""
    column: int = 0

    @property
    def where(self) -> str:
        """`freehold.yaml:12`, or the file alone."""
        return f"{self.file}:{self.line}" if self.line else self.file

    @property
    def spot(self) -> str:
        """`freehold.yaml:12:5`, or as much of it as is known."""
        return f"{self.where}:{self.column}" if self.line and self.column else self.where

    def plain(self) -> Any:
        """The value without its places."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def at(self, *path: str | int) -> "Node":
        """The node under `path`, or the deepest one on the way that exists."""
        node = self
        for step in path:
            below: Node | None = None
            if isinstance(node.value, dict) and isinstance(step, str):
                below = node.value.get(step)
            elif isinstance(node.value, list) and isinstance(step, int) and step < len(node.value):
                below = node.value[step]
            if below is None:
                break
            node = below
        return node


Scalar = bool | int | float | str | None
Value = Scalar | list[Node] | dict[str, Node]


def problem_at(node: Node, code: str, **details: object) -> FreeholdError:
    """The error `code` about what stands at `node`, with its place and its key."""
    return FreeholdError(code, where=node.spot, key=node.key, **details)


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    """PyYAML's table of what a plain word may mean, by its first character."""
    table: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, pattern, first_characters in _CORE_SCHEMA:
        for character in first_characters:
            table.setdefault(character, []).append((_TAG + name, pattern))
    return table


class _CoreReader(Reader, Scanner, Parser, Composer, Resolver):
    """PyYAML's reader up to its node graph, with the resolvers of YAML 1.2. It says best what is wrong with a file."""

    yaml_implicit_resolvers = _resolvers()

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)
        Resolver.__init__(self)


def _libyaml_reader() -> Callable[[str], Any] | None:
    """The same over libyaml's events, in half the time; None where PyYAML was built without it."""
    if CParser is None:
        return None

    class LibyamlReader(Composer, CParser, Resolver):
        yaml_implicit_resolvers = _resolvers()

        def __init__(self, text: str) -> None:
            CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)

    return LibyamlReader


_LibyamlReader = _libyaml_reader()
_UNLIKE = re.compile("[\\t?\\x85\\u2028\\u2029\\ufeff]|[|>][-+0-9]*#")  # libyaml takes these where PyYAML does not


def read_file(path: Path) -> str:
    """The text of a configuration file. Raises `config_not_found` or `config_unreadable`."""
    try:
        size = path.stat().st_size
        if size > MAX_BYTES:
            raise FreeholdError("config_unreadable", path=path, reason=f"{size} bytes > {MAX_BYTES}")
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise FreeholdError("config_not_found", path=path) from None
    except UnicodeDecodeError as error:
        raise FreeholdError("config_unreadable", path=path, reason=f"byte {error.start}: not UTF-8") from None
    except (OSError, ValueError) as error:  # a ValueError: the path holds a NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise FreeholdError("config_unreadable", path=path, reason=reason) from None


def parse_document(text: str, file: str) -> tuple[Node, list[FreeholdError]]:
    """The tree of `text` and what is wrong with it short of its grammar: keys written twice.

    `file` names it in messages; a name that ends in `.json` is read as JSON. Raises `config_syntax`.
    """
    if file.endswith(".json"):
        text = _checked_json(text, file)
    try:
        return _Tree(file).build(_root(text))
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{file}:{mark.line + 1}" if mark else file
        raise FreeholdError("config_syntax", where=where, reason=error.problem or error.context or "?") from None
    except YAMLError as error:
        raise FreeholdError("config_syntax", where=file, reason=" ".join(str(error).split())) from None
    except RecursionError:
        raise FreeholdError("config_syntax", where=file, reason="nested too deeply") from None


def _root(text: str) -> YamlNode | None:
    """The node graph of `text`. What libyaml refuses, or might understand otherwise, is read by PyYAML's own parser."""
    if _LibyamlReader is not None and not _UNLIKE.search(text):
        with suppress(YAMLError, RecursionError, ValueError):
            return cast(YamlNode | None, _LibyamlReader(text).get_single_node())
    return _CoreReader(text).get_single_node()


def _checked_json(text: str, file: str) -> str:
    """JSON as YAML can read it: a tab is white space in JSON only, and stands in none of its strings."""
    try:
        json.loads(text)
    except json.JSONDecodeError as error:
        raise FreeholdError("config_syntax", where=f"{file}:{error.lineno}", reason=error.msg) from None
    except (RecursionError, ValueError) as error:
        raise FreeholdError("config_syntax", where=file, reason=str(error)) from None
    return text.replace("\t", " ")


class _Tree:
    """Turns one YAML node graph into Nodes, counting them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.values = 0
        self.problems: list[FreeholdError] = []

    def build(self, root: YamlNode | None) -> tuple[Node, list[FreeholdError]]:
        """The tree of `root` and the problems met; an empty file is an empty mapping."""
        if root is None or (isinstance(root, ScalarNode) and root.value == ""):
            return Node({}, self.file, 1), []
        return self._node(root, root.start_mark, ""), self.problems

    def _node(self, node: YamlNode, mark: Mark, key: str) -> Node:
        self.values += 1
        line, column = mark.line + 1, mark.column + 1
        if self.values > MAX_VALUES:
            raise self._refusal(line, f"more than {MAX_VALUES} values")
        if isinstance(node, MappingNode) and node.tag == _TAG + "map":
            return Node(self._mapping(node, key), self.file, line, key, column)
        if isinstance(node, SequenceNode) and node.tag == _TAG + "seq":
            items = [self._node(item, item.start_mark, f"{key}[{index}]") for index, item in enumerate(node.value)]
            return Node(items, self.file, line, key, column)
        if isinstance(node, ScalarNode):
            return Node(self._scalar(node, line), self.file, line, key, column)
        raise self._refusal(line, f"tag {node.tag}")

    def _mapping(self, node: MappingNode, parent: str) -> dict[str, Node]:
        entries: dict[str, Node] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, ScalarNode):
                raise self._refusal(line, "a key must be a word")
            name = _whole(str(key_node.value))
            path = f"{parent}.{name}" if parent else name
            if name in entries:
                self.problems.append(
                    FreeholdError("config_key_twice", where=f"{self.file}:{line}", key=path, first=entries[name].line)
                )
                continue
            entries[name] = self._node(value_node, key_node.start_mark, path)
        return entries

    def _scalar(self, node: ScalarNode, line: int) -> Scalar:
        text = str(node.value)
        name = node.tag.removeprefix(_TAG)
        try:
            if name == "str":
                return _whole(text)
            if name == "null" and _CORE_SCHEMA[0][1].match(text):
                return None
            if name == "bool" and _CORE_SCHEMA[1][1].match(text):
                return text.lower() == "true"
            if name == "int":
                return int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
            if name == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
        except ValueError as error:
            raise self._refusal(line, str(error)) from None
        raise self._refusal(line, f"tag {node.tag}")

    def _refusal(self, line: int, reason: str) -> FreeholdError:
        return FreeholdError("config_syntax", where=f"{self.file}:{line}", reason=reason)


def _whole(text: str) -> str:
    """`text` with surrogate pairs joined: JSON escapes a character beyond the first plane as two."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
