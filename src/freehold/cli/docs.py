"""The reference pages, written from the code: `python -m freehold.cli.docs` writes them again; a test compares them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import typer
import typer.core
from msgspec import inspect as mi

from freehold.cli.explain import with_brackets
from freehold.cli.main import VERBS, build_app
from freehold.cli.output import EPILOG
from freehold.cli.route_page import routes_page
from freehold.config.canonical import ALIASES
from freehold.config.decode import notation
from freehold.config.schema import SCHEMA_FILE, schema_text
from freehold.config.shapes import Config
from freehold.config.template import description
from freehold.deploy.dify.checking.running import CHECKS
from freehold.errors import CATALOG

_WRITTEN = "<!-- Written by `make docs` from the code: change it there. -->"


def write_pages(root: Path) -> list[Path]:
    """Write the pages under `root`, the repository; returns those that changed."""
    changed = []
    for name, page in PAGES.items():
        path, text = root / name, page()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            changed.append(path)
    return changed


def config_page() -> str:
    """Every key of a configuration: its form, default, unit and meaning."""
    top = mi.type_info(Config)
    assert isinstance(top, mi.StructType)
    aliases = ", ".join(f"`{alias}` for `{name}`" for alias, name in ALIASES.items())
    lines = [_WRITTEN, _CONFIG_HEAD.format(aliases=aliases), *_shape("The top level", top)]
    first: dict[type, str] = {}
    for key, shape in _shapes_below(top, ""):
        seen = first.setdefault(shape.cls, key)
        lines += _shape(f"`{key}`", shape) if seen == key else ["", f"## `{key}`", "", f"The keys of `{seen}`."]
    return "\n".join(lines) + "\n"


def errors_page() -> str:
    """Every error in both languages."""
    lines = [_WRITTEN, _ERRORS_HEAD, "| code | kind | cause | fix |", "|---|---|---|---|"]
    for code, row in sorted(CATALOG.items()):
        cause, fix = (
            f"{_cell(with_brackets(en))}<br>{_cell(with_brackets(zh))}"
            for en, zh in ((row.cause, row.cause_zh), (row.fix, row.fix_zh))
        )
        lines.append(f"| `{code}` | {row.kind} | {cause} | {fix} |")
    return "\n".join(lines) + "\n"


def dify_checks_page() -> str:
    """Every check of `freehold dify check`, in both languages."""
    lines = [
        _WRITTEN,
        _DIFY_CHECKS_HEAD,
        "| check | where it fails | what a user of Dify sees | fix |",
        "|---|---|---|---|",
    ]
    for check in CHECKS:
        why, fix = (f"{_cell(text.en)}<br>{_cell(text.zh)}" for text in (check.why, check.fix))
        lines.append(f"| `{check.id}` | {'exit 1' if check.needed else 'a warning'} | {why} | {fix} |")
    return "\n".join(lines) + "\n"


def cli_page() -> str:
    """Every command with its arguments and options."""
    group: Any = typer.main.get_command(build_app(list(VERBS)))
    lines = [_WRITTEN, f"# The command line\n\n{EPILOG} Exit codes: 0 fine, 1 failed, 2 wrong usage."]
    for name, command in _commands(group, "freehold"):
        lines += ["", f"## {name}", "", *_command(name, command)]
    return "\n".join(lines) + "\n"


def _shapes_below(shape: mi.StructType, prefix: str) -> Iterator[tuple[str, mi.StructType]]:
    for field in shape.fields:
        for below, is_list in _inner_shapes(field.type):
            key = f"{prefix}{field.encode_name}" + ("[]" if is_list else "")
            yield key, below
            yield from _shapes_below(below, f"{key}.")


def _inner_shapes(kind: mi.Type, is_list: bool = False) -> Iterator[tuple[mi.StructType, bool]]:
    match kind:
        case mi.Metadata(type=inner):
            yield from _inner_shapes(inner, is_list)
        case mi.VarTupleType(item_type=inner):
            yield from _inner_shapes(inner, is_list=True)
        case mi.UnionType(types=members):
            for member in members:
                yield from _inner_shapes(member, is_list)
        case mi.StructType():
            yield kind, is_list


def _shape(title: str, shape: mi.StructType) -> list[str]:
    lines = ["", f"## {title}", "", str(shape.cls.__doc__), ""]
    lines += ["| key | form | default | meaning |", "|---|---|---|---|"]
    for field in shape.fields:
        extra = (field.type.extra if isinstance(field.type, mi.Metadata) else None) or {}
        unit = f" ({extra['unit']})" if "unit" in extra else ""
        default = extra.get("default") or ("needed" if field.required else _default(field))
        row = (f"`{field.encode_name}`", f"`{notation(field.type)}`{unit}", default, description(field.type))
        lines.append("| " + " | ".join(_cell(text) for text in row) + " |")
    return lines


def _default(field: mi.Field) -> str:
    value = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if isinstance(value, msgspec.Struct):
        return "see below"
    return f"`{value if isinstance(value, str) else msgspec.json.encode(value).decode()}`"


def _cell(text: str) -> str:
    """Text for a cell of a table: outside of code, `<` and `>` would be HTML."""
    parts = text.replace("\n", " ").replace("|", "\\|").split("`")
    parts[::2] = [part.replace("<", "&lt;").replace(">", "&gt;") for part in parts[::2]]
    return "`".join(parts)


def _commands(group: typer.core.TyperGroup, prefix: str) -> Iterator[tuple[str, Any]]:
    for name, command in sorted(group.commands.items()):
        if isinstance(command, typer.core.TyperGroup):
            yield from _commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def _command(name: str, command: Any) -> list[str]:
    context = typer.Context(command, info_name=name)
    usage = " ".join(command.collect_usage_pieces(context))
    paragraphs = [_cell(paragraph) for paragraph in (command.help or "").split("\n\n")]
    lines = ["\n\n".join(paragraphs), "", "```", f"{name} {usage}", "```"]
    records = [param.get_help_record(context) for param in command.get_params(context) if param.name != "help"]
    rows = [f"| {_cell(f'`{left.strip()}`')} | {_cell(right)} |" for left, right in records]
    return [*lines, *(["", "| argument or option | |", "|---|---|", *rows] if rows else [])]


_CONFIG_HEAD = """\
# The configuration

