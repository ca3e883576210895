"""A model's card: what the YAML front matter of its README.md says of licence and origin."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Card:
    """`license` is its identifier ("apache-2.0"), `base_models` the repositories that it was made from, both as stated;
    empty where nothing is."""

    license: str = ""
    base_models: tuple[str, ...] = ()


def read_card(readme: Path) -> Card:
    """The card of a README file; an empty one when there is none that can be read: it is for display."""
    try:
        return card_of(readme.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return Card()


def card_of(text: str) -> Card:
    """The card in the text of a README.

    A licence that has no identifier is stated as "other" beside its name, which then says more.
    """
    front = _front_matter(text)
    named = front.get("license")
    if named == "other":
        named = front.get("license_name", named)
    bases = front.get("base_model")
    bases = bases if isinstance(bases, list) else [bases]
    return Card(
        license=named if isinstance(named, str) else "",
        base_models=tuple(base for base in bases if isinstance(base, str)),
    )


def _front_matter(text: str) -> Mapping[str, Any]:
    parts = text.split("---", 2)
    if not text.startswith("---") or len(parts) < 3:
        return {}
    try:
        front: Any = yaml.safe_load(parts[1])
    except yaml.YAMLError:
        return {}
    return front if isinstance(front, dict) else {}
