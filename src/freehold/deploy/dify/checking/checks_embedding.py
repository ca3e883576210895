"""Embedding models: what indexing a knowledge base, and asking it, rest on."""

import math
from collections.abc import Sequence
from typing import Any

from freehold.deploy.dify.checking.check import Check, Failed, NotApplicable
from freehold.deploy.dify.checking.checks_chat import UNKNOWN, refused
from freehold.deploy.dify.checking.exchange import Exchange
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.reading import answered, dig, rows, tokens
from freehold.deploy.doctor.check import Text, Words

TEXTS = (
    "A freehold is land that its owner holds outright.",
    "红烧肉要先焯水，再用小火慢炖。",
    "The train to the airport leaves every ten minutes.",
    "def add(a, b): return a + b",
)
BLANK = (" ", "\n\n", "")
LONG_WORDS = 10_000
SAME = 0.999
"""The cosine of two vectors of one text: batches and precision change the last digits."""

Vector = list[float]


def validates(plugin: Plugin) -> Words:
    """The call that Dify makes when the model is added."""
    answer = answered(plugin.validate_embedding())
    if not isinstance(dig(answer.json, "data"), list) or dig(answer.json, "data", 0, "embedding") is None:
        raise Failed(Text("no data[0].embedding", "没有 data[0].embedding"))
    return f"HTTP 200, {answer.seconds:.1f} s"


def floats(plugin: Plugin) -> Words:
    """Lists of numbers where no encoding_format is named."""
    vector = dig(answered(plugin.embed(TEXTS[:1])).json, "data", 0, "embedding")
    if not _is_vector(vector):
        raise Failed(Text(f"no list of numbers: {str(vector)[:60]}", f"不是数字列表：{str(vector)[:60]}"))
    return Text(f"{len(vector)} numbers", f"{len(vector)} 个数")


def float_named(plugin: Plugin) -> Words:
    """The same where it is named."""
    _vectors(answered(plugin.embed(TEXTS[:1], encoding_format="float")), strict=True)
    return "encoding_format float"


def model_named(plugin: Plugin) -> Words:
    """The key `model`, which the SDK's base class reads."""
    named = dig(plugin.validate_embedding().json, "model")
    if not isinstance(named, str):
        raise Failed(f'"model": {named}')
    return f'"model": "{named}"'


def usage(plugin: Plugin) -> Words:
    """Counts of tokens."""
    found = dig(answered(plugin.embed(TEXTS[:1])).json, "usage")
    if tokens(found, "prompt_tokens") < 0 or tokens(found, "total_tokens") < 0:
        raise Failed(f'"usage": {found}')
    if found["prompt_tokens"] == len(TEXTS[0]):
        raise Failed(Text(f"{len(TEXTS[0])}: characters, no tokens", f"{len(TEXTS[0])}：这是字符数，不是 token 数"))
    return f"prompt_tokens {found['prompt_tokens']}, total_tokens {found['total_tokens']}"


def batch(plugin: Plugin) -> Words:
    """One vector for each text of a list."""
    count = len(rows(answered(_floats(plugin, TEXTS)), "data"))
    if count != len(TEXTS):
        raise Failed(Text(f"{count} vectors for {len(TEXTS)} texts", f"{len(TEXTS)} 段文本得到 {count} 个向量"))
    return f"{count}"


def order(plugin: Plugin) -> Words:
    """The vectors of a list stand in the order of its texts, whatever `index` says."""
    together = _vectors(_floats(plugin, TEXTS))
    alone = _alone(plugin)
    if len(together) != len(alone) or len({len(vector) for vector in (*together, *alone)}) != 1:
        raise NotApplicable(Text("the vectors are not comparable", "向量不可比较"))
    for place, vector in enumerate(together):
        nearest = max(range(len(alone)), key=lambda one: cosine(vector, alone[one]))
        if nearest != place and cosine(vector, alone[place]) < SAME:
            raise Failed(
                Text(f"place {place} has the vector of text {nearest}", f"位置 {place} 是文本 {nearest} 的向量")
            )
    least = min(cosine(one, other) for one, other in zip(together, alone, strict=True))
    return Text(f"cosine {least:.4f} and more to single calls", f"与单独调用的余弦相似度不低于 {least:.4f}")


def distinct(plugin: Plugin) -> Words:
    """Texts about different things have different vectors."""
    alone = _alone(plugin)
    most = max(cosine(one, other) for place, one in enumerate(alone) for other in alone[:place])
    if most > SAME:
        raise Failed(Text(f"cosine {most:.4f} between different texts", f"不同文本的余弦相似度达 {most:.4f}"))
    return Text(f"cosine {most:.2f} at most", f"余弦相似度最高 {most:.2f}")


