"""Equal recipes have equal digests, and whatever differs between two makes others."""

import hashlib
from pathlib import Path

import msgspec

from freehold.adapt.digests import DigestMemo
from freehold.adapt.recipe import digest_if_there, digest_of_weights, megabytes, recipe_digest


class Recipe(msgspec.Struct, frozen=True):
    """Some fields that shape something."""

    name: str
    file: Path
    sizes: dict[str, int]


def test_a_digest_tells_fields_not_places() -> None:
    """The order of a mapping and where a folder lies do not matter; every value does."""
    one = Recipe("a", Path("/x/1_Dense/model.safetensors"), {"p": 1, "q": 2})
    assert recipe_digest(one) == recipe_digest(Recipe("a", Path("/y/1_Dense/model.safetensors"), {"q": 2, "p": 1}))
    for other in (
        msgspec.structs.replace(one, name="b"),
        msgspec.structs.replace(one, file=Path("/x/2_Dense/model.safetensors")),
        msgspec.structs.replace(one, sizes={"p": 1}),
    ):
        assert recipe_digest(other) != recipe_digest(one)


def test_weights_and_files_are_known_by_content(tmp_path: Path) -> None:
    """One weight file by its own digest; a file that is not there by none."""
    file = tmp_path / "model.safetensors"
    file.write_bytes(b"weights")
    memo = DigestMemo(tmp_path / "memo")
    digest = hashlib.sha256(b"weights").hexdigest()
    assert digest_of_weights(tmp_path, (file,), memo) == f"sha256:{digest}"
    assert digest_if_there(file, memo) == digest
    assert digest_if_there(tmp_path / "absent", memo) == ""


def test_sizes_are_rounded_up(tmp_path: Path) -> None:
    """In millions of bytes, over all files."""
    for name, size in (("a", 700_000), ("b", 700_000)):
        (tmp_path / name).write_bytes(bytes(size))
    assert megabytes((tmp_path / "a", tmp_path / "b")) == 2
