"""The artifact of a decoder folder: graphs over one data file, tokenizer, chat template, goldens."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import msgspec

from freehold.adapt import goldens
from freehold.adapt.decoder_folder import GENERATION, TEMPLATE, DecoderFolder
from freehold.adapt.digests import DigestMemo
from freehold.adapt.origin import ancestors_of, license_with, origin_of
from freehold.adapt.recipe import (
    TOOL,
    WRITER_VERSION,
    digest_if_there,
    digest_of_weights,
    megabytes,
    recipe_digest,
)
from freehold.adapt.tokenizer_file import write_tokenizer
from freehold.artifact import Ancestor, Artifact, Case, Decoder, Limits, MadeBy, Manifest, TensorSpec
from freehold.engine.forced import length_of

SETTINGS = ("tokenizer_config.json", GENERATION)


class _Recipe(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that shapes an artifact."""

    writer: str
    name: str
    precision: str
    block: int
    config: bytes
    ends: tuple[int, ...]
    limits: Limits
    license: str
    chat_template: str | None
    weights: str
    tokenizer: str
    settings: tuple[str, ...]
    goldens: tuple[str, ...]
    origin: Ancestor | None = None


@dataclass(frozen=True)
class DecoderArtifact:
    """A plan of what `plan` has read."""

    source: DecoderFolder
    recipe: _Recipe

    @classmethod
    def plan(
        cls, source: DecoderFolder, max_tokens: int | None, precision: str, block: int, memo: DigestMemo
    ) -> "DecoderArtifact":
        """Hash what shapes the artifact.

        Raises OSError, and FreeholdError as `DecoderFolder.limits`, `goldens.paths` and `origin_of`.
        """
        limits = source.limits(max_tokens)
        weights = digest_of_weights(source.path, source.weights, memo)
        recipe = _Recipe(
            writer=WRITER_VERSION,
            name=source.path.resolve().name,
            precision=precision,
            block=block,
            config=msgspec.json.encode(source.config),
            ends=source.ends,
            limits=limits,
            license=source.license,
            chat_template=source.chat_template,
            weights=weights,
            tokenizer=memo.sha256(source.path / "tokenizer.json"),
            settings=tuple(digest_if_there(source.path / name, memo) for name in SETTINGS),
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
        """No less than what the artifact takes on disk, when the weights are float32 already."""
        return megabytes(self.source.weights)

    def write(self, folder: Path) -> Manifest:
        """Write every file but the manifest; of a quantised decoder, measure how well it agrees with its goldens.

        Raises OSError, and FreeholdError as `write_decoder`, `write_tokenizer`, `goldens.collect` and `note_agreement`.
        """
        # onnx takes half a second to import, and a start that finds its artifact needs none of it.
        from freehold.adapt.decoder_graph import PREFILL, write_decoder  # noqa: PLC0415 - see above
        from freehold.adapt.onnx_graph import save_graphs  # noqa: PLC0415 - see above

        vocab_size = self.source.config.vocab_size
        # First what is quick to fail: weights take minutes.
        write_tokenizer(
            self.source.path / "tokenizer.json", folder / "tokenizer.json", vocab_size=vocab_size, lower_case=False
        )
        self._write_texts(folder)
        self._write_goldens(folder)
        graphs = write_decoder(self.source, self.recipe.precision, self.recipe.block)
        save_graphs(graphs, folder)
        manifest = self._manifest(PREFILL if PREFILL in graphs else "")
        if self.recipe.precision != "fp32" and self.recipe.goldens:
            # Nor does one that has nothing to measure need ONNX Runtime here.
            from freehold.adapt.decoder_agreement import note_agreement  # noqa: PLC0415 - see above

            note_agreement(Artifact(folder, manifest, digest=""))
        return manifest

    def _write_texts(self, folder: Path) -> None:
        for name, digest in zip(SETTINGS, self.recipe.settings, strict=True):
            if digest:
                (folder / name).write_bytes((self.source.path / name).read_bytes())
        if self.recipe.chat_template is not None:
            (folder / TEMPLATE).write_text(self.recipe.chat_template, encoding="utf-8")

    def _write_goldens(self, folder: Path) -> None:
        """Copy the goldens, without the cases that go on past this artifact's length."""

        def fits(case: Case) -> bool:
            return length_of(case) <= self.recipe.limits.max_tokens

        goldens.carry(self.source.path, self.recipe.weights, folder / "goldens", fits)

    def _manifest(self, prefill: str) -> Manifest:
        config = self.source.config
        windows = set(config.windows())
        return Manifest(
            schema=1,
            name=self.recipe.name,
            kind="generate",
            layout="slots",
            precision=self.recipe.precision,
            inputs=(
                TensorSpec("input_ids", "INT64", (-1, -1)),
                TensorSpec("seqlens_k", "INT32", (-1,)),
                TensorSpec("total_length", "INT32", ()),
                TensorSpec("logits_at", "INT64", (-1,)),
            ),
            outputs=(TensorSpec("logits", "FP32", (-1, config.vocab_size)),),
            made_by=MadeBy(TOOL, WRITER_VERSION, self.recipe.weights),
            files={},
            limits=self.recipe.limits,
            architecture=config.architecture,
            license=self.source.license or license_with(self.recipe.origin),
            ancestors=ancestors_of(self.recipe.origin),
            decoder=Decoder(
                layers=config.num_hidden_layers,
                kv_heads=config.kv_heads,
                head_size=config.head_size,
                vocab_size=config.vocab_size,
                ends=self.source.ends,
                window=windows.pop() if len(windows) == 1 else 0,
                prefill=prefill,
            ),
        )
