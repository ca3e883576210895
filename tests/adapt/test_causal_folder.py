"""What a folder with a decoder is for: its files say, and where they do not, the configuration."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from freehold.adapt.causal_folder import CausalFolder, Labels, TokenScore, open_causal
from freehold.adapt.folder import Normalize, Sentence
from freehold.adapt.reranking import QWEN3_PAIR
from freehold.errors import FreeholdError

Make = Callable[..., Path]
MODULES = "sentence_transformers.base.modules."


@pytest.fixture
def embedder(causal_embedder_folder: Path, tmp_path: Path) -> Path:
    """One to change."""
    return shutil.copytree(causal_embedder_folder, tmp_path / "embedder")


@pytest.fixture
def reranker(causal_reranker_folder: Path, tmp_path: Path) -> Path:
    """One to change."""
    return shutil.copytree(causal_reranker_folder, tmp_path / "reranker")


def opened(folder: Path, kind: str = "auto") -> CausalFolder:
    found = open_causal(folder, kind)
    assert found is not None
    return found


def refusal(folder: Path, kind: str = "auto") -> FreeholdError:
    with pytest.raises(FreeholdError) as caught:
        open_causal(folder, kind)
    return caught.value


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def score_by(folder: Path, **tokens: int | None) -> None:
    modules = [{"path": "", "type": f"{MODULES}Transformer"}, {"path": "1_LogitScore", "type": f"{MODULES}LogitScore"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_LogitScore").mkdir()
    (folder / "1_LogitScore" / "config.json").write_text(json.dumps(tokens))


def test_pooling_makes_an_embedding_model(embedder: Path) -> None:
    """Though its architecture is that of a model that writes."""
    model = opened(embedder)
    assert (model.kind, model.head, model.width) == ("embed", Sentence("last", (Normalize(),)), 64)
    assert (model.limits(None).max_tokens, model.limits(None).positions) == (256, 512)
    assert model.prompts == {"query": "query: "}
    assert model.reranking is None


def test_without_such_files_a_decoder_writes(reranker: Path, tiny_bert_folder: Path) -> None:
    """It is left to others, as encoders are; `kind: generate` says so in any case."""
    assert open_causal(reranker) is None
    assert open_causal(reranker, "generate") is None
    assert open_causal(tiny_bert_folder) is None


def test_pooling_can_be_overruled(embedder: Path) -> None:
    """Whoever says generate or rerank knows better than the files."""
    assert open_causal(embedder, "generate") is None
    with pytest.raises(FreeholdError, match="token_unknown") as caught:
        open_causal(embedder, "rerank")
    assert caught.value.details["token"] == "yes"


def test_the_configuration_makes_a_reranker(reranker: Path) -> None:
    """By the tokens for yes and no, and as Qwen3-Reranker was trained."""
    model = opened(reranker, "rerank")
    vocabulary = {
        each["content"]: each["id"] for each in json.loads((reranker / "tokenizer.json").read_text())["added_tokens"]
    }
    assert (model.kind, model.width) == ("rerank", 1)
    assert model.head == TokenScore(vocabulary["yes"], vocabulary["no"])
    assert model.reranking == QWEN3_PAIR


@pytest.mark.parametrize("no", [5, None])
def test_sentence_transformers_names_the_tokens(no: int | None, reranker: Path) -> None:
    """A LogitScore module says what the folder is for, and by which tokens, one of which may be missing."""
    score_by(reranker, true_token_id=9, false_token_id=no)
    model = opened(reranker)
    assert (model.kind, model.head) == ("rerank", TokenScore(9, no))


def test_other_decoders_must_say_how_they_score(tiny_decoder: Make) -> None:
    """Words that Qwen3-Reranker was trained on mean nothing to another model; what its files say is taken."""
    folder = tiny_decoder("Qwen2ForCausalLM")
    assert refusal(folder, "rerank").code == "scoring_unknown"
    score_by(folder, true_token_id=9)
    model = opened(folder)
    assert (model.head, model.reranking) == (TokenScore(9, None), None)


def test_tokens_beyond_the_vocabulary_are_refused(reranker: Path) -> None:
    """The head has no such row."""
    score_by(reranker, true_token_id=320, false_token_id=5)
    error = refusal(reranker)
    assert error.code == "model_folder_invalid"
    assert "320" in error.cause


def test_a_folder_may_lay_out_its_own_pairs(reranker: Path) -> None:
    """By a chat template for queries and documents."""
    template = (
        "{% for role in ('query', 'document') %}[{{ role }}]{{ messages[loop.index0].content }}{% endfor %}[answer]"
    )
    (reranker / "chat_template.jinja").write_text(template)
    reranking = opened(reranker, "rerank").reranking
    assert reranking is not None
    assert (reranking.before, reranking.between, reranking.after) == ("[query]", "[document]", "[answer]")


@pytest.mark.parametrize(
    ("family", "labels", "kind"), [("Qwen3", 1, "rerank"), ("Qwen3", 3, "classify"), ("Qwen2", 1, "rerank")]
)
def test_a_classification_head_scores_or_classifies(family: str, labels: int, kind: str, tiny_decoder: Make) -> None:
    """By its labels. Converted Qwen3 rerankers read pairs as the original does; of others nothing is known."""
    model = opened(tiny_decoder(f"{family}ForSequenceClassification", num_labels=labels))
    assert isinstance(model.head, Labels)
    assert (model.kind, model.width) == (kind, labels)
    assert model.reranking == (QWEN3_PAIR if (family, labels) == ("Qwen3", 1) else None)


def test_labels_have_names(tiny_decoder: Make) -> None:
    """Those of the config, by their number, else transformers' own."""
    folder = tiny_decoder("LlamaForSequenceClassification", num_labels=2)
    change(folder / "config.json", id2label={"1": "spam", "0": "ham"})
    assert opened(folder).head == Labels(("ham", "spam"))
    change(folder / "config.json", id2label=None)
    assert opened(folder).head == Labels(("LABEL_0", "LABEL_1"))


