"""A model as somebody states it to a server that runs: a few keys of the file, checked like those of the file."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from freehold.config.canonical import canonical
from freehold.config.decode import build, check
from freehold.config.document import parse_document
from freehold.config.invalid import ConfigInvalidError
from freehold.config.rules import broken_rules
from freehold.config.shapes import Config, ModelConfig
from freehold.errors import FreeholdError

STATABLE = frozenset(
    {
        *("source", "versions", "kind", "input_shape", "inputs", "outputs", "context_length", "max_output_tokens"),
        *("device", "precision", "workers", "limits", "keep_alive", "pin", "defaults", "chat_template_kwargs"),
        *("generation", "tenant"),
    }
)
"""What may be stated. What starts programs, holds secrets or says what a model must show is the file's alone."""

_TEXTS = frozenset({"source", "kind", "device", "precision", "keep_alive", "tenant"})


def stated_model(model: str, settings: Mapping[str, Any], config: Config, base: Path) -> ModelConfig:
    """The model of that id by `settings`, with the limits and requirements that `config` has for all models.

    A value that is no text in a file may be stated as one, as YAML has it: clients of Triton send nothing else.
    Relative paths are relative to `base`. Raises FreeholdError `model_setting_refused`, and the problems that a file
    with the same keys would have.
    """
    refused = sorted(settings.keys() - STATABLE)
    if refused:
        raise FreeholdError(
            "model_setting_refused", model=model, keys=", ".join(refused), known=", ".join(sorted(STATABLE))
        )
    shared = {"limits": msgspec.to_builtins(config.limits), "require": msgspec.to_builtins(config.require)}
    said = {name: _typed(name, value) for name, value in settings.items()}
    text = json.dumps({**shared, "models": [{"id": model, **said}]}, ensure_ascii=False)
    root, problems = parse_document(text, f"{model}.json")
    tree, obstacles = canonical(root, base)
    problems = [*problems, *obstacles, *check(tree)]
    if not problems:
        built = build(tree)
        problems = broken_rules(built, tree)
    if len(problems) == 1:
        raise problems[0]
    if problems:
        raise ConfigInvalidError(model, problems)
    return built.models[0]


def _typed(name: str, value: Any) -> Any:
    if not isinstance(value, str) or name in _TEXTS:
        return value
    root, _ = parse_document(f"value: {value}", name)
    return root.at("value").plain()
