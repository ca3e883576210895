"""A Hugging Face folder for the framework's own exporter: what its files say the model does.

Only files are read here. Which models the installed transformers knows is found out in the child that loads them.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from freehold.adapt.architectures import FORMS as ENCODERS
from freehold.adapt.architectures import architecture_of, labels_of
from freehold.adapt.checkpoint import Checkpoint, weight_files
from freehold.adapt.conversion import Conversion
from freehold.adapt.decoder_config import FORMS as DECODERS
from freehold.adapt.decoder_config import writer_of
from freehold.adapt.documents import read, read_or
from freehold.adapt.folder import (
    PoolingMode,
    Sentence,
    length_of,
    license_of,
    modules_of,
    prompts_of,
    sentence_of,
    transformer_of,
)
from freehold.artifact import Kind
from freehold.errors import FreeholdError

Task = Literal["embedding", "states", "classification", "tagging", "image"]
"""One embedding a text; states of tokens; labels of a text or a pair; labels of tokens; labels of an image."""

HEADS: dict[str, Task] = {
    "ForSequenceClassification": "classification",
    "ForTokenClassification": "tagging",
    "ForImageClassification": "image",
}
# Heads that training leaves behind and that the body answers without.
BODIES = ("Model", "ForMaskedLM", "ForPreTraining")
WRITERS = ("ForCausalLM", "LMHeadModel", "ForConditionalGeneration", "ForSpeechSeq2Seq", "ForVision2Seq")
# Of what writes text with a decoder of its own, these are used for their encoder alone too.
ENCODERS_OF_WRITERS = ("t5", "mt5", "umt5")
KINDS: dict[Task, tuple[Kind, ...]] = {
    "embedding": ("embed",),
    "states": ("tensor",),
    "classification": ("classify", "rerank"),
    "tagging": ("tensor",),
    "image": ("tensor",),
}
POOLINGS: tuple[PoolingMode, ...] = ("mean", "cls", "last")

PICKLED = "pytorch_model.bin"
PREPROCESSOR = "preprocessor_config.json"


@dataclass(frozen=True)
class RawFolder:
    """A folder that `open_raw` has read."""

    path: Path
    transformer: Path  # where config.json, weights and tokenizer lie: `path` itself, or the folder of module 0
    architecture: str
    task: Task
    sentence: Sentence
    labels: tuple[str, ...]
    weights: tuple[Path, ...]
    lower_case: bool
    max_tokens: int | None  # where texts are cut, None: where the model ends
    image: tuple[int, int, int]  # channels, height, width; zeros where the model reads text
    prompts: dict[str, str]
    license: str

    @property
    def kind(self) -> Kind:
        """Of a classifier, rerank with one label and classify with more."""
        return "rerank" if self.task == "classification" and len(self.labels) == 1 else KINDS[self.task][0]

    @property
    def reads_text(self) -> bool:
        """Whether there is a tokenizer."""
        return self.task != "image"

    @property
    def pickled(self) -> bool:
        """Whether the weights are in pickles, which a child reads as weights only."""
        return self.weights[0].suffix == ".bin"

    @property
    def weight_files(self) -> tuple[Path, ...]:
        """Every file that holds weights of this model, those of dense modules too."""
        return (*self.weights, *self.sentence.files)


def written_without_torch(path: Path) -> bool:
    """Whether the graphs of this folder are written straight from its files: `graphs.build` takes it.

    Raises FreeholdError `model_folder_invalid`, `weights_quantized`.
    """
    modules = modules_of(path)
    transformer = transformer_of(path, modules)
    architecture = architecture_of(transformer)
    if architecture not in ENCODERS and writer_of(architecture) not in DECODERS:
        return False
    return (transformer / "tokenizer.json").is_file() and not _only_pickled(transformer)


def open_raw(asked: Conversion) -> RawFolder:
    """Read a folder without reading its weights.

    Raises FreeholdError with the code of what is wrong: `model_folder_invalid`, `architecture_generates`,
    `architecture_not_exported`, `kind_unsuitable`, `weights_missing`, `weights_pickled`, `weights_quantized`,
    `weights_corrupt`, `sentence_module_unsupported`, `image_size_unknown`, `image_shape_unsuitable`.
    """
    path = asked.source
    modules = modules_of(path)
    transformer = transformer_of(path, modules)
    architecture = architecture_of(transformer)
    config = read(transformer / "config.json", _Config)
    task = _task(transformer, architecture, config, bool(modules), asked.kind)
    embeds = task == "embedding"
    length = length_of(transformer)
    raw = RawFolder(
        path=path,
        transformer=transformer,
        architecture=architecture,
        task=task,
        sentence=sentence_of(path, modules, config.width, POOLINGS) if embeds else Sentence(),
        labels=config.labels if task in HEADS.values() else (),
        weights=_weights(transformer),
        lower_case=length.do_lower_case,
        max_tokens=length.max_seq_length,
        image=_image(transformer, config, asked) if task == "image" else (0, 0, 0),
        prompts=prompts_of(path),
        license=license_of(path / "README.md"),
    )
    if asked.kind not in ("auto", raw.kind):
        raise _unsuitable(raw.transformer, architecture, asked.kind, (raw.kind,))
    return raw


class _Config(msgspec.Struct, frozen=True):
    """What `config.json` says of any model; the rest is read by transformers."""

    model_type: str = ""
    hidden_size: int = 0
    d_model: int = 0
    dim: int = 0
    id2label: dict[int, str] | None = None
    num_labels: int | None = None
    num_channels: int = 3
    image_size: int | tuple[int, int] | None = None

    @property
    def width(self) -> int:
        """Elements of a state; T5 and DistilBERT have their own words for it."""
        return self.hidden_size or self.d_model or self.dim

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs of a head, in order."""
        return labels_of(self.id2label, self.num_labels)