def test_no_pooling_is_guessed(embedder: Path) -> None:
    """The mean, which sentence-transformers would take, is wrong for nearly every decoder."""
    (embedder / "modules.json").unlink()
    error = refusal(embedder, "embed")
    assert error.code == "pooling_unknown"
    change(embedder / "config.json", architectures=["Qwen3Model"])
    assert refusal(embedder).code == "pooling_unknown"


def test_a_decoder_that_looks_ahead_is_refused(embedder: Path) -> None:
    """gte-Qwen2 brings code of its own, without which it would answer something else."""
    change(embedder / "config.json", is_causal=False)
    error = refusal(embedder)
    assert error.code == "decoder_option_unsupported"
    assert "is_causal" in error.cause


def test_the_first_token_saw_nothing(embedder: Path) -> None:
    """Its state is the same for every text that begins with it."""
    change(embedder / "1_Pooling" / "config.json", pooling_mode_cls_token=True, pooling_mode_lasttoken=False)
    assert refusal(embedder).code == "sentence_module_unsupported"


def test_every_file_of_weights_counts(embedder: Path) -> None:
    """Those of dense modules too."""
    assert opened(embedder).weight_files == (embedder / "model.safetensors",)


def test_a_folder_without_a_tokenizer_is_refused(embedder: Path) -> None:
    """Texts could not be read."""
    (embedder / "tokenizer.json").unlink()
    assert refusal(embedder).code == "tokenizer_file_missing"


def test_texts_cannot_be_longer_than_the_positions(embedder: Path) -> None:
    """Both numbers are named."""
    with pytest.raises(FreeholdError, match="max_tokens_beyond_positions"):
        opened(embedder).limits(513)
    assert opened(embedder).limits(512).max_tokens == 512
