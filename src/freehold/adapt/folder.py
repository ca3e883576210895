"""A Hugging Face model folder: what its config and its sentence-transformers files say the model does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from freehold.adapt.architectures import EncoderConfig, read_config
from freehold.adapt.checkpoint import weight_files
from freehold.adapt.documents import read, read_or
from freehold.adapt.model_card import read_card
from freehold.artifact import Limits
from freehold.errors import FreeholdError

# sentence-transformers reads the first of these that is there.
LENGTH_FILES = ("sentence_bert_config.json", "sentence_roberta_config.json", "sentence_xlm-roberta_config.json")
# Tokenizers without a limit of their own say 1e30; nothing an encoder reads is longer than this.
LONGEST_SANE = 1_000_000

PoolingMode = Literal["mean", "cls", "last"]
POOLING_NAMES: dict[PoolingMode, str] = {"mean": "mean", "cls": "cls", "last": "lasttoken"}
ENCODER_POOLINGS: tuple[PoolingMode, ...] = ("mean", "cls")
DENSE_ACTIVATIONS = {"Identity": "identity", "Tanh": "tanh"}


class Dense(msgspec.Struct, frozen=True, tag=True):
    """A linear layer after pooling, as sentence-transformers' `Dense` module: weights [out, in]."""

    file: Path
    inputs: int
    outputs: int
    bias: bool
    activation: str


class Normalize(msgspec.Struct, frozen=True, tag=True):
    """L2 normalisation of each embedding."""


class Sentence(msgspec.Struct, frozen=True):
    """What turns token states into one embedding: pooling, then the modules after it in order."""

    pooling: PoolingMode = "mean"
    after: tuple[Dense | Normalize, ...] = ()

    def dimensions(self, hidden_size: int) -> int:
        """Elements of the embedding."""
        widths = [module.outputs for module in self.after if isinstance(module, Dense)]
        return widths[-1] if widths else hidden_size

    @property
    def files(self) -> tuple[Path, ...]:
        """The weights of the dense modules."""
        return tuple(module.file for module in self.after if isinstance(module, Dense))

    @property
    def normalized(self) -> bool:
        """True when embeddings leave with length 1."""
        return bool(self.after) and isinstance(self.after[-1], Normalize)


@dataclass(frozen=True)
class ModelFolder:
    """A folder that `open_folder` has read and found to be an encoder that graphs are known for."""

    path: Path
    transformer: Path  # where config.json, weights and tokenizer lie: `path` itself, or the folder of module 0
    config: EncoderConfig
    sentence: Sentence
    weights: tuple[Path, ...]
    lower_case: bool
    max_tokens: int
    prompts: dict[str, str]
    license: str

    @property
    def kind(self) -> Literal["embed", "rerank", "classify"]:
        """embed without a classification head; rerank with one label, classify with more."""
        if self.config.form.head == "pooling":
            return "embed"
        return "rerank" if len(self.config.labels) == 1 else "classify"

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """Every file that holds weights of this model, those of dense modules too."""
        return (*self.weights, *self.sentence.files)

    def limits(self, max_tokens: int | None) -> Limits:
        """Truncation length and positions; `max_tokens` overrides the folder's own length.

        Raises FreeholdError `max_tokens_beyond_positions`.
        """
        return limits_of(self.path, max_tokens, self.max_tokens, self.config.positions)


def limits_of(path: Path, asked: int | None, usual: int, positions: int) -> Limits:
    """The length that was asked for, else the usual one, and the positions.

    Raises FreeholdError `max_tokens_beyond_positions`.
    """
    if asked is not None and not 1 <= asked <= positions:
        raise FreeholdError("max_tokens_beyond_positions", path=path, max_tokens=asked, positions=positions)
    return Limits(max_tokens=asked or usual, positions=positions)


def open_folder(path: Path) -> ModelFolder:
    """Read a model folder without reading its weights.

    Raises FreeholdError with the code of what is wrong: `model_folder_invalid`, `architecture_unknown`,
    `encoder_option_unsupported`, `sentence_module_unsupported`, `weights_missing`, `weights_pickled`,
    `weights_quantized`, `tokenizer_file_missing`.
    """
    if not path.is_dir():
        raise FreeholdError("model_folder_invalid", path=path, reason="no such folder")
    modules = modules_of(path)
    transformer = transformer_of(path, modules)
    if not (transformer / "config.json").is_file():
        weight_files(transformer)  # a GGUF or pickle folder without a config has a better story to tell
    config = read_config(transformer / "config.json")
    weights = weight_files(transformer)
    if not (transformer / "tokenizer.json").is_file():
        raise FreeholdError("tokenizer_file_missing", path=transformer)
    length = length_of(transformer)
    pooled = config.form.head == "pooling"
    return ModelFolder(
        path=path,
        transformer=transformer,
        config=config,
        sentence=sentence_of(path, modules, config.hidden_size, ENCODER_POOLINGS) if pooled else Sentence(),
        weights=weights,
        lower_case=length.do_lower_case,
        max_tokens=min(length.max_seq_length or config.positions, config.positions),
        prompts=prompts_of(path),
        license=license_of(path / "README.md"),
    )


class Module(msgspec.Struct, frozen=True):
    """One entry of `modules.json`."""

    path: str
    type: str

    @property
    def name(self) -> str:
        """The class, whichever package of sentence-transformers it lived in when the folder was saved."""
        return self.type.rpartition(".")[2]


