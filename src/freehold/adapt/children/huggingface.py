"""transformers in a process of its own: it loads a folder, records what it answers, and exports it.

The job: `folder` (config.json, weights, tokenizer), `task`, `pickled`, `opset`, `seed`; for texts `texts`
([label, text] each), `query` ("" for none), `max_tokens`, `lower_case`, `pooling`, `after`; for images `image`
[channels, height, width]. What answers a recorded call is transformers' own class, one text at a time; the thin
modules of `exported_model` are what is exported, and see none of it.
"""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING

from freehold.adapt.children.exported_model import Outcome, PixelModel, TextModel, outcome_of
from freehold.adapt.children.report import Array, ChildError, RecordedCase, run, save_cases, step
from freehold.adapt.children.torch_export import export

LOADERS = {
    "classification": transformers.AutoModelForSequenceClassification,
    "tagging": transformers.AutoModelForTokenClassification,
    "image": transformers.AutoModelForImageClassification,
}
OUTPUTS = {"embedding": "embeddings", "states": "last_hidden_state"}  # every head gives "logits"
# What loads a body and what it is not asked for: no task here reads a body's own pooler.
UNREAD = ("pooler.",)
PADDED = "padded"
# Longer than any text that is recorded, for a model that states no length of its own.
USUAL_TOKENS = 512

Job = dict[str, Any]
Tokens = Mapping[str, torch.Tensor]


def work(job: Job) -> dict[str, Any]:
    """Load, record, export. Raises ChildError."""
    torch.manual_seed(job["seed"])
    step(job["writes"], "transformers loads the model")
    config = _config(job)
    if job["task"] == "image":
        return _image(job, _model(job, config))
    tokenizer = _tokenizer(job, getattr(config, "vocab_size", None))
    return _text(job, _model(job, config), tokenizer)


def _config(job: Job) -> Any:
    try:
        return transformers.AutoConfig.from_pretrained(job["folder"], **_trust(job))
    except (ValueError, KeyError, OSError) as error:
        raise _unknown(job, error) from error


def _trust(job: Job) -> dict[str, bool]:
    return {"trust_remote_code": job["trusted"], "local_files_only": True}


def _unknown(job: Job, error: Exception) -> ChildError:
    """Why a folder was not understood: code of its own that nobody trusted, or a family that this version lacks."""
    if "trust_remote_code" in str(error):
        return ChildError("code_not_trusted", path=job["folder"])
    version = transformers.__version__
    return ChildError("transformers_lacks_model", path=job["folder"], version=version, reason=str(error).split("\n")[0])


def _model(job: Job, config: Any) -> Any:
    """The model in float32. Raises ChildError `weights_incomplete` where transformers would invent some of them."""
    loader = _loader(job["task"], config)
    options = {**_trust(job), "dtype": torch.float32, "use_safetensors": not job["pickled"]}
    options["weights_only"] = not (job["pickled"] and job["trusted"])
    try:
        model, loading = loader.from_pretrained(job["folder"], config=config, output_loading_info=True, **options)
    except ValueError as error:
        raise _unknown(job, error) from error
    missing = sorted(name for name in loading["missing_keys"] if not name.startswith(UNREAD))
    if missing:
        raise ChildError(
            "weights_incomplete",
            path=job["folder"],
            loaded=type(model).__name__,
            count=len(missing),
            names=", ".join(missing[:3]),
        )
    if job["task"] in ("embedding", "states") and config.is_encoder_decoder and hasattr(model, "decoder"):
        model = model.get_encoder()
    model.config.use_cache = False
    return model.eval()


def _loader(task: str, config: Any) -> Any:
    if task in LOADERS:
        return LOADERS[task]
    known = type(config) in MODEL_FOR_TEXT_ENCODING_MAPPING  # of T5 and the like without the decoder
    return transformers.AutoModelForTextEncoding if known else transformers.AutoModel


