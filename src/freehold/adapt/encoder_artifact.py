"""The artifact of an encoder folder: packed graphs over one data file, tokenizer, goldens."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from freehold.adapt import goldens
from freehold.adapt.digests import DigestMemo
from freehold.adapt.folder import ModelFolder, Sentence
from freehold.adapt.origin import ancestors_of, license_with, origin_of
from freehold.adapt.recipe import (
    TOOL,
    WRITER_VERSION,
    digest_if_there,
    digest_of_weights,
    megabytes,
    recipe_digest,
)
from freehold.adapt.tokenizer_file import copy_settings, write_tokenizer
from freehold.artifact import Ancestor, Limits, MadeBy, Manifest, TensorSpec


class _Recipe(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that shapes an artifact."""

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
    origin: Ancestor | None = None


@dataclass(frozen=True)
class EncoderArtifact:
    """A plan of what `plan` has read."""

    source: ModelFolder
    recipe: _Recipe

    @classmethod
    def plan(cls, source: ModelFolder, max_tokens: int | None, memo: DigestMemo) -> "EncoderArtifact":
        """Hash what shapes the artifact.

        Raises OSError, and FreeholdError as `ModelFolder.limits`, `goldens.paths` and `origin_of`.
        """
        limits = source.limits(max_tokens)
        weights = digest_of_weights(source.path, source.weight_files, memo)
        recipe = _Recipe(
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
            tokenizer_config=digest_if_there(source.transformer / "tokenizer_config.json", memo),
            goldens=tuple(memo.sha256(path) for path in goldens.paths(source.path, weights)),
            origin=origin_of(source.path, memo.sha256),
        )
        return cls(source, recipe)

    @cached_property
    def digest(self) -> str:
        """Hex sha256 of the recipe."""
        return recipe_digest(self.recipe)

    @property
    def megabytes(self) -> int:
        """About what the artifact takes on disk, when the weights are float32 already."""
        return megabytes(self.source.weight_files)

    def write(self, folder: Path) -> Manifest:
        """Write every file but the manifest.

        Raises OSError, and FreeholdError as `write_graph`, `write_tokenizer` and `goldens.collect`.
        """
        self._write_graphs(folder)
        tokenizer = self._write_texts(folder)
        self._write_goldens(folder, tokenizer)
        return self._manifest()

    def _write_graphs(self, folder: Path) -> None:
        # onnx takes half a second to import, and a start that finds its artifact needs none of it.
        from freehold.adapt.encoder_graph import GRAPHS, write_graph  # noqa: PLC0415 - see above
        from freehold.adapt.onnx_graph import save_graphs  # noqa: PLC0415 - see above

        save_graphs({name: write_graph(self.source, dialect) for name, dialect in GRAPHS.items()}, folder)

    def _write_texts(self, folder: Path) -> Tokenizer:
        tokenizer = write_tokenizer(
            self.source.transformer / "tokenizer.json",
            folder / "tokenizer.json",
            vocab_size=self.source.config.vocab_size,
            lower_case=self.recipe.lower_case,
        )
        copy_settings(self.source.transformer, folder)
        return tokenizer

    def _write_goldens(self, folder: Path, tokenizer: Tokenizer) -> None:
        """Copy the goldens, without the cases that this artifact's own truncation would change."""
        whole = goldens.uncut(tokenizer, self.recipe.limits.max_tokens)
        goldens.carry(self.source.path, self.recipe.weights, folder / "goldens", whole)

    def _manifest(self) -> Manifest:
        source, config = self.source, self.source.config
        embeds = source.kind == "embed"
        width = source.sentence.dimensions(config.hidden_size) if embeds else len(config.labels)
        inputs = ["input_ids", *(["token_type_ids"] if config.type_vocab_size > 1 else []), "sequence_ids"]
        return Manifest(
            schema=1,
            name=self.recipe.name,
            kind=source.kind,
            layout="packed",
            precision="fp32",
            inputs=tuple(TensorSpec(name, "INT64", (-1,)) for name in (*inputs, "sequence_starts")),
            outputs=(TensorSpec("embeddings" if embeds else "logits", "FP32", (-1, width)),),
            made_by=MadeBy(TOOL, WRITER_VERSION, self.recipe.weights),
            files={},
            limits=self.recipe.limits,
            architecture=config.architecture,
            pooling=source.sentence.pooling if embeds else "",
            normalized=embeds and source.sentence.normalized,
            dimensions=width if embeds else 0,
            labels=config.labels if source.kind == "classify" else (),
            prompts=source.prompts,
            license=source.license or license_with(self.recipe.origin),
            ancestors=ancestors_of(self.recipe.origin),
        )
