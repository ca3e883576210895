"""Two answers beside each other: measures, verdicts and reasons, and nothing of what they say."""

import base64
import json
import math
from dataclasses import asdict
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.config import Shadow
from freehold.gateway.comparing.comparison import LONGEST, Bounds, Comparison, compare, ranked_alike, similarity
from freehold.gateway.comparing.contents import Answer

EXACT = Bounds("exact")


def answer(value: Any, status: int = 200, content_type: str = "application/json") -> Answer:
    return Answer(status, content_type, json.dumps(value).encode())


def vectors(*rows: list[float]) -> Answer:
    return answer({"data": [{"index": place, "embedding": row} for place, row in enumerate(rows)], "model": "a"})


def ranking(*pairs: tuple[int, float]) -> Answer:
    return answer({"results": [{"index": index, "relevance_score": score} for index, score in pairs]})


def chat(text: str, ending: str = "stop", calls: tuple[tuple[str, str], ...] = (), **more: Any) -> Answer:
    tools = [{"id": f"c{n}", "function": {"name": name, "arguments": told}} for n, (name, told) in enumerate(calls)]
    message = {"role": "assistant", "content": text, "tool_calls": tools}
    return answer({"choices": [{"index": 0, "message": message, "finish_reason": ending}], **more})


def test_one_shifted_embedding_of_three_is_found() -> None:
    """By how much, and at what angle the worst of the three lies."""
    rows = [[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]
    shifted = [[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]]
    found = compare(vectors(*rows), vectors(*shifted), Bounds())
    assert (found.kind, found.verdict, found.reason) == ("vectors", "differs", "numbers")
    assert found.max_abs == pytest.approx(0.2)
    assert found.cosine == pytest.approx(0.96)
    assert found.excess == pytest.approx(200)


def test_vectors_that_differ_in_the_last_digits_are_within_bounds() -> None:
    """And are not equal, so exact bounds refuse them."""
    a, b = vectors([0.1, 0.2]), vectors([0.1, 0.2 + 1e-7])
    assert compare(a, b, Bounds()).verdict == "within"
    assert compare(a, b, Bounds(tolerance=1e-9)).verdict == "differs"
    assert compare(a, b, EXACT).verdict == compare(a, b, Bounds("text")).verdict == "differs"


def test_vectors_are_the_same_in_base64() -> None:
    """Each side may have a form of its own."""
    encoded = base64.b64encode(np.array([0.5, -2.0], "<f4").tobytes()).decode()
    found = compare(vectors([0.5, -2.0]), answer({"data": [{"index": 0, "embedding": encoded}]}), EXACT)
    assert (found.verdict, found.max_abs, found.cosine) == ("equal", 0.0, 1.0)


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (vectors([1.0, 0.0]), "vectors 2 and 1"),
        (vectors([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), "dimensions 2 and 3"),
        (answer({"error": "busy"}, 503), "status 200 and 503"),
        (answer({"data": []}), "vectors and scores"),
        (chat("no vector"), "vectors and text"),
        (answer({"data": [{"embedding": "%%%"}]}), "vectors and bytes"),
    ],
)
def test_answers_without_a_common_measure_differ(theirs: Answer, reason: str) -> None:
    """The reason says what there was instead."""
    found = compare(vectors([1.0, 0.0], [0.0, 1.0]), theirs, Bounds())
    assert (found.verdict, found.reason, found.excess, found.max_abs) == ("differs", reason, math.inf, None)


def test_reordered_documents_are_found() -> None:
    """Whether their scores moved along or the list alone is in another order."""
    mine = ranking((0, 0.9), (2, 0.5), (1, 0.1))
    moved = compare(mine, ranking((2, 0.9), (0, 0.5), (1, 0.1)), Bounds())
    listed = compare(mine, ranking((2, 0.5), (0, 0.9), (1, 0.1)), Bounds())
    assert moved.verdict == "differs"
    assert moved.max_abs == pytest.approx(0.4)
    assert (listed.verdict, listed.reason, listed.max_abs) == ("differs", "order", 0.0)
    assert moved.order == listed.order == pytest.approx(2 / 3)