class _Prompts(msgspec.Struct, frozen=True):
    prompts: dict[str, str | None] | None = None

    def known(self) -> dict[str, str]:
        return {name: text for name, text in (self.prompts or {}).items() if text}


class Length(msgspec.Struct, frozen=True):
    """How texts are prepared for the transformer; no `max_seq_length`: as long as its positions."""

    max_seq_length: int | None = None
    do_lower_case: bool = False


class _Tokenizer(msgspec.Struct, frozen=True):
    model_max_length: float | None = None


class _Pooling(msgspec.Struct, frozen=True):
    """`1_Pooling/config.json`: one flag a mode in the older form, `pooling_mode` in the newer one."""

    pooling_mode: str | None = None
    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False
    pooling_mode_max_tokens: bool = False
    pooling_mode_mean_sqrt_len_tokens: bool = False
    pooling_mode_weightedmean_tokens: bool = False
    pooling_mode_lasttoken: bool = False

    def modes(self) -> list[str]:
        if self.pooling_mode is not None:
            return [self.pooling_mode]
        flags = msgspec.structs.asdict(self)
        names = {"cls_token": "cls", "mean_tokens": "mean"}
        on = [name.removeprefix("pooling_mode_") for name, value in flags.items() if value is True]
        return [names.get(name, name) for name in on]


class _Dense(msgspec.Struct, frozen=True):
    in_features: int
    out_features: int
    bias: bool = True
    activation_function: str = "torch.nn.modules.activation.Tanh"


def modules_of(folder: Path) -> list[Module]:
    """`modules.json` of a model folder, empty when there is none.

    Raises FreeholdError `model_folder_invalid`, also for a module that would lie outside the folder.
    """
    path = folder / "modules.json"
    modules = read_or(path, list[Module], [])
    for module in modules:
        if Path(module.path).is_absolute() or ".." in Path(module.path).parts:
            raise FreeholdError("model_folder_invalid", path=path, reason=f"the path {module.path!r} leaves the folder")
    return modules


def transformer_of(folder: Path, modules: list[Module]) -> Path:
    """Where config.json, weights and tokenizer lie: in the folder of module 0, without modules in `folder` itself."""
    return folder / modules[0].path if modules else folder


def prompts_of(folder: Path) -> dict[str, str]:
    """The prompts of `config_sentence_transformers.json` by name; an empty one is none. Raises as `read`."""
    return read_or(folder / "config_sentence_transformers.json", _Prompts, _Prompts()).known()


def length_of(transformer: Path) -> Length:
    """Truncation length: sentence-transformers' file, else the tokenizer's, else (None) the positions."""
    for name in LENGTH_FILES:
        if (transformer / name).is_file():
            length = read(transformer / name, Length)
            if length.max_seq_length:
                return length
            break
    else:
        length = Length()
    longest = read_or(transformer / "tokenizer_config.json", _Tokenizer, _Tokenizer()).model_max_length
    if longest is not None and 1 <= longest <= LONGEST_SANE:
        return msgspec.structs.replace(length, max_seq_length=int(longest))
    return length


def sentence_of(path: Path, modules: list[Module], width: int, poolings: tuple[PoolingMode, ...]) -> Sentence:
    """Pooling and what follows states of `width` elements. Without `modules.json` the plain mean, as
    sentence-transformers does. Raises FreeholdError `sentence_module_unsupported`, `model_folder_invalid`.
    """
    if not modules:
        return Sentence()
    names = [module.name for module in modules]
    if names[:2] != ["Transformer", "Pooling"]:
        raise FreeholdError("sentence_module_unsupported", path=path / "modules.json", module=" -> ".join(names))
    pooling = _pooling_mode(path / modules[1].path / "config.json", poolings)
    after: list[Dense | Normalize] = []
    for module in modules[2:]:
        if module.name == "Normalize":
            after.append(Normalize())
        elif module.name == "Dense":
            dense = _dense(path / module.path, width)
            width = dense.outputs
            after.append(dense)
        elif module.name != "Dropout":  # which does nothing outside training
            raise FreeholdError("sentence_module_unsupported", path=path / "modules.json", module=module.name)
    return Sentence(pooling, tuple(after))


def _pooling_mode(path: Path, known: tuple[PoolingMode, ...]) -> PoolingMode:
    modes = read(path, _Pooling).modes()
    for mode in known:
        if modes == [POOLING_NAMES[mode]]:
            return mode
    raise FreeholdError("sentence_module_unsupported", path=path, module=f"pooling {' + '.join(modes) or 'none'}")


def _dense(folder: Path, width: int) -> Dense:
    path = folder / "config.json"
    stated = read(path, _Dense)
    activation = DENSE_ACTIVATIONS.get(stated.activation_function.rpartition(".")[2])
    if activation is None:
        raise FreeholdError("sentence_module_unsupported", path=path, module=f"Dense with {stated.activation_function}")
    if stated.in_features != width:
        reason = f"in_features {stated.in_features}, but what comes before it has {width}"
        raise FreeholdError("model_folder_invalid", path=path, reason=reason)
    return Dense(weight_files(folder)[0], stated.in_features, stated.out_features, stated.bias, activation)


def license_of(readme: Path) -> str:
    """The licence that the card of a folder states, "" when there is none that can be read: it is for display."""
    return read_card(readme).license
