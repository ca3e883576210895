"""Raw goldens: what the original framework answered, by the digest of the weights that it had loaded.

The files beside this module, `<sha256 of the weights>.json`, were written by `record.py`. A model folder may bring its
own in `goldens/`.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from freehold.artifact import Case, Golden, PairText, save_golden
from freehold.artifact.golden import load_golden
from freehold.errors import FreeholdError


def weights_digest(files: Mapping[str, str]) -> str:
    """ "sha256:<hex>" of weights, from relative file name -> hex sha256.

    One file is known by its own digest; several by that of the lines `<sha256>  <name>` in name order, which is what
    `sha256sum` prints.
    """
    if len(files) == 1:
        return f"sha256:{next(iter(files.values()))}"
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(files.items()))
    return f"sha256:{hashlib.sha256(lines.encode()).hexdigest()}"


def find(digest: str) -> list[Path]:
    """The packaged golden files for weights of `digest` ("sha256:<hex>")."""
    path = Path(__file__).parent / f"{digest.removeprefix('sha256:')}.json"
    return [path] if path.is_file() else []


def of_folder(folder: Path, digest: str) -> list[Path]:
    """The golden files that a model folder brings.

    Raises FreeholdError `golden_invalid`, or `golden_of_other_weights` when one was recorded with weights that are not
    those of `digest`: left out silently, it would let a changed model pass as one that never had a proof.
    """
    paths = sorted((folder / "goldens").glob("*.json"))
    for path in paths:
        recorded = load_golden(path).recorded_by.source
        if recorded != digest:
            raise FreeholdError("golden_of_other_weights", path=path, recorded=recorded, weights=digest)
    return paths


def paths(folder: Path, digest: str) -> list[Path]:
    """Every golden file for the weights `digest`: the packaged ones, then those of `folder`. Raises as `of_folder`."""
    return [*find(digest), *of_folder(folder, digest)]


def collect(folder: Path, digest: str) -> dict[str, Golden]:
    """What lies at `paths`, by file name. Raises as `of_folder`."""
    return {path.name: load_golden(path) for path in paths(folder, digest)}


def carry(folder: Path, digest: str, target: Path, holds: Callable[[Case], bool]) -> None:
    """Write what `collect` finds to the folder `target`, of each golden the cases for which `holds` is true."""
    for name, golden in collect(folder, digest).items():
        cases = tuple(case for case in golden.cases if holds(case))
        if cases:
            save_golden(target / name, msgspec.structs.replace(golden, cases=cases))


def uncut(tokenizer: Tokenizer, max_tokens: int, pair: PairText | None = None) -> Callable[[Case], bool]:
    """Whether the texts of a case have at most `max_tokens`, query and text laid out as `pair` says."""

    def whole(case: Case) -> bool:
        texts = [text for key in ("query", "text") if isinstance(text := case.inputs.get(key), str)]
        if pair is not None and len(texts) > 1:
            texts = [pair.of(*texts)]
        encoded = tokenizer.encode(texts[0], texts[1] if len(texts) > 1 else None) if texts else ()
        return len(encoded) <= max_tokens

    return whole
