"""The tokenizer of an artifact is the folder's, without what its last user had set."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer, processors

from freehold.adapt.tokenizer_file import Ending, end_token, read_tokenizer, text_after, write_tokenizer
from freehold.errors import FreeholdError

TEXT = "Hello, 丁 World"


def test_padding_and_truncation_go(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """The shipped file pads and cuts to 16; what is written gives every token and no more."""
    source = tiny_bert_folder / "tokenizer.json"
    assert len(Tokenizer.from_file(str(source)).encode("a")) == 16
    tokenizer = write_tokenizer(source, tmp_path / "tokenizer.json", vocab_size=1000, lower_case=False)
    for each in (tokenizer, Tokenizer.from_file(str(tmp_path / "tokenizer.json"))):
        assert len(each.encode("a")) == 3
        assert len(each.encode("a " * 40)) == 42


def test_ids_stay_the_same(tiny_reranker_folder: Path, tmp_path: Path) -> None:
    """Everything but padding and truncation is the folder's own."""
    source = tiny_reranker_folder / "tokenizer.json"
    written = write_tokenizer(source, tmp_path / "tokenizer.json", vocab_size=1000, lower_case=False)
    assert written.encode(TEXT, TEXT).ids == Tokenizer.from_file(str(source)).encode(TEXT, TEXT).ids


def test_lower_case_is_done_before_anything_else(tiny_reranker_folder: Path, tmp_path: Path) -> None:
    """sentence-transformers' do_lower_case, for a tokenizer that tells case apart and has no normalizer of its own."""
    source = tiny_reranker_folder / "tokenizer.json"
    written = write_tokenizer(source, tmp_path / "tokenizer.json", vocab_size=1000, lower_case=True)
    plain = Tokenizer.from_file(str(source))
    assert written.encode(TEXT).ids == plain.encode(TEXT.lower()).ids != plain.encode(TEXT).ids


def test_lower_case_keeps_the_normalizer(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """It comes in front of it."""
    written = write_tokenizer(
        tiny_bert_folder / "tokenizer.json", tmp_path / "tokenizer.json", vocab_size=1000, lower_case=True
    )
    kinds = json.loads(written.to_str())["normalizer"]["normalizers"]
    assert [kind["type"] for kind in kinds] == ["Lowercase", "BertNormalizer"]


def test_more_ids_than_embeddings_are_refused(tiny_bert_folder: Path, tmp_path: Path) -> None:
    """Such an id would make the graph look beyond its table in the middle of a request."""
    with pytest.raises(FreeholdError, match="vocab_size 300") as caught:
        write_tokenizer(tiny_bert_folder / "tokenizer.json", tmp_path / "t.json", vocab_size=300, lower_case=False)
    assert caught.value.code == "tokenizer_file_invalid"
    assert not (tmp_path / "t.json").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"model": {"type": "Nothing"}}', "[" * 100_000])
def test_what_is_no_tokenizer_is_refused(text: str, tmp_path: Path) -> None:
    """No JSON, no object, no model, an unknown model."""
    (tmp_path / "tokenizer.json").write_text(text)
    with pytest.raises(FreeholdError) as caught:
        write_tokenizer(tmp_path / "tokenizer.json", tmp_path / "t.json", vocab_size=300, lower_case=False)
    assert caught.value.code == "tokenizer_file_invalid"


END, CHAT_END = "<|endoftext|>", "<|im_end|>"
BYTES = processors.ByteLevel(trim_offsets=False)


def template(single: str, pair: str, *special: tuple[str, int]) -> Any:
    return processors.TemplateProcessing(single=single, pair=pair, special_tokens=list(special))


@pytest.fixture(scope="module")
def causal(tiny_decoder: Callable[..., Path]) -> Path:
    """The tokenizer of a tiny decoder, which adds nothing to a text. Do not write here."""
    return tiny_decoder("Qwen3ForCausalLM") / "tokenizer.json"