def repeatable(plugin: Plugin) -> Words:
    """The same text has the same vector every time."""
    first = _vectors(plugin.embed(TEXTS[:1], encoding_format="float"))[0]
    again = _vectors(plugin.embed(TEXTS[:1], encoding_format="float", again=True))[0]
    if len(first) != len(again) or cosine(first, again) < SAME:
        raise Failed(f"cosine {cosine(first, again):.4f}")
    return f"cosine {cosine(first, again):.4f}"


def dimension(plugin: Plugin) -> Words:
    """All vectors have one length."""
    found = sorted({len(vector) for vector in (*_alone(plugin), *_vectors(_floats(plugin, TEXTS)))})
    if len(found) != 1:
        raise Failed(str(found))
    return str(found[0])


def finite(plugin: Plugin) -> Words:
    """No NaN, no infinity, no null, and no vector of zeros."""
    for vector in (*_alone(plugin), *(_vectors(blank)[0] for blank in _blank_answers(plugin) if blank.ok)):
        if not all(isinstance(number, int | float) and math.isfinite(number) for number in vector):
            raise Failed(Text("NaN, infinity or null in a vector", "向量中有 NaN、无穷或 null"))
        if not any(vector):
            raise Failed(Text("a vector of zeros", "存在全零向量"))
    return Text("all numbers are finite", "所有数均有限")


def blank(plugin: Plugin) -> Words:
    """Pages without words are a part of documents."""
    for text, answer in zip(BLANK, _blank_answers(plugin), strict=True):
        if not answer.ok:
            raise Failed(Text(f"{text!r}: {answer.told()}", f"{text!r}：{answer.told()}"))
    return ", ".join(map(repr, BLANK))


def long_text(plugin: Plugin) -> Words:
    """A text beyond the model's length is cut, not refused."""
    answer = plugin.embed(["land " * LONG_WORDS])
    if answer.trouble == "slow":
        raise NotApplicable(Text(f"{LONG_WORDS} words: {answer.reason}", f"{LONG_WORDS} 个词：{answer.reason}"))
    return f"{LONG_WORDS} words, {answered(answer).seconds:.1f} s"


def unknown_model(plugin: Plugin) -> Words:
    """A name that the server does not have is refused."""
    return refused(plugin.instead(embedding=UNKNOWN).validate_embedding())


def cosine(one: Sequence[float], other: Sequence[float]) -> float:
    """Between two vectors of one length; 0 where one has no length or no numbers."""
    try:
        dot = math.fsum(a * b for a, b in zip(one, other, strict=False))
        size = math.sqrt(math.fsum(a * a for a in one) * math.fsum(b * b for b in other))
    except TypeError:
        return 0.0
    return dot / size if size > 0 else 0.0


def _floats(plugin: Plugin, texts: Sequence[str]) -> Exchange:
    return plugin.embed(texts, encoding_format="float")


def _alone(plugin: Plugin) -> list[Vector]:
    return [_vectors(_floats(plugin, [text]))[0] for text in TEXTS]


def _blank_answers(plugin: Plugin) -> list[Exchange]:
    return [_floats(plugin, [text]) for text in BLANK]


def _vectors(answer: Exchange, strict: bool = False) -> list[Vector]:
    """The vectors of an answer in its order. Raises NotApplicable where it has none, if `strict` Failed."""
    found = [dig(row, "embedding") for row in rows(answered(answer), "data")]
    if not found or not all(map(_is_vector, found)):
        reason = Text("no lists of numbers came", "没有得到数字列表")
        raise Failed(reason) if strict else NotApplicable(reason)
    return found


def _is_vector(value: Any) -> bool:
    """A list that may be one of numbers; lists in it are vectors of tokens, which nobody pooled."""
    return isinstance(value, list) and bool(value) and not any(isinstance(one, list | str) for one in value)


