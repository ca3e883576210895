"""Single tokens as bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

from freehold.engine.token_bytes import TokenBytes


def byte_level() -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    merges = [("æ", "ķ"), ("t", "h")]
    tokenizer = Tokenizer(models.BPE({token: i for i, token in enumerate([*alphabet, "æķ", "th"])}, merges))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken("<|末|>", special=True)])
    return tokenizer


def byte_fallback() -> Tokenizer:
    pieces = [
        ("<unk>", 0.0),
        *((f"<0x{byte:02X}>", -9.0) for byte in range(256)),
        ("▁", -1.0),
        ("▁a", -2.0),
        ("b", -3.0),
    ]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return tokenizer


@pytest.mark.parametrize("tokenizer", [byte_level(), byte_fallback()], ids=["byte-level", "byte-fallback"])
@given(text=st.text(max_size=20))
@settings(max_examples=50)
def test_the_bytes_of_a_text_s_tokens_join_to_it(tokenizer: Tokenizer, text: str) -> None:
    """Whatever characters the tokens cut through."""
    text = text.replace("▁", "")
    known = TokenBytes(tokenizer)
    assert b"".join(map(known.of, tokenizer.encode(text).ids)).decode() == text


def test_added_tokens_stand_for_themselves() -> None:
    """Their names are no alphabet of bytes."""
    tokenizer = byte_level()
    assert TokenBytes(tokenizer).of(tokenizer.token_to_id("<|末|>")) == "<|末|>".encode()


def test_an_unknown_id_has_no_bytes() -> None:
    """A model may have more rows than its tokenizer has names."""
    assert TokenBytes(byte_level()).of(10_000) == b""
