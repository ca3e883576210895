"""Where chat templates run: Jinja's immutable sandbox, as transformers sets it up, with a bound on work and on text.

A template comes with a model, so it is a stranger's code. The sandbox keeps it from Python's internals and from
changing what it is given; the budget keeps it from running, or growing, without end. Jinja bounds neither: two nested
loops over `range(100000)` take an hour, and a text doubled fifty times a petabyte.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NoReturn

from jinja2 import Template, TemplateError, nodes, pass_context
from jinja2.exceptions import SecurityError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace
from jinja2.visitor import NodeTransformer

MAX_STEPS = 200_000
"""Passes of loops and calls of macros in one rendering: some tenths of a second. A long conversation takes thousands.
Also the items of a list that an operator makes."""

MAX_CHARACTERS = 64 * 1024 * 1024
"""Characters written in one rendering, those of set blocks and macros included; also of a text that an operator makes.
"""

MAX_BITS = 4096
"""Of a whole number that an operator makes."""

# No identifiers, so that no template can name them.
_BUDGET = "the budget"
_STEP = "one step"
_JOINED = "joined texts"


class RefusalError(TemplateError):
    """The template called `raise_exception`: it does not take this conversation."""


class OverrunError(TemplateError):
    """The template wanted more steps or characters than one rendering may have."""


class Sandbox:
    """One compiled template.

    Raises jinja2.TemplateSyntaxError, and RecursionError or SyntaxError for nesting that Python cannot compile.
    """

    def __init__(self, source: str) -> None:
        environment = _Environment()
        self.tree = environment.parse(source)
        counted = _Counted().visit(environment.parse(source))
        counted.set_environment(environment)
        self._template: Template = environment.from_string(counted)

    def render(self, variables: Mapping[str, Any]) -> str:
        """The text of one rendering. Raises RefusalError, OverrunError, and what a mistake in the template raises."""
        return self._template.render({**variables, _BUDGET: _Budget()})


class _Budget:
    """What one rendering has used."""

    def __init__(self) -> None:
        self._steps = 0
        self._characters = 0

    def step(self, written: int) -> None:
        """Count one pass whose fixed text has `written` characters."""
        self._steps += 1
        if self._steps > MAX_STEPS:
            raise OverrunError(f"more than {MAX_STEPS} passes of loops and calls of macros")
        self.write(written)

    def write(self, characters: int) -> None:
        self._characters += characters
        _fits(self._characters)


def _fits(characters: int) -> None:
    if characters > MAX_CHARACTERS:
        raise OverrunError(f"more than {MAX_CHARACTERS} characters")


def _holds(items: int) -> None:
    if items > MAX_STEPS:
        raise OverrunError(f"a list of more than {MAX_STEPS} items")


def _counts(bits: int) -> None:
    if bits > MAX_BITS:
        raise OverrunError(f"a number of more than {MAX_BITS} bits")


class _Counted(NodeTransformer):
    """Puts a step at the head of every loop and macro, and gives `~` a function that can be bounded."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the visitor's naming
        return self._counted(node)

    def visit_Macro(self, node: nodes.Macro) -> nodes.Node:  # noqa: N802 - the visitor's naming
        return self._counted(node)

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802 - the visitor's naming
        return self._counted(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - the visitor's naming
        self.generic_visit(node)
        return _filter(_JOINED, nodes.List(node.nodes), node.lineno)

    def _counted(self, node: nodes.For | nodes.Macro | nodes.CallBlock) -> nodes.Node:
        fixed = sum(len(data.data) for child in node.body for data in _fixed_texts(child))
        self.generic_visit(node)
        step = _filter(_STEP, nodes.Const(fixed), node.lineno)
        node.body.insert(0, nodes.ExprStmt(step).set_lineno(node.lineno))
        return node


def _fixed_texts(node: nodes.Node) -> list[nodes.TemplateData]:
    """The fixed texts under `node`, without those of loops and macros in it, which count their own."""
    if isinstance(node, nodes.TemplateData):
        return [node]
    if isinstance(node, nodes.For | nodes.Macro | nodes.CallBlock):
        return []
    return [data for child in node.iter_child_nodes() for data in _fixed_texts(child)]


def _filter(name: str, value: nodes.Expr, line: int) -> nodes.Expr:
    """A filter, since the sandbox checks each call of a function anew."""
    node = nodes.Filter(value, name, [], [], None, None)
    node.set_lineno(line)
    return node


class _Generation(Extension):
    """`{% generation %}...{% endgeneration %}` marks answers for training; here it is a scope and no more."""

    tags = {"generation"}  # noqa: RUF012 - the shape of jinja2's class attribute

    def parse(self, parser: Parser) -> nodes.Node:
        """The body between the tags; what it sets is not seen behind it."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _Environment(ImmutableSandboxedEnvironment):
    """The filters and globals that transformers gives, and what `_Counted` calls."""

    intercepted_binops = frozenset({"+", "*", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], finalize=_written
        )
        self.filters |= {"tojson": _tojson, _STEP: _step, _JOINED: _joined}
        self.globals.pop("lipsum")  # random text without a bound
        self.globals |= {
            "raise_exception": _raise_exception,
            "strftime_now": _strftime_now,
            "namespace": _PlainNamespace,
            "dict": _mapping,
        }

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator whose result may be far larger than its operands, refused before it is computed."""
        match operator, left, right:
            case ("*", str() | list() | tuple(), int()):
                _repeats(left, right)
            case ("*", int(), str() | list() | tuple()):
                _repeats(right, left)
            case ("+", str(), str()):
                _fits(len(left) + len(right))
            case ("+", list() | tuple(), list() | tuple()):
                _holds(len(left) + len(right))
            case ("*", int(), int()):
                _counts(left.bit_length() + right.bit_length())
            case ("**", int(), int()):
                _counts(left.bit_length() * abs(right))
        return super().call_binop(context, operator, left, right)


def _repeats(sequence: str | list[Any] | tuple[Any, ...], times: int) -> None:
    (_fits if isinstance(sequence, str) else _holds)(len(sequence) * times)


@pass_context
def _step(context: Context, written: int) -> None:
    context[_BUDGET].step(written)


@pass_context
def _written(context: Context, value: object) -> str:
    text = str(value)
    context[_BUDGET].write(len(text))
    return text


def _joined(values: list[object]) -> str:
    texts = [str(value) for value in values]
    _fits(sum(map(len, texts)))
    return "".join(texts)


def _raise_exception(message: object) -> NoReturn:
    raise RefusalError(str(message))


def _strftime_now(pattern: str) -> str:
    return datetime.now().strftime(pattern)  # noqa: DTZ005 - templates mean the date where the server stands


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter escapes HTML and non-ASCII characters, which a model has not learnt to read."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _mapping(*pairs: Sequence[Any], **items: Any) -> dict[Any, Any]:
    return dict(*pairs, **items)


class _PlainNamespace(Namespace):
    """Jinja's namespace writes any name; one with a leading underscore would reach Python's own."""

    def __setitem__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            raise SecurityError(f"a namespace has no name {name!r}")
        super().__setitem__(name, value)
