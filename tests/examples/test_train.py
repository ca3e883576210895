"""Training writes a folder that transformers opens, learns only what the assistant says, and marks answers right."""

from itertools import islice
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer

from examples.normalizer import learning, tokens, train
from examples.normalizer.data import Conversation, Question, conversations
from examples.normalizer.examine import is_right, report
from freehold.server.chat_template import ChatTemplate

ASKED = {"role": "user", "content": "March 3rd, 2024"}
SAID = {"role": "assistant", "content": '{"date": "2024-03-03"}'}


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """One that has read a thousand conversations."""
    return tokens.train(map(learning.written, islice(conversations("test"), 1000)))


def test_digits_and_chinese_characters_stand_alone(tokenizer: Tokenizer) -> None:
    """A place in a number is a place in the sequence."""
    pieces = [tokenizer.decode([token]) for token in tokenizer.encode("人民币三千五百元 1,250.75 {").ids]
    assert [piece for piece in pieces if len(piece.strip()) > 1] == []


@pytest.mark.parametrize("text", ["Hello, 世界!", "é🚀\n\t", "<tool_call>\n{}\n</tool_call>", " 2024 "])
def test_any_text_comes_back(tokenizer: Tokenizer, text: str) -> None:
    """Byte-level: what was never seen is still written and read."""
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


@pytest.mark.parametrize("forced", [False, True])
def test_only_the_assistants_words_are_learnt(tokenizer: Tokenizer, forced: bool) -> None:
    """Labels are the answer and its end, one place earlier; a forced brace is nobody's choice."""
    text = learning.written(Conversation((ASKED, SAID, ASKED, SAID), forced=forced))
    ids = tokenizer.encode(text).ids
    opening = tokenizer.encode(tokens.OPENING).ids
    wanted = learning.labels(ids, opening, Conversation((), forced=forced))
    assert len(wanted) == len(ids)
    learnt = tokenizer.decode([label for label in wanted if label != learning.IGNORED], skip_special_tokens=False)
    answer = SAID["content"][forced:] + tokens.END
    assert learnt == answer * 2
    assert all(label == ids[place + 1] for place, label in enumerate(wanted) if label != learning.IGNORED)


def test_the_server_renders_what_was_trained_on() -> None:
    """Our sandbox and transformers make the same prompt of every kind of conversation."""
    template = ChatTemplate(learning.TEMPLATE, {}, "normalizer")
    for one in islice(conversations("template"), 200):
        theirs = learning.rendered(one.messages, one.tools, begin_answer=True)
        assert template.render(one.messages, one.tools) == theirs


def test_training_writes_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two steps: the folder opens in transformers with its template and ends, and the examination is printed."""
    folder = tmp_path / "hf"
    small = "--steps 2 --batch 256 --texts 500 --questions 6 --processes 2"
    assert train.main(["--output", str(folder), *small.split()]) == 0
    shown = capsys.readouterr().out
    assert "written" in shown
    assert "of 6" in shown
    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    assert model.config.tie_word_embeddings
    assert model.generation_config.eos_token_id == [tokens.END_ID, 0]
    assert next(model.parameters()).dtype == torch.float32
    chat = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    prompt = chat.apply_chat_template([ASKED], add_generation_prompt=True, tokenize=False)
    assert prompt == "<|im_start|>user\nMarch 3rd, 2024<|im_end|>\n<|im_start|>assistant\n"


def test_an_answer_is_right_to_the_letter() -> None:
    """What was begun counts; the report shows shares and what was said instead."""
    question = Question((ASKED,), (), '{"date": "2024-03-03"}', "forced", "date", "en", "{")
    assert is_right(question, '"date": "2024-03-03"}')
    assert not is_right(question, '"date": "2024-03-04"}')
    shown = report([question, question], ['"date": "2024-03-03"}', "no"])
    assert "50.00%" in shown
    assert "'{no', not" in shown
