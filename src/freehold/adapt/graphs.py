"""From a model folder to an artifact that the engines read, in seconds and without torch.

The artifact lies under the cache by the digest of everything that shapes it, so a second start finds it there.
"""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from freehold.adapt import goldens
from freehold.adapt.digests import DigestMemo
from freehold.adapt.folder import ModelFolder, Sentence, open_folder
from freehold.adapt.tokenizer_file import write_tokenizer
from freehold.artifact import Artifact, Case, Limits, MadeBy, Manifest, TensorSpec, save_golden, write_manifest
from freehold.errors import FreeholdError

# Raise it with every change of what is written: older caches are then built anew.
WRITER_VERSION = "5"
TOOL = "freehold.adapt.graphs"
FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def build(folder: Path, cache: Path, *, max_tokens: int | None = None) -> Path:
    """Write the artifact of a Hugging Face encoder folder, or find the one written before; its path.

    `max_tokens` is where texts are truncated; without it `sentence_bert_config.json` says, else the tokenizer's
    `model_max_length`, else the positions. A folder without `modules.json` and without a classification head gets mean
    pooling without normalisation, as sentence-transformers does. Processes may build the same folder at once: one
    writes, the others wait for it.

    Raises FreeholdError: what `open_folder`, `ModelFolder.limits`, `write_graph`, `write_tokenizer` and
    `goldens.collect` raise, and `cache_full`, `cache_unwritable`.
    """
    source = open_folder(folder)
    recipe = _recipe(source, source.limits(max_tokens), DigestMemo(cache / "digests"))
    target = cache / recipe.digest
    if _usable(target):
        return target
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f".{target.name}.lock"):
            if not _usable(target):
                _write(source, recipe, target)
    except OSError as error:
        if error.errno in FULL:
            raise FreeholdError("cache_full", path=cache, needed=_megabytes(source)) from error
        raise FreeholdError("cache_unwritable", path=cache, reason=error.strerror or str(error)) from error
    return target


class _Recipe(msgspec.Struct, frozen=True):
    """All that shapes an artifact. Equal recipes give equal artifacts."""

    writer: str
    name: str
    config: bytes
    sentence: Sentence
    limits: Limits
    prompts: dict[str, str]
    license: str
    lower_case: bool
    weights: str
    tokenizer: str
    tokenizer_config: str
    goldens: tuple[str, ...]

    @property
    def digest(self) -> str:
        encoded = msgspec.json.encode(self, order="deterministic", enc_hook=_folder_name)
        return hashlib.sha256(encoded).hexdigest()


def _folder_name(path: object) -> str:
    """How a dense module's file enters the recipe: by its folder, since its content is in `weights`."""
    assert isinstance(path, Path)
    return path.parent.name


def _recipe(source: ModelFolder, limits: Limits, memo: DigestMemo) -> _Recipe:
    tokenizer_config = source.transformer / "tokenizer_config.json"
    try:
        digests = {str(file.relative_to(source.path)): memo.sha256(file) for file in source.weight_files}
        weights = goldens.weights_digest(digests)
        return _Recipe(
            writer=WRITER_VERSION,
            name=source.path.resolve().name,
            config=msgspec.json.encode(source.config),
            sentence=source.sentence,
            limits=limits,
            prompts=source.prompts,
            license=source.license,
            lower_case=source.lower_case,
            weights=weights,
            tokenizer=memo.sha256(source.transformer / "tokenizer.json"),
            tokenizer_config=memo.sha256(tokenizer_config) if tokenizer_config.is_file() else "",
            goldens=tuple(memo.sha256(path) for path in goldens.paths(source.path, weights)),
        )
    except OSError as error:
        path = error.filename or source.path
        raise FreeholdError("model_folder_invalid", path=path, reason=error.strerror or str(error)) from error


