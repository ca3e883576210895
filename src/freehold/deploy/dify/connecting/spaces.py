"""In which space an embedding model answers: the part of its name in Dify that changes when its vectors do.

Dify keeps vectors by the model's name, in knowledge bases and in a cache. So an embedding model is NAME@SPACE there.
Another artifact that gives the same texts the same vectors stays in its space, and nothing is indexed again.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np

from freehold.artifact.artifact import write_durably
from freehold.artifact.compare import cosine
from freehold.deploy.dify.connecting.known import Known
from freehold.errors import FreeholdError

LEAST_COSINE = 0.999
"""Vectors of one text that are less alike than this are of two spaces."""
TEXTS = (
    "The cat sleeps on the warm stone.",
    "Invoices are paid within thirty days of receipt.",
    "El tren sale a las ocho de la mañana.",
    "模型在本机运行，数据不会离开公司。",
)
"""What a running model is asked, since not every one has goldens."""
_DIGITS = 8
_DECIMALS = 6

Answers = Mapping[str, tuple[float, ...]]


class Space(msgspec.Struct, frozen=True):
    """One space of a name: its id, what was found to answer in it, and how it answers, by text."""

    id: str
    members: tuple[str, ...]
    answers: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Spaces:
    """The spaces of every name that was ever told or registered, the newest last. `file` keeps them."""

    file: Path
    known: Mapping[str, tuple[Space, ...]]

    @classmethod
    def read(cls, home: Path) -> "Spaces":
        """Those of this user. Raises `dify_spaces_invalid`."""
        file = home / "dify" / "spaces.json"
        try:
            return cls(file, msgspec.json.decode(file.read_bytes(), type=dict[str, tuple[Space, ...]]))
        except FileNotFoundError:
            return cls(file, {})
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise FreeholdError("dify_spaces_invalid", path=file, reason=str(error)) from error

    def save(self) -> None:
        """Write them, whole or not at all. Raises `dify_state_unwritable`."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self.file, msgspec.json.encode(self.known))
        except OSError as error:
            raise FreeholdError("dify_state_unwritable", path=self.file, reason=error.strerror or str(error)) from error

    def of(self, name: str) -> tuple[Space, ...]:
        """The spaces of one name."""
        return self.known.get(name, ())

    def placed(self, model: Known) -> tuple["Spaces", Space]:
        """The space of an embedding model, and all of them with what is known of it now.

        How it answers goes before what it is made of: the same weights behind another prefix are another space.
        """
        spaces = self.of(model.name)
        found = next((space for space in reversed(spaces) if _holds(space, model)), None)
        if found is None:
            found = Space(_new_id(model, {space.id for space in spaces}), (), {})
        members = tuple(dict.fromkeys((*found.members, _member(model))))
        answers = {text: _rounded(vector) for text, vector in model.answers.items()}
        grown = Space(found.id, members, {**answers, **found.answers})
        those = (*(space for space in spaces if space.id != found.id), grown)
        return replace(self, known={**self.known, model.name: those}), grown


@dataclass
class Placing:
    """One model after another placed in its space; `spaces` are then what is to be remembered."""

    spaces: Spaces

    def id_of(self, model: Known) -> str:
        """The id of an embedding model's space."""
        self.spaces, space = self.spaces.placed(model)
        return space.id

    def homes(self, models: Iterable[Known]) -> Mapping[str, Known]:
        """By their names in Dify, older spaces of models that were placed, each with a model that answers in it now.

        That is an old version which is still served, by another name.
        """
        embedding = [model for model in models if "embed" in model.abilities]
        return {
            f"{model.name}@{space.id}": home
            for model in embedding
            for space in self.spaces.of(model.name)[:-1]
            for home in embedding
            if (likeness(space.answers, home.answers) or 0.0) >= LEAST_COSINE
        }


def likeness(one: Answers, other: Answers) -> float | None:
    """The least cosine of two vectors of one text; 0 for those of two lengths, None without a text in common."""
    pairs = [(np.array(one[text]), np.array(other[text])) for text in one.keys() & other.keys()]
    return min((cosine(a, b) if a.shape == b.shape else 0.0 for a, b in pairs), default=None)


def _holds(space: Space, model: Known) -> bool:
    alike = likeness(space.answers, model.answers)
    return _member(model) in space.members if alike is None else alike >= LEAST_COSINE


def _member(model: Known) -> str:
    return model.digest or hashlib.sha256(model.seed.encode()).hexdigest()


def _new_id(model: Known, taken: set[str]) -> str:
    """The first digits of what it is made of; where those name another space, of that and its answers."""
    plain = _member(model).removeprefix("sha256:")[:_DIGITS]
    if plain not in taken:
        return plain
    answers = {text: _rounded(vector) for text, vector in model.answers.items()}
    said = msgspec.json.encode((_member(model), answers), order="sorted")
    return hashlib.sha256(said).hexdigest()[:_DIGITS]


def _rounded(vector: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, _DECIMALS) for value in vector)
