"""Goldens of a model that generates text: recorded by us, replayed token by token."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer

from freehold.adapt.graphs import build
from freehold.artifact.golden import load_golden
from freehold.cli.golden_text import NEW_TOKENS
from freehold.cli.samples import QUESTIONS

Freehold = Callable[..., Any]


@pytest.fixture
def talker(tiny_decoder: Callable[..., Path], folder: Path) -> Path:
    """A decoder of random weights with a chat template, to write into."""
    return Path(shutil.copytree(tiny_decoder(), folder / "talker"))


def test_a_model_folder_gets_answers_that_every_profile_is_measured_with(freehold: Freehold, talker: Path) -> None:
    """Recorded in float32, as `self`; a profile says what it costs, in tokens and in perplexity."""
    ran = freehold("golden", "record", str(talker), "--texts", "2", "--json")
    assert (ran.code, ran.data["cases"], ran.data["proves"]) == (0, 2, "self")
    for case in load_golden(talker / "goldens" / "freehold.json").cases:
        assert set(case.outputs) == {"token_ids", "logprobs"}
        assert 0 < case.outputs["token_ids"].shape[0] <= NEW_TOKENS
    checked = freehold("golden", "check", str(talker), "--json")
    (model,) = checked.data["models"]
    assert (checked.code, model["proof"], model["agreement"]) == (0, "self", 1.0)
    assert model["perplexity_delta"] == pytest.approx(0, abs=1e-3)
    checked = freehold("verify", str(talker), "--precision", "int4", "--json")
    (model,) = checked.data["models"]
    assert (checked.code, model["precision"]) == (0, "int4")
    assert 0.1 < model["agreement"] <= 1
    assert model["perplexity_delta"] != 0
    told = freehold("verify", str(talker), "--precision", "int4").out
    assert f"{model['agreement']:.2%}" in told
    assert f"perplexity {model['perplexity_delta']:+.2%}" in told


def test_prompts_are_texts_or_messages(freehold: Freehold, talker: Path, folder: Path) -> None:
    """A text as the tokenizer encodes it, messages as the template writes them."""
    chat = [{"role": "user", "content": "who"}]
    lines = [{"prompt": "Once upon"}, {"messages": chat}]
    (folder / "in.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    assert freehold("golden", "record", str(talker), "--input", "in.jsonl", "--output", "out.json").code == 0
    tokenizer = Tokenizer.from_file(str(talker / "tokenizer.json"))
    plain, asked = (case.inputs["prompt_ids"].array().tolist() for case in load_golden(folder / "out.json").cases)
    assert plain == tokenizer.encode("Once upon", add_special_tokens=True).ids
    assert "who" in tokenizer.decode(asked, skip_special_tokens=False)
    assert asked[0] != tokenizer.encode("who", add_special_tokens=False).ids[0]


def test_without_a_template_questions_are_texts(freehold: Freehold, talker: Path, folder: Path) -> None:
    """And messages cannot be recorded."""
    settings = json.loads((talker / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (talker / "tokenizer_config.json").write_text(json.dumps(settings))
    assert freehold("golden", "record", str(talker), "--texts", "1", "--output", "out.json").code == 0
    tokenizer = Tokenizer.from_file(str(talker / "tokenizer.json"))
    (case,) = load_golden(folder / "out.json").cases
    assert case.inputs["prompt_ids"].array().tolist() == tokenizer.encode(QUESTIONS[0], add_special_tokens=True).ids
    (folder / "in.jsonl").write_text('{"messages": [{"role": "user", "content": "who"}]}')
    ran = freehold("golden", "record", str(talker), "--input", "in.jsonl", "--json", "--force")
    assert (ran.code, ran.error["code"]) == (1, "template_missing")


def test_a_quantised_artifact_is_held_to_its_own_answers(
    freehold: Freehold, talker: Path, folder: Path, tmp_path: Path
) -> None:
    """Recorded with what it is, and it says so: later it must choose nearly all of them."""
    target = Path(shutil.copytree(build(talker, tmp_path / "cache", precision="int8"), folder / "artifact"))
    assert freehold("golden", "record", str(target), "--texts", "1").code == 0
    (case,) = load_golden(target / "goldens" / "freehold.json").cases
    assert case.outputs["agreement"].array().tolist() == [1.0]
    assert freehold("golden", "check", str(target)).code == 0


def test_a_prompt_that_leaves_no_room_is_refused(freehold: Freehold, talker: Path, folder: Path) -> None:
    """With both numbers; one that leaves a little is continued as far as there is room."""
    (folder / "in.jsonl").write_text(json.dumps({"prompt": "~" * 600}))
    ran = freehold("golden", "record", str(talker), "--input", "in.jsonl", "--json")
    assert (ran.code, ran.error["code"]) == (1, "context_overflow")
    tokenizer = Tokenizer.from_file(str(talker / "tokenizer.json"))
    text = "~" * 511
    left = 512 - len(tokenizer.encode(text, add_special_tokens=True).ids)
    assert 0 < left < NEW_TOKENS
    (folder / "in.jsonl").write_text(json.dumps({"prompt": text}))
    assert freehold("golden", "record", str(talker), "--input", "in.jsonl", "--output", "out.json").code == 0
    (case,) = load_golden(folder / "out.json").cases
    assert case.outputs["token_ids"].shape[0] <= left