def _usable(target: Path) -> bool:
    try:
        Artifact.open(target)
    except FreeholdError:
        return False
    return True


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock that the kernel drops with the process, so that a killed builder blocks nobody."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(source: ModelFolder, recipe: _Recipe, target: Path) -> None:
    """Build aside and rename: `target` is whole or absent. The lock of `target` must be held."""
    aside = target.with_name(f".{target.name}.building")
    shutil.rmtree(aside, ignore_errors=True)  # of a builder that was killed
    aside.mkdir()
    try:
        _write_graphs(source, aside)
        tokenizer = _write_texts(source, recipe, aside)
        _write_goldens(source, recipe, aside, tokenizer)
        write_manifest(aside, _manifest(source, recipe))
        if target.exists():  # damaged, or it would have been usable
            shutil.rmtree(target)
        aside.rename(target)
        _sync(target.parent)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def _write_graphs(source: ModelFolder, aside: Path) -> None:
    # onnx takes half a second to import, and a start that finds its artifact needs none of it.
    from freehold.adapt.encoder_graph import GRAPHS, write_graph  # noqa: PLC0415 - see above

    graphs = {name: write_graph(source, dialect) for name, dialect in GRAPHS.items()}
    first = graphs["model.onnx"]
    assert all(graph.weights == first.weights for graph in graphs.values()), "one data file serves every graph"
    first.save_weights(aside)
    for name, graph in graphs.items():
        graph.save_model(aside / name)


def _write_texts(source: ModelFolder, recipe: _Recipe, aside: Path) -> Tokenizer:
    tokenizer = write_tokenizer(
        source.transformer / "tokenizer.json",
        aside / "tokenizer.json",
        vocab_size=source.config.vocab_size,
        lower_case=recipe.lower_case,
    )
    settings = b"{}"
    if recipe.tokenizer_config:
        settings = (source.transformer / "tokenizer_config.json").read_bytes()
    (aside / "tokenizer_config.json").write_bytes(settings)
    return tokenizer


def _write_goldens(source: ModelFolder, recipe: _Recipe, aside: Path, tokenizer: Tokenizer) -> None:
    """Copy the goldens, without the cases that this artifact's own truncation would change."""

    def whole(case: Case) -> bool:
        texts = [text for key in ("query", "text") if isinstance(text := case.inputs.get(key), str)]
        encoded = tokenizer.encode(texts[0], texts[1] if len(texts) > 1 else None) if texts else ()
        return len(encoded) <= recipe.limits.max_tokens

    for name, golden in goldens.collect(source.path, recipe.weights).items():
        cases = tuple(case for case in golden.cases if whole(case))
        if cases:
            save_golden(aside / "goldens" / name, msgspec.structs.replace(golden, cases=cases))


def _manifest(source: ModelFolder, recipe: _Recipe) -> Manifest:
    config = source.config
    embeds = source.kind == "embed"
    width = source.sentence.dimensions(config.hidden_size) if embeds else len(config.labels)
    inputs = ["input_ids", *(["token_type_ids"] if config.type_vocab_size > 1 else []), "sequence_ids"]
    return Manifest(
        schema=1,
        name=recipe.name,
        kind=source.kind,
        layout="packed",
        precision="fp32",
        inputs=tuple(TensorSpec(name, "INT64", (-1,)) for name in (*inputs, "sequence_starts")),
        outputs=(TensorSpec("embeddings" if embeds else "logits", "FP32", (-1, width)),),
        made_by=MadeBy(TOOL, WRITER_VERSION, recipe.weights),
        files={},
        limits=recipe.limits,
        architecture=config.architecture,
        pooling=source.sentence.pooling if embeds else "",
        normalized=embeds and source.sentence.normalized,
        dimensions=width if embeds else 0,
        labels=config.labels if source.kind == "classify" else (),
        prompts=source.prompts,
        license=source.license,
    )


def _megabytes(source: ModelFolder) -> int:
    """About what the artifact takes on disk, when the weights are float32 already."""
    return sum(file.stat().st_size for file in source.weight_files) // 1_000_000 + 1


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
