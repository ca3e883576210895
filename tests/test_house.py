"""The budgets of the house. What breaks one is split or renamed; an exception is named here with its reason.

The lists of exceptions can only shrink: an entry that is no longer needed fails, and so does one more than `MOST`.
"""

import ast
import gc
import importlib
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SRC = ROOT / "src" / "freehold"
ROOMS = sorted(path.name for path in SRC.iterdir() if (path / "__init__.py").is_file())

FILE_LINES = 400
BODY_LINES = 60
CLASS_LINES = 300
PUBLIC_METHODS = 20
INHERITANCE_STEPS = 2
ENDPOINT_LINES = 25

BANNED_MODULES = {"utils", "util", "common", "helpers", "helper", "misc"}
BANNED_SUFFIXES = ("Manager", "Handler", "Helper", "Wrapper")
TRANSPORTS = ("openai", "chat", "completions", "generate", "oip", "tei", "health")

# `room/module.py:function` that catches everything and goes on: the top of a loop, which logs and counts.
BROAD_EXCEPTS: dict[str, str] = {
    "access/books.py:_keep": "the top of a thread: were it to end, no usage and no audit of requests would be written",
    "access/keys.py:_follow": "the top of a thread: were it to end, a revoked key would count for ever after",
    "engine/batcher.py:_attempt": "the top of an engine thread: one that died would leave its model silent for ever",
    "engine/text_loop.py:_attempt": "the top of a text engine's thread, for the same reason; it fails what it computed",
    "engine/worker.py:_infer": "the top of a request in an engine process: the front must hear how it ended",
    "http/app.py:__call__": "the top of every request: it logs, counts and answers with the code `internal`",
    "server/grpc/reception.py:_run": "the top of every call of gRPC, for the same reason",
}
# Modules without a test file of the same name.
UNMIRRORED: dict[str, str] = {
    "engine/base.py": "a Protocol and frozen data classes; every engine's tests are written against it",
    "engine/settings.py": "one frozen data class; the tests of opening, encoder and tensor set its fields",
    "errors/kinds.py": "an enum and a named tuple; tests/errors/test_catalog.py reads every row",
}
MOST = {"BROAD_EXCEPTS": 7, "UNMIRRORED": 3}


@pytest.fixture(autouse=True, scope="module")
def _no_collector() -> Iterator[None]:
    """The trees of all files stay for a while: the collector would walk them again and again, most of the time."""
    gc.disable()
    yield
    tree.cache_clear()
    gc.enable()


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def sources() -> list[Path]:
    return sorted(SRC.rglob("*.py"))


@cache
def python_files() -> list[Path]:
    """Ours, under version control or new: environments and caches lie in ignored folders."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return sorted(ROOT / name for name in names if (ROOT / name).is_file())


def place(path: Path, node: ast.stmt | ast.expr | ast.ExceptHandler | None = None) -> str:
    return f"{path.relative_to(ROOT)}" + (f":{node.lineno}" if node else "")


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def classes(path: Path) -> Iterator[ast.ClassDef]:
    return (node for node in ast.walk(tree(path)) if isinstance(node, ast.ClassDef))


def body_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of the body, without the signature and the docstring."""
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def last_name(node: ast.expr) -> str:
    """`msgspec.Struct` -> Struct, `Generic[T]` -> Generic."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def lineages(path: Path, node: ast.ClassDef) -> list[tuple[str, ...]]:
    """Every line of names from a class up to one that is not ours."""
    lines: list[tuple[str, ...]] = []
    for base in map(last_name, node.bases):
        home = defined(path, base)
        above = [(base,)] if home is None else lineages(*home)
        lines += [(node.name, *line) for line in above if line != ("object",)]
    return lines or [(node.name,)]


def defined(path: Path, name: str) -> tuple[Path, ast.ClassDef] | None:
    """Where a class that is used in `path` stands in our source: there, or in the room it is imported from."""
    files = [path]
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom) and node.module and any(alias.name == name for alias in node.names):
            module = ROOT / "src" / Path(*node.module.split("."))
            files = [module.with_suffix(".py"), *sorted(module.rglob("*.py"))]
    found = ((file, cls) for file in files if file.is_file() for cls in classes(file) if cls.name == name)
    return next(found, None)


def test_no_file_is_longer_than_its_budget() -> None:
    """A file fits in 400 lines."""
    lengths = {place(path): len(path.read_text(encoding="utf-8").splitlines()) for path in python_files()}
    assert {name: lines for name, lines in lengths.items() if lines > FILE_LINES} == {}


def test_no_function_is_longer_than_its_budget() -> None:
    """A function's body fits in 60 lines."""
    long = {place(path, f): body_lines(f) for path in python_files() for f in functions(path)}
    assert {name: lines for name, lines in long.items() if lines > BODY_LINES} == {}


def test_no_class_is_larger_than_its_budget() -> None:
    """A class fits in 300 lines and 20 public methods."""
    for path in python_files():
        for node in classes(path):
            public = [item.name for item in node.body if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)]
            public = [name for name in public if not name.startswith("_")]
            assert (node.end_lineno or 0) - node.lineno < CLASS_LINES, place(path, node)
            assert len(public) <= PUBLIC_METHODS, place(path, node)


def test_inheritance_is_shallow() -> None:
    """A class is at most two steps from a class of its own, exceptions aside."""
    for path in sources():
        for node in classes(path):
            for line in lineages(path, node):
                if not {"Exception", "BaseException"} & set(line):
                    assert len(line) - 1 <= INHERITANCE_STEPS, f"{place(path, node)}: {' < '.join(line)}"