class _Size(msgspec.Struct, frozen=True):
    height: int | None = None
    width: int | None = None
    shortest_edge: int | None = None

    @property
    def area(self) -> tuple[int, int] | None:
        if self.height and self.width:
            return self.height, self.width
        return (self.shortest_edge, self.shortest_edge) if self.shortest_edge else None


class _Preprocessor(msgspec.Struct, frozen=True):
    """`preprocessor_config.json` of image models: a size is an edge, or named edges."""

    size: int | _Size | None = None
    crop_size: int | _Size | None = None
    do_center_crop: bool = False

    @property
    def area(self) -> tuple[int, int] | None:
        """Height and width of what the model is given."""
        size = self.crop_size if self.do_center_crop and self.crop_size is not None else self.size
        return (size, size) if isinstance(size, int) else size.area if size is not None else None


def _task(path: Path, architecture: str, config: _Config, sentence: bool, kind: str) -> Task:
    """What the folder is for; `sentence` says whether sentence-transformers' files are there."""
    for head, task in HEADS.items():
        if architecture.endswith(head):
            return task
    t5 = config.model_type in ENCODERS_OF_WRITERS
    if kind == "generate" or (architecture.endswith(WRITERS) and not t5):
        raise FreeholdError("architecture_generates", path=path, architecture=architecture, known=", ".join(DECODERS))
    if not architecture.endswith(BODIES) and not t5:
        known = ", ".join(f"*{ending}" for ending in (*HEADS, *BODIES))
        raise FreeholdError("architecture_not_exported", path=path, architecture=architecture or "nothing", known=known)
    if kind == "auto":
        return "states" if t5 and not sentence else "embedding"
    if kind not in ("embed", "tensor"):
        raise _unsuitable(path, architecture, kind, ("embed", "tensor"))
    return "embedding" if kind == "embed" else "states"


def _unsuitable(path: Path, architecture: str, kind: str, suits: tuple[str, ...]) -> FreeholdError:
    return FreeholdError("kind_unsuitable", path=path, architecture=architecture, kind=kind, suits=" or ".join(suits))


def _only_pickled(folder: Path) -> bool:
    try:
        weight_files(folder)
    except FreeholdError as error:
        return error.code == "weights_pickled"
    return False


def _weights(folder: Path) -> tuple[Path, ...]:
    """The safetensors files, else transformers' own pickles. Raises as `weight_files`, and `weights_corrupt`."""
    if not _only_pickled(folder):
        files = weight_files(folder)
        Checkpoint.open(files)  # a Git LFS pointer is told here, before anything is started
        return files
    index = folder / f"{PICKLED}.index.json"
    names = [PICKLED]
    if index.is_file():
        names = sorted(set(read(index, _Index).weight_map.values()))
    files = tuple(folder / name for name in names)
    if not all(file.parent == folder and file.is_file() for file in files):
        return weight_files(folder)  # which says what is missing, and what lies there instead
    return files


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


def _image(folder: Path, config: _Config, asked: Conversion) -> tuple[int, int, int]:
    """Channels, height and width of an image: what was asked for, else the model's size, else its preprocessor's."""
    size = config.image_size
    area = (size, size) if isinstance(size, int) else size
    stated = area or read_or(folder / PREPROCESSOR, _Preprocessor, _Preprocessor()).area
    if asked.input_shapes:
        shape = asked.input_shapes[0]
        fits = len(shape) == 4 and shape[1] == config.num_channels and (area is None or shape[2:] == area)
        if len(asked.input_shapes) > 1 or not fits or min(shape[1:]) < 1:
            needed = [-1, config.num_channels, *(area or (-1, -1))]
            shapes = [list(each) for each in asked.input_shapes]
            raise FreeholdError("image_shape_unsuitable", path=folder, asked=shapes, needed=needed)
        return shape[1], shape[2], shape[3]
    if stated is None:
        raise FreeholdError("image_size_unknown", path=folder, channels=config.num_channels)
    return config.num_channels, *stated
