"""Rerank models: the order of what a knowledge base found."""

from collections.abc import Sequence
from typing import Any

from freehold.deploy.dify.checking.check import Check, Failed, NotApplicable
from freehold.deploy.dify.checking.checks_chat import UNKNOWN, refused
from freehold.deploy.dify.checking.exchange import Exchange
from freehold.deploy.dify.checking.plugin_calls import RERANK_DOCUMENTS, RERANK_QUERY, Plugin
from freehold.deploy.dify.checking.reading import answered, dig, rows
from freehold.deploy.doctor.check import Text, Words

LONG_WORDS = 10_000


def validates(plugin: Plugin) -> Words:
    """The call that Dify makes when the model is added."""
    answer = answered(plugin.validate_rerank())
    if not isinstance(dig(answer.json, "results"), list):
        raise Failed(Text("no results", "没有 results"))
    return f"HTTP 200, {answer.seconds:.1f} s"


def scores_named(plugin: Plugin) -> Words:
    """The key of the score; another one is read as 0.0."""
    for row in _rows(plugin.validate_rerank()):
        if not isinstance(dig(row, "relevance_score"), int | float):
            raise Failed(", ".join(row) if isinstance(row, dict) else str(row))
    return "relevance_score"


def scores_range(plugin: Plugin) -> Words:
    """Between 0 and 1, as Dify's threshold is."""
    scores = _scores(plugin.validate_rerank())
    if not all(0 <= score <= 1 for score in scores):
        raise Failed(", ".join(f"{score:.3f}" for score in scores))
    return f"{min(scores):.3f} - {max(scores):.3f}"


def indices(plugin: Plugin) -> Words:
    """Each document once, by its place in the question."""
    found = [dig(row, "index") for row in _rows(plugin.validate_rerank())]
    if not all(isinstance(index, int) and 0 <= index < len(RERANK_DOCUMENTS) for index in found):
        raise Failed(str(found))
    if len(set(found)) != len(found):
        raise Failed(str(found))
    return str(found)


def order(plugin: Plugin) -> Words:
    """The best first."""
    scores = _scores(plugin.validate_rerank())
    if scores != sorted(scores, reverse=True):
        raise Failed(", ".join(f"{score:.3f}" for score in scores))
    return ", ".join(f"{score:.3f}" for score in scores)


def places(plugin: Plugin) -> Words:
    """A document keeps its score wherever it stands in the question: `index` means what it says."""
    first = _by_document(plugin.validate_rerank(), RERANK_DOCUMENTS)
    turned = RERANK_DOCUMENTS[::-1]
    second = _by_document(plugin.rerank(RERANK_QUERY, turned), turned)
    for document in first.keys() & second.keys():
        if abs(first[document] - second[document]) > 0.01:
            raise Failed(
                Text(
                    f"{first[document]:.3f}, and {second[document]:.3f} at another place",
                    f"分数为 {first[document]:.3f}，换位置后为 {second[document]:.3f}",
                )
            )
    return Text("scores follow their documents", "分数与文档一致")


def top_n(plugin: Plugin) -> Words:
    """No more results than were asked for."""
    count = len(_rows(plugin.rerank(RERANK_QUERY, RERANK_DOCUMENTS, 1)))
    if count != 1:
        raise Failed(Text(f"{count} results for top_n 1", f"top_n 为 1 时返回 {count} 个结果"))
    return "1"


def documents(plugin: Plugin) -> Words:
    """The documents back, where the SDK's base class asks for them."""
    for row in _rows(plugin.rerank(RERANK_QUERY, RERANK_DOCUMENTS, return_documents=True)):
        text = dig(row, "document", "text") or dig(row, "document")
        if not isinstance(text, str) or text not in RERANK_DOCUMENTS:
            raise Failed(str(row)[:200])
    return "document.text"


def blank(plugin: Plugin) -> Words:
    """A paragraph without words among others."""
    _rows(plugin.rerank(RERANK_QUERY, (*RERANK_DOCUMENTS[:1], " ")))
    return repr(" ")


def long_document(plugin: Plugin) -> Words:
    """A document beyond the model's length is cut, not refused."""
    answer = plugin.rerank(RERANK_QUERY, ("land " * LONG_WORDS,))
    if answer.trouble == "slow":
        raise NotApplicable(Text(f"{LONG_WORDS} words: {answer.reason}", f"{LONG_WORDS} 个词：{answer.reason}"))
    return f"{LONG_WORDS} words, {answered(answer).seconds:.1f} s"


def unknown_model(plugin: Plugin) -> Words:
    """A name that the server does not have is refused."""
    return refused(plugin.instead(rerank=UNKNOWN).validate_rerank())


