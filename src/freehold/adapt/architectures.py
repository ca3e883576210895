"""The encoder architectures that are known, and what their `config.json` says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from freehold.adapt.decoder_config import FORMS as DECODERS
from freehold.adapt.documents import read
from freehold.errors import FreeholdError

Family = Literal["bert", "roberta"]


class Form(NamedTuple):
    """How one entry of `architectures` is laid out: whose tensors, and which head sits on them."""

    family: Family
    head: Literal["pooling", "classification"]


FORMS: dict[str, Form] = {
    "BertModel": Form("bert", "pooling"),
    "BertForSequenceClassification": Form("bert", "classification"),
    "RobertaModel": Form("roberta", "pooling"),
    "RobertaForSequenceClassification": Form("roberta", "classification"),
    "XLMRobertaModel": Form("roberta", "pooling"),
    "XLMRobertaForSequenceClassification": Form("roberta", "classification"),
}

ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu")


class Quantization(msgspec.Struct, frozen=True):
    """`quantization_config` of AWQ, GPTQ and the like."""

    quant_method: str = "unknown"


class EncoderConfig(msgspec.Struct, frozen=True):
    """The fields of `config.json` that shape the graph, with the defaults of transformers where it has them."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    intermediate_size: int
    max_position_embeddings: int
    architectures: tuple[str, ...] = ()
    model_type: str = ""
    type_vocab_size: int = 2
    hidden_act: str = "gelu"
    layer_norm_eps: float = 1e-12
    pad_token_id: int | None = None
    position_embedding_type: str | None = "absolute"
    is_decoder: bool = False
    id2label: dict[int, str] | None = None
    num_labels: int | None = None
    quantization_config: Quantization | None = None

    @property
    def architecture(self) -> str:
        """The first entry of `architectures`, or "" when there is none."""
        return self.architectures[0] if self.architectures else ""

    @property
    def form(self) -> Form:
        """Family and head. Only for a config that `read_config` has checked."""
        return FORMS[self.architecture]

    @property
    def head_size(self) -> int:
        """Elements a head."""
        return self.hidden_size // self.num_attention_heads

    @property
    def padding_index(self) -> int:
        """RoBERTa's padding id, which also offsets its position ids."""
        return 1 if self.pad_token_id is None else self.pad_token_id

    @property
    def positions(self) -> int:
        """How many tokens a text may have: RoBERTa's table begins at padding_index + 1."""
        if self.form.family == "roberta":
            return self.max_position_embeddings - self.padding_index - 1
        return self.max_position_embeddings

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs of a classification head, in order."""
        return labels_of(self.id2label, self.num_labels)


def labels_of(id2label: Mapping[int, str] | None, num_labels: int | None) -> tuple[str, ...]:
    """Names of the outputs of a head, in order, by the fields of `config.json`; transformers' default is two."""
    if id2label:
        return tuple(name for _, name in sorted(id2label.items()))
    return tuple(f"LABEL_{index}" for index in range(num_labels or 2))


def architecture_of(folder: Path) -> str:
    """What `config.json` of a folder names first; "" when there is no such file, or no name in it.

    Raises FreeholdError `model_folder_invalid` for a file that cannot be read, `weights_quantized`.
    """
    path = folder / "config.json"
    return _stated(path).architecture if path.is_file() else ""


def read_config(path: Path) -> EncoderConfig:
    """Read and check `config.json`.

    Raises FreeholdError `model_folder_invalid`, `weights_quantized`, `architecture_unknown`,
    `encoder_option_unsupported`.
    """
    stated = _stated(path)
    if stated.architecture not in FORMS:
        found = ", ".join(stated.architectures or ()) or stated.model_type or "nothing"
        raise FreeholdError("architecture_unknown", path=path, architecture=found, known=", ".join([*FORMS, *DECODERS]))
    config = read(path, EncoderConfig)
    _check(path, config)
    return config


class _Stated(msgspec.Struct, frozen=True):
    """What decides whether the rest can be read at all."""

    architectures: tuple[str, ...] | None = None
    model_type: str = ""
    quantization_config: Quantization | None = None

    @property
    def architecture(self) -> str:
        return self.architectures[0] if self.architectures else ""


def _stated(path: Path) -> _Stated:
    stated = read(path, _Stated)
    if stated.quantization_config is not None:
        raise FreeholdError("weights_quantized", path=path.parent, format=stated.quantization_config.quant_method)
    return stated


def _check(path: Path, config: EncoderConfig) -> None:
    options: list[tuple[str, object, tuple[object, ...]]] = [
        ("hidden_act", config.hidden_act, ACTIVATIONS),
        ("position_embedding_type", config.position_embedding_type, ("absolute", None)),
        ("is_decoder", config.is_decoder, (False,)),
    ]
    for option, value, known in options:
        if value not in known:
            raise FreeholdError(
                "encoder_option_unsupported",
                path=path,
                option=option,
                value=value,
                known=", ".join(str(each) for each in known if each is not None),
            )
    sizes = ("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
    for name in (*sizes, "max_position_embeddings", "type_vocab_size"):
        if getattr(config, name) < 1:
            raise FreeholdError("model_folder_invalid", path=path, reason=f"{name} is {getattr(config, name)}")
    if config.hidden_size % config.num_attention_heads:
        reason = f"hidden_size {config.hidden_size} is no multiple of num_attention_heads {config.num_attention_heads}"
        raise FreeholdError("model_folder_invalid", path=path, reason=reason)
    if config.positions < 1:
        reason = f"max_position_embeddings {config.max_position_embeddings} leaves no position after the padding index"
        raise FreeholdError("model_folder_invalid", path=path, reason=reason)
