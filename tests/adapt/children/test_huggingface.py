"""What the child that runs transformers finds wrong before it exports anything."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from freehold.adapt.children.huggingface import work
from freehold.adapt.children.report import ChildError

SHAPE = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 4, "intermediate_size": 64}

Raw = Callable[..., Path]


@pytest.fixture(scope="module")
def plain(raw_folder: Raw) -> Path:
    """An ELECTRA without a head. Do not write here."""
    return raw_folder("ElectraModel", embedding_size=16, **SHAPE)


@pytest.fixture
def folder(plain: Path, tmp_path: Path) -> Path:
    """A copy of it to spoil."""
    return Path(shutil.copytree(plain, tmp_path / "model"))


def refused(folder: Path, **changes: Any) -> ChildError:
    """What is raised when `folder` is to be converted; nothing is exported."""
    writes = folder.parent / "writes"
    writes.mkdir()
    job = {"folder": str(folder), "task": "embedding", "pickled": False, "opset": None, "seed": 0, "trusted": False}
    texts = {"texts": [["en", "a b"], ["long", "a b c d"]], "query": "", "max_tokens": 0, "lower_case": False}
    pooled = {"pooling": "mean", "after": [], "image": [0, 0, 0]}
    with pytest.raises(ChildError) as caught:
        work({**job, **texts, **pooled, "writes": str(writes), **changes})
    assert not (writes / "model.onnx").exists()
    return caught.value


def change(folder: Path, **changes: Any) -> None:
    """Other entries in `config.json`."""
    config = json.loads((folder / "config.json").read_bytes())
    (folder / "config.json").write_text(json.dumps(config | changes))


def test_weights_that_would_be_invented_are_refused(folder: Path) -> None:
    """A head that was never trained, and a tensor that is not there; both by name."""
    error = refused(folder, task="classification")
    assert error.code == "weights_incomplete"
    assert "classifier" in str(error.details["names"])


def test_a_missing_layer_is_refused(folder: Path) -> None:
    """transformers itself would only print a table and go on."""
    weights = load_file(folder / "model.safetensors")
    missing = next(name for name in weights if "attention.self.query.weight" in name)
    save_file(
        {name: value for name, value in weights.items() if name != missing},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    error = refused(folder)
    assert (error.code, error.details["count"]) == ("weights_incomplete", 1)
    assert missing.endswith(str(error.details["names"]))


def test_a_tokenizer_beyond_the_vocabulary_is_refused(folder: Path) -> None:
    """Never answered by a resize; before the weights are read."""
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.add_tokens(["<new>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "model.safetensors").unlink()
    error = refused(folder)
    assert error.code == "tokenizer_file_invalid"
    assert "vocab_size" in str(error.details["reason"])


def test_code_of_the_publisher_needs_trust(folder: Path) -> None:
    """It is named, and did not run."""
    trap = folder.parent / "ran"
    (folder / "own.py").write_text(f"open({str(trap)!r}, 'w')\n")
    change(folder, model_type="own", auto_map={"AutoConfig": "own.OwnConfig", "AutoModel": "own.OwnModel"})
    assert refused(folder).code == "code_not_trusted"
    assert not trap.exists()


def test_a_family_that_transformers_lacks_is_named(folder: Path) -> None:
    """With its version, since a newer one may know it."""
    change(folder, model_type="of-tomorrow")
    error = refused(folder)
    assert error.code == "transformers_lacks_model"
    assert "of-tomorrow" in str(error.details["reason"])


def test_a_folder_without_any_tokenizer_is_refused(folder: Path) -> None:
    """Nor with a SentencePiece file where nothing here reads one."""
    (folder / "tokenizer.json").unlink()
    assert refused(folder).code == "tokenizer_not_converted"


def test_a_model_without_a_mask_is_refused(raw_folder: Raw, tmp_path: Path) -> None:
    """FNet mixes all tokens of a row: its texts cannot share a batch."""
    folder = raw_folder("FNetModel", num_hidden_layers=1, hidden_size=32, intermediate_size=64)
    error = refused(Path(shutil.copytree(folder, tmp_path / "fnet")))
    assert error.code == "padding_not_masked"