One file, `freehold.yaml` (or `.json`). What is read, the first that there is:

1. the argument of the command: a configuration file, a model folder, an `.onnx` file, or another source;
2. `MODEL_PATH`, a source;
3. `./freehold.yaml`;
4. `./config.yaml`, if its top level has `model` or `models`.

`MODEL_PATH` replaces the path of a file's one `model` and keeps its other fields, also where the file was named as the
argument; beside a list of `models` it is an error. `MODEL_ID` names the one model; without it the id is the file's
stem, or the folder's name where the file is `model.onnx`. `FREEHOLD_AUTH` replaces `access.auth`.
A path without a suffix finds `X`, `X.onnx` or `X/model.onnx`. Relative paths are relative to the file they stand in;
those of arguments and variables to the working folder. State lies under `FREEHOLD_HOME` (default `~/.freehold`).

The smallest file:

```yaml
model:
  path: "/models/custom-model.onnx"
  input_shape: [1, 32, 1024]
  max_tokens: 4096
```

`model` with one model is short for `models` with a list of one. Other names: {aliases}.
Unknown keys, keys written twice and YAML tags are errors. Only `true` and `false` are truth values: `no`, `on` and
`12:30` are texts. Secrets stand only as `${{env:NAME}}` or `${{file:PATH}}` and are read when they are needed.

| source | what it is |
|---|---|
| `/models/bge-m3`, `./model.onnx` | a folder or an .onnx file |
| `bge-m3:1`, `bge-m3@sha256:<64 hex>` | an artifact of the local store |
| `oci://host/team/bge-m3:1` | an artifact in a registry |
| `hf://BAAI/bge-m3[@revision]` | a repository of Hugging Face |
| `ms://BAAI/bge-m3[@revision]` | a repository of ModelScope |
| `https://llm.corp.local/v1` | an upstream: a server that speaks the OpenAI API |

Serving never downloads: a path is served as it is, the store's must have been fetched, an upstream is asked."""

_ERRORS_HEAD = """\
# Errors

The same code and words stand in messages of the command line, in bodies of HTTP answers (in English) and in
`freehold explain CODE`. Texts on the command line follow `--lang`, `FREEHOLD_LANG`, `LANG`. What an error fills in
stands in &lt;angle brackets&gt;. Codes that begin with `note_` are never raised: `freehold config check` notes them.
"""


_DIFY_CHECKS_HEAD = """\
# What `freehold dify check` asks

The calls are those of Dify's plugin openai_api_compatible 0.0.63.
[How to use it](../how-to/check-a-server-for-dify.md).
"""

PAGES: dict[str, Callable[[], str]] = {
    "docs/reference/config.md": config_page,
    "docs/reference/errors.md": errors_page,
    "docs/reference/dify-checks.md": dify_checks_page,
    "docs/reference/cli.md": cli_page,
    "docs/reference/routes.md": lambda: f"{_WRITTEN}\n{routes_page()}",
    f"src/freehold/config/{SCHEMA_FILE.name}": schema_text,
}
"""Every generated file of the repository: its path from the root, and what writes it."""


if __name__ == "__main__":
    for changed_page in write_pages(Path.cwd()):
        print(changed_page)
