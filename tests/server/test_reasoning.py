"""Reasoning is split off while it streams, however the text is cut."""

import itertools
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.server.reasoning import Markers, ReasoningSplitter, markers_of, opened, possible_start


def split(pieces: list[str], opened: bool, markers: Markers = Markers()) -> tuple[str, str]:  # noqa: B008 - a tuple
    splitter = ReasoningSplitter(*markers, opened=opened)
    parts = [splitter.push(piece) for piece in pieces]
    parts.append(splitter.flush())
    return "".join(reasoning for reasoning, _ in parts), "".join(content for _, content in parts)


@pytest.mark.parametrize(
    ("text", "opened", "reasoning", "content"),
    [
        ("<think>\nhm\n</think>\n\nyes", False, "hm\n", "yes"),
        ("\n <think>hm</think>yes", False, "hm", "yes"),
        ("hm</think>\n\nyes\n", True, "hm", "yes\n"),
        ("\nhm", True, "hm", ""),
        ("<think>\n\n</think>\n\nyes", False, "", "yes"),
        ("plain", False, "", "plain"),
        ("\n plain ", False, "", "\n plain "),
        ("a <think>b</think> c", False, "", "a <think>b</think> c"),
        ("</think>a", False, "", "</think>a"),
        ("<think>a</think>b<think>c</think>", False, "a", "b<think>c</think>"),
        ("a < b </thin", True, "a < b </thin", ""),
        ("<thin", False, "", "<thin"),
        ("", False, "", ""),
        ("", True, "", ""),
    ],
)
def test_an_answer_is_split_at_its_markers(text: str, opened: bool, reasoning: str, content: str) -> None:
    """In one piece and in single characters."""
    assert split([text], opened) == (reasoning, content)
    assert split(list(text), opened) == (reasoning, content)


ANSWERS = st.lists(st.sampled_from(["<think>", "</think>", "<th", "ink>", "</", "\n", " ", "a", "é", "<"]), max_size=12)


@settings(max_examples=200, deadline=None)
@given(ANSWERS, st.booleans(), st.lists(st.integers(0, 60)))
def test_how_the_text_is_cut_changes_nothing(parts: list[str], opened: bool, cuts: list[int]) -> None:
    """Any pieces join to the same reasoning and content, and nothing but markers and newlines behind them is lost."""
    text = "".join(parts)
    edges = [0, *sorted(min(cut, len(text)) for cut in cuts), len(text)]
    pieces = [text[start:end] for start, end in itertools.pairwise(edges)]
    reasoning, content = split(pieces, opened)
    assert (reasoning, content) == split([text], opened)
    kept = re.sub(r"\s|</?think>", "", reasoning + content)
    assert kept == re.sub(r"\s|</?think>", "", text) or "<think>" in reasoning + content


def test_text_is_not_held_back_longer_than_it_may_be_a_marker() -> None:
    """A plain answer passes piece by piece, reasoning too."""
    splitter = ReasoningSplitter(opened=False)
    assert splitter.push("a<") == ("", "a<")
    assert splitter.push(" b ") == ("", " b ")
    splitter = ReasoningSplitter(opened=True)
    assert splitter.push("a<") == ("a", "")
    assert splitter.push("b") == ("<b", "")
    assert splitter.push("</think") == ("", "")
    assert splitter.push(">\n") == ("", "")
    assert splitter.push("\nc\n") == ("", "c\n")


@pytest.mark.parametrize(
    ("prompt", "is_opened"),
    [
        ("<|im_start|>assistant\n<think>\n", True),
        ("<|Assistant|><think>", True),
        ("<|im_start|>assistant\n<think>\n\n</think>\n\n", False),
        ("<|im_start|>assistant\n", False),
        ("<|im_start|>user\nWhat is <think>?<|im_end|>\n<|im_start|>assistant\n", False),
        ("", False),
    ],
)
def test_a_prompt_that_opens_the_reasoning_is_told(prompt: str, is_opened: bool) -> None:
    """Only a start marker at its very end counts; a closed block does not."""
    assert opened(prompt) is is_opened


def test_a_template_shows_its_markers() -> None:
    """Qwen's and DeepSeek's, Mistral's, and none."""
    assert markers_of("x '</think>' y") == Markers("<think>", "</think>")
    assert markers_of("[THINK] x [/THINK]") == Markers("[THINK]", "[/THINK]")
    assert markers_of("plain") is None
    assert markers_of(None) is None


@pytest.mark.parametrize(("text", "held"), [("a<", 1), ("</thin", 6), ("</think>", 0), ("", 0), ("<<", 1), ("a", 0)])
def test_what_may_begin_a_marker_is_counted(text: str, held: int) -> None:
    """The longest end of the text that the marker starts with."""
    assert possible_start(text, "</think>") == held
