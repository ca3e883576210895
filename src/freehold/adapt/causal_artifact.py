"""The artifact of a decoder that embeds or scores: packed graphs over one data file, tokenizer, goldens."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec
from tokenizers import Tokenizer

from freehold.adapt import goldens
from freehold.adapt.causal_folder import END_OF_TEXT, CausalFolder, Head, Labels
from freehold.adapt.digests import DigestMemo
from freehold.adapt.folder import Sentence
from freehold.adapt.origin import ancestors_of, license_with, origin_of
from freehold.adapt.recipe import (
    TOOL,
    WRITER_VERSION,
    digest_if_there,
    digest_of_weights,
    megabytes,
    recipe_digest,
)
from freehold.adapt.reranking import Reranking
from freehold.adapt.tokenizer_file import Ending, copy_settings, end_token, text_after, write_tokenizer
from freehold.artifact import Ancestor, Limits, MadeBy, Manifest, PairText, TensorSpec

INPUTS = ("input_ids", "sequence_ids", "sequence_starts")


class _Recipe(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that shapes an artifact."""

    writer: str
    name: str
    config: bytes
    head: Head
    reranking: Reranking | None
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
class CausalArtifact:
    """A plan of what `plan` has read."""

    source: CausalFolder
    recipe: _Recipe

    @classmethod
    def plan(cls, source: CausalFolder, max_tokens: int | None, memo: DigestMemo) -> "CausalArtifact":
        """Hash what shapes the artifact.

        Raises OSError, and FreeholdError as `CausalFolder.limits`, `goldens.paths` and `origin_of`.
        """
        weights = digest_of_weights(source.path, source.weight_files, memo)
        recipe = _Recipe(
            writer=WRITER_VERSION,
            name=source.path.resolve().name,
            config=msgspec.json.encode(source.config),
            head=source.head,
            reranking=source.reranking,
            limits=source.limits(max_tokens),
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

        Raises OSError, and FreeholdError as `write_causal`, `write_tokenizer` and `goldens.collect`.
        """
        # onnx takes half a second to import, and a start that finds its artifact needs none of it.
        from freehold.adapt.causal_graph import write_causal  # noqa: PLC0415 - see above
        from freehold.adapt.encoder_graph import GRAPHS  # noqa: PLC0415 - see above
        from freehold.adapt.onnx_graph import save_graphs  # noqa: PLC0415 - see above

        manifest = self._manifest()
        tokenizer = self._write_texts(folder)
        self._write_goldens(folder, tokenizer, manifest.pair)
        save_graphs({name: write_causal(self.source, dialect) for name, dialect in GRAPHS.items()}, folder)
        return manifest

    @property
    def _ending(self) -> Ending | None:
        """What follows every text: of a reranker the end of its template, of an embedding of last tokens the end token,
        whose state it is."""
        source = self.source
        if source.reranking is not None:
            return text_after(source.reranking.after)
        if isinstance(source.head, Sentence) and source.head.pooling == "last":
            return end_token(END_OF_TEXT, source.end)
        return None

    def _write_texts(self, folder: Path) -> Tokenizer:
        tokenizer = write_tokenizer(
            self.source.transformer / "tokenizer.json",
            folder / "tokenizer.json",
            vocab_size=self.source.config.vocab_size,
            lower_case=self.recipe.lower_case,
            ending=self._ending,
        )
        copy_settings(self.source.transformer, folder)
        return tokenizer

    def _write_goldens(self, folder: Path, tokenizer: Tokenizer, pair: PairText | None) -> None:
        """Copy the goldens, without the cases that this artifact's own truncation would change."""
        whole = goldens.uncut(tokenizer, self.recipe.limits.max_tokens, pair)
        goldens.carry(self.source.path, self.recipe.weights, folder / "goldens", whole)

    def _manifest(self) -> Manifest:
        source, head = self.source, self.source.head
        embeds, reranking = isinstance(head, Sentence), source.reranking
        return Manifest(
            schema=1,
            name=self.recipe.name,
            kind=source.kind,
            layout="packed",
            precision="fp32",
            inputs=tuple(TensorSpec(name, "INT64", (-1,)) for name in INPUTS),
            outputs=(TensorSpec("embeddings" if embeds else "logits", "FP32", (-1, source.width)),),
            made_by=MadeBy(TOOL, WRITER_VERSION, self.recipe.weights),
            files={},
            limits=self.recipe.limits,
            architecture=source.config.architecture,
            pooling=head.pooling if isinstance(head, Sentence) else "",
            normalized=isinstance(head, Sentence) and head.normalized,
            dimensions=source.width if embeds else 0,
            labels=head.names if isinstance(head, Labels) and source.kind == "classify" else (),
            prompts=source.prompts,
            license=source.license or license_with(self.recipe.origin),
            ancestors=ancestors_of(self.recipe.origin),
            pair=PairText(reranking.before, reranking.between) if reranking is not None else None,
        )
