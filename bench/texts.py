"""The seeded texts: short English ones with a heavy tail, and Chinese chunks as a knowledge base cuts them."""

import random
from functools import cache
from math import log
from pathlib import Path

ENGLISH_TEXTS = 512
MEDIAN_TOKENS = 19
MEAN_TOKENS = 30.2
SHORTEST, LONGEST = 4, 256
SPECIAL_TOKENS = 2  # [CLS] and [SEP]

HAN = range(0x4E00, 0x9FA6)  # every character of a bert-base-chinese vocabulary lies in here
LEXICON_WORDS = 24_000


def english_texts(vocabulary: Path, count: int = ENGLISH_TEXTS, seed: int = 4) -> list[str]:
    """`count` texts whose WordPiece lengths are lognormal: median 19, mean 30, 4..256 with the special tokens.

    Every word is one entry of `vocabulary` (a `vocab.txt`), so that a text's length in tokens is known as it is made.
    """
    lines = vocabulary.read_text(encoding="utf-8").splitlines()
    words = [word for word in lines if word.isascii() and word.isalpha() and 3 <= len(word) <= 10]
    dice = random.Random(seed)
    sigma = (2 * log(MEAN_TOKENS / MEDIAN_TOKENS)) ** 0.5  # mean / median of a lognormal is exp(sigma^2 / 2)
    texts = []
    for _ in range(count):
        tokens = min(LONGEST, max(SHORTEST, round(dice.lognormvariate(log(MEDIAN_TOKENS), sigma))))
        texts.append(" ".join(dice.choices(words, k=tokens - SPECIAL_TOKENS)))
    return texts


@cache
def lexicon(seed: int = 2) -> tuple[str, ...]:
    """Words of one to four Chinese characters, most of them two, the frequent ones first."""
    dice = random.Random(seed)
    lengths = dice.choices((1, 2, 3, 4), weights=(20, 62, 12, 6), k=LEXICON_WORDS)
    return tuple(dict.fromkeys("".join(map(chr, dice.choices(HAN, k=length))) for length in lengths))


def chinese_chunks(count: int, seed: int = 3) -> list[str]:
    """`count` chunks of 300 to 500 characters: words by Zipf's law, a comma or a full stop every few words."""
    words = lexicon()
    weights = [1 / (rank + 20) for rank in range(len(words))]
    dice = random.Random(seed)
    chunks = []
    for _ in range(count):
        length = dice.randint(300, 500)
        parts: list[str] = []
        size = 0
        while size < length:
            phrase = "".join(dice.choices(words, weights, k=dice.randint(3, 9))) + dice.choice("，，。")
            parts.append(phrase)
            size += len(phrase)
        chunks.append("".join(parts)[:length])
    return chunks
