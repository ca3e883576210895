"""What the sources of models mean on this machine: paths, and references to the store. Imports no engine."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from freehold.config import Reading, Source, home, parse
from freehold.config.locate import found, locate
from freehold.config.presence import absent_models
from freehold.config.source import NAME
from freehold.errors import FreeholdError, Kind
from freehold.store import Store

REF_HELP = "NAME:TAG, NAME@sha256:DIGEST, or NAME for the newest."
Ref = Annotated[str, typer.Argument(metavar="REF", help=REF_HELP)]
"""An artifact of the store as commands are told of it; `reference` reads it."""


def local_store(environ: Mapping[str, str], cache: Path | None = None) -> Store:
    """The store of this user; artifacts become folders under `cache` (default: FREEHOLD_HOME's)."""
    folder = home(environ)
    return Store(folder / "store", (cache or folder / "cache") / "artifacts")


def located(source: Source, store: Store) -> Path:
    """The .onnx file, model folder or artifact that a path, a reference to the store or a fetched repository means.

    Of a reference the artifact's folder, made of verified blobs at its first use; it stays while this process lives.
    Raises what `config.locate`, `Store.find` and `Store.path_of` raise, and `model_in_store` for a missing path whose
    last part is a name of the store.
    """
    if source.kind == "store":
        return store.path_of(store.find(source))
    try:
        return locate(_as_fetched(source, store))
    except FreeholdError as error:
        raise _meant_for_store(source, store, error) or error from None


def raw_model(source: Source, store: Store) -> Path:
    """The file or folder, in whatever format, that a path or a fetched repository means.

    Raises what `config.locate.found` raises, and for a reference to the store `convert_already` or what `Store.find`
    raises.
    """
    if source.kind == "store":
        raise FreeholdError("convert_already", path=store.find(source).ref)
    return found(_as_fetched(source, store))


def require_here(source: Source, store: Store) -> None:
    """Raises as `located` where there is no such model on this machine; of the store only the index is read."""
    if source.kind == "store":
        store.find(source)
    else:
        located(source, store)


def absent(reading: Reading, store: Store) -> tuple[list[FreeholdError], list[FreeholdError]]:
    """Problems and notes about models of a configuration that are not here, by path or in the store."""
    return absent_models(reading, store.find)


def _as_fetched(source: Source, store: Store) -> Source:
    """A repository of a hub as the folder that `freehold fetch` brought it to; any other source as it is."""
    if source.kind not in ("hf", "ms"):
        return source
    from freehold.adapt.origin import fetched

    folder = fetched(source, models_folder(store.root.parent))
    return Source("path", str(folder)) if folder is not None else source


def models_folder(home: Path) -> Path:
    """Where `freehold fetch` puts models, as ORG/NAME."""
    return home / "models"


def _meant_for_store(source: Source, store: Store, error: FreeholdError) -> FreeholdError | None:
    """A path that does not exist and reads like a name of the store."""
    if source.kind != "path" or error.kind is not Kind.NOT_FOUND:
        return None
    try:
        stored = store.find(Source("store", Path(source.name).name))
    except FreeholdError:
        return None
    return FreeholdError("model_in_store", path=source.name, ref=stored.ref)


def reference(text: str) -> Source:
    """A reference to the store as commands take it: NAME, NAME:TAG or NAME@DIGEST.

    Raises `store_ref_wanted`, and what `config.parse` raises.
    """
    source = parse(text)
    if source.kind == "path" and re.fullmatch(NAME, text):
        return Source("store", text)
    if source.kind != "store":
        raise FreeholdError("store_ref_wanted", ref=text)
    return source
