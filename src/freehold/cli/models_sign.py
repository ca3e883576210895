"""`freehold models sign`: whose word stands for an artifact."""

import getpass
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.artifact import Artifact
from freehold.cli.output import EPILOG, Output
from freehold.cli.references import local_store, reference
from freehold.config.home import expanded
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

PASSPHRASE = "FREEHOLD_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable


def add_to(app: typer.Typer) -> None:
    """Hang the verb into `freehold models`."""
    app.command(epilog=EPILOG)(sign)


def sign(
    ctx: typer.Context,
    ref: Annotated[
        str | None, typer.Argument(metavar="[REF]", help="NAME:TAG of the store, or the folder of an artifact.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The private key: PEM, ECDSA on P-256, encrypted or not.")
    ] = None,
    new_key: Annotated[
        Path | None,
        typer.Option(metavar="NAME", help="First make a pair, NAME.key and NAME.pub; without REF nothing else."),
    ] = None,
) -> None:
    """Sign an artifact with a key of your own, without any network.

    The signature stands for the artifact's digest and so for every file of it. In the store it lies beside the artifact
    and travels with push and pull; of a folder it goes into its `signatures/`. A configuration that says
    `require: {signed: true, keys: [NAME.pub]}` loads nothing else.

    A passphrase is asked for, or taken from FREEHOLD_KEY_PASSPHRASE; without a terminal and without it, a new key is
    written unencrypted, readable only for you.
    """
    output: Output = ctx.obj
    if new_key is None and (key is None or ref is None):
        raise FreeholdError("signing_key_wanted")
    made = _new_pair(expanded(str(new_key))) if new_key is not None else None
    private = expanded(str(key)) if key is not None else made[0] if made is not None else Path()
    data: dict[str, Any] = {}
    lines: list[str] = []
    if made is not None:
        data |= {"key": made[0], "public_key": made[1]}
        lines.append(f"{made[0]} signs: keep it where artifacts are signed. {made[1]} checks: give it to who serves.")
    if ref is not None:
        told, signed = _sign(ref, private)
        data |= told
        lines.append(signed)
    output.show(data, "\n".join(lines))


def private_key(path: Path) -> "EllipticCurvePrivateKey":
    """The key in `path`, whose passphrase is asked for or taken from the environment. Raises as `read_private`."""
    from freehold.store.signing import read_private

    return read_private(path, lambda: _passphrase(path))


def _sign(ref: str, key: Path) -> tuple[dict[str, Any], str]:
    from freehold.store import signatures
    from freehold.store.signing import sign as make

    private = private_key(key)
    folder = expanded(ref)
    if (folder / "manifest.json").is_file():
        artifact = Artifact.open(folder)
        artifact.check_files()
        oci_digest = signatures.oci_digest_of(folder, artifact)
        signature = make(artifact.manifest.name, artifact.digest, oci_digest, private)
        where, digest, name = str(signatures.lay_beside(folder, signature)), artifact.digest, ref
    else:
        store = local_store(os.environ)
        stored = store.find(reference(ref))
        for entry in stored.manifest.files.values():
            store.blobs.verify(f"sha256:{entry.sha256}")
        signature = make(stored.name, stored.digest, stored.oci_digest, private)
        where, digest, name = signatures.attach(store, stored, signature), stored.digest, stored.ref
    told = {"ref": name, "digest": digest, "signer": signature.key, "signature": where}
    return told, f"{name} ({digest[:19]}) is signed by {signature.key[:19]}\n  {where}"


def _new_pair(path: Path) -> tuple[Path, Path]:
    """Write NAME.key, for its owner's eyes only, and NAME.pub.

    Raises `signing_key_exists`, `signing_key_unwritable`.
    """
    from freehold.store.signing import new_pair

    places = path.with_name(f"{path.name}.key"), path.with_name(f"{path.name}.pub")
    for place in places:
        if place.exists():
            raise FreeholdError("signing_key_exists", path=place)
    for place, raw, mode in zip(places, new_pair(_new_passphrase()), (0o600, 0o644), strict=True):
        try:
            descriptor = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
            with os.fdopen(descriptor, "wb") as file:
                file.write(raw)
        except OSError as error:
            raise FreeholdError("signing_key_unwritable", path=place, reason=error.strerror or error) from error
    return places


def _new_passphrase() -> bytes:
    given = os.environ.get(PASSPHRASE)
    if given is not None or not sys.stdin.isatty():
        return (given or "").encode()
    while True:
        typed = getpass.getpass("Passphrase of the new key (empty: none): ")
        if typed == getpass.getpass("Once more: "):
            return typed.encode()
        print("They differ.", file=sys.stderr)


def _passphrase(key: Path) -> bytes:
    given = os.environ.get(PASSPHRASE)
    if given is not None:
        return given.encode()
    if not sys.stdin.isatty():
        raise FreeholdError("signing_passphrase_wanted", path=key)
    return getpass.getpass(f"Passphrase of {key}: ").encode()
