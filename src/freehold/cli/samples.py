"""Seeded inputs: texts of heavy-tailed lengths for text models, arrays for tensor models."""

import math
import random
from collections.abc import Iterator, Sequence

import numpy as np

from freehold.artifact import TensorSpec
from freehold.engine.base import Array, EmbedRequest, Request, RerankRequest
from freehold.engine.tensor import DTYPES, dimensions
from freehold.engine.tokenizer import TextTokenizer

MEAN_TOKENS = 30
SPREAD = 0.9  # of the logarithm of lengths: one text in a hundred is about six times the mean
_SPECIALS = 4  # the most that a pair of texts gets
_VOCABULARY = """
the a of and to in is for on with not by this from or at as an be are it was which when who has have will can its
contract invoice customer order return report engine valve pressure sensor machine supplier warranty quality price
delivery account password meeting project archive drawing letter clause payment service request answer question
合同 发票 客户 订单 退货 报告 设备 阀门 压力 传感器 质量 价格 交付 账户 密码 会议 项目 档案 图纸 条款 付款 服务
"""

QUESTIONS = (
    "Which documents does a customer need to return a valve within its warranty?",
    "把下面的日期写成 ISO 格式:二零二四年三月三十一日。",
    'Answer in JSON: {"sum": 17 + 25}',
    "Write a Python function that tells whether a year is a leap year.",
    "Explain to a new colleague, in two sentences, what a purchase order is for.",
    "请用一句话说明什么是保修期。",
    "Continue: 1, 2, 4, 8, 16,",
    "Translate into German: the delivery arrives on Tuesday.",
)
"""What models that generate text are asked."""


def texts(tokenizer: TextTokenizer, longest: int, seed: int = 0) -> Iterator[str]:
    """Endless texts of a lognormal number of tokens, mean 30, at most `longest` with the model's special tokens."""
    rng = random.Random(seed)
    costs = {word: max(1, len(tokenizer.tokens(word, add_special_tokens=False))) for word in _VOCABULARY.split()}
    affordable = min(costs.values())
    while True:
        wanted = rng.lognormvariate(math.log(MEAN_TOKENS) - SPREAD**2 / 2, SPREAD)
        left = max(affordable, min(round(wanted), longest) - _SPECIALS)
        words = []
        while left >= affordable:
            word = rng.choice([word for word, cost in costs.items() if cost <= left])
            words.append(word)
            left -= costs[word]
        yield " ".join(words)


def text_requests(kind: str, tokenizer: TextTokenizer, longest: int, seed: int = 0) -> Iterator[Request]:
    """Endless requests of one text each; a rerank request's query takes at most a third of its tokens."""
    if kind != "rerank":
        yield from (EmbedRequest([text]) for text in texts(tokenizer, longest, seed))
        return
    queries = texts(tokenizer, min(longest // 3, MEAN_TOKENS // 2), seed + 1)
    documents = texts(tokenizer, longest - min(longest // 3, MEAN_TOKENS // 2), seed)
    yield from (RerankRequest(query, [text]) for query, text in zip(queries, documents, strict=False))


def zeros(specs: Sequence[TensorSpec], hint: tuple[int, ...] | None) -> dict[str, Array]:
    """Zeros (empty texts) for every input; free dimensions that `hint` does not say are 1."""
    arrays: dict[str, Array] = {}
    for spec in specs:
        dims, dtype = dimensions(spec, hint, 1), DTYPES[spec.datatype]
        arrays[spec.name] = np.full(dims, "", dtype=object) if dtype.kind == "O" else np.zeros(dims, dtype)
    return arrays