CHECKS = (
    Check(
        "embedding_validates",
        "embedding",
        validates,
        Text(
            "Dify asks this when the model is added; anything but 200 and it is not saved.",
            "添加模型时 Dify 会发送此调用；不是 200 就无法保存。",
        ),
        Text("Compare the model's name and the server's own log.", "请核对模型名称，并查看服务器日志。"),
        gate=True,
    ),
    Check(
        "embedding_floats",
        "embedding",
        floats,
        Text(
            "Indexing fails: Dify names no encoding_format and computes with what comes.",
            "索引失败：Dify 不指定 encoding_format，直接用返回值计算。",
        ),
        Text(
            "One list of numbers a text, unless base64 is asked for; with llama.cpp name the model's --pooling.",
            "除非请求 base64，否则请为每段文本返回一个数字列表；llama.cpp：按模型设置 --pooling。",
        ),
    ),
    Check(
        "embedding_float_named",
        "embedding",
        float_named,
        Text("Indexing fails where a user chose the format float.", "用户选择 float 格式时索引失败。"),
        Text('Accept "encoding_format": "float".', '请接受 "encoding_format": "float"。'),
    ),
    Check(
        "embedding_model_named",
        "embedding",
        model_named,
        Text(
            "Plugins on the SDK's base class (GPUStack and others) refuse the model.",
            "基于 SDK 基类的插件（GPUStack 等）会拒绝该模型。",
        ),
        Text("Return the key model.", "请返回 model 字段。"),
        needed=False,
    ),
    Check(
        "embedding_usage",
        "embedding",
        usage,
        Text(
            "Dify shows no or wrong tokens for indexing; without the keys other plugins fail.",
            "Dify 显示的索引用量缺失或不准；缺少字段时其他插件会失败。",
        ),
        Text("Return usage with prompt_tokens and total_tokens.", "请返回含 prompt_tokens 与 total_tokens 的 usage。"),
        needed=False,
    ),
    Check(
        "embedding_batch",
        "embedding",
        batch,
        Text("Vectors are given to the wrong paragraphs.", "向量会被对应到错误的段落。"),
        Text("Return one vector for each text.", "请为每段文本返回一个向量。"),
    ),
    Check(
        "embedding_order",
        "embedding",
        order,
        Text(
            "Vectors are given to the wrong paragraphs: Dify reads data in its order, and does not look at index.",
            "向量会被对应到错误的段落：Dify 按 data 的顺序读取，不看 index。",
        ),
        Text("Return data in the order of input.", "请按 input 的顺序返回 data。"),
    ),
    Check(
        "embedding_distinct",
        "embedding",
        distinct,
        Text("Every question finds the same paragraphs.", "任何问题都检索到相同段落。"),
        Text(
            "Is it an embedding model, and does the server pool and normalise as its card says?",
            "请确认它是向量模型，且服务器按其说明进行池化与归一化。",
        ),
    ),
    Check(
        "embedding_repeatable",
        "embedding",
        repeatable,
        Text(
            "Dify keeps vectors by model and text: new ones do not fit the old.",
            "Dify 按模型与文本缓存向量：新旧向量不一致。",
        ),
        Text(
            "Compute without chance; do all copies of the server have one model?",
            "计算须确定；请确认所有副本使用同一模型。",
        ),
    ),
    Check(
        "embedding_dimension",
        "embedding",
        dimension,
        Text("The vector store refuses vectors of another length.", "向量库会拒绝长度不同的向量。"),
        Text("Answer with vectors of one length.", "请返回长度一致的向量。"),
    ),
    Check(
        "embedding_finite",
        "embedding",
        finite,
        Text(
            "Dify drops such vectors silently, and every vector behind them moves to another paragraph.",
            "Dify 会静默丢弃此类向量，其后的向量都会错位到其他段落。",
        ),
        Text("Answer blank texts, too, with numbers that are not all zero.", "对空白文本也请返回不全为零的数。"),
    ),
    Check(
        "embedding_blank",
        "embedding",
        blank,
        Text("One blank paragraph fails the indexing of its whole document.", "一个空白段落会使整篇文档索引失败。"),
        Text("Answer blank texts with a vector.", "对空白文本也请返回向量。"),
    ),
    Check(
        "embedding_long",
        "embedding",
        long_text,
        Text(
            "One over-long paragraph fails the indexing of its whole document: the plugin cuts nothing.",
            "一个过长的段落会使整篇文档索引失败：插件不做截断。",
        ),
        Text(
            "Cut texts at the model's length (vLLM: truncate_prompt_tokens; TEI: --auto-truncate).",
            "请按模型长度截断文本（vLLM：truncate_prompt_tokens；TEI：--auto-truncate）。",
        ),
    ),
    Check(
        "embedding_unknown_model",
        "embedding",
        unknown_model,
        Text(
            "A mistyped name is saved, and vectors of another model are kept under it.",
            "写错的名称会被保存，并以此名称缓存另一个模型的向量。",
        ),
        Text("Refuse names that are not served with 404 and a text.", "对未提供的名称请返回 404 并附说明。"),
    ),
)
