"""Where signatures lie, and what they cover."""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from freehold.artifact import Artifact, write_manifest
from freehold.artifact.artifact import SIGNATURES
from freehold.errors import FreeholdError
from freehold.store import Store, Stored, oci
from freehold.store.oci import SIGNATURE
from freehold.store.signatures import (
    IN_ANNOTATION,
    PAYLOAD,
    attach,
    check_folder,
    in_folder,
    lay_beside,
    oci_digest_of,
    of_stored,
    take_along,
)
from freehold.store.signing import PublicKey, Signature, public_key, sign

Make = Callable[..., Path]


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    """A key of ours."""
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def trusted(key: ec.EllipticCurvePrivateKey) -> list[PublicKey]:
    """Whom we believe."""
    return [public_key(key.public_key())]


def signed_folder(folder: Path, key: ec.EllipticCurvePrivateKey) -> Path:
    """`folder` with a signature of the artifact that it is."""
    artifact = Artifact.open(folder)
    lay_beside(folder, sign("m", artifact.digest, oci_digest_of(folder, artifact), key))
    return folder


def signature_of(stored: Stored, key: ec.EllipticCurvePrivateKey) -> Signature:
    """A signature of an artifact in the store."""
    return sign(stored.name, stored.digest, stored.oci_digest, key)


def refused(folder: Path, trusted: list[PublicKey]) -> str:
    """The code of the error that a check of `folder` ends in."""
    with pytest.raises(FreeholdError) as raised:
        check_folder("m", folder, [], trusted)
    return raised.value.code


def test_a_folder_carries_its_signature(
    make_artifact: Make, key: ec.EllipticCurvePrivateKey, trusted: list[PublicKey]
) -> None:
    """It lies in `signatures/`, one file a key, and changes nothing of what it signs."""
    folder = make_artifact()
    before = Artifact.open(folder).digest
    signed_folder(signed_folder(folder, key), key)
    assert len(list((folder / SIGNATURES).iterdir())) == 1
    assert check_folder("m", folder, [], trusted).key.fingerprint == trusted[0].fingerprint
    assert write_manifest(folder, Artifact.open(folder).manifest).digest == before


def test_any_changed_byte_is_seen(
    make_artifact: Make, key: ec.EllipticCurvePrivateKey, trusted: list[PublicKey]
) -> None:
    """A weight of the same size, or a manifest that pins another one: either is refused."""
    folder = signed_folder(make_artifact(b"weights"), key)
    (folder / "model.onnx").write_bytes(b"Weights")
    assert refused(folder, trusted) == "artifact_corrupt"
    write_manifest(folder, Artifact.open(folder).manifest)
    assert refused(folder, trusted) == "signature_of_other"


@pytest.mark.parametrize("name", ["model.cuda.onnx", "goldens/more.json", "tokenizer.json"])
def test_what_nobody_signed_may_not_lie_beside(
    make_artifact: Make, key: ec.EllipticCurvePrivateKey, trusted: list[PublicKey], name: str
) -> None:
    """Engines take the graph of their device, goldens and a tokenizer by their names, whatever the manifest says."""
    folder = signed_folder(make_artifact(), key)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"another's")
    assert refused(folder, trusted) == "signature_not_of_file"


def test_a_folder_without_a_signature(make_artifact: Make, trusted: list[PublicKey]) -> None:
    """Nothing signed is not the same as wrongly signed."""
    assert refused(make_artifact(), trusted) == "signature_missing"


def test_what_is_no_artifact_cannot_be_signed(tmp_path: Path, trusted: list[PublicKey]) -> None:
    """A bare graph or a raw model folder has no manifest that could stand for it."""
    (tmp_path / "model.onnx").write_bytes(b"x")
    assert refused(tmp_path, trusted) == "signature_impossible"
    assert refused(tmp_path / "model.onnx", trusted) == "signature_impossible"


def test_a_file_that_is_no_signature_is_named(make_artifact: Make, trusted: list[PublicKey]) -> None:
    """Nobody should wonder why a signature does not count."""
    folder = make_artifact()
    (folder / SIGNATURES).mkdir()
    (folder / SIGNATURES / "x.json").write_text("{}")
    assert refused(folder, trusted) == "signature_unreadable"


def test_the_store_keeps_signatures_as_cosign_does(
    store: Store, make_artifact: Make, key: ec.EllipticCurvePrivateKey, trusted: list[PublicKey]
) -> None:
    """As referrers of cosign's type, whose one layer is the payload with the signature in its annotation."""
    stored = store.add(make_artifact(), "m")
    signature = signature_of(stored, key)
    attach(store, stored, signature)
    attach(store, stored, signature)
    (referrer,) = store.referrers(stored, SIGNATURE)
    (layer,) = referrer.files.values()
    assert layer.media_type == PAYLOAD
    assert set(layer.annotations) == {IN_ANNOTATION}
    assert of_stored(store, stored) == [signature]
    assert check_folder("m", store.path_of(stored), of_stored(store, stored), trusted)


def test_signatures_of_others_are_read_past(store: Store, make_artifact: Make, key: ec.EllipticCurvePrivateKey) -> None:
    """Layers of another sort, or with an annotation that is no base64, are nobody's signatures."""
    stored = store.add(make_artifact(), "m")
    layers = (
        oci.describe(b"{}", "application/other"),
        oci.Descriptor(media_type=PAYLOAD, digest=oci.digest_of(b"{}"), size=2, annotations={IN_ANNOTATION: "###"}),
    )
    about = oci.Descriptor(media_type=oci.IMAGE_MANIFEST, digest=stored.oci_digest, size=1)
    with store.writing():
        store.blobs.put(b"{}")
        store.admit_referrer(oci.referrer_of(about, SIGNATURE, layers, {}))
    assert of_stored(store, stored) == []
    attach(store, stored, signature_of(stored, key))
    assert len(of_stored(store, stored)) == 1


def test_adding_a_folder_takes_its_signatures_along(
    store: Store, make_artifact: Make, key: ec.EllipticCurvePrivateKey
) -> None:
    """Those that are about it; one of an earlier form of the folder stays behind."""
    folder = signed_folder(make_artifact(b"old"), key)
    (folder / "model.onnx").write_bytes(b"new")
    write_manifest(folder, Artifact.open(make_artifact(b"old")).manifest)
    stored = store.add(folder, "m")
    assert take_along(folder, store, stored) == 0
    lay_beside(folder, signature_of(stored, ec.generate_private_key(ec.SECP256R1())))
    assert take_along(folder, store, stored) == 1
    assert len(in_folder(folder)) == 2