def test_documents_of_nearly_the_same_score_may_change_places() -> None:
    """What lies within the tolerance is no order; exact bounds want it all the same."""
    mine, theirs = ranking((0, 0.5), (1, 0.4999)), ranking((1, 0.5001), (0, 0.5))
    assert compare(mine, theirs, Bounds()).verdict == "within"
    tie = compare(ranking((0, 0.5), (1, 0.5)), ranking((1, 0.5), (0, 0.5)), EXACT)
    assert (tie.verdict, tie.reason) == ("differs", "order")


def test_other_documents_are_another_answer() -> None:
    """The same number of them does not help."""
    found = compare(ranking((0, 0.5), (1, 0.4)), ranking((0, 0.5), (2, 0.4)), Bounds())
    assert (found.verdict, found.reason) == ("differs", "documents")


def test_a_changed_word_is_found() -> None:
    """Long texts may differ by a word within bounds, and are never equal."""
    text = "the contract ends on the last day of the month in which notice was given by either side"
    mine, theirs = chat(text), chat(text.replace("last", "first"))
    found = compare(mine, theirs, Bounds())
    assert (found.kind, found.verdict) == ("text", "within")
    assert found.similarity == pytest.approx(17 / 18)
    assert compare(mine, theirs, Bounds(similarity=0.95)).verdict == "differs"
    assert compare(mine, theirs, Bounds("numeric")).reason == "text"


def test_what_belongs_to_one_run_does_not_count() -> None:
    """Ids, times, usage, the model's name and fingerprints."""
    mine = chat("yes", id="1", created=1, model="a", usage={"total_tokens": 3}, system_fingerprint="x")
    assert compare(mine, chat("yes", id="2", created=2, model="b", usage={"total_tokens": 9}), EXACT).verdict == "equal"


@pytest.mark.parametrize(
    ("theirs", "reason"),
    [
        (chat("so", "length"), "ending"),
        (chat("so", "stop", (("pay", "{}"),)), "tool calls"),
    ],
)
def test_another_ending_or_call_is_another_answer(theirs: Answer, reason: str) -> None:
    """However alike the texts are."""
    assert compare(chat("so"), theirs, Bounds()).reason == reason


def test_arguments_of_tools_are_compared_as_json() -> None:
    """Spaces and the order of keys do not count; a number by the tolerance, a text by its words."""
    mine = chat("", "tool_calls", (("pay", '{"sum": 10, "to": "Ada"}'),))
    assert compare(mine, chat("", "tool_calls", (("pay", '{"to":"Ada","sum":10.0}'),)), EXACT).verdict == "equal"
    other = compare(mine, chat("", "tool_calls", (("pay", '{"sum": 11, "to": "Ada"}'),)), Bounds())
    assert (other.verdict, other.reason, other.max_abs) == ("differs", "numbers", 1.0)
    assert compare(mine, chat("", "tool_calls", (("pay", '{"sum": 10}'),)), Bounds()).reason == "tool calls"
    assert compare(mine, chat("", "tool_calls", (("pay", "{"),)), Bounds()).reason == "tool calls"


def test_other_json_is_compared_leaf_by_leaf() -> None:
    """Numbers by the tolerance, texts by their words, and all else as it is."""
    mine = answer({"id": "1", "flagged": True, "score": 0.25, "text": "a b c d"})
    same = answer({"id": "2", "flagged": True, "score": 0.2500001, "text": "a b c d"})
    assert compare(mine, same, Bounds()).verdict == "within"
    other = compare(mine, answer({"id": "1", "flagged": False, "score": 0.25, "text": "a b c d"}), Bounds())
    assert (other.verdict, other.reason) == ("differs", "structure")


def test_nothing_that_was_answered_is_in_a_comparison() -> None:
    """It is kept and shown: data must not lie around."""
    secret = chat("patient Ada", "stop", (("treat_ada", '{"ada": "Ada"}'),))
    others = [chat("Ada again"), answer({"Ada": "Ada"}), Answer(200, "audio/x", b"Ada"), vectors([1.0])]
    told = [compare(a, b, Bounds()) for a, b in product([secret, *others], repeat=2)]
    assert "ada" not in json.dumps([asdict(one) for one in told]).lower()


