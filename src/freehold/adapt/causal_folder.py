"""A Hugging Face folder whose decoder embeds or scores texts instead of writing them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from freehold.adapt.architectures import architecture_of, labels_of
from freehold.adapt.checkpoint import weight_files
from freehold.adapt.decoder_config import FORMS, DecoderConfig, read_decoder_config, writer_of
from freehold.adapt.decoder_folder import chat_template_of
from freehold.adapt.documents import read
from freehold.adapt.folder import (
    Module,
    PoolingMode,
    Sentence,
    length_of,
    license_of,
    limits_of,
    modules_of,
    prompts_of,
    sentence_of,
    transformer_of,
)
from freehold.adapt.reranking import QWEN3_PAIR, Reranking, of_template
from freehold.adapt.tokenizer_file import read_tokenizer
from freehold.artifact import Limits
from freehold.errors import FreeholdError

POOLINGS: tuple[PoolingMode, ...] = ("last", "mean")
WRITER, CLASSIFIER = "ForCausalLM", "ForSequenceClassification"
LOGIT_SCORE = "LogitScore"
# Whose rerankers are known to score by yes and no, between the words that Qwen3-Reranker was trained on.
QWEN3 = "Qwen3ForCausalLM"
YES, NO = "yes", "no"
# What Qwen's embedding models end every text with, whatever their config says ends a chat.
END_OF_TEXT = "<|endoftext|>"

Kind = Literal["embed", "rerank", "classify"]


class TokenScore(msgspec.Struct, frozen=True, tag=True):
    """The score of a text is the logit of one token after it, less that of another: ids in the vocabulary."""

    yes: int
    no: int | None


class Labels(msgspec.Struct, frozen=True, tag=True):
    """A linear layer over the last token, one output a label."""

    names: tuple[str, ...]


Head = Sentence | TokenScore | Labels


@dataclass(frozen=True)
class CausalFolder:
    """A folder that `open_causal` has read and found to be one that graphs are known for."""

    path: Path
    transformer: Path  # where config.json, weights and tokenizer lie: `path` itself, or the folder of module 0
    config: DecoderConfig
    head: Head
    reranking: Reranking | None  # how a reranker lays query and text out; None: as the tokenizer lays out a pair
    weights: tuple[Path, ...]
    lower_case: bool
    max_tokens: int
    prompts: dict[str, str]
    license: str

    @property
    def kind(self) -> Kind:
        """rerank with one score, classify with several labels, else embed."""
        if isinstance(self.head, Sentence):
            return "embed"
        return "classify" if isinstance(self.head, Labels) and len(self.head.names) > 1 else "rerank"

    @property
    def width(self) -> int:
        """Elements of an answer's row."""
        if isinstance(self.head, Sentence):
            return self.head.dimensions(self.config.hidden_size)
        return len(self.head.names) if isinstance(self.head, Labels) else 1

    @property
    def end(self) -> int | None:
        """The id that ends a text by the config, the first where there are several."""
        stated = self.config.eos_token_id
        return stated[0] if isinstance(stated, tuple) else stated

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """Every file that holds weights of this model, those of dense modules too."""
        return (*self.weights, *(self.head.files if isinstance(self.head, Sentence) else ()))

    def limits(self, max_tokens: int | None) -> Limits:
        """Truncation length and positions. Raises FreeholdError `max_tokens_beyond_positions`."""
        return limits_of(self.path, max_tokens, self.max_tokens, self.config.max_position_embeddings)