def _tokenizer(job: Job, vocab_size: int | None) -> Any:
    """The folder's tokenizer; a folder without `tokenizer.json` gets one in `writes`.

    Raises ChildError `tokenizer_not_converted`, and `tokenizer_file_invalid` where it is larger than the model's
    vocabulary: that is never resized, since the new rows would be random.
    """
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(job["folder"], **_trust(job))
    except (ValueError, OSError, ImportError, AttributeError, TypeError, KeyError) as error:
        raise ChildError("tokenizer_not_converted", path=job["folder"], reason=str(error).strip()) from error
    if not tokenizer.is_fast:
        raise ChildError(
            "tokenizer_not_converted", path=job["folder"], reason=f"{type(tokenizer).__name__} is Python code"
        )
    highest = max(tokenizer.get_vocab().values(), default=-1)
    if vocab_size is not None and highest >= vocab_size:
        reason = f"its highest id is {highest}, but config.json has vocab_size {vocab_size}"
        raise ChildError("tokenizer_file_invalid", path=job["folder"], reason=reason)
    if not (Path(job["folder"]) / "tokenizer.json").is_file():
        tokenizer.backend_tokenizer.save(str(Path(job["writes"]) / "tokenizer.json"))
    return tokenizer


def _image(job: Job, model: Any) -> dict[str, Any]:
    rng = np.random.default_rng(job["seed"])
    cases = []
    for count in (1, 3):
        pixels = rng.standard_normal((count, *job["image"]), dtype=np.float32)
        with torch.inference_mode():
            logits = model(pixel_values=torch.from_numpy(pixels)).logits.numpy()
        cases.append(RecordedCase(f"batch {count}", {"pixel_values": pixels}, {"logits": logits}))
    sample = {"pixel_values": torch.from_numpy(cases[-1].inputs["pixel_values"])}
    axes = {"pixel_values": {0: "batch"}}
    return _exported(job, PixelModel(model), sample, axes, cases)


def _text(job: Job, model: Any, tokenizer: Any) -> dict[str, Any]:
    vocab_size = int(model.get_input_embeddings().weight.shape[0])
    recorder = _Recorder(job, model, tokenizer)
    cases = recorder.cases()
    padded = recorder.tokens(recorder.texts_together())
    outcome = outcome_of(job)
    reader = TextModel(model, model.config.pad_token_id, outcome)
    axes = {name: {0: "batch", 1: "tokens"} for name in padded}
    lengths = {"max_tokens": recorder.max_tokens, "positions": recorder.positions, "vocab_size": vocab_size}
    return _exported(job, reader, padded, axes, cases) | lengths


def _exported(
    job: Job,
    module: torch.nn.Module,
    sample: Tokens,
    axes: Mapping[str, Mapping[int, str]],
    cases: Sequence[RecordedCase],
) -> dict[str, Any]:
    step(job["writes"], "torch exports the graph")
    rows = save_cases(job["writes"], cases)
    name = OUTPUTS.get(job["task"], "logits")
    exported = export(module, sample, (name,), axes, job["opset"], Path(job["writes"]) / "model.onnx")
    versions = exported.pop("versions") | {"transformers": transformers.__version__}
    framework = {"framework": "transformers", "version": transformers.__version__, "versions": versions}
    return {**framework, **exported, "cases": rows, "loaded": type(module.model).__name__}


