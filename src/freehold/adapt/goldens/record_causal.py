"""Raw goldens of decoders that embed or score: what transformers answers, text by text. Needs the extra `convert`.

`record.py` calls it for the folders that it is for.
"""

from typing import Any

import torch
import transformers

from freehold.adapt.causal_folder import END_OF_TEXT, CausalFolder, TokenScore
from freehold.adapt.folder import Sentence
from freehold.adapt.goldens import weights_digest
from freehold.adapt.goldens.sentences import finished
from freehold.adapt.goldens.texts import QUERY, TEXTS
from freehold.artifact import Case, Golden, RecordedBy, Tensor
from freehold.artifact.artifact import sha256_of

Ids = list[int]


def record(source: CausalFolder) -> Golden:
    """Run every text, with a fixed query where the model reranks; what would be cut or has no token stays out."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(source.transformer, local_files_only=True)
    model = _loader(source).from_pretrained(source.transformer, local_files_only=True, dtype=torch.float32).eval()
    cases = []
    for text in TEXTS:
        ids = _ids(source, tokenizer, text.lower() if source.lower_case else text)
        if not 0 < len(ids) <= source.max_tokens:  # a classifier may add no token to an empty text
            continue
        with torch.inference_mode():
            name, values = _answer(source, model(input_ids=torch.tensor([ids])))
        inputs: dict[str, str | Tensor] = {"query": QUERY} if source.kind == "rerank" else {}
        cases.append(Case({**inputs, "text": text}, {name: Tensor.of(values.numpy())}))
    files = {str(file.relative_to(source.path)): sha256_of(file) for file in source.weight_files}
    return Golden(RecordedBy("transformers", transformers.__version__, weights_digest(files)), tuple(cases))


def _loader(source: CausalFolder) -> Any:
    if isinstance(source.head, Sentence):
        return transformers.AutoModel
    if isinstance(source.head, TokenScore):
        return transformers.AutoModelForCausalLM
    return transformers.AutoModelForSequenceClassification


def _ids(source: CausalFolder, tokenizer: Any, text: str) -> Ids:
    """The ids of one text, or of the query and it, with what the model wants after them."""
    if source.kind == "embed":
        ids: Ids = tokenizer(text)["input_ids"]
        bare: Ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        ends = source.head.pooling == "last" if isinstance(source.head, Sentence) else False
        end = tokenizer.get_vocab().get(END_OF_TEXT, source.end)
        return [*ids, end] if ends and ids == bare and end is not None else ids
    laid_out = source.reranking
    if laid_out is None:
        pair: Ids = tokenizer(QUERY, text)["input_ids"] if source.kind == "rerank" else tokenizer(text)["input_ids"]
        return pair
    before = tokenizer(f"{laid_out.before}{QUERY}{laid_out.between}{text}")["input_ids"]
    return [*before, *tokenizer(laid_out.after, add_special_tokens=False)["input_ids"]]


def _answer(source: CausalFolder, answer: Any) -> tuple[str, torch.Tensor]:
    """Name and values of the output that the graph has too."""
    head = source.head
    if isinstance(head, Sentence):
        states = answer.last_hidden_state[0]
        return "embeddings", finished(states[-1] if head.pooling == "last" else states.mean(dim=0), head.after)
    if not isinstance(head, TokenScore):
        return "logits", answer.logits[0]
    logits = answer.logits[0, -1]
    return "logits", (logits[head.yes] - (0 if head.no is None else logits[head.no]))[None]
