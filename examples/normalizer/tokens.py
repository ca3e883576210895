"""The tokenizer: byte-level BPE that learns its pieces from the conversations, and never joins two digits."""

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

VOCABULARY = 2048
END_OF_TEXT, START, END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
END_ID = 2
OPENING = f"{START}assistant\n"
"""What stands before each answer."""
MARKS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>")
ALONE = r"[0-9{]|\p{Han}"
"""Digits and Chinese characters are tokens of their own, so that a place in a number is a place in the sequence. So is
the brace that begins a JSON object, which a constraint may choose before the model."""


def train(texts: Iterable[str]) -> Tokenizer:
    """Learn from `texts`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(ALONE), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    specials = [AddedToken(token, special=True, normalized=False) for token in (END_OF_TEXT, START, END)]
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(MARKS),
        special_tokens=specials,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    # Not special: they are part of what a model says, and stay when specials are left out of a text.
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in MARKS])
    return tokenizer


def save(tokenizer: Tokenizer, folder: Path, *, positions: int) -> None:
    """`tokenizer.json` and `tokenizer_config.json`, as transformers reads them."""
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "eos_token": END,
        "pad_token": END_OF_TEXT,
        "model_max_length": positions,
        "clean_up_tokenization_spaces": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
