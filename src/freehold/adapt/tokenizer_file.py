"""The tokenizer that an artifact carries: the folder's own, without its padding and truncation."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from freehold.errors import FreeholdError

Ending = Callable[[Tokenizer], Sequence[int]]
"""From a tokenizer as it was shipped to the ids that every text shall end with beyond what it ends with already."""

ENDING = "<|freehold ending|>"


def read_tokenizer(path: Path) -> Tokenizer:
    """A `tokenizer.json` as it was shipped. Raises FreeholdError `tokenizer_file_invalid`."""
    try:
        return _parse(path, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise FreeholdError("tokenizer_file_invalid", path=path, reason=str(error)) from error


def write_tokenizer(
    source: Path, target: Path, *, vocab_size: int, lower_case: bool, ending: Ending | None = None
) -> Tokenizer:
    """Copy `source` (a `tokenizer.json`) to `target` and return what was written.

    Its padding and truncation go: they are the settings of whoever saved it last, and padding would cost a packed graph
    most of its speed. `lower_case` is sentence-transformers' `do_lower_case`, which lowers texts before the tokenizer
    sees them. What `ending` says is put after every text and every pair, and is never cut.

    Raises FreeholdError `tokenizer_file_invalid` when it is unreadable or has ids beyond `vocab_size`, which the graph
    could not look up.
    """
    try:
        document: dict[str, Any] = json.loads(source.read_bytes())
        document["padding"] = document["truncation"] = None
        if lower_case:
            rest = [document["normalizer"]] if document.get("normalizer") else []
            document["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *rest]}
        text = json.dumps(document, ensure_ascii=False)
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise FreeholdError("tokenizer_file_invalid", path=source, reason=str(error)) from error
    tokenizer = _parse(source, text)
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if highest >= vocab_size:
        reason = f"its highest id is {highest}, but config.json has vocab_size {vocab_size}"
        raise FreeholdError("tokenizer_file_invalid", path=source, reason=reason)
    ids = ending(tokenizer) if ending is not None else ()
    if ids:
        document["post_processor"] = _ending_with(document.get("post_processor"), ids, tokenizer)
        text = json.dumps(document, ensure_ascii=False)
        tokenizer = _parse(source, text)
    target.write_text(text, encoding="utf-8")
    return tokenizer


def copy_settings(source: Path, target: Path) -> None:
    """Copy the `tokenizer_config.json` of one folder to another; an empty one where there is none. Raises OSError."""
    settings = source / "tokenizer_config.json"
    (target / settings.name).write_bytes(settings.read_bytes() if settings.is_file() else b"{}")


def end_token(preferred: str, otherwise: int | None) -> Ending:
    """The token `preferred`, or the id `otherwise` where there is no such token; none after a text that ends with a
    special token already."""

    def ending(tokenizer: Tokenizer) -> Sequence[int]:
        bare, shipped = (tokenizer.encode("a", add_special_tokens=special).ids for special in (False, True))
        end = tokenizer.token_to_id(preferred)
        end = otherwise if end is None else end
        return () if end is None or shipped[-1:] != bare[-1:] else (end,)

    return ending


def text_after(text: str) -> Ending:
    """The tokens of `text`."""
    return lambda tokenizer: tokenizer.encode(text, add_special_tokens=False).ids


def _ending_with(processor: dict[str, Any] | None, ids: Sequence[int], tokenizer: Tokenizer) -> dict[str, Any]:
    """`processor` with `ids` after what it makes of a text, of a pair too: a template gets them as one more piece."""
    tokens = [tokenizer.id_to_token(each) for each in ids]
    special = {ENDING: {"id": ENDING, "ids": list(ids), "tokens": tokens}}
    piece = {"SpecialToken": {"id": ENDING, "type_id": 0}}
    first, second = ({"Sequence": {"id": name, "type_id": 0}} for name in "AB")
    template: dict[str, Any] = {"type": "TemplateProcessing", "special_tokens": special}
    template |= {"single": [first, piece], "pair": [first, second, piece]}
    if processor is None:
        return template
    parts = processor["processors"] if processor["type"] == "Sequence" else [processor]
    for place, part in enumerate(parts):
        if part["type"] == "TemplateProcessing":
            longer = {side: [*part[side], piece] for side in ("single", "pair")}
            template = {**part, **longer, "special_tokens": {**part["special_tokens"], **special}}
            return {"type": "Sequence", "processors": [*parts[:place], template, *parts[place + 1 :]]}
    return {"type": "Sequence", "processors": [*parts, template]}


def _parse(source: Path, text: str) -> Tokenizer:
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises the bare class for whatever it cannot read
        raise FreeholdError("tokenizer_file_invalid", path=source, reason=str(error)) from error
