"""A model folder says what the model does; what it says is read as sentence-transformers reads it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.folder import Dense, Normalize, open_folder
from freehold.errors import FreeholdError

Make = Callable[..., Path]
KINDS = "sentence_transformers.models."


@pytest.fixture
def folder(encoder_folder: Make, tmp_path: Path) -> Path:
    """A tiny embedding model to change."""
    return encoder_folder(tmp_path / "m")


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def refusal(folder: Path) -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        open_folder(folder)
    return caught.value


def modules(folder: Path, *names: str) -> None:
    """modules.json with these classes, each in its folder `<index>_<class>`, the first in the model folder itself."""
    paths = ["" if index == 0 else f"{index}_{name.rpartition('.')[2]}" for index, name in enumerate(names)]
    types = [name if "." in name else KINDS + name for name in names]
    write(folder / "modules.json", [{"path": p, "type": t} for p, t in zip(paths, types, strict=True)])


def test_an_embedding_model(folder: Path) -> None:
    """Kind, pooling, norm, lengths and prompts; an empty prompt is none."""
    model = open_folder(folder)
    assert model.kind == "embed"
    assert (model.sentence.pooling, model.sentence.normalized) == ("mean", True)
    assert (model.limits(None).max_tokens, model.limits(None).positions) == (64, 128)
    assert model.prompts == {"query": "query: "}


@pytest.mark.parametrize(("labels", "kind"), [(1, "rerank"), (3, "classify")])
def test_a_head_makes_a_reranker_or_a_classifier(labels: int, kind: str, encoder_folder: Make, tmp_path: Path) -> None:
    """By how many labels it has."""
    made = encoder_folder(tmp_path / "c", architecture="XLMRobertaForSequenceClassification", labels=labels)
    assert open_folder(made).kind == kind


def test_without_modules_pooling_is_the_plain_mean(folder: Path) -> None:
    """As sentence-transformers does, whatever else lies in the folder."""
    (folder / "modules.json").unlink()
    sentence = open_folder(folder).sentence
    assert (sentence.pooling, sentence.after, sentence.normalized) == ("mean", (), False)


@pytest.mark.parametrize(
    ("document", "pooling"),
    [
        ({"pooling_mode_cls_token": True}, "cls"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode": "cls", "embedding_dimension": 32}, "cls"),
    ],
)
def test_pooling_is_read_in_both_of_its_forms(document: dict[str, Any], pooling: str, folder: Path) -> None:
    """Flags in older folders, a name in newer ones."""
    write(folder / "1_Pooling" / "config.json", document)
    assert open_folder(folder).sentence.pooling == pooling


@pytest.mark.parametrize(
    "document",
    [
        {"pooling_mode_max_tokens": True},
        {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True},
        {"pooling_mode": "lasttoken"},
        {"pooling_mode_mean_tokens": False},
    ],
)
def test_another_pooling_is_refused(document: dict[str, Any], folder: Path) -> None:
    """Maximum, two at once, the last token, none: each would change the embedding."""
    write(folder / "1_Pooling" / "config.json", document)
    error = refusal(folder)
    assert error.code == "sentence_module_unsupported"
    assert "pooling" in error.cause


def test_modules_are_known_by_their_class(folder: Path) -> None:
    """Later versions of sentence-transformers moved the classes; Dropout does nothing."""
    base = "sentence_transformers.base.modules."
    modules(folder, f"{base}Transformer", "Pooling", "Dropout", f"{base}Normalize")
    assert open_folder(folder).sentence.after == (Normalize(),)


@pytest.mark.parametrize(
    "names", [("Transformer",), ("Transformer", "WordWeights"), ("CLIPModel",), ("Transformer", "Pooling", "LSTM")]
)
def test_an_unknown_module_is_refused(names: tuple[str, ...], folder: Path) -> None:
    """Left out, it would change the embedding."""
    modules(folder, *names)
    error = refusal(folder)
    assert error.code == "sentence_module_unsupported"
    assert names[-1] in error.cause


@pytest.mark.parametrize("path", ["../other", "/etc", "1_Pooling/../../other"])
def test_modules_cannot_lead_out_of_the_folder(path: str, folder: Path) -> None:
    """What a model folder says is not trusted to name files elsewhere."""
    write(folder / "modules.json", [{"path": path, "type": f"{KINDS}Transformer"}])
    error = refusal(folder)
    assert error.code == "model_folder_invalid"
    assert path in error.cause


def dense(folder: Path, **changes: object) -> None:
    modules(folder, "Transformer", "Pooling", "Dense")
    write(folder / "2_Dense" / "config.json", {"in_features": 32, "out_features": 48, **changes})
    (folder / "2_Dense" / "model.safetensors").write_bytes(b"")


def test_a_dense_module_sets_the_dimensions(folder: Path) -> None:
    """Tanh is sentence-transformers' default; its weights are among the model's."""
    dense(folder)
    model = open_folder(folder)
    file = folder / "2_Dense" / "model.safetensors"
    assert model.sentence.after == (Dense(file, 32, 48, bias=True, activation="tanh"),)
    assert model.sentence.dimensions(32) == 48
    assert model.weight_files == (folder / "model.safetensors", file)


def test_a_dense_module_of_another_width_is_refused(folder: Path) -> None:
    """Both widths are named."""
    dense(folder, in_features=64)
    error = refusal(folder)
    assert error.code == "model_folder_invalid"
    assert "64" in error.cause
    assert "32" in error.cause


def test_a_dense_module_with_another_activation_is_refused(folder: Path) -> None:
    """Only the identity and tanh are known."""
    dense(folder, activation_function="torch.nn.modules.activation.GELU")
    assert "GELU" in refusal(folder).cause


def test_the_transformer_may_lie_in_a_folder_of_its_own(folder: Path) -> None:
    """As sentence-transformers saved it at first: 0_Transformer."""
    inner = folder / "0_Transformer"
    inner.mkdir()
    for name in (
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
        "sentence_bert_config.json",
    ):
        (folder / name).rename(inner / name)
    document = json.loads((folder / "modules.json").read_text())
    document[0]["path"] = "0_Transformer"
    write(folder / "modules.json", document)
    model = open_folder(folder)
    assert model.transformer == inner
    assert model.max_tokens == 64


def test_truncation_falls_back_step_by_step(folder: Path) -> None:
    """sentence_bert_config.json, then the tokenizer's model_max_length when sane, then the positions."""
    write(folder / "tokenizer_config.json", {"model_max_length": 100})
    assert open_folder(folder).max_tokens == 64
    write(folder / "sentence_bert_config.json", {"max_seq_length": None, "do_lower_case": True})
    assert open_folder(folder).max_tokens == 100
    assert open_folder(folder).lower_case
    (folder / "sentence_bert_config.json").unlink()
    assert open_folder(folder).max_tokens == 100
    write(folder / "tokenizer_config.json", {"model_max_length": int(1e30)})
    assert open_folder(folder).max_tokens == 128
    (folder / "tokenizer_config.json").unlink()
    assert open_folder(folder).max_tokens == 128