def test_numbers_that_are_none_are_infinitely_apart() -> None:
    """NaN beside NaN is the same, beside a number it is not."""
    head = {"name": "y", "datatype": "FP32", "shape": [1], "parameters": {"binary_data_size": 4}}
    header = json.dumps({"outputs": [head]}).encode()

    def tensor(value: float) -> Answer:
        data = np.array([value], "<f4").tobytes()
        return Answer(200, "application/octet-stream", header + data, len(header))

    assert compare(tensor(math.nan), tensor(math.nan), EXACT).verdict == "equal"
    found = compare(tensor(math.nan), tensor(1.0), Bounds(tolerance=1e9))
    assert (found.verdict, found.max_abs) == ("differs", math.inf)


def test_bounds_are_those_of_the_route() -> None:
    """Its shadow says how much may differ."""
    assert Bounds.of(Shadow("b", 10, "numeric", 0.5, 0.7)) == Bounds("numeric", 0.5, 0.7)


def test_the_same_failure_is_the_same_answer() -> None:
    """Its words are a server's own."""
    assert compare(answer("a", 400), answer("b", 400), EXACT) == Comparison("error", "equal")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON, _JSON, st.sampled_from(["auto", "exact", "numeric", "text"]))
@settings(max_examples=80, deadline=None)
def test_any_two_answers_can_be_compared(a: Any, b: Any, how: Any) -> None:
    """An answer is equal to itself, and no two break the comparison."""
    bounds = Bounds(how)
    assert compare(answer(a), answer(a), bounds).verdict == "equal"
    found = compare(answer(a), answer(b), bounds)
    assert (found.verdict == "differs") == (found.excess > 1)
    assert found.verdict == compare(answer(b), answer(a), bounds).verdict


def reference(a: list[str], b: list[str]) -> int:
    """The longest common subsequence, by its table."""
    row = [0] * (len(b) + 1)
    for word in a:
        last = 0
        for place, other in enumerate(b, 1):
            last, row[place] = row[place], last + 1 if word == other else max(row[place], row[place - 1])
    return row[-1]


@given(st.lists(st.sampled_from("abc"), max_size=12), st.lists(st.sampled_from("abc"), max_size=12))
@settings(max_examples=60, deadline=None)
def test_similarity_is_what_two_texts_share_in_order(a: list[str], b: list[str]) -> None:
    """The same as by the table of the textbook, from both sides, and 1 for equal texts only."""
    mine, theirs = "".join(f" {word}" for word in a), "".join(f" {word}" for word in b)
    expected = 2 * reference(a, b) / (len(a) + len(b)) if a or b else 1.0
    assert similarity(mine, theirs) == similarity(theirs, mine) == pytest.approx(expected)
    assert (similarity(mine, theirs) == 1) == (a == b)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("今天天气很好", "今天天气不好", 5 / 6),
        ("", "a", 0.0),
        ("if x:\n  y()", "if x:\n\ty()", 10 / 12),  # a changed indentation is a changed word
        ("dog bites man", "man bites dog", 1 / 3),
    ],
)
def test_words_of_every_script_count(a: str, b: str, expected: float) -> None:
    """A character of Chinese is a word, and so is a sign; their order matters."""
    assert similarity(a, b) == pytest.approx(expected)


def test_very_long_texts_are_compared_without_their_order() -> None:
    """Still never as equal, when they are not."""
    words = [f"w{place}" for place in range(LONGEST + 1)]
    turned = similarity(" " + " ".join(words), " " + " ".join(reversed(words)))
    assert 0.99 < turned < 1


@given(st.permutations(range(7)))
@settings(max_examples=30, deadline=None)
def test_rankings_are_alike_by_their_pairs(order: list[int]) -> None:
    """As counted one by one."""
    pairs = [(a, b) for a in range(7) for b in range(a + 1, 7)]
    kept = sum(order.index(a) < order.index(b) for a, b in pairs)
    assert ranked_alike(range(7), order) == pytest.approx(kept / len(pairs))
