"""Where signatures lie: beside an artifact in the store, as its registries keep them, or in its folder."""

from collections.abc import Sequence
from pathlib import Path

import msgspec

from freehold.artifact import Artifact
from freehold.artifact.artifact import MANIFEST, SIGNATURES, unpinned, write_durably
from freehold.errors import FreeholdError
from freehold.store import oci
from freehold.store.collect import read_image
from freehold.store.oci import SIGNATURE, SIGNER
from freehold.store.signing import PublicKey, Signature, Signed, check, names
from freehold.store.store import Store, Stored

PAYLOAD = "application/vnd.dev.cosign.simplesigning.v1+json"
IN_ANNOTATION = "dev.cosignproject.cosign/signature"
SHOWN = 5  # files in a message
LARGEST_PAYLOAD = 1 << 20  # bytes


def attach(store: Store, stored: Stored, signature: Signature) -> str:
    """Keep `signature` as something said about `stored`; the OCI digest of its manifest."""
    layer = oci.describe(signature.payload, PAYLOAD)
    text = msgspec.to_builtins(signature.signature)  # base64
    layer = msgspec.structs.replace(layer, annotations={IN_ANNOTATION: text})
    return store.attach_layers(stored, SIGNATURE, [(layer, signature.payload)], {SIGNER: signature.key})


def take_along(folder: Path, store: Store, stored: Stored) -> int:
    """Attach the signatures in a folder to the artifact that was added from it; how many are about it.

    Raises `signature_unreadable`.
    """
    about = [one for one in in_folder(folder) if names(one, (stored.digest, stored.oci_digest))]
    for signature in about:
        attach(store, stored, signature)
    return len(about)


def of_stored(store: Store, stored: Stored) -> list[Signature]:
    """The signatures of `stored`, those of other tools too. Raises as reading the store does."""
    found = []
    for referrer in store.referrers(stored, SIGNATURE):
        for layer in read_image(store.blobs, referrer.digest).layers:
            text = layer.annotations.get(IN_ANNOTATION, "")
            if layer.media_type == PAYLOAD and layer.size <= LARGEST_PAYLOAD:
                try:
                    signature = msgspec.convert(text, bytes)
                except msgspec.ValidationError:
                    continue  # no base64, so nobody's signature
                payload = store.blobs.read(layer.digest)
                found.append(Signature(payload, signature, referrer.annotations.get(SIGNER, "")))
    return found


def lay_beside(folder: Path, signature: Signature) -> Path:
    """Write `signature` into the folder of its artifact, one file a key; where. Raises `artifact_invalid`."""
    path = folder / SIGNATURES / file_name(signature)
    try:
        path.parent.mkdir(exist_ok=True)
        write_durably(path, msgspec.json.format(msgspec.json.encode(signature), indent=1))
    except OSError as error:
        raise FreeholdError("artifact_invalid", path=path, reason=error.strerror or str(error)) from error
    return path


def file_name(signature: Signature) -> str:
    """Of a signature in a folder: the signer's key, or, where that is not told, what the signature itself is."""
    named = signature.key or oci.digest_of(signature.signature)
    return f"{named.removeprefix('sha256:')[:16]}.json"


def in_folder(folder: Path) -> list[Signature]:
    """The signatures that lie in an artifact's folder. Raises `signature_unreadable`."""
    found = []
    for path in sorted((folder / SIGNATURES).glob("*.json")):
        try:
            found.append(msgspec.json.decode(path.read_bytes(), type=Signature))
        except (OSError, *oci.UNREADABLE) as error:
            raise FreeholdError("signature_unreadable", path=path, reason=error) from error
    return found


def oci_digest_of(folder: Path, artifact: Artifact) -> str:
    """The digest that the artifact in `folder` has in registries."""
    return oci.digest_of(oci.image_of((folder / MANIFEST).read_bytes(), artifact.manifest))


def check_folder(what: str, folder: Path, more: Sequence[Signature], trusted: Sequence[PublicKey]) -> Signed:
    """Whose signature the artifact in `folder` carries, there or among `more`.

    Every file was read then, and is as signed. Raises FreeholdError as `signing.check` and `Artifact.check_files`,
    `signature_impossible` for what is no artifact, and `signature_not_of_file` for a file that nobody signed: a graph
    for another device, say, which an engine would prefer.
    """
    if not (folder / MANIFEST).is_file():
        raise FreeholdError("signature_impossible", what=what, path=folder)
    artifact = Artifact.open(folder)
    digests = (artifact.digest, oci_digest_of(folder, artifact))
    signed = check(what, digests, [*more, *in_folder(folder)], trusted)
    artifact.check_files()
    unsigned = sorted(unpinned(artifact))
    if unsigned:
        raise FreeholdError("signature_not_of_file", what=what, path=folder, files=", ".join(unsigned[:SHOWN]))
    return signed