def open_causal(path: Path, kind: str = "auto") -> CausalFolder | None:
    """Read such a folder without reading its weights; None for one that is no decoder, or one that writes texts.

    A folder without a language head (`Qwen3Model`) embeds, one with a classification head scores. One with a language
    head embeds where `modules.json` ends in pooling or `kind` says embed, and scores where `modules.json` has
    `LogitScore` or `kind` says rerank: the files of Qwen3-Reranker itself look like those of a chat model.

    Raises FreeholdError with the code of what is wrong: `model_folder_invalid`, `decoder_option_unsupported`,
    `sentence_module_unsupported`, `weights_missing`, `weights_pickled`, `weights_quantized`, `tokenizer_file_missing`,
    `pooling_unknown`, `scoring_unknown`, `token_unknown`.
    """
    modules = modules_of(path)
    transformer = transformer_of(path, modules)
    architecture = architecture_of(transformer)
    if writer_of(architecture) not in FORMS:
        return None
    if architecture.endswith(WRITER) and (kind == "generate" or (not modules and kind not in ("embed", "rerank"))):
        return None
    config = read_decoder_config(transformer / "config.json")
    if not read(transformer / "config.json", _Attention).is_causal:
        raise FreeholdError(
            "decoder_option_unsupported", path=transformer, option="is_causal", value="false", known="true"
        )
    weights = weight_files(transformer)
    if not (transformer / "tokenizer.json").is_file():
        raise FreeholdError("tokenizer_file_missing", path=transformer)
    head = _Folder(path, transformer, modules).head(config, kind)
    length = length_of(transformer)
    positions = config.max_position_embeddings
    return CausalFolder(
        path=path,
        transformer=transformer,
        config=config,
        head=head,
        reranking=_reranking(transformer, config, head),
        weights=weights,
        lower_case=length.do_lower_case,
        max_tokens=min(length.max_seq_length or positions, positions),
        prompts=prompts_of(path),
        license=license_of(path / "README.md"),
    )


@dataclass(frozen=True)
class _Folder:
    """What says which head sits on the body."""

    path: Path
    transformer: Path
    modules: list[Module]

    def head(self, config: DecoderConfig, kind: str) -> Head:
        """The head that the files name; where they name none, `kind` does."""
        if config.architecture.endswith(CLASSIFIER):
            return Labels(read(self.transformer / "config.json", _Labels).names)
        scoring = next((module for module in self.modules if module.name == LOGIT_SCORE), None)
        if scoring is not None:
            tokens = read(self.path / scoring.path / "config.json", _LogitScore)
            return self._within(config.vocab_size, TokenScore(tokens.true_token_id, tokens.false_token_id))
        if kind == "rerank":
            if writer_of(config.architecture) != QWEN3:
                raise FreeholdError("scoring_unknown", path=self.path, architecture=config.architecture, known=QWEN3)
            return self._within(config.vocab_size, TokenScore(*map(self._vocabulary().__getitem__, (YES, NO))))
        if not self.modules:
            raise FreeholdError("pooling_unknown", path=self.path)
        return sentence_of(self.path, self.modules, config.hidden_size, POOLINGS)

    def _vocabulary(self) -> dict[str, int]:
        path = self.transformer / "tokenizer.json"
        vocabulary = read_tokenizer(path).get_vocab(with_added_tokens=True)
        for token in (YES, NO):
            if token not in vocabulary:
                raise FreeholdError("token_unknown", path=path, token=token)
        return vocabulary

    def _within(self, vocab_size: int, score: TokenScore) -> TokenScore:
        for token in (score.yes, score.no):
            if token is not None and not 0 <= token < vocab_size:
                reason = f"it scores by token {token}, but config.json has vocab_size {vocab_size}"
                raise FreeholdError("model_folder_invalid", path=self.path, reason=reason)
        return score


class _Attention(msgspec.Struct, frozen=True):
    """Some embedding models are decoders in name alone: their own code lets tokens see what comes after them."""

    is_causal: bool = True


class _Labels(msgspec.Struct, frozen=True):
    """Outputs of a classification head."""

    id2label: dict[int, str] | None = None
    num_labels: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return labels_of(self.id2label, self.num_labels)


class _LogitScore(msgspec.Struct, frozen=True):
    """`1_LogitScore/config.json` of sentence-transformers 5.4."""

    true_token_id: int
    false_token_id: int | None = None


def _reranking(transformer: Path, config: DecoderConfig, head: Head) -> Reranking | None:
    """As the folder's own template says; of Qwen3 without one as Qwen3-Reranker was trained, of others nothing."""
    if isinstance(head, Sentence) or (isinstance(head, Labels) and len(head.names) > 1):
        return None
    stated = of_template(chat_template_of(transformer))
    return stated or (QWEN3_PAIR if writer_of(config.architecture) == QWEN3 else None)