def test_no_file_can_promise_more_than_the_positions(folder: Path) -> None:
    """A length beyond them would index past the table."""
    write(folder / "sentence_bert_config.json", {"max_seq_length": 512})
    assert open_folder(folder).max_tokens == 128


@pytest.mark.parametrize("asked", [0, -1, 129])
def test_asking_for_more_than_the_positions_is_an_error(asked: int, folder: Path) -> None:
    """With both numbers; within them the caller's word counts, also above the file's."""
    model = open_folder(folder)
    assert model.limits(128).max_tokens == 128
    with pytest.raises(FreeholdError, match="128") as caught:
        model.limits(asked)
    assert caught.value.code == "max_tokens_beyond_positions"
    assert str(asked) in caught.value.cause


@pytest.mark.parametrize(
    ("readme", "found"),
    [
        ("---\nlicense: mit\ntags: [a]\n---\n# Model", "mit"),
        ("---\nlicense: [mit, other]\n---\n", ""),
        ("---\nlicense: 'mit\n---\n", ""),
        ("---\n- mit\n---\n", ""),
        ("---\n", ""),
        ("# license: mit", ""),
    ],
)
def test_the_license_is_shown_when_it_can_be_read(readme: str, found: str, folder: Path) -> None:
    """From the front matter of the README; a README that cannot be read stops nothing."""
    (folder / "README.md").write_text(readme)
    assert open_folder(folder).license == found


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    """Its path is named."""
    error = refusal(tmp_path / "nothing")
    assert error.code == "model_folder_invalid"
    assert str(tmp_path / "nothing") in error.cause


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("config.json", "model_folder_invalid"),
        ("tokenizer.json", "tokenizer_file_missing"),
        ("model.safetensors", "weights_missing"),
    ],
)
def test_each_missing_file_has_its_own_error(file: str, code: str, folder: Path) -> None:
    """Named, with what to do."""
    (folder / file).unlink()
    assert refusal(folder).code == code


def test_a_folder_with_nothing_but_a_gguf_says_so(tmp_path: Path) -> None:
    """A missing config.json is not its trouble."""
    (tmp_path / "bge-m3-q8_0.gguf").write_bytes(b"GGUF")
    assert refusal(tmp_path).code == "weights_quantized"
