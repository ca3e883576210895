"""Where state lies, and what `~` means."""

from collections.abc import Mapping
from pathlib import Path


def home(environ: Mapping[str, str]) -> Path:
    """The folder of the store, caches and keys: FREEHOLD_HOME, else ~/.freehold. It need not exist."""
    named = environ.get("FREEHOLD_HOME")
    return expanded(named) if named else Path.home() / ".freehold"


def expanded(path: str) -> Path:
    """`path` with a leading `~` or `~user` replaced; of a user that does not exist it stays as it is."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        return Path(path)
