"""The grammar of sources."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freehold.config.source import Source, parse
from freehold.errors import FreeholdError

DIGEST = "sha256:" + "0a" * 32

GRAMMAR = {
    "/models/bge-m3": Source("path", "/models/bge-m3"),
    "./model.onnx": Source("path", "./model.onnx"),
    "model": Source("path", "model"),
    "a b/模型.onnx": Source("path", "a b/模型.onnx"),
    "models/odd:name": Source("path", "models/odd:name"),
    r"C:\models\m.onnx": Source("path", r"C:\models\m.onnx"),
    "bge-m3:1": Source("store", "bge-m3", version="1"),
    f"bge-m3@{DIGEST}": Source("store", "bge-m3", digest=DIGEST),
    f"bge-m3:1@{DIGEST}": Source("store", "bge-m3", version="1", digest=DIGEST),
    "oci://harbor.corp.local/team/bge-m3:1": Source("oci", "harbor.corp.local/team/bge-m3", version="1"),
    f"oci://localhost:5000/m@{DIGEST}": Source("oci", "localhost:5000/m", digest=DIGEST),
    "hf://BAAI/bge-m3": Source("hf", "BAAI/bge-m3"),
    "hf://BAAI/bge-m3@refs/pr/1": Source("hf", "BAAI/bge-m3", version="refs/pr/1"),
    "ms://BAAI/bge-m3@v1.0": Source("ms", "BAAI/bge-m3", version="v1.0"),
    "https://llm.corp.local/v1": Source("upstream", "https://llm.corp.local/v1"),
    "http://my_vllm:8000/v1/": Source("upstream", "http://my_vllm:8000/v1"),
    "http://[::1]:8000/v1": Source("upstream", "http://[::1]:8000/v1"),
}

REFUSED = {
    "": "source_invalid",
    "  ": "source_invalid",
    "a\nb": "source_invalid",
    "x" * 5000: "source_invalid",
    "bge-m3:": "source_invalid",
    "bge-m3@latest": "source_digest_invalid",
    "bge-m3@sha256:0A": "source_digest_invalid",
    "oci://bge-m3:1": "source_invalid",
    "hf://bge-m3": "source_invalid",
    "ms://a/b/c": "source_invalid",
    "huggingface://a/b": "source_scheme_unknown",
    "s3://bucket/model": "source_scheme_unknown",
    "https://": "source_invalid",
    "https://host:99999/v1": "source_invalid",
    "https://host/v1?key=1": "source_invalid",
    "https://user:geheim@host/v1": "source_has_password",
    "https://[bad/v1": "source_invalid",
}


@pytest.mark.parametrize("text", GRAMMAR)
def test_each_form_is_read(text: str) -> None:
    """Every form of the grammar has its kind and parts, and reads the same when written again."""
    source = parse(text)
    assert source == GRAMMAR[text]
    assert parse(str(source)) == source


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: repr(text[:20]))
def test_what_is_no_source_is_refused_with_the_form_to_write(text: str) -> None:
    """Each wrong text has a code of its own kind of mistake, and no secret in its message."""
    with pytest.raises(FreeholdError) as caught:
        parse(text)
    assert caught.value.code == REFUSED[text]
    assert "geheim" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_an_unknown_scheme_names_the_nearest() -> None:
    """The fix shows the form that was probably meant."""
    with pytest.raises(FreeholdError) as caught:
        parse("htps://host/v1")
    assert "https://HOST/v1" in caught.value.fix


PIECES = st.sampled_from(
    ["://", ":", "@", "/", "oci", "hf", "https", "sha256", "a", "1", ".", "[", "]", "-", " ", "%", DIGEST]
)


@given(st.one_of(st.text(), st.lists(PIECES, max_size=8).map("".join)))
def test_no_text_fails_otherwise(text: str) -> None:
    """Any text is a source, which reads the same when written again, or a FreeholdError."""
    source = None
    with contextlib.suppress(FreeholdError):
        source = parse(text)
    assert source is None or parse(str(source)) == source
