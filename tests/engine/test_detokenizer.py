"""Text that comes token by token is the text that all tokens decode to, up to the first stop."""

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models

from freehold.engine.detokenizer import CONTEXT, Detokenizer, StopSearch

CASES = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PIECES = [
    "👨‍👩‍👧",
    "🇯🇵",
    "👍🏽",
    "日本語",
    "中文",
    "é",
    "e\u0301",
    "\ufffd",
    " ",
    "  ",
    "\n",
    "▁",
    "the fox ",
    '{"a": 1}',
    "<tool_call>",
]
TEXTS = st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=6)), max_size=10).map("".join)
KINDS = [
    "byte level",
    "byte fallback",
    "byte fallback, nothing stripped",
    "metaspace",
    "word pieces",
    "word ends",
    "no decoder",
]


def streamed(detokenizer: Detokenizer, ids: list[int], stop: tuple[str, ...] = ()) -> tuple[str, bool]:
    """The whole text, and whether a stop ended it."""
    stream = detokenizer.stream(stop)
    emitted = [stream.push(id_) for id_ in ids]
    emitted.append(stream.flush())
    return "".join(piece.text for piece in emitted), emitted[-1].stopped


def cut(text: str, stops: tuple[str, ...]) -> tuple[str, bool]:
    """What `StopSearch` finds, looked for the slow way: the first end of any stop, and the longest stop there."""
    for end in range(1, len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            return text[: end - max(map(len, ending))], True
    return text, False


@pytest.mark.parametrize("kind", KINDS)
@CASES
@given(text=TEXTS)
def test_pieces_are_the_whole(tokenizer_kinds: dict[str, Tokenizer], kind: str, text: str) -> None:
    """For every kind of tokenizer the pieces add up to what it decodes from all ids at once."""
    tokenizer = tokenizer_kinds[kind]
    ids = tokenizer.encode(text).ids
    assert streamed(Detokenizer(tokenizer), ids) == (tokenizer.decode(ids), False)


@pytest.mark.parametrize("kind", ["metaspace", "word pieces", "word ends", "no decoder"])
@CASES
@given(data=st.data())
def test_any_ids_have_their_text(tokenizer_kinds: dict[str, Tokenizer], kind: str, data: st.DataObject) -> None:
    """Ids in an order that no text gives, as models write them, are decoded alike too."""
    tokenizer = tokenizer_kinds[kind]
    ids = data.draw(st.lists(st.integers(0, tokenizer.get_vocab_size() - 1), max_size=30))
    assert streamed(Detokenizer(tokenizer), ids) == (tokenizer.decode(ids), False)


@CASES
@given(data=st.data())
def test_bytes_that_are_no_text_are_left_out(byte_level: Tokenizer, data: st.DataObject) -> None:
    """Of any ids, what a full decode shows as U+FFFD is missing and all else is there."""
    ids = data.draw(st.lists(st.integers(0, byte_level.get_vocab_size() - 1), max_size=40))
    assert streamed(Detokenizer(byte_level), ids)[0] == byte_level.decode(ids).replace("\ufffd", "")


@pytest.mark.parametrize("kind", ["byte level", "byte fallback"])
def test_a_character_comes_whole(tokenizer_kinds: dict[str, Tokenizer], kind: str) -> None:
    """An emoji in several tokens is nothing, nothing, then itself; cut short, it is nothing."""
    tokenizer = tokenizer_kinds[kind]
    ids = tokenizer.encode("a🥝").ids
    stream = Detokenizer(tokenizer).stream()
    pieces = [stream.push(id_).text for id_ in ids]
    assert pieces[-3:] == ["", "", "🥝"]
    assert streamed(Detokenizer(tokenizer), ids[:-1]) == ("a", False)


@pytest.mark.parametrize(
    ("broken", "shown"),
    [
        (b"\xe4b", "b"),
        (b"\xe4\xb8c", "c"),
        (b"\xff\xfe", ""),
        (b"\xe4\xe4\xb8\xad", "中"),
        (b"\xf0\x9f\xe4\xb8\xad!", "中!"),
        (b"\x80\x80\x80\x80d\xc3", "d"),
    ],
)
@pytest.mark.parametrize("kind", ["byte level", "byte fallback"])
def test_broken_bytes_never_show(tokenizer_kinds: dict[str, Tokenizer], kind: str, broken: bytes, shown: str) -> None:
    """Stray and unfinished bytes are dropped; the characters around them are not, and nothing waits behind them."""
    tokenizer = tokenizer_kinds[kind]
    names = [f"<0x{byte:02X}>" for byte in broken]
    if kind == "byte level":
        names = [character for byte in broken for character in BYTE_NAMES[byte]]
    ids = [tokenizer.token_to_id(name) for name in names]
    assert streamed(Detokenizer(tokenizer), ids) == (shown, False)


# The alphabet of byte-level BPE, by encoding: printable Latin-1 is itself, the rest stands at U+0100 and up, in order.
PRINTABLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
MOVED = [byte for byte in range(256) if byte not in PRINTABLE]
BYTE_NAMES = [chr(byte if byte in PRINTABLE else 0x100 + MOVED.index(byte)) for byte in range(256)]


@pytest.mark.parametrize("kind", KINDS)
def test_specials_are_hidden_unless_shown(tokenizer_kinds: dict[str, Tokenizer], kind: str) -> None:
    """An end token has no text; a marker that a parser needs has, when the caller says so."""
    tokenizer = tokenizer_kinds[kind]
    end, marker = tokenizer.token_to_id("</s>"), tokenizer.token_to_id("<tool_call>")
    ids = [marker, *(id_ for id_ in tokenizer.encode("dog").ids if id_ != tokenizer.token_to_id("<unk>")), end]
    assert streamed(Detokenizer(tokenizer), ids)[0] == tokenizer.decode(ids, skip_special_tokens=True)
    shown = tokenizer.decode(ids[:-1], skip_special_tokens=False)
    assert shown.startswith("<tool_call>")
    assert streamed(Detokenizer(tokenizer, frozenset({marker})), ids)[0] == shown


def test_a_hidden_token_does_not_part_a_character(byte_level: Tokenizer) -> None:
    """Bytes on both sides of one are one character, as in a full decode."""
    ids = byte_level.encode("🥝").ids
    ids.insert(2, byte_level.token_to_id("</s>"))
    assert streamed(Detokenizer(byte_level), ids) == ("🥝", False) == (byte_level.decode(ids), False)


def test_unknown_ids_have_no_text(tokenizer_kinds: dict[str, Tokenizer]) -> None:
    """Logits may be wider than the tokenizer; what it does not know is passed over."""
    for tokenizer in tokenizer_kinds.values():
        ids = [*tokenizer.encode("fox").ids, 99_999, *tokenizer.encode("dog").ids]
        assert streamed(Detokenizer(tokenizer), ids)[0] == tokenizer.decode(ids)


def test_added_tokens_are_written_as_themselves(byte_level: Tokenizer) -> None:
    """A token that was added with characters outside the byte alphabet keeps them."""
    tokenizer = Tokenizer.from_str(byte_level.to_str())
    tokenizer.add_tokens(["中文 字"])
    ids = tokenizer.encode("a中文 字b").ids
    assert len(ids) == 3
    assert streamed(Detokenizer(tokenizer), ids)[0] == "a中文 字b"


@pytest.mark.parametrize("kind", ["byte fallback", "metaspace", "word pieces", "byte level"])
def test_after_a_prompt_the_space_stays(tokenizer_kinds: dict[str, Tokenizer], kind: str) -> None:
    """What continues a prompt begins with the blank that the beginning of a text loses."""
    tokenizer = tokenizer_kinds[kind]
    ids = tokenizer.encode("The quick brown fox").ids
    for split in range(1, len(ids)):
        stream = Detokenizer(tokenizer).stream(after=ids[:split])
        continued = "".join(stream.push(id_).text for id_ in ids[split:])
        assert tokenizer.decode(ids[:split]) + continued == tokenizer.decode(ids)


def test_what_is_kept_does_not_grow(tokenizer_kinds: dict[str, Tokenizer]) -> None:
    """A thousand tokens on, a token is still decoded with a handful of others."""
    tokenizer = tokenizer_kinds["byte fallback"]
    text = Detokenizer(tokenizer).stream()._text
    for id_ in tokenizer.encode("the lazy dog 🥝 " * 200).ids:
        text.push(id_)
        assert sum(map(len, text._context)) <= 4 * CONTEXT
        assert len(text._bytes) <= 4


@CASES
@given(
    text=st.text("ab中<", max_size=40),
    stops=st.lists(st.text("ab中<", min_size=1, max_size=5), max_size=3).map(tuple),
    borders=st.lists(st.integers(0, 40), max_size=12),
)
def test_stops_are_those_of_a_plain_search(text: str, stops: tuple[str, ...], borders: list[int]) -> None:
    """However the text is cut up, the answer ends where a search over all of it says."""
    search = StopSearch(stops)
    edges = [0, *sorted(min(border, len(text)) for border in borders), len(text)]
    emitted = [search.push(text[start:end]) for start, end in pairwise(edges)]
    emitted.append(search.flush())
    assert ("".join(piece.text for piece in emitted), emitted[-1].stopped) == cut(text, stops)


@CASES
@given(
    text=st.text("ab中<", max_size=20),
    stops=st.lists(st.text("ab中<", min_size=1, max_size=4), min_size=1, max_size=3).map(tuple),
)
def test_no_character_waits_without_a_reason(text: str, stops: tuple[str, ...]) -> None:
    """After each character all is out but the longest end that may begin a stop."""
    search, sent = StopSearch(stops), ""
    for at, character in enumerate(text, 1):
        emitted = search.push(character)
        sent += emitted.text
        if emitted.stopped:
            break
        held = text[len(sent) : at]
        assert held == "" or any(stop.startswith(held) for stop in stops)


@pytest.mark.parametrize("kind", KINDS)
@CASES
@given(text=TEXTS, data=st.data())
def test_stops_across_tokens(tokenizer_kinds: dict[str, Tokenizer], kind: str, text: str, data: st.DataObject) -> None:
    """A stop text taken from anywhere in the answer ends it there, wherever its tokens begin and end."""
    tokenizer = tokenizer_kinds[kind]
    ids = tokenizer.encode(text).ids
    whole = tokenizer.decode(ids)
    start = data.draw(st.integers(0, len(whole)))
    stops = (whole[start : start + data.draw(st.integers(1, 6))], "fox")
    assert streamed(Detokenizer(tokenizer), ids, stops) == cut(whole, tuple(filter(None, stops)))


def test_nothing_comes_after_a_stop(byte_level: Tokenizer) -> None:
    """Tokens that were computed too far are not shown."""
    stream = Detokenizer(byte_level).stream(("fox",))
    ids = byte_level.encode("brown fox jumps").ids
    emitted = [stream.push(id_) for id_ in ids]
    assert "".join(piece.text for piece in emitted) == "brown "
    assert emitted[-1] == ("", True) == stream.flush()


def test_a_sequence_within_a_sequence_is_read(byte_level: Tokenizer) -> None:
    """A byte-level decoder is known as one however deep it is written."""
    tokenizer = Tokenizer.from_str(byte_level.to_str())
    tokenizer.decoder = decoders.Sequence([decoders.Sequence([decoders.ByteLevel()])])
    ids = tokenizer.encode("naïve 🥝").ids
    assert streamed(Detokenizer(tokenizer), ids) == ("naïve 🥝", False)


def test_a_tokenizer_without_a_decoder_joins_with_blanks() -> None:
    """As the tokenizers library does."""
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    assert streamed(Detokenizer(tokenizer), [0, 1, 0]) == ("a b a", False)