class _Recorder:
    """Runs texts through transformers' own class, with transformers' own tokenizer."""

    def __init__(self, job: Job, model: Any, tokenizer: Any) -> None:
        self.job, self.model, self.tokenizer = job, model, tokenizer
        self.positions = _positions(model)
        stated = [each for each in (job["max_tokens"], self.positions) if each]
        self.max_tokens = min(stated, default=USUAL_TOKENS)
        self.output = OUTPUTS.get(job["task"], "logits")
        self.outcome: Outcome = outcome_of(job)
        taken = inspect.signature(model.forward).parameters
        if "attention_mask" not in taken:
            raise ChildError(
                "padding_not_masked", architecture=type(model).__name__, found="it takes no attention_mask"
            )
        self.names = [name for name in ("input_ids", "attention_mask", "token_type_ids") if name in taken]
        # A tokenizer that gives no types leaves the model its own zeros, also for the second text of a pair.
        if "token_type_ids" not in tokenizer("") or (getattr(model.config, "type_vocab_size", None) or 0) < 2:
            self.names = [name for name in self.names if name != "token_type_ids"]
        self.texts = [(label, self.fitted(text)) for label, text in job["texts"]]

    def tokens(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """What the model reads, int64 [texts, longest], padded on the right."""
        lowered = [text.lower() for text in texts] if self.job["lower_case"] else list(texts)
        pairs = [[self.job["query"]] * len(lowered), lowered] if self.job["query"] else [lowered]
        # In lists, as a cross-encoder is called: alone, transformers takes an empty second text for none.
        encoded = self.tokenizer(*pairs)
        width = max(map(len, encoded["input_ids"]))
        padded = {
            "input_ids": _padded(encoded["input_ids"], width, self.model.config.pad_token_id or 0),
            "attention_mask": _padded([[1] * len(ids) for ids in encoded["input_ids"]], width, 0),
            "token_type_ids": _padded(encoded.get("token_type_ids", encoded["input_ids"]), width, 0),
        }
        return {name: torch.tensor(padded[name], dtype=torch.int64) for name in self.names}

    def length(self, text: str) -> int:
        """Tokens of one text, specials included."""
        return int(self.tokens([text])["input_ids"].shape[1])

    def fitted(self, text: str) -> str:
        """`text` or a beginning of it that is not cut: a cut one would show the tokenizer's rules, not the model's."""
        while text and self.length(text) > self.max_tokens:
            text = text[: len(text) // 2]
        return text

    def texts_together(self) -> list[str]:
        """Three texts of different lengths: a batch of two or more, so that no dimension looks like a constant."""
        lengths = {self.length(text): text for _, text in self.texts}
        ordered = [lengths[length] for length in sorted(lengths) if length > 1]
        return [ordered[len(ordered) // 2], ordered[0], ordered[-1]]

    def cases(self) -> list[RecordedCase]:
        """Every text alone, then three together with padding.

        A text kind's cases are its texts, and the padded batch once more as tensors: the engines replay texts alone, so
        only the tensors show whether the graph heeds the mask.
        """
        by_text = self.job["task"] in ("embedding", "classification")
        cases = []
        for label, text in self.texts:
            if 0 < self.length(text) <= self.max_tokens:
                cases.append(self._case(label, [text], by_text))
        together = self.texts_together()
        padded = self._case(PADDED, together, by_text=False)
        if by_text:
            rows = padded.outputs[self.output]
            cases += [
                RecordedCase(PADDED, {}, {self.output: row}, self._named(text))
                for text, row in zip(together, rows, strict=True)
            ]
        return [*cases, padded]

    def _case(self, label: str, texts: list[str], by_text: bool) -> RecordedCase:
        tokens = self.tokens(texts)
        rows = self._answer(tokens)
        if by_text:
            return RecordedCase(label, {}, {self.output: rows[0]}, self._named(texts[0]))
        return RecordedCase(label, {name: value.numpy() for name, value in tokens.items()}, {self.output: rows})

    def _named(self, text: str) -> dict[str, str]:
        return {"query": self.job["query"], "text": text} if self.job["query"] else {"text": text}

    def _answer(self, tokens: Tokens) -> Array:
        """Rows of the output; an embedding is pooled here over the tokens alone, apart from what is exported."""
        with torch.inference_mode():
            answer = self.model(**tokens)
            rows: torch.Tensor
            if self.job["task"] == "embedding":
                rows = self.outcome.after(self._pooled(answer.last_hidden_state, tokens["attention_mask"]))
            else:
                rows = answer.last_hidden_state if self.job["task"] == "states" else answer.logits
            return rows.numpy()

    def _pooled(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        own = [row[kept.bool()] for row, kept in zip(states, mask, strict=True)]
        place = {"cls": 0, "last": -1}.get(self.job["pooling"])
        return torch.stack([row.mean(dim=0) if place is None else row[place] for row in own])


def _padded(rows: Sequence[Sequence[int]], width: int, padding: int) -> list[list[int]]:
    return [[*row, *[padding] * (width - len(row))] for row in rows]


def _positions(model: Any) -> int:
    """How many tokens a text may have, 0 for no end: a table that keeps a place for padding begins behind it."""
    stated = getattr(model.config, "max_position_embeddings", None)
    if not isinstance(stated, int) or stated < 1:
        return 0
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            return stated - int(module.padding_idx) - 1
    return stated


if __name__ == "__main__":
    run(work)
