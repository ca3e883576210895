"""`freehold bundle verify`: whether a bundle is whole, unchanged, and whose."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from freehold.cli.output import Output
from freehold.cli.progress import Say, working
from freehold.config.home import expanded
from freehold.errors import FreeholdError

if TYPE_CHECKING:
    from freehold.deploy.bundle.reading import Bundle

Place = Annotated[Path, typer.Argument(metavar="BUNDLE", help="The .tar or the folder.")]
Key = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The public key (PEM) of who made it; nobody else's counts.")
]
Unsigned = Annotated[bool, typer.Option("--unsigned", help="Whoever made it: check digests alone, and no signature.")]


def verify(ctx: typer.Context, bundle: Place, key: Key = None, unsigned: Unsigned = False) -> None:
    """Check every byte of a bundle, and who signed it.

    Fails where anything is changed, missing, cut or more than the manifest names. Nothing is unpacked.
    """
    output: Output = ctx.obj
    with working(f"verify {bundle}") as say:
        opened, signer = verified(bundle, key, unsigned, say)
    data, text = told(opened, signer)
    output.show(data, text)


def verified(place: Path, key: Path | None, unsigned: bool, say: Say) -> "tuple[Bundle, str]":
    """A bundle of which every byte was read, and who signed it, "" where `unsigned` says that nobody need have.

    Raises FreeholdError `bundle_key_needed`, and as `Bundle` and `read_public`.
    """
    from freehold.deploy.bundle.reading import Bundle
    from freehold.store.signing import SHOWN, read_public

    if key is None and not unsigned:
        raise FreeholdError("bundle_key_needed", option="--key")
    trusted = None if key is None else read_public(expanded(str(key)))
    bundle = Bundle.open(expanded(str(place)))
    signer = ""
    if trusted is not None:
        signed = bundle.signed_by(trusted)
        when = f" on {signed.at:%Y-%m-%d}" if signed.at is not None else ""
        signer = f"{signed.key.fingerprint[:SHOWN]} ({key}){when}"
    bundle.verify(say)
    return bundle, signer


def told(bundle: "Bundle", signer: str) -> tuple[dict[str, Any], str]:
    """What a bundle is, as data and for people."""
    manifest = bundle.manifest
    size = sum(file.size for file in manifest.files.values())
    data = {
        "bundle": str(bundle.place),
        "digest": bundle.digest,
        "platform": manifest.platform,
        "freehold": manifest.freehold,
        "files": len(manifest.files),
        "bytes": size,
        "signed_by": signer,
        "images": [{"name": one.name, "digest": one.digest, "from": one.source} for one in manifest.images],
        "artifacts": [f"{one.name}:{one.tag}" for one in manifest.artifacts],
        "models": [one.source for one in manifest.models],
    }
    lines = [
        f"{bundle.place} is whole: {len(manifest.files)} files, {size / 1e6:,.1f} MB, {manifest.platform}",
        f"  signed by {signer}" if signer else "  NOT SIGNED, or not checked: nothing says who made it",
        *(f"  image {one.name}  {one.digest[:19]}  from {one.source}" for one in manifest.images),
        *(f"  artifact {one.name}:{one.tag}" for one in manifest.artifacts),
        *(f"  model {one.source}" for one in manifest.models),
    ]
    return data, "\n".join(lines)
