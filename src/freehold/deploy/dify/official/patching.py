"""A patch laid beside the files of an official installation."""

from pathlib import Path
from typing import Any

import yaml

from freehold.artifact.artifact import write_durably
from freehold.deploy.dify.official.override import MARK, NAME, Patch
from freehold.deploy.dify.official.reading import Official, parsed
from freehold.errors import FreeholdError


def check_place(official: Official, patch: Patch) -> bool:
    """Whether the override is to be written: False where one of the user's own says all of it already.

    Raises FreeholdError `official_override_exists` for one that does not, with the lines that it lacks, and
    `official_compose_file` where Compose is told which files to read, and would not read it.
    """
    there = official.override
    if there is not None and not _text(there).startswith(MARK):
        if _holds(_tree(_text(there)), _tree(patch.override)):
            return False
        raise FreeholdError("official_override_exists", path=there, lines=patch.override.removeprefix(MARK))
    chosen = official.variables.get("COMPOSE_FILE", "")
    read = chosen.split(official.variables.get("COMPOSE_PATH_SEPARATOR", ":"))
    if chosen and NAME not in {one.removeprefix("./") for one in read}:
        raise FreeholdError("official_compose_file", path=official.folder / ".env", chosen=chosen, name=NAME)
    return True


def lay(official: Official, patch: Patch) -> tuple[Path, ...]:
    """Write the files, the override last: before it, nobody reads the others. Running containers stay as they are.

    Raises as `check_place`, and FreeholdError `official_unwritable`.
    """
    is_ours = check_place(official, patch)
    written = []
    for name, text in patch.files.items():
        if name == NAME and not is_ours:
            continue
        path = official.folder / name
        try:
            if path.parent != official.folder:
                path.parent.mkdir(exist_ok=True)
                path.parent.chmod(0o755)
            write_durably(path, text.encode())
            path.chmod(0o644)  # whatever the umask: containers read it as users of their own
        except OSError as error:
            raise FreeholdError("official_unwritable", path=path, reason=error.strerror or error) from error
        written.append(path)
    return tuple(written)


def _holds(tree: Any, wanted: Any) -> bool:
    """Whether `tree` says all that `wanted` does; variables may stand as a list."""
    if isinstance(wanted, dict):
        if isinstance(tree, list):
            tree = dict(str(pair).partition("=")[::2] for pair in tree)
        return isinstance(tree, dict) and all(_holds(tree.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list):
        return isinstance(tree, list) and all(one in tree for one in wanted)
    return bool(tree == wanted)


def _tree(text: str) -> Any:
    try:
        return parsed(text)
    except (yaml.YAMLError, RecursionError, ValueError):
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="replace")
    except OSError as error:
        raise FreeholdError("official_unreadable", path=path, reason=error.strerror or error) from error
