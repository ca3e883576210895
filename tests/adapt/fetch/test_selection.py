"""Which files of a repository are needed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.adapt.fetch.repository import RemoteFile, Repository
from freehold.adapt.fetch.selection import Selection
from freehold.config import parse
from freehold.errors import FreeholdError

Make = Callable[..., Repository]
BASE = ("config.json", "tokenizer.json")


def chosen(repository: Repository, contents: dict[str, object] | None = None, **options: Any) -> list[str]:
    texts = {name: content if isinstance(content, bytes) else json.dumps(content).encode()
             for name, content in (contents or {}).items()}  # fmt: skip
    return [file.name for file in Selection(repository, lambda file: texts.get(file.name, b"{}"), **options).files()]


def refused(repository: Repository, contents: dict[str, object] | None = None, **options: Any) -> FreeholdError:
    with pytest.raises(FreeholdError) as failure:
        chosen(repository, contents, **options)
    return failure.value


def test_one_form_of_the_weights_is_enough(repository: Make) -> None:
    """Beside one safetensors file no pickle, ONNX, Flax, fp16 twin or picture is taken."""
    names = ("model.safetensors", "pytorch_model.bin", "tf_model.h5", "flax_model.msgpack", "onnx/model.onnx",
             "model.fp16.safetensors", "consolidated.safetensors", "openvino/openvino_model.bin", "logo.png",
             "modeling_custom.py", ".gitattributes", "training_args.bin", "original/model.safetensors")  # fmt: skip
    assert chosen(repository(*BASE, *names)) == [*BASE, "model.safetensors"]


def test_what_says_how_to_use_it_comes_too(repository: Make) -> None:
    """Tokenizers of each form, templates, generation settings, licence."""
    names = ("tokenizer_config.json", "tokenizer.model", "vocab.txt", "vocab.json", "merges.txt", "spiece.model",
             "special_tokens_map.json", "added_tokens.json", "generation_config.json", "chat_template.jinja",
             "additional_chat_templates/tool_use.jinja", "LICENSE", "LICENSE.txt", "NOTICE", "README.md",
             "preprocessor_config.json", "sentence_bert_config.json", "config_sentence_transformers.json")  # fmt: skip
    every = (*BASE, "model.safetensors", *names)
    assert chosen(repository(*every)) == list(every)


def test_shards_are_those_of_the_index(repository: Make) -> None:
    """Every one that it names and no other; one that is not there is an incomplete repository."""
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    names = ("model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
    read = {"model.safetensors.index.json": index}
    assert chosen(repository(*BASE, *names, "model-00001-of-00003.safetensors"), read) == [*BASE, *names]
    error = refused(repository(*BASE, *names[:2]), read)
    assert (error.code, error.details["shard"]) == ("fetch_shard_missing", "model-00002-of-00002.safetensors")


def test_modules_of_sentence_transformers(repository: Make) -> None:
    """Their folders, with the weights of dense layers; the transformer may lie in a folder of its own."""
    modules = [{"path": "0_Transformer"}, {"path": "1_Pooling"}, {"path": "2_Dense/"}]
    names = ("modules.json", "0_Transformer/config.json", "0_Transformer/model.safetensors",
             "0_Transformer/pytorch_model.bin", "0_Transformer/tokenizer.json", "1_Pooling/config.json",
             "2_Dense/config.json", "2_Dense/model.safetensors")  # fmt: skip
    kept = [name for name in names if not name.endswith(".bin")]
    read: dict[str, object] = {"modules.json": modules}
    assert chosen(repository(*names, "eval/results.csv"), read) == kept


def test_a_dense_layer_that_is_only_a_pickle_is_told(repository: Make) -> None:
    """Its file is named; asked for by name it comes."""
    names = ("modules.json", *BASE, "model.safetensors", "2_Dense/config.json", "2_Dense/pytorch_model.bin")
    read: dict[str, object] = {"modules.json": [{"path": ""}, {"path": "2_Dense"}]}
    error = refused(repository(*names), read)
    assert (error.code, error.details["found"]) == ("fetch_pickled", "2_Dense/pytorch_model.bin")


def test_pickles_come_only_when_they_are_named(repository: Make) -> None:
    """The error says by which option."""
    there = repository(*BASE, "pytorch_model.bin", "README.md")
    error = refused(there)
    assert error.code == "fetch_pickled"
    assert "--include pytorch_model.bin" in error.fix
    assert chosen(there, include=("pytorch_model.bin",)) == [*BASE, "pytorch_model.bin", "README.md"]


def test_gguf_names_its_original(repository: Make) -> None:
    """Of a repository of GGUF files: the repository that they were made from, and how to take one anyway."""
    there = repository("model-Q8_0.gguf", "model-Q4_K_M.gguf", "README.md")
    error = refused(there, {"README.md": b"---\nbase_model:\n- Qwen/Qwen3-8B\n---\n"})
    assert error.code == "fetch_gguf"
    assert "hf://Qwen/Qwen3-8B" in error.fix
    assert chosen(there, include=("*Q4_K_M.gguf",)) == ["model-Q4_K_M.gguf", "README.md"]
    assert refused(repository("model.gguf")).details["original"] == "-"


@pytest.mark.parametrize("method", ["awq", "gptq", "fp8", "bitsandbytes"])
def test_quantised_weights_name_their_original_or_vllm(repository: Make, method: str) -> None:
    """They could not be read here; taken by name, vLLM reads them."""
    there = repository(*BASE, "model.safetensors", "README.md")
    read: dict[str, object] = {
        "config.json": {"quantization_config": {"quant_method": method}},
        "README.md": b"---\nbase_model: Qwen/Qwen3-8B\n---\n",
    }
    error = refused(there, read)
    assert (error.code, error.details["method"]) == ("fetch_quantized", method)
    assert "hf://Qwen/Qwen3-8B" in error.fix
    assert "engine: vllm" in error.fix
    assert "model.safetensors" in chosen(there, read, include=("*.safetensors*",))


def test_what_is_no_model_is_told_with_what_is_there(repository: Make) -> None:
    """Without config.json, without weights."""
    error = refused(repository("adapter_config.json", "adapter_model.safetensors"))
    assert (error.code, error.details["found"]) == ("fetch_no_model", "adapter_config.json, adapter_model.safetensors")
    error = refused(repository(*BASE, "onnx/model.onnx", "tf_model.h5"))
    assert (error.code, error.details["found"]) == ("fetch_no_weights", "onnx/model.onnx, tf_model.h5")
    assert chosen(repository(*BASE, "onnx/model.onnx", "x.onnx"), include=("onnx/*",)) == [*BASE, "onnx/model.onnx"]


def test_patterns_add_and_leave_out(repository: Make) -> None:
    """By whole names or, without a slash, by the last part; one that matches nothing to include is a mistake."""
    there = repository(*BASE, "model.safetensors", "code/modeling.py", "README.md")
    taken = chosen(there, include=("*.py",), exclude=("readme*", "README*"))
    assert taken == [*BASE, "model.safetensors", "code/modeling.py"]
    assert chosen(there, exclude=("*.safetensors",)) == [*BASE, "README.md"]
    assert refused(there, include=("*.ipynb",)).code == "fetch_pattern_idle"


@pytest.mark.parametrize(
    ("name", "content"),
    [("modules.json", b"{"), ("model.safetensors.index.json", b"[]"), ("config.json", b"\xff\xfe")],
)
def test_a_file_that_cannot_be_read_is_named(repository: Make, name: str, content: bytes) -> None:
    """Instead of a traceback from JSON."""
    error = refused(repository(*{*BASE, name}), {name: content})
    assert (error.code, error.details["file"]) == ("hub_file_invalid", name)


KNOWN = ("config.json", "model.safetensors", "pytorch_model.bin", "a.gguf", "README.md", "x/config.json", "x/y.onnx")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(KNOWN), unique=True))
def test_whatever_is_listed_there_is_a_choice_or_an_error(listed: list[str]) -> None:
    """Never more than is listed, and never weights in two forms."""
    files = tuple(RemoteFile(name, 1, "http://hub/x") for name in listed)
    repository = Repository(parse("hf://org/m"), "c", "p", files)
    readable = {"config.json", "model.safetensors"} <= set(listed)
    if not readable:
        assert refused(repository).code.startswith("fetch_")
        return
    found = chosen(repository)
    assert set(found) <= set(listed)
    assert "model.safetensors" in found
    assert not {"pytorch_model.bin", "a.gguf", "x/y.onnx"} & set(found)
