"""What a Keras file would have Keras build, read out of its configuration before Keras sees it."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

# They hold Python as bytes, or run another file that does.
CODE = frozenset({"Lambda", "__lambda__", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer"})
OURS = ("keras", "builtins")  # Keras' own modules, and how it marks its own functions
LEGACY = ("tensorflow.keras", "tensorflow.python.keras", "tf_keras")  # the same classes, named before Keras 3


class Found(NamedTuple):
    """Parts of a model that are not Keras' own, each as "name (Class)".

    `code` is Python that the file carries, `custom` is Python that it names and that lies elsewhere.
    """

    code: tuple[str, ...]
    custom: tuple[str, ...]


def examined(text: str | bytes) -> Found:
    """What the JSON of a Keras model asks for. Raises ValueError when it is no JSON object."""
    config = json.loads(text)
    if not isinstance(config, dict) or "class_name" not in config:
        raise ValueError("the configuration names no model class")
    code: dict[str, None] = {}
    custom: dict[str, None] = {}
    for part in _parts(config, ""):
        if part.kind in CODE:
            code[part.shown] = None
        elif part.is_custom:
            custom[part.shown] = None
    return Found(tuple(code), tuple(custom))


class _Part(NamedTuple):
    kind: str
    name: str
    module: str
    registered: str

    @property
    def shown(self) -> str:
        return f"{self.name} ({self.kind})" if self.name else self.kind

    @property
    def is_custom(self) -> bool:
        """Not Keras' own. Older files name no module: there Keras itself says that it does not know the class."""
        if self.module.split(".")[0] == "keras" or self.module.startswith(LEGACY):
            return False
        return self.module not in ("", *OURS) or ">" in self.registered


def _parts(value: Any, owner: str) -> Iterator[_Part]:
    """Every object of a configuration, however deep; an object without a name has that of what holds it."""
    if isinstance(value, list):
        for entry in value:
            yield from _parts(entry, owner)
    elif isinstance(value, dict):
        kind = value.get("class_name")
        if isinstance(kind, str):
            inner = value.get("config")
            named = inner.get("name") if isinstance(inner, dict) else None
            owner = named if isinstance(named, str) else owner
            yield _Part(kind, owner, str(value.get("module") or ""), str(value.get("registered_name") or ""))
        for entry in value.values():
            yield from _parts(entry, owner)
