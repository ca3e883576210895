"""A Hugging Face folder whose decoder embeds or scores texts instead of writing them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from freehold.adapt.architectures import architecture_of
from freehold.adapt.checkpoint import weight_files
from freehold.adapt.decoder_config import FORMS, DecoderConfig, read_decoder_config, writer_of
from freehold.adapt.decoder_folder import chat_template_of
from freehold.adapt.documents import read
from freehold.adapt.folder import (
    Dense,
    Module,
    PoolingMode,
    Sentence,
    length_of,
    license_of,
    modules_of,
    prompts_of,
    sentence_of,
)
from freehold.adapt.reranking import QWEN3, Reranking, of_template
from freehold.adapt.tokenizer_file import read_tokenizer
from freehold.artifact import Limits
from freehold.errors import FreeholdError

POOLINGS: tuple[PoolingMode, ...] = ("last", "mean")
WRITER, CLASSIFIER = "ForCausalLM", "ForSequenceClassification"
LOGIT_SCORE = "LogitScore"
YES, NO = "yes", "no"

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
    def weight_files(self) -> tuple[Path, ...]:
        """Every file that holds weights of this model, those of dense modules too."""
        after = self.head.after if isinstance(self.head, Sentence) else ()
        return (*self.weights, *(module.file for module in after if isinstance(module, Dense)))

    def limits(self, max_tokens: int | None) -> Limits:
        """Truncation length and positions. Raises FreeholdError `max_tokens_beyond_positions`."""
        positions = self.config.max_position_embeddings
        if max_tokens is not None and not 1 <= max_tokens <= positions:
            raise FreeholdError(
                "max_tokens_beyond_positions", path=self.path, max_tokens=max_tokens, positions=positions
            )
        return Limits(max_tokens=max_tokens or self.max_tokens, positions=positions)


def open_causal(path: Path, kind: str = "auto") -> CausalFolder | None:
    """Read such a folder without reading its weights; None for one that is no decoder, or one that writes texts.

    A folder without a language head (`Qwen3Model`) embeds, one with a classification head scores. One with a language
    head embeds where `modules.json` ends in pooling or `kind` says embed, and scores where `modules.json` has
    `LogitScore` or `kind` says rerank: the files of Qwen3-Reranker itself look like those of a chat model.

    Raises FreeholdError with the code of what is wrong: `model_folder_invalid`, `decoder_option_unsupported`,
    `sentence_module_unsupported`, `weights_missing`, `weights_pickled`, `weights_quantized`, `tokenizer_file_missing`,
    `pooling_unknown`, `token_unknown`.
    """
    modules = modules_of(path)
    transformer = path / modules[0].path if modules else path
    architecture = architecture_of(transformer)
    if writer_of(architecture) not in FORMS:
        return None
    if architecture.endswith(WRITER) and (kind == "generate" or (not modules and kind not in ("embed", "rerank"))):
        return None
    config = read_decoder_config(transformer / "config.json")
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
            stated = read(self.transformer / "config.json", _Labels)
            return Labels(tuple(stated.id2label.values()) if stated.id2label else ("",) * (stated.num_labels or 2))
        scoring = next((module for module in self.modules if module.name == LOGIT_SCORE), None)
        if scoring is not None:
            tokens = read(self.path / scoring.path / "config.json", _LogitScore)
            return self._checked(TokenScore(tokens.true_token_id, tokens.false_token_id), config)
        if kind == "rerank":
            vocabulary = self._vocabulary()
            return self._checked(TokenScore(vocabulary[YES], vocabulary[NO]), config)
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

    def _checked(self, score: TokenScore, config: DecoderConfig) -> TokenScore:
        for token in (score.yes, score.no or 0):
            if not 0 <= token < config.vocab_size:
                reason = f"it scores by token {token}, but config.json has vocab_size {config.vocab_size}"
                raise FreeholdError("model_folder_invalid", path=self.path, reason=reason)
        return score


class _Labels(msgspec.Struct, frozen=True):
    id2label: dict[int, str] | None = None
    num_labels: int | None = None


class _LogitScore(msgspec.Struct, frozen=True):
    """`1_LogitScore/config.json` of sentence-transformers 5.4."""

    true_token_id: int
    false_token_id: int | None = None


def _reranking(transformer: Path, config: DecoderConfig, head: Head) -> Reranking | None:
    """As the folder's own template says, else, for a reranker of Qwen3's form, as Qwen3-Reranker was trained."""
    if isinstance(head, Sentence) or (isinstance(head, Labels) and len(head.names) > 1):
        return None
    stated = of_template(chat_template_of(transformer))
    qwen3 = config.form.head_norm
    return stated or (QWEN3 if qwen3 or isinstance(head, TokenScore) else None)
