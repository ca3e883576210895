"""What each name becomes in Dify."""

import pytest

from freehold.config import Ability
from freehold.deploy.dify.connecting.becoming import LeftOut, become, types_of
from freehold.deploy.dify.connecting.known import Known, Thinking
from freehold.deploy.dify.connecting.provider import FIELDS

URL = "http://m:8080/v1"


def credentials(known: Known) -> dict[str, str]:
    (one,), left = become([known], URL, lambda _: "0a1b2c3d")
    assert left == ()
    return dict(one.credentials)


def test_a_chat_model_that_calls_tools_sees_and_thinks() -> None:
    """All of its form; the name of the endpoint's model is left out, since an empty one would be asked for."""
    known = Known("qwen", "generate", ("chat", "vision", "tools"), 32768, 8192, "switch", schemas=True)
    assert credentials(known) == {
        "endpoint_url": URL,
        "context_size": "32768",
        "mode": "chat",
        "max_tokens_to_sample": "8192",
        "agent_thought_support": "supported",
        "compatibility_mode": "extended",
        "function_calling_type": "tool_call",
        "stream_function_calling": "supported",
        "vision_support": "support",
        "structured_output_support": "supported",
        "stream_mode_delimiter": "\\n\\n",
    }


@pytest.mark.parametrize(
    ("thinking", "support", "mode"),
    [
        ("no", "not_supported", "strict"),
        ("always", "only_thinking_supported", "strict"),
        ("switch", "supported", "extended"),
    ],
)
def test_only_a_switch_asks_for_more_than_openai_has(thinking: Thinking, support: str, mode: str) -> None:
    """Extended mode sends `enable_thinking`, which other servers may refuse."""
    found = credentials(Known("m", "generate", ("chat",), 100, thinking=thinking))
    assert (found["agent_thought_support"], found["compatibility_mode"]) == (support, mode)


def test_a_plain_model_completes_texts() -> None:
    """One that generates and has no chat template; its longest answer is its context."""
    found = credentials(Known("m", "generate", (), 2048))
    assert (found["mode"], found["max_tokens_to_sample"]) == ("completion", "2048")
    assert (found["function_calling_type"], found["stream_function_calling"]) == ("no_call", "not_supported")
    assert (found["vision_support"], found["structured_output_support"]) == ("no_support", "not_supported")


def test_an_embedding_model_has_its_space_in_its_name() -> None:
    """And its own name in the request; prefixes are those that its files say, `passage` being another word for one."""
    known = Known("bge", "embed", ("embed",), 512, prompts={"query": "query: ", "passage": "passage: "})
    (one,), _ = become([known], URL, lambda _: "0a1b2c3d")
    assert (one.type, one.name, one.model) == ("text-embedding", "bge@0a1b2c3d", "bge")
    assert one.credentials == {
        "endpoint_url": URL,
        "endpoint_model_name": "bge",
        "context_size": "512",
        "max_chunks": "32",
        "encoding_format": "float",
        "document_prefix": "passage: ",
        "query_prefix": "query: ",
    }


def test_models_that_rank_hear_and_speak_need_little() -> None:
    """Their names are stable."""
    models, _ = become([Known("r", "rerank", ("rerank",), 8192), Known("w", None, ("stt", "tts"))], URL, lambda _: "")
    assert [(one.type, one.name, dict(one.credentials)) for one in models] == [
        ("rerank", "r", {"endpoint_url": URL, "context_size": "8192"}),
        ("speech2text", "w", {"endpoint_url": URL}),
        ("tts", "w", {"endpoint_url": URL}),
    ]


def test_what_nothing_told_is_marked() -> None:
    """So that a person looks at it."""
    (one, two), _ = become([Known("a", None, ("chat",)), Known("b", None, ("chat",), 9)], URL, lambda _: "")
    assert (one.credentials["context_size"], one.assumed, two.assumed) == ("4096", ("context_size",), ())


def test_what_dify_has_no_use_for_is_left_out_and_said() -> None:
    """Tensors, classes, and models of which nothing is known."""
    given = [Known("t", "tensor"), Known("c", "classify"), Known("u"), Known("v", None, ("vision",))]
    assert become(given, URL, lambda _: "") == (
        (),
        (LeftOut("t", "tensor"), LeftOut("c", "classify"), LeftOut("u", "untold"), LeftOut("v", "untold")),
    )


@pytest.mark.parametrize(
    ("abilities", "types"),
    [
        (("embed", "rerank"), ("text-embedding", "rerank")),
        (("chat", "vision", "tools"), ("llm",)),
        (("stt", "tts"), ("speech2text", "tts")),
        ((), ()),
    ],
)
def test_each_ability_is_a_type(abilities: tuple[Ability, ...], types: tuple[str, ...]) -> None:
    """One name may be several models of Dify."""
    assert types_of(Known("m", None, abilities)) == types


def test_every_credential_has_its_field_in_the_form() -> None:
    """What is given to the API can also be typed."""
    known = Known("m", "generate", ("chat", "embed", "rerank", "stt", "tts"), prompts={"query": "q", "document": "d"})
    models, _ = become([known], URL, lambda _: "")
    assert {name for one in models for name in one.credentials} <= {field.name for field in FIELDS}
