"""A Hugging Face folder of a decoder: its config, weights, tokenizer, chat template and end tokens."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from freehold.adapt.checkpoint import weight_files
from freehold.adapt.decoder_config import DecoderConfig, read_decoder_config
from freehold.adapt.documents import read_or
from freehold.adapt.folder import license_of, limits_of
from freehold.artifact import Limits
from freehold.errors import FreeholdError

TEMPLATE = "chat_template.jinja"
GENERATION = "generation_config.json"
Ids = int | tuple[int, ...] | None


@dataclass(frozen=True)
class DecoderFolder:
    """A folder that `open_decoder` has read and found to be a decoder that graphs are known for."""

    path: Path
    config: DecoderConfig
    weights: tuple[Path, ...]
    ends: tuple[int, ...]  # ids that end an answer, as config and generation config name them together
    chat_template: str | None
    license: str

    def limits(self, max_tokens: int | None) -> Limits:
        """Positions, and the longest prompt and answer together. Raises FreeholdError `max_tokens_beyond_positions`."""
        positions = self.config.max_position_embeddings
        return limits_of(self.path, max_tokens, positions, positions)


def open_decoder(path: Path) -> DecoderFolder:
    """Read a decoder's folder without reading its weights.

    Raises FreeholdError with the code of what is wrong: `model_folder_invalid`, `decoder_option_unsupported`,
    `weights_missing`, `weights_pickled`, `weights_quantized`, `tokenizer_file_missing`.
    """
    config = read_decoder_config(path / "config.json")
    weights = weight_files(path)
    if not (path / "tokenizer.json").is_file():
        raise FreeholdError("tokenizer_file_missing", path=path)
    generation = read_or(path / GENERATION, _Generation, _Generation())
    return DecoderFolder(
        path=path,
        config=config,
        weights=weights,
        ends=tuple(sorted({*_listed(config.eos_token_id), *_listed(generation.eos_token_id)})),
        chat_template=chat_template_of(path),
        license=license_of(path / "README.md"),
    )


class _Generation(msgspec.Struct, frozen=True):
    eos_token_id: Ids = None


class _NamedTemplate(msgspec.Struct, frozen=True):
    name: str
    template: str


class _Tokenizer(msgspec.Struct, frozen=True):
    """`tokenizer_config.json`: one template, or several by name."""

    chat_template: str | tuple[_NamedTemplate, ...] | None = None


def _listed(ids: Ids) -> tuple[int, ...]:
    if ids is None:
        return ()
    return (ids,) if isinstance(ids, int) else ids


def chat_template_of(folder: Path) -> str | None:
    """The file of the newer form, else the tokenizer config's template, of several the one named "default".

    Raises FreeholdError `model_folder_invalid`.
    """
    path = folder / TEMPLATE
    if path.is_file():
        try:
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise FreeholdError("model_folder_invalid", path=path, reason=str(error)) from error
    stated = read_or(folder / "tokenizer_config.json", _Tokenizer, _Tokenizer()).chat_template
    if stated is None or isinstance(stated, str):
        return stated
    return next((each.template for each in stated if each.name == "default"), None)
