"""The shape of a transformer by the `config.json` of any Hugging Face folder, as far as memory depends on it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Transformer:
    """Sizes of a transformer; 0 where nothing says.

    `latent`: elements that multi-head latent attention keeps of a token in each layer, in place of keys and values
    (DeepSeek-V2, arXiv:2405.04434, section 2.1: the compressed vector and the rotary key). `sliding` of the layers keep
    the last `window` tokens alone. `attending`: layers that keep keys and values at all; the others of a hybrid model
    have a state of fixed size.
    """

    layers: int = 0
    hidden: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_size: int = 0
    inner: int = 0
    vocab_size: int = 0
    positions: int = 0
    window: int = 0
    sliding: int = 0
    latent: int = 0
    attending: int = 0

    @property
    def kv_layers(self) -> int:
        """Layers that keep something of each token."""
        return self.attending or self.layers

    @property
    def kv_values(self) -> int:
        """Elements that one token takes in one layer: keys and values of every head, or the latent vector."""
        return self.latent or 2 * self.kv_heads * self.head_size

    def kv_bytes(self, tokens: int, value_bytes: int) -> int:
        """Keys and values of one sequence of `tokens` in all layers, those that slide bounded by their window."""
        whole = self.kv_layers - self.sliding
        held = whole * tokens + self.sliding * min(tokens, self.window or tokens)
        return held * self.kv_values * value_bytes


def read_shape(config: Mapping[str, Any]) -> Transformer:
    """The shape of the text model in `config`, with the defaults of transformers. Raises ValueError, TypeError."""
    text = config.get("text_config")
    if isinstance(text, Mapping):  # a model that sees as well: what generates text lies inside
        config = text
    layers, hidden, heads = (
        _size(config, name) for name in ("num_hidden_layers", "hidden_size", "num_attention_heads")
    )
    kinds = _kinds(config)
    window, sliding = _sliding(config, layers, kinds)
    latent = _size(config, "kv_lora_rank") + _size(config, "qk_rope_head_dim") if config.get("kv_lora_rank") else 0
    positions = _size(config, "max_position_embeddings")
    if "roberta" in str(config.get("model_type", "")):
        positions -= int(config.get("pad_token_id") or 0) + 1  # its table begins behind the padding's index
    return Transformer(
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=_size(config, "num_key_value_heads") or heads,
        head_size=_size(config, "head_dim") or (hidden // heads if heads else 0),
        inner=_size(config, "intermediate_size"),
        vocab_size=_size(config, "vocab_size"),
        positions=max(0, positions),
        window=window,
        sliding=sliding,
        latent=latent,
        attending=sum("attention" in kind and "linear" not in kind for kind in kinds) if kinds else layers,
    )


def _sliding(config: Mapping[str, Any], layers: int, kinds: Sequence[str]) -> tuple[int, int]:
    """The window, and how many layers slide: by `layer_types`, else all, unless `use_sliding_window` forbids it."""
    window = _size(config, "sliding_window")
    if not window or config.get("use_sliding_window") is False:
        return 0, 0
    if kinds:
        return window, sum(kind == "sliding_attention" for kind in kinds)
    first = _size(config, "max_window_layers") if "use_sliding_window" in config else 0
    return window, max(0, layers - first)


def _kinds(config: Mapping[str, Any]) -> list[str]:
    """The kind of each layer, where `layer_types` names them."""
    kinds = config.get("layer_types")
    return [str(kind) for kind in kinds] if isinstance(kinds, list) else []


def _size(config: Mapping[str, Any], name: str) -> int:
    """A size that is there, or 0; null counts as absent."""
    value = config.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value
