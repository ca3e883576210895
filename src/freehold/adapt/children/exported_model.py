"""What is exported of a Hugging Face model: its own class, with the inputs and the one output that a server knows."""

from typing import Any

import torch


class PixelModel(torch.nn.Module):
    """pixel_values [batch, channels, height, width] to logits [batch, labels]."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Of the model's answer the logits alone."""
        logits: torch.Tensor = self.model(pixel_values=pixel_values).logits
        return logits


class Outcome(torch.nn.Module):
    """From the answer of a text model to the one output: logits, states, or an embedding a text.

    `after` is what sentence-transformers does to pooled states [batch, hidden].
    """

    def __init__(self, task: str, pooling: str, after: torch.nn.Sequential) -> None:
        super().__init__()
        self.task, self.pooling, self.after = task, pooling, after

    def forward(self, answer: Any, mask: torch.Tensor) -> torch.Tensor:
        """`mask` is int64 [batch, tokens], 1 where there is a token."""
        if self.task not in ("embedding", "states"):
            logits: torch.Tensor = answer.logits
            return logits
        states: torch.Tensor = answer.last_hidden_state
        if self.task == "states":
            return states
        pooled: torch.Tensor = self.after(self._pooled(states, mask))
        return pooled

    def _pooled(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        if self.pooling == "cls":
            return states[:, 0]
        ours = mask.unsqueeze(-1).to(states.dtype)
        if self.pooling == "last":
            steps = torch.arange(states.shape[1], device=mask.device)
            ours = (steps == mask.sum(dim=1, keepdim=True) - 1).unsqueeze(-1).to(states.dtype)
        return (states * ours).sum(dim=1) / ours.sum(dim=1)


class TextModel(torch.nn.Module):
    """input_ids, attention_mask and, where the model has them, token_type_ids, int64 [batch, tokens] each.

    Padding reads as the model's own padding token, whichever id the server pads with: some models find the last token,
    or the position of a token, by that id and not by the mask.
    """

    def __init__(self, model: torch.nn.Module, padding: int | None, outcome: Outcome) -> None:
        super().__init__()
        self.model, self.padding, self.outcome = model, padding, outcome

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, token_type_ids: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The one output of `outcome`."""
        if self.padding is not None:
            input_ids = torch.where(attention_mask == 1, input_ids, self.padding)
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        answer = self.model(input_ids=input_ids, attention_mask=attention_mask, **types)
        result: torch.Tensor = self.outcome(answer, attention_mask)
        return result


class Normalize(torch.nn.Module):
    """L2 normalisation of rows."""

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """[batch, hidden] to rows of length 1."""
        return torch.nn.functional.normalize(rows, dim=-1)


def outcome_of(job: dict[str, Any]) -> Outcome:
    """What the job's `task`, `pooling` and `after` describe; a dense layer's tensors are read here."""
    layers: list[torch.nn.Module] = []
    for module in job.get("after", ()):
        layers += [Normalize()] if module["type"] == "Normalize" else _dense(module)
    return Outcome(job["task"], job.get("pooling", ""), torch.nn.Sequential(*layers)).eval()


def _dense(module: dict[str, Any]) -> list[torch.nn.Module]:
    from safetensors.torch import load_file  # noqa: PLC0415 - few models have a dense layer

    linear = torch.nn.Linear(module["inputs"], module["outputs"], bias=module["bias"])
    tensors = {name.removeprefix("linear."): value.float() for name, value in load_file(module["file"]).items()}
    linear.load_state_dict(tensors)
    return [linear, torch.nn.Tanh()] if module["activation"] == "tanh" else [linear]
