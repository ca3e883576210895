"""What an artifact says of itself, as JSON."""

import msgspec
import pytest

from freehold.artifact import FileEntry, Limits, MadeBy, Manifest, PairText, TensorSpec

WHOLE = Manifest(
    schema=1,
    name="bge-small-zh",
    kind="embed",
    layout="packed",
    precision="fp32",
    inputs=(TensorSpec("input_ids", "INT64", (-1,)),),
    outputs=(TensorSpec("embeddings", "FP32", (-1, 512)),),
    made_by=MadeBy("freehold.adapt.graphs", "0.1.0", "sha256:aa"),
    files={"model.onnx": FileEntry("bb", 3)},
    limits=Limits(512, 512),
    parent="sha256:cc",
    pooling="cls",
    normalized=True,
    dimensions=512,
    prompts={"query": "为这个句子生成表示："},
)


def test_a_manifest_survives_the_round_trip() -> None:
    """Every field, prompts in any script included."""
    assert msgspec.json.decode(msgspec.json.encode(WHOLE), type=Manifest) == WHOLE


def test_what_is_default_is_not_written() -> None:
    """A tensor model's manifest says nothing of pooling or prompts."""
    plain = Manifest(1, "mlp", "tensor", "tensor", "fp32", (), (), WHOLE.made_by, {})
    assert {"pooling", "prompts", "limits", "parent"}.isdisjoint(msgspec.to_builtins(plain))


@pytest.mark.parametrize(
    "change",
    [{"kind": "oracle"}, {"layout": "folded"}, {"pooling": "max"}, {"surprise": 1}, {"inputs": [{"name": "x"}]}],
)
def test_what_this_version_does_not_know_is_refused(change: dict[str, object]) -> None:
    """Kinds, layouts, poolings and fields beyond the declared ones are errors, not guesses."""
    document = {**msgspec.to_builtins(WHOLE), **change}
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(msgspec.json.encode(document), type=Manifest)


def test_a_pair_is_one_text_between_what_stands_around_it() -> None:
    """Braces in query and text are their own."""
    assert PairText("Q: ", " T: ").of("{text}", "{query}") == "Q: {text} T: {query}"