def _rows(answer: Exchange) -> list[Any]:
    found = rows(answered(answer), "results")
    if not found:
        raise Failed(Text("no results", "没有 results"))
    return found


def _scores(answer: Exchange) -> list[float]:
    """The scores in the order of the answer. Raises NotApplicable where they have another name."""
    scores = [dig(row, "relevance_score") for row in _rows(answer)]
    if not all(isinstance(score, int | float) for score in scores):
        raise NotApplicable(Text("no relevance_score", "没有 relevance_score"))
    return scores


def _by_document(answer: Exchange, asked: Sequence[str]) -> dict[str, float]:
    found = [dig(row, "index") for row in _rows(answer)]
    if not all(isinstance(index, int) and 0 <= index < len(asked) for index in found):
        raise NotApplicable(Text("no index", "没有 index"))
    return {asked[index]: score for index, score in zip(found, _scores(answer), strict=True)}


CHECKS = (
    Check(
        "rerank_validates",
        "rerank",
        validates,
        Text(
            "Dify asks this when the model is added; anything but 200 and results and it is not saved.",
            "添加模型时 Dify 会发送此调用；不是 200 和 results 就无法保存。",
        ),
        Text(
            "Serve POST /rerank {model, query, documents, top_n}; compare the model's name.",
            "请提供 POST /rerank {model, query, documents, top_n}，并核对模型名称。",
        ),
        gate=True,
    ),
    Check(
        "rerank_score_key",
        "rerank",
        scores_named,
        Text(
            "Every score is read as 0.0 without a word: with a threshold nothing is found.",
            "所有分数都会被静默读作 0.0：设置阈值后检索不到任何内容。",
        ),
        Text("Name it relevance_score.", "请命名为 relevance_score。"),
    ),
    Check(
        "rerank_range",
        "rerank",
        scores_range,
        Text(
            "Dify's threshold goes from 0 to 1 and compares raw scores: it lets all through, or nothing.",
            "Dify 的阈值范围是 0 到 1，且直接比较原始分数：要么全部通过，要么全部被滤掉。",
        ),
        Text("Return the sigmoid of the model's score.", "请返回模型分数的 sigmoid 值。"),
    ),
    Check(
        "rerank_index",
        "rerank",
        indices,
        Text("Scores are given to other paragraphs, or the call fails.", "分数会对应到其他段落，或调用失败。"),
        Text(
            "Return index, the document's place from 0, each once.", "请返回 index（文档从 0 起的位置），且各出现一次。"
        ),
    ),
    Check(
        "rerank_places",
        "rerank",
        places,
        Text("Scores are given to other paragraphs.", "分数会对应到其他段落。"),
        Text(
            "Let index be the place in the question, not in the answer.", "index 应为请求中的位置，而非结果中的位置。"
        ),
    ),
    Check(
        "rerank_order",
        "rerank",
        order,
        Text(
            "Where a plugin or an app takes the first results, they are not the best.",
            "插件或应用取前几个结果时，取到的不是最相关的。",
        ),
        Text("Sort results by their score, the best first.", "请按分数从高到低排序。"),
        needed=False,
    ),
    Check(
        "rerank_top_n",
        "rerank",
        top_n,
        Text("More paragraphs come into the prompt than the user chose.", "进入提示词的段落多于用户设定。"),
        Text("Honour top_n.", "请遵守 top_n。"),
    ),
    Check(
        "rerank_documents",
        "rerank",
        documents,
        Text("Plugins on the SDK's base class show empty paragraphs.", "基于 SDK 基类的插件会显示空段落。"),
        Text(
            "Return document {text} where return_documents is true.",
            "return_documents 为 true 时请返回 document {text}。",
        ),
        needed=False,
    ),
    Check(
        "rerank_blank",
        "rerank",
        blank,
        Text("One blank paragraph fails the whole question.", "一个空白段落会使整个检索失败。"),
        Text("Give blank documents a score.", "对空白文档也请给出分数。"),
    ),
    Check(
        "rerank_long",
        "rerank",
        long_document,
        Text("One long paragraph fails the whole question.", "一个过长的段落会使整个检索失败。"),
        Text("Cut documents at the model's length.", "请按模型长度截断文档。"),
    ),
    Check(
        "rerank_unknown_model",
        "rerank",
        unknown_model,
        Text("A mistyped name is saved as a working model.", "写错的名称会被当作可用模型保存。"),
        Text("Refuse names that are not served with 404 and a text.", "对未提供的名称请返回 404 并附说明。"),
    ),
)
