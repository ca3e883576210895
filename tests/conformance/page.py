"""docs/reference/open-inference-protocol.md, written from the suite: `python -m tests.conformance.page`."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from tests.conformance.calls import CALLS

SUITE = Path(__file__).parent
ROOT = SUITE.parents[1]
PAGE = ROOT / "docs" / "reference" / "open-inference-protocol.md"

_HEAD = """\
<!-- Written by `python -m tests.conformance.page` from the tests in tests/conformance: change it there. -->
# The Open Inference Protocol, call by call

What works, and the test that shows it: each one is run against a live server, most of them by the clients of others.
The protocol is OIP v2 as of kserve/open-inference-protocol d49cc23, with extensions of Triton's.

| call | REST | gRPC | extension | proven by |
|---|---|---|---|---|
"""


def proofs() -> dict[str, list[str]]:
    """For each call the tests that prove it, as `file.py::test`, read from the source of the suite."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(SUITE.glob("test_*.py")):
        for test, calls in _marked(ast.parse(path.read_text(encoding="utf-8"))):
            for call in calls:
                found[call].append(f"{path.name}::{test}")
    return dict(found)


def extensions() -> list[str]:
    """Extensions of the protocol all of whose calls are proven, by name."""
    proven = proofs()
    named = {call.extension for call in CALLS.values() if call.extension}
    return sorted(name for name in named if all(key in proven for key, call in CALLS.items() if call.extension == name))


def page() -> str:
    """The whole page."""
    proven = proofs()
    rows = []
    for key, call in CALLS.items():
        rest = "<br>".join(f"`{path}`" for path in call.rest) or "-"
        tests = "<br>".join(_link(test) for test in proven.get(key, ())) or "nothing yet"
        grpc = f"`{call.grpc}`" if call.grpc else "-"
        extension = f"`{call.extension}`" if call.extension else "-"
        rows.append(f"| {call.does} | {rest} | {grpc} | {extension} | {tests} |\n")
    return _HEAD + "".join(rows)


def _marked(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Names of tests that say what they prove, and what that is."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "proves":
                    yield node.name, [ast.literal_eval(argument) for argument in decorator.args]


def _link(test: str) -> str:
    file, _, name = test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../../tests/conformance/{file})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
