"""Model folders as a model hub lays them out, in the exact shapes of well-known models, with seeded random weights.

Speed does not depend on the values of the weights, and every server gets the same ones. Tokenizers are made here too:
they split as the real ones do (a WordPiece that takes Chinese character by character, a Unigram over words).
"""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from bench.places import WORK, minilm_folder
from bench.texts import HAN, lexicon

BGE_SMALL_ZH: dict[str, Any] = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "hidden_size": 512,
    "num_hidden_layers": 4,
    "num_attention_heads": 8,
    "intermediate_size": 2048,
    "vocab_size": 21128,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "pad_token_id": 0,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "hidden_dropout_prob": 0.1,
    "attention_probs_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "position_embedding_type": "absolute",
}
BGE_M3: dict[str, Any] = BGE_SMALL_ZH | {
    "architectures": ["XLMRobertaModel"],
    "model_type": "xlm-roberta",
    "hidden_size": 1024,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "vocab_size": 250002,
    "max_position_embeddings": 8194,
    "type_vocab_size": 1,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "layer_norm_eps": 1e-5,
}


@dataclass(frozen=True)
class TextModel:
    """One embedding model: its folder, and what a server that reads no folders has to be told."""

    name: str
    folder: Path
    pooling: str  # mean | cls
    max_tokens: int
    family: str  # bert | xlm-roberta

    @property
    def padded_graph(self) -> Path:
        """The conventional ONNX export: [batch, length] with an attention mask, pooling and L2 norm inside."""
        return WORK / "graphs" / self.name / "model.onnx"


def minilm() -> TextModel:
    """The real all-MiniLM-L6-v2."""
    return TextModel("minilm", minilm_folder(), "mean", 256, "bert")


def bge_small_zh() -> TextModel:
    """bge-small-zh-v1.5's shape: 4 layers of 512, one token a Chinese character."""
    model = TextModel("bge-small-zh-shape", WORK / "models" / "bge-small-zh-shape", "cls", 512, "bert")
    _write_once(model, BGE_SMALL_ZH, _han_wordpiece, "BertTokenizer")
    return model


def bge_m3() -> TextModel:
    """bge-m3's shape: XLM-R large, 24 layers of 1024, 8,192 tokens, about two tokens for three characters."""
    model = TextModel("bge-m3-shape", WORK / "models" / "bge-m3-shape", "cls", 8192, "xlm-roberta")
    _write_once(model, BGE_M3, _han_unigram, "XLMRobertaTokenizer")
    return model


def _write_once(
    model: TextModel, config: dict[str, Any], tokenizer: Callable[[int], Tokenizer], tokenizer_class: str
) -> None:
    """Fill the folder aside, then rename it: a broken run leaves no half model."""
    if model.folder.is_dir():
        return
    aside = model.folder.with_suffix(".part")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir(parents=True)
    _write_weights(aside, config)
    tokenizer(config["vocab_size"]).save(str(aside / "tokenizer.json"))
    bert = config["model_type"] == "bert"
    names = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]") if bert else ("<pad>", "<unk>", "<s>", "</s>", "<mask>")
    special = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), names, strict=True))
    if not bert:
        special |= {"bos_token": "<s>", "eos_token": "</s>"}
    _write_json(aside / "special_tokens_map.json", special)
    _write_json(
        aside / "tokenizer_config.json",
        {"tokenizer_class": tokenizer_class, "model_max_length": model.max_tokens, **special},
    )
    _write_sentence_transformers(aside, config["hidden_size"], model.max_tokens)
    aside.rename(model.folder)


def _write_weights(folder: Path, config: dict[str, Any]) -> None:
    import torch
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    fields = {key: value for key, value in config.items() if key not in ("model_type", "architectures")}
    model = AutoModel.from_config(AutoConfig.for_model(config["model_type"], **fields), dtype=torch.float32)
    model.save_pretrained(folder, safe_serialization=True, max_shard_size="8GB")
    _write_json(folder / "config.json", config | {"torch_dtype": "float32"})


def _write_sentence_transformers(folder: Path, width: int, max_tokens: int) -> None:
    package = "sentence_transformers.models"
    modules = [("0", "", "Transformer"), ("1", "1_Pooling", "Pooling"), ("2", "2_Normalize", "Normalize")]
    _write_json(
        folder / "modules.json",
        [{"idx": int(n), "name": n, "path": path, "type": f"{package}.{kind}"} for n, path, kind in modules],
    )
    _write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})
    _write_json(folder / "config_sentence_transformers.json", {"__version__": {"sentence_transformers": "3.4.1"}})
    (folder / "1_Pooling").mkdir()
    (folder / "2_Normalize").mkdir()
    modes = {f"pooling_mode_{mode}": mode == "cls_token" for mode in ("cls_token", "mean_tokens", "max_tokens")}
    _write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": width, **modes})


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def _han_wordpiece(size: int) -> Tokenizer:
    """WordPiece with the special ids of the Chinese BERT: [PAD] 0, [UNK] 100, [CLS] 101, [SEP] 102, [MASK] 103."""
    special = ["[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    words = ["[PAD]", *(f"[unused{n}]" for n in range(1, 100)), *special]
    words += [chr(code) for code in range(0x21, 0x7F) if not chr(code).isupper()]
    words += [*"，。！？；：、（）", *map(chr, HAN)]
    words += [f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    words = words[:size] + [f"[unused{n}]" for n in range(100, 100 + size - len(words))]
    tokenizer = Tokenizer(models.WordPiece({word: n for n, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 101), ("[SEP]", 102)]
    )
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(["[PAD]", *special])
    return tokenizer


def _han_unigram(size: int) -> Tokenizer:
    """Unigram with XLM-R's special ids: <s> 0, <pad> 1, </s> 2, <unk> 3, <mask> last."""
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -4.0)]
    pieces += [(mark, -5.0) for mark in "，。！？；：、"]
    pieces += [(chr(code), -14.0) for code in [*range(0x21, 0x7F), *HAN]]
    pieces += [(word, -8.0 - n / LEXICON_SCALE) for n, word in enumerate(w for w in lexicon() if len(w) > 1)]
    pieces += [(f"▁unused{n}", -20.0) for n in range(size - 1 - len(pieces))]
    tokenizer = Tokenizer(models.Unigram([*pieces, ("<mask>", 0.0)], unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.add_special_tokens(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
    return tokenizer


LEXICON_SCALE = 10_000
"""Word pieces score between -8 and about -10: above the sum of their characters' scores."""