def test_an_endpoint_only_parses_calls_and_encodes() -> None:
    """Whatever takes a Call in a transport module fits in 25 lines, docstring aside."""
    found = 0
    for path in (SRC / "server" / f"{name}.py" for name in TRANSPORTS if (SRC / "server" / f"{name}.py").exists()):
        for function in functions(path):
            if any(argument.annotation and last_name(argument.annotation) == "Call" for argument in function.args.args):
                found += 1
                assert body_lines(function) <= ENDPOINT_LINES, place(path, function)
    assert found, "no endpoint found: has the Call been renamed?"


def test_things_are_named_by_what_they_are_or_make() -> None:
    """No module is a drawer for odds and ends, and no class is a Manager, Handler, Helper or Wrapper."""
    assert [place(path) for path in python_files() if BANNED_MODULES & {path.stem.strip("_"), path.parent.name}] == []
    named = [(node.name, place(path, node)) for path in python_files() for node in classes(path)]
    assert [(name, where) for name, where in named if name.endswith(BANNED_SUFFIXES)] == []


def broad_excepts() -> set[str]:
    """`engine/process.py:serve` for each function that catches everything and goes on."""
    found = set()
    for path in sources():
        for function in functions(path):
            for node in ast.walk(function):
                if not isinstance(node, ast.ExceptHandler):
                    continue
                caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                broad = any(kind is None or last_name(kind) in {"Exception", "BaseException"} for kind in caught)
                passes_on = isinstance(node.body[-1], ast.Raise)
                if broad and not passes_on:
                    found.add(f"{path.relative_to(SRC)}:{function.name}")
    return found


def test_only_the_top_of_a_loop_catches_everything() -> None:
    """A broad except stands where the list says, or raises again."""
    assert broad_excepts() == set(BROAD_EXCEPTS)


def test_no_module_keeps_state() -> None:
    """A module binds lists, dicts and sets only to constants, and nothing is declared global."""
    makers = {
        "list",
        "dict",
        "set",
        "defaultdict",
        "OrderedDict",
        "Counter",
        "deque",
        "bytearray",
        "WeakValueDictionary",
    }
    kinds = ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp
    for path in sources():
        for node in tree(path).body:
            if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            made = isinstance(node.value, ast.Call) and last_name(node.value.func) in makers
            lower = [last_name(target) for target in targets if not last_name(target).strip("_").isupper()]
            lower = [name for name in lower if name != "__all__"]
            assert not (lower and (made or isinstance(node.value, kinds))), place(path, node)
        assert not any(isinstance(node, ast.Global) for node in ast.walk(tree(path))), place(path)


def test_every_silenced_check_says_why() -> None:
    """`type: ignore` and `noqa` name their rule and a reason: `# noqa: BLE001 - the top of the loop`."""
    silent = re.compile(
        r"#\s*(type:\s*ignore|noqa)(?!(?:\[[a-z, -]+\]|: [A-Z]+[0-9]+(?:, [A-Z]+[0-9]+)*)\s+(?:#|-)\s*\S)"
    )
    for path in python_files():
        if path != Path(__file__):
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
                assert not silent.search(line), f"{place(path)}:{number}: {line.strip()}"


def unmirrored() -> set[str]:
    modules = [path.relative_to(SRC) for path in sources() if not path.name.startswith("__")]
    rows = Path("errors/texts")  # rows of a table, all read by tests/errors/test_catalog.py
    return {
        str(module)
        for module in modules
        if module.parent != rows and not (ROOT / "tests" / module.parent / f"test_{module.name}").exists()
    }


def test_every_module_has_its_test() -> None:
    """`src/freehold/room/thing.py` is tested by `tests/room/test_thing.py`, or the list says by what."""
    assert unmirrored() == set(UNMIRRORED)


def test_every_test_says_in_a_sentence_what_it_shows() -> None:
    """Each test function has a docstring."""
    silent = [
        place(path, function)
        for path in (ROOT / "tests").rglob("test_*.py")
        for function in functions(path)
        if function.name.startswith("test_") and not ast.get_docstring(function)
    ]
    assert silent == []


def test_no_test_is_skipped_but_for_a_gpu() -> None:
    """Skips and expected failures hide defects: only the marker `gpu` may skip."""
    skips = re.compile(r"pytest\.(skip|importorskip|mark\.skip|mark\.skipif|xfail|mark\.xfail)\b")
    for path in (ROOT / "tests").rglob("test_*.py"):
        if path != Path(__file__):
            assert not skips.search(path.read_text(encoding="utf-8")), place(path)


def test_exceptions_have_reasons_and_only_shrink() -> None:
    """Each exception says why, and there are no more than there were."""
    for name, most in MOST.items():
        exceptions: dict[str, str] = globals()[name]
        assert all(len(reason.split()) > 3 for reason in exceptions.values()), name
        assert len(exceptions) == most, f"{name} has {len(exceptions)} entries: lower MOST, or do without one more"


@pytest.mark.parametrize("room", ROOMS)
def test_a_rooms_door_is_true(room: str) -> None:
    """What a room's `__all__` names is there, once, in order."""
    door = importlib.import_module(f"freehold.{room}")
    names: list[str] = getattr(door, "__all__", [])
    assert names == sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    assert [name for name in names if not hasattr(door, name)] == []


def test_the_import_contracts_cover_every_room() -> None:
    """A contract on outside packages lists every room but the ones that may use them."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    by_id = {contract["id"]: contract for contract in contracts}
    every = {f"freehold.{room}" for room in ROOMS}
    assert set(by_id["raw-frameworks"]["source_modules"]) == every - {"freehold.adapt"}
    assert set(by_id["onnxruntime"]["source_modules"]) == every - {"freehold.adapt", "freehold.engine"}
