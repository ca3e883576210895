"""Whose signature a model carries, before anything of it is loaded."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from freehold.cli.references import located
from freehold.config import ModelConfig
from freehold.config.home import expanded
from freehold.store import Store


def check_signed(model: ModelConfig, store: Store) -> None:
    """Let nothing pass that the configuration wants signed and that is not, every file as it was signed.

    Raises FreeholdError as `signatures.check_folder` and `signing.read_public`, and what locating the model raises.
    """
    signed_by(model, store)


def signed_by(model: ModelConfig, store: Store) -> str:
    """Whose signature it is and from when, for people; "" where the configuration asks for none. Raises as above."""
    if not model.require.signed:
        return ""
    from freehold.store.signatures import check_folder, of_stored  # cryptography: only who asks for it waits for it
    from freehold.store.signing import SHOWN, read_public

    trusted = [read_public(Path(path)) for path in model.require.keys]
    source = model.parsed_source
    beside = of_stored(store, store.find(source)) if source.kind == "store" else []
    signed = check_folder(model.id, located(source, store), beside, trusted)
    when = f" on {signed.at:%Y-%m-%d}" if signed.at is not None else ""
    return f"{signed.key.fingerprint[:SHOWN]} ({signed.key.path}){when}"


def pinned(model: ModelConfig, store: Store) -> ModelConfig:
    """`model` by its digest where its source is a tag of the store: what is checked is then what is opened.

    Raises FreeholdError as `Store.find`.
    """
    source = model.parsed_source
    if source.kind != "store":
        return model
    stored = store.find(source)
    return msgspec.structs.replace(model, source=f"{stored.name}@{stored.digest}")


def requiring(model: ModelConfig, keys: Sequence[Path]) -> ModelConfig:
    """`model`, of which only a signature of one of `keys` counts."""
    paths = tuple(str(expanded(str(key)).absolute()) for key in keys)
    return msgspec.structs.replace(model, require=msgspec.structs.replace(model.require, signed=True, keys=paths))