def written(source: Path, processor: Any, target: Path, ending: Ending) -> tuple[Tokenizer, Tokenizer]:
    """`source` with another post-processor, and what is written of it."""
    shipped = read_tokenizer(source)
    if processor is not None:
        shipped.post_processor = processor
    shipped.save(str(target / "shipped.json"))
    write_tokenizer(
        target / "shipped.json", target / "tokenizer.json", vocab_size=1000, lower_case=False, ending=ending
    )
    return shipped, Tokenizer.from_file(str(target / "tokenizer.json"))


def adds_end(tokenizer: Tokenizer) -> Any:
    return template(f"$A {END}", f"$A {END} $B {END}", (END, tokenizer.token_to_id(END)))


@pytest.mark.parametrize("form", ["bare", "bytes", "end", "bytes, end"])
def test_a_text_ends_with_the_end_token_exactly_once(form: str, causal: Path, tmp_path: Path) -> None:
    """Whether the shipped file adds it, in each place where it may say so, or not; cut texts too."""
    tokenizer = read_tokenizer(causal)
    end = tokenizer.token_to_id(END)
    forms = {
        "bare": None,
        "bytes": BYTES,
        "end": adds_end(tokenizer),
        "bytes, end": processors.Sequence([BYTES, adds_end(tokenizer)]),
    }
    _, made = written(causal, forms[form], tmp_path, end_token(END, None))
    for text in ("", "a", "a longer text", "你好"):
        assert made.encode(text).ids == [*tokenizer.encode(text).ids, end]
    made.enable_truncation(5)
    assert made.encode("a text that is cut").ids == [*tokenizer.encode("a text that is cut").ids[:4], end]
    assert made.encode("a text that is cut").overflowing


def test_a_beginning_stays_where_an_ending_comes(causal: Path, tmp_path: Path) -> None:
    """The shipped template is made longer, not replaced, for pairs too."""
    start, end = (read_tokenizer(causal).token_to_id(token) for token in ("<|im_start|>", END))
    begins = template("<|im_start|> $A", "<|im_start|> $A $B", ("<|im_start|>", start))
    shipped, made = written(causal, processors.Sequence([BYTES, begins]), tmp_path, end_token(END, None))
    assert made.encode("a b").ids == [start, *shipped.encode("a b", add_special_tokens=False).ids, end]
    assert made.encode("a", "b").ids == [*shipped.encode("a", "b").ids, end]


def test_another_ending_of_a_text_is_left_alone(causal: Path, tmp_path: Path) -> None:
    """What a model's own file ends texts with, it was trained with."""
    id_ = read_tokenizer(causal).token_to_id(CHAT_END)
    ends = template(f"$A {CHAT_END}", f"$A $B {CHAT_END}", (CHAT_END, id_))
    shipped, made = written(causal, ends, tmp_path, end_token(END, None))
    assert made.encode("a").ids == shipped.encode("a").ids


@pytest.mark.parametrize(("otherwise", "added"), [(7, [7]), (None, [])])
def test_the_config_names_an_end_where_the_usual_one_is_unknown(
    otherwise: int | None, added: list[int], causal: Path, tmp_path: Path
) -> None:
    """Llama and Mistral have other names for it; some configs name none."""
    shipped, made = written(causal, None, tmp_path, end_token("<no such token>", otherwise))
    assert made.encode("a").ids == [*shipped.encode("a").ids, *added]


def test_a_text_of_several_tokens_may_follow_and_is_never_cut(causal: Path, tmp_path: Path) -> None:
    """The end of a reranker's template."""
    after = "<|im_end|>\n<think>\n\n</think>\n\n"
    shipped, made = written(causal, BYTES, tmp_path, text_after(after))
    tail = shipped.encode(after).ids
    assert made.encode("a b").ids == [*shipped.encode("a b").ids, *tail]
    made.enable_truncation(len(tail) + 2)
    assert made.encode("a b c d").ids == [*shipped.encode("a b c d").ids[:2], *tail]


def test_a_tokenizer_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Absent, or something else."""
    for text in (None, "{}"):
        if text is not None:
            (tmp_path / "tokenizer.json").write_text(text)
        with pytest.raises(FreeholdError, match="tokenizer_file_invalid"):
            read_tokenizer(tmp_path / "tokenizer.json")
