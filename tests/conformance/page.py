"""docs/reference/open-inference-protocol.md, written from the suite: `python -m tests.conformance.page`."""

import ast
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.conformance.calls import CALLS

SUITE = Path(__file__).parent
ROOT = SUITE.parents[1]
PAGE = ROOT / "docs" / "reference" / "open-inference-protocol.md"

_HEAD = """\
<!-- Written by `python -m tests.conformance.page` from the tests in tests/conformance: change it there. -->
# The Open Inference Protocol, call by call

What works, and the test that shows it: each one is run against a live server, most of them by the clients of others.
The protocol is OIP v2 as of kserve/open-inference-protocol d49cc23, with extensions of Triton's.

| call | REST, and what proves it | gRPC, and what proves it | extension |
|---|---|---|---|
"""


class Proofs(NamedTuple):
    """The tests that prove one call, as `file.py::test`."""

    rest: list[str]
    grpc: list[str]


def proofs() -> dict[str, Proofs]:
    """What proves each call, read from the source of the suite."""
    found = {call: Proofs([], []) for call in CALLS}
    for path in sorted(SUITE.glob("test_*.py")):
        for test, calls, over in _marked(ast.parse(path.read_text(encoding="utf-8"))):
            for call in calls:
                if over != "gRPC":
                    found[call].rest.append(f"{path.name}::{test}")
                if over != "REST":
                    found[call].grpc.append(f"{path.name}::{test}")
    return found


def unproven() -> list[str]:
    """What `CALLS` claims and no test shows, as `call over REST` or `call over gRPC`."""
    proven = proofs()
    rest = [f"{key} over REST" for key, call in CALLS.items() if call.rest and not proven[key].rest]
    return rest + [f"{key} over gRPC" for key, call in CALLS.items() if call.grpc and not proven[key].grpc]


def extensions() -> list[str]:
    """Extensions of the protocol all of whose calls are proven, by name."""
    lacking = {CALLS[claim.rpartition(" over ")[0]].extension for claim in unproven()}
    return sorted({call.extension for call in CALLS.values()} - lacking - {""})


def page() -> str:
    """The whole page."""
    proven = proofs()
    rows = []
    for key, call in CALLS.items():
        rest = _cell(call.rest, proven[key].rest)
        grpc = _cell((call.grpc,) if call.grpc else (), proven[key].grpc)
        extension = f"`{call.extension}`" if call.extension else "-"
        rows.append(f"| {call.does} | {rest} | {grpc} | {extension} |\n")
    return _HEAD + "".join(rows)


def _marked(tree: ast.Module) -> Iterator[tuple[str, list[str], str]]:
    """Names of tests that say what they prove, what that is, and over what."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == "proves":
                    over = [ast.literal_eval(keyword.value) for keyword in decorator.keywords]
                    calls = [ast.literal_eval(argument) for argument in decorator.args]
                    yield node.name, calls, over[0] if over else "REST"


def _cell(paths: Sequence[str], tests: Sequence[str]) -> str:
    return "<br>".join([f"`{path}`" for path in paths] + [_link(test) for test in tests]) or "-"


def _link(test: str) -> str:
    file, _, name = test.partition("::")
    return f"[{name.removeprefix('test_').replace('_', ' ')}](../../tests/conformance/{file})"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
