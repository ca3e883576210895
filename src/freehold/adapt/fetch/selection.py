"""Which files of a repository are needed: one form of the weights, and what says how to use them.

Publishers keep the same weights in several forms (PyTorch, ONNX, Flax, fp16 variants) beside one another; a whole copy
is often three times as large as the model.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Any, TypeVar

import msgspec

from freehold.adapt.checkpoint import INDEX, SINGLE
from freehold.adapt.fetch.repository import RemoteFile, Repository
from freehold.adapt.model_card import card_of
from freehold.errors import FreeholdError
from freehold.store.oci import UNREADABLE

T = TypeVar("T")
Read = Callable[[RemoteFile], bytes]

CONFIG, MODULES, README = "config.json", "modules.json", "README.md"

# Beside weights, in lower case: names in a folder that holds a model or a module of sentence-transformers.
TEXTS = (
    "config.json",
    "generation_config.json",
    "tokenizer*.json",
    "tokenizer.model*",
    "*.tiktoken",
    "vocab*.json",
    "vocab*.txt",
    "merges.txt",
    "special_tokens_map.json",
    "added_tokens.json",
    "spiece.model",
    "sentencepiece*.model",
    "chat_template*",
    "preprocessor_config.json",
    "processor_config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_*_config.json",
)
ROOT_TEXTS = ("readme.md", "license*", "licence*", "notice*", "use_policy*", "additional_chat_templates/*.jinja")
PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt")
WEIGHTS = ("*.safetensors", *PICKLED, "*.gguf", "*.onnx", "*.h5", "*.msgpack", "*.tflite", "*.keras", "*.pb")
SHOWN = 6  # names in a message


class _Module(msgspec.Struct, frozen=True):
    path: str = ""


class _Index(msgspec.Struct, frozen=True):
    weight_map: dict[str, str]


class _Config(msgspec.Struct, frozen=True):
    quantization_config: dict[str, Any] | None = None


@dataclass(frozen=True)
class Selection:
    """A choice among the files of `repository`; `read` gives the content of a small one.

    `include` and `exclude` are shell patterns of names; one without a slash also means files in folders.
    """

    repository: Repository
    read: Read
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()

    def files(self) -> tuple[RemoteFile, ...]:
        """The files needed and those of `include`, without those of `exclude`, in the repository's order.

        Raises FreeholdError `fetch_no_model`, `fetch_no_weights`, `fetch_pickled`, `fetch_gguf`, `fetch_quantized`,
        `fetch_shard_missing`, `fetch_pattern_idle`, `hub_file_invalid`. Where `include` names weights, they are taken
        as they are, and only they: what Freehold cannot read, another program may.
        """
        asked = self._included()
        folders = self._folders()
        chosen = {*asked, *(name for name in self._names if _like(name, ROOT_TEXTS))}
        for folder in folders:
            chosen |= {name for name in self._in(folder) if _like(_base(name), TEXTS)}
        if not any(_like(_base(name), WEIGHTS) for name in asked):
            self._refuse_unreadable(folders[0])
            for folder in folders:
                chosen |= self._weights(folder)
        return tuple(
            file
            for file in self.repository.files
            if file.name in chosen and not any(_matches(file.name, pattern) for pattern in self.exclude)
        )

    @property
    def _names(self) -> tuple[str, ...]:
        return tuple(file.name for file in self.repository.files)

    def _in(self, folder: str) -> list[str]:
        """The files that lie in a folder itself; a folder is a prefix of names."""
        return [name for name in self._names if name == folder + _base(name)]

    def _included(self) -> list[str]:
        found: list[str] = []
        for pattern in self.include:
            hits = [name for name in self._names if _matches(name, pattern)]
            if not hits:
                raise self._error("fetch_pattern_idle", pattern=pattern, found=_shown(self._names))
            found += hits
        return found

    def _folders(self) -> list[str]:
        """Where weights may lie, the transformer's first."""
        modules = self._json(MODULES, list[_Module]) or []
        folders = [f"{module.path.strip('/')}/".lstrip("/") for module in modules]
        return folders + [""] * ("" not in folders)

    def _weights(self, folder: str) -> set[str]:
        """The safetensors of a folder; none where it holds no weights."""
        if folder + SINGLE in self._names:
            return {folder + SINGLE}
        index = self._json(folder + INDEX, _Index)
        if index is not None:
            shards = {folder + shard for shard in index.weight_map.values()}
            missing = min(shards.difference(self._names), default=None)
            if missing is not None:
                raise self._error("fetch_shard_missing", index=folder + INDEX, shard=missing)
            return {folder + INDEX, *shards}
        pickled = [name for name in self._in(folder) if _like(_base(name), PICKLED)]
        if pickled and folder:
            raise self._error("fetch_pickled", found=_shown(pickled), pattern=_base(pickled[0]))
        return set()

    def _refuse_unreadable(self, folder: str) -> None:
        """Say, before anything large is loaded, what opening the folder would say afterwards."""
        weights = [name for name in self._names if _like(_base(name), WEIGHTS)]
        readable = {folder + SINGLE, folder + INDEX}.intersection(self._names)
        ggufs = sorted((file.size, file.name) for file in self.repository.files if _like(file.name, ("*.gguf",)))
        if ggufs and not readable:
            raise self._error("fetch_gguf", original=self._original(), example=_base(ggufs[0][1]))
        config = self._json(folder + CONFIG, _Config)
        if config is None:
            raise self._error("fetch_no_model", found=_shown(self._names))
        if config.quantization_config is not None:
            method = config.quantization_config.get("quant_method", "-")
            raise self._error("fetch_quantized", method=method, original=self._original())
        pickled = [name for name in self._in(folder) if _like(_base(name), PICKLED)]
        if pickled and not readable:
            raise self._error("fetch_pickled", found=_shown(pickled), pattern=_base(pickled[0]))
        if not readable:
            raise self._error("fetch_no_weights", found=_shown(weights))

    def _original(self) -> str:
        """The repositories of the float weights, as far as the card names them."""
        readme = self.repository.file(README)
        bases = card_of(self.read(readme).decode(errors="replace")).base_models if readme is not None else ()
        return ", ".join(f"{self.repository.source.kind}://{base}" for base in bases) or "-"

    def _json(self, name: str, kind: type[T]) -> T | None:
        file = self.repository.file(name)
        if file is None:
            return None
        try:
            return msgspec.json.decode(self.read(file), type=kind)
        except UNREADABLE as error:
            raise self._error("hub_file_invalid", file=name, reason=str(error)) from None

    def _error(self, code: str, **details: object) -> FreeholdError:
        return FreeholdError(code, source=self.repository.source, **details)


def _base(name: str) -> str:
    return PurePosixPath(name).name


def _like(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name.lower(), pattern) for pattern in patterns)


def _matches(name: str, pattern: str) -> bool:
    return fnmatchcase(name, pattern) or ("/" not in pattern and fnmatchcase(_base(name), pattern))


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "") if names else "-"
