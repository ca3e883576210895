"""The decoder architectures that are known, and what their `config.json` says."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, NamedTuple

import msgspec
from msgspec import UNSET, Meta, UnsetType

from freehold.adapt.documents import read
from freehold.errors import FreeholdError

Size = Annotated[int, Meta(ge=1)]


class Form(NamedTuple):
    """Where the architectures differ, beyond what their configs say."""

    query_bias: bool | None = False  # of query, key and value; None: as `attention_bias` says
    output_bias: bool | None = False
    mlp_bias: bool | None = False
    head_norm: bool = False  # queries and keys are normalised head by head
    head_dim: int | None = None  # the default; None: hidden_size / heads
    kv_heads: int | None = None  # the default; None: as many as heads
    window: int | None = None  # the default of `sliding_window`
    layered: bool = False  # `use_sliding_window`, `layer_types` and `max_window_layers` choose the layers that slide


# The defaults are those of transformers.
FORMS: dict[str, Form] = {
    "LlamaForCausalLM": Form(query_bias=None, output_bias=None, mlp_bias=None),
    "MistralForCausalLM": Form(kv_heads=8, window=4096),
    "Qwen2ForCausalLM": Form(query_bias=True, kv_heads=32, window=4096, layered=True),
    "Qwen3ForCausalLM": Form(
        query_bias=None, output_bias=None, head_norm=True, head_dim=128, kv_heads=32, window=4096, layered=True
    ),
}
ROPE_TYPES = ("default", "linear", "llama3")


class Rope(msgspec.Struct, frozen=True):
    """`rope_scaling`, or `rope_parameters` as transformers 5 writes it. `type` is the older name of `rope_type`."""

    rope_type: str | None = None
    type: str | None = None
    rope_theta: Annotated[float, Meta(gt=0)] | None = None
    partial_rotary_factor: float | None = None
    factor: Annotated[float, Meta(gt=0)] = 1.0
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0
    original_max_position_embeddings: int | None = None

    @property
    def form(self) -> str:
        """Which formula gives the frequencies."""
        return self.rope_type or self.type or "default"


class DecoderConfig(msgspec.Struct, frozen=True):
    """The fields of `config.json` that shape the graph. Unset fields take the default of the architecture."""

    vocab_size: Size
    hidden_size: Size
    num_hidden_layers: Size
    num_attention_heads: Size
    intermediate_size: Size
    max_position_embeddings: Size
    architectures: tuple[str, ...]
    num_key_value_heads: Size | None = None
    head_dim: Size | None = None
    hidden_act: str = "silu"
    rms_norm_eps: float = 1e-6
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    rope_theta: Annotated[float, Meta(gt=0)] = 10000.0
    rope_scaling: Rope | None = None
    rope_parameters: Rope | None = None
    partial_rotary_factor: float | None = None
    sliding_window: Size | UnsetType | None = UNSET
    use_sliding_window: bool = False
    max_window_layers: int = 28
    layer_types: tuple[str, ...] | None = None
    eos_token_id: int | tuple[int, ...] | None = None

    @property
    def architecture(self) -> str:
        """The first entry of `architectures`."""
        return self.architectures[0]

    @property
    def form(self) -> Form:
        """Only for a config that `read_decoder_config` has checked."""
        return FORMS[writer_of(self.architecture)]

    @property
    def heads(self) -> int:
        """Query heads."""
        return self.num_attention_heads

    @property
    def kv_heads(self) -> int:
        """Key and value heads; each serves heads / kv_heads query heads."""
        return self.num_key_value_heads or self.form.kv_heads or self.heads

    @property
    def head_size(self) -> int:
        """Elements a head."""
        return self.head_dim or self.form.head_dim or self.hidden_size // self.heads

    @property
    def biases(self) -> tuple[bool, bool, bool]:
        """Whether there are biases in query, key and value; in the attention's output; in the feed-forward."""
        stated = (self.attention_bias, self.attention_bias, self.mlp_bias)
        known = (self.form.query_bias, self.form.output_bias, self.form.mlp_bias)
        query, output, mlp = (said if fixed is None else fixed for said, fixed in zip(stated, known, strict=True))
        return query, output, mlp

    @property
    def rope(self) -> Rope:
        """Scaling and base of the rotary embedding, from whichever of the places that name them."""
        rope = self.rope_parameters or self.rope_scaling or Rope()
        return msgspec.structs.replace(
            rope,
            rope_theta=rope.rope_theta or self.rope_theta,
            partial_rotary_factor=rope.partial_rotary_factor or self.partial_rotary_factor,
            original_max_position_embeddings=rope.original_max_position_embeddings or self.max_position_embeddings,
        )

    def windows(self) -> tuple[int, ...]:
        """For each layer, how many tokens attention reaches, the token itself included; 0: all.

        A window as long as the positions is none.
        """
        return tuple(map(self._window, range(self.num_hidden_layers)))

    def _window(self, layer: int) -> int:
        window = self.form.window if self.sliding_window is UNSET else self.sliding_window
        if window is None or self.form.window is None or window >= self.max_position_embeddings:
            return 0
        if not self.form.layered:
            return window
        slides = layer >= self.max_window_layers
        if self.layer_types is not None:
            slides = self.layer_types[layer] == "sliding_attention"
        return window if slides and self.use_sliding_window else 0


def writer_of(architecture: str) -> str:
    """The text-generation architecture with the same body: of Qwen3Model that is Qwen3ForCausalLM."""
    for suffix in ("Model", "ForSequenceClassification"):
        if architecture.endswith(suffix):
            return f"{architecture.removesuffix(suffix)}ForCausalLM"
    return architecture


def read_decoder_config(path: Path) -> DecoderConfig:
    """Read and check the `config.json` of a known architecture.

    Raises FreeholdError `model_folder_invalid`, `decoder_option_unsupported`.
    """
    config = read(path, DecoderConfig)
    for option, value, known in _options(config):
        if value not in known:
            raise FreeholdError(
                "decoder_option_unsupported", path=path, option=option, value=value, known=", ".join(map(str, known))
            )
    for reason in _contradictions(config):
        raise FreeholdError("model_folder_invalid", path=path, reason=reason)
    return config


def _options(config: DecoderConfig) -> Iterator[tuple[str, object, tuple[object, ...]]]:
    yield "hidden_act", config.hidden_act, ("silu",)
    yield "rope_type", config.rope.form, ROPE_TYPES
    yield "partial_rotary_factor", config.rope.partial_rotary_factor or 1.0, (1.0,)
    for kind in config.layer_types or ():
        yield "layer_types", kind, ("full_attention", "sliding_attention")


def _contradictions(config: DecoderConfig) -> Iterator[str]:
    heads, kv_heads, layers = config.heads, config.kv_heads, config.num_hidden_layers
    if heads % kv_heads:
        yield f"num_attention_heads {heads} is no multiple of num_key_value_heads {kv_heads}"
    if not (config.head_dim or config.form.head_dim) and config.hidden_size % heads:
        yield f"hidden_size {config.hidden_size} is no multiple of num_attention_heads {heads}"
    if config.head_size % 8:
        yield f"head_dim {config.head_size} is no multiple of 8"
    if config.layer_types is not None and len(config.layer_types) != layers:
        yield f"layer_types names {len(config.layer_types)} layers, num_hidden_layers is {layers}"
