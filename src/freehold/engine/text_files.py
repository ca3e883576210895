"""What lies beside a decoder's graphs: its tokenizer's settings, its chat template, how it samples by default."""

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from freehold.engine.generation import Sampling
from freehold.errors import FreeholdError

SPECIAL_TOKENS = ("bos_token", "eos_token", "pad_token", "unk_token")


class TextFiles:
    """The small files of an artifact folder, read when asked for. Raises FreeholdError `artifact_invalid`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def tokenizer_json(self) -> str:
        """The tokenizer, for the compiler of constraints."""
        return (self._folder / "tokenizer.json").read_text(encoding="utf-8")

    @cached_property
    def chat_template(self) -> str | None:
        """The Jinja source of `chat_template.jinja`, else the one in tokenizer_config; None for neither."""
        path = self._folder / "chat_template.jinja"
        if path.is_file():
            return path.read_text(encoding="utf-8")
        template = self._tokenizer_config.get("chat_template")
        if isinstance(template, list):  # named ones: older files hold several
            named = {str(one.get("name")): one.get("template") for one in template if isinstance(one, dict)}
            template = named.get("default")
        return template if isinstance(template, str) else None

    @cached_property
    def special_tokens(self) -> dict[str, str]:
        """bos_token, eos_token, pad_token and unk_token, as far as `tokenizer_config.json` names them."""
        named = {name: self._tokenizer_config.get(name) for name in SPECIAL_TOKENS}
        texts = {name: token.get("content") if isinstance(token, dict) else token for name, token in named.items()}
        return {name: text for name, text in texts.items() if isinstance(text, str)}

    @cached_property
    def defaults(self) -> Sampling:
        """How answers are sampled that ask for nothing: as `generation_config.json` says, greedily where it does not
        ask for sampling, and by OpenAI's default, from the whole distribution, where there is no such file."""
        config = self._json("generation_config.json")
        if not config:
            return Sampling()
        usual = Sampling()
        return Sampling(
            temperature=_number(config, "temperature", usual.temperature) if config.get("do_sample") else 0.0,
            top_k=int(_number(config, "top_k", usual.top_k)),
            top_p=_number(config, "top_p", usual.top_p),
            min_p=_number(config, "min_p", usual.min_p),
            repetition_penalty=_number(config, "repetition_penalty", usual.repetition_penalty),
        )

    @cached_property
    def _tokenizer_config(self) -> dict[str, Any]:
        return self._json("tokenizer_config.json")

    def _json(self, name: str) -> dict[str, Any]:
        path = self._folder / name
        if not path.is_file():
            return {}
        try:
            document = json.loads(path.read_bytes())
        except ValueError as error:
            raise FreeholdError("artifact_invalid", path=self._folder, reason=f"{name}: {error}") from error
        return document if isinstance(document, dict) else {}


def _number(config: dict[str, Any], name: str, otherwise: float) -> float:
    value = config.get(name)
    return float(value) if isinstance(value, int | float) else otherwise
