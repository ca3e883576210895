"""How fast the server answered: facts to compare with, which never fail."""

from freehold.deploy.dify.checking.check import Check, NotApplicable
from freehold.deploy.dify.checking.checks_stream import CHINESE, LENGTH
from freehold.deploy.dify.checking.exchange import Exchange
from freehold.deploy.dify.checking.plugin_calls import Plugin
from freehold.deploy.dify.checking.plugin_stream import heard_kindly
from freehold.deploy.dify.checking.reading import tokens
from freehold.deploy.doctor.check import Text, Words

NO_MODEL = Text("no such model", "没有此类模型")


def first_byte(plugin: Plugin) -> Words:
    """The first piece of a streamed answer, and the pace from there."""
    if not plugin.target.chat:
        raise NotApplicable(NO_MODEL)
    answer = plugin.stream(CHINESE, max_tokens=LENGTH)
    if not answer.ok or not answer.pieces:
        raise NotApplicable(answer.told())
    first, last = answer.pieces[0].at_s, answer.pieces[-1].at_s
    count = tokens(heard_kindly(answer.text).usage)
    pace = f", {count / (last - first):.0f} tokens/s" if count > 1 and last > first else ""
    return Text(f"{first * 1000:.0f} ms{pace}", f"{first * 1000:.0f} 毫秒{pace}")


def one_text(plugin: Plugin) -> Words:
    """One text of an indexing: Dify sends one a call."""
    if not plugin.target.embedding:
        raise NotApplicable(NO_MODEL)
    return _took(plugin.embed(("A freehold is land that its owner holds outright.",)))


def three_documents(plugin: Plugin) -> Words:
    """Three short documents."""
    if not plugin.target.rerank:
        raise NotApplicable(NO_MODEL)
    return _took(plugin.validate_rerank())


def _took(answer: Exchange) -> Words:
    if not answer.ok:
        raise NotApplicable(answer.told())
    return f"{answer.seconds * 1000:.0f} ms"


CHECKS = (
    Check(
        "speed_first_byte",
        "speed",
        first_byte,
        Text(
            "Users wait that long for the first word; 300 s without a byte end the call.",
            "用户等待首字的时间；300 秒无数据则调用中止。",
        ),
        Text("Send `: ping` comments while long prompts are read.", "读取长提示词期间请发送 `: ping` 注释。"),
        needed=False,
    ),
    Check(
        "speed_embedding",
        "speed",
        one_text,
        Text("Indexing takes that long a paragraph, by up to ten at a time.", "索引时每段所需时间，最多同时十段。"),
        Text("Compare with a server nearer to Dify, or on a GPU.", "可与离 Dify 更近或使用 GPU 的服务器比较。"),
        needed=False,
    ),
    Check(
        "speed_rerank",
        "speed",
        three_documents,
        Text("Every question to a knowledge base waits that long and longer.", "每次知识库检索至少多等这么久。"),
        Text("Compare with a server nearer to Dify, or on a GPU.", "可与离 Dify 更近或使用 GPU 的服务器比较。"),
        needed=False,
    ),
)
