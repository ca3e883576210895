"""Whose signature a model carries, before anything of it is loaded."""

from pathlib import Path
from typing import TYPE_CHECKING

from freehold.cli.references import located
from freehold.config import ModelConfig
from freehold.store import Store

if TYPE_CHECKING:
    from freehold.store.signing import Signed


def check_signed(model: ModelConfig, store: Store) -> "Signed | None":
    """Whose signature it is, where the configuration asks for one; every file was read then, and is as signed.

    Raises FreeholdError as `signatures.check_folder` and `signing.read_public`, and what locating the model raises.
    """
    if not model.require.signed:
        return None
    from freehold.store.signatures import check_folder, of_stored  # cryptography: only who asks for it waits for it
    from freehold.store.signing import read_public

    trusted = [read_public(Path(path)) for path in model.require.keys]
    source = model.parsed_source
    beside = of_stored(store, store.find(source)) if source.kind == "store" else []
    return check_folder(model.id, located(source, store), beside, trusted)
