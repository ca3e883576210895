"""The tokenizer that an artifact carries: the folder's own, without its padding and truncation."""

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from freehold.errors import FreeholdError


def write_tokenizer(source: Path, target: Path, *, vocab_size: int, lower_case: bool) -> Tokenizer:
    """Copy `source` (a `tokenizer.json`) to `target` and return what was written.

    Its padding and truncation go: they are the settings of whoever saved it last, and padding would cost a packed graph
    most of its speed. `lower_case` is sentence-transformers' `do_lower_case`, which lowers texts before the tokenizer
    sees them. Raises FreeholdError `tokenizer_file_invalid` when it is unreadable or has ids beyond `vocab_size`, which
    the graph could not look up.
    """
    try:
        document: dict[str, Any] = json.loads(source.read_bytes())
        document["padding"] = document["truncation"] = None
        if lower_case:
            rest = [document["normalizer"]] if document.get("normalizer") else []
            document["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *rest]}
        text = json.dumps(document, ensure_ascii=False)
    except (OSError, ValueError, TypeError) as error:
        raise FreeholdError("tokenizer_file_invalid", path=source, reason=str(error)) from error
    tokenizer = _parse(source, text)
    highest = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1)
    if highest >= vocab_size:
        reason = f"its highest id is {highest}, but config.json has vocab_size {vocab_size}"
        raise FreeholdError("tokenizer_file_invalid", path=source, reason=reason)
    target.write_text(text, encoding="utf-8")
    return tokenizer


def _parse(source: Path, text: str) -> Tokenizer:
    try:
        return Tokenizer.from_str(text)
    except Exception as error:  # tokenizers raises the bare class for whatever it cannot read
        raise FreeholdError("tokenizer_file_invalid", path=source, reason=str(error)) from error
