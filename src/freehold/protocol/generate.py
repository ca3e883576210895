"""Triton's generate extension: `POST /v2/models/{model}/generate` and `generate_stream`."""

from typing import Any

import msgspec

from freehold.errors import FreeholdError
from freehold.protocol import wire
from freehold.protocol.generation import GenerationFields, frame


class GenerateRequest(GenerationFields, frozen=True, kw_only=True):
    """The body of either call. Parameters may stand beside `text_input` or under `parameters`, which goes first.

    `exclude_input_in_output` is true unless a client says otherwise, as Dify's plugin expects it.
    """

    text_input: str | list[str]
    stop_words: str | list[str] | None = None
    exclude_input_in_output: bool | None = None

    @property
    def text(self) -> str:
        """The prompt; some clients send it as a tensor of one element. Raises `parameter_invalid`."""
        if isinstance(self.text_input, str):
            return self.text_input
        if len(self.text_input) != 1:
            found = f"{len(self.text_input)} texts"
            raise FreeholdError("parameter_invalid", parameter="text_input", value=found, expected="one text")
        return self.text_input[0]


class GenerateAnswer(msgspec.Struct):
    """The answer, or one frame of it."""

    model_name: str
    model_version: str
    text_output: str


_BODY = msgspec.json.Decoder(dict[str, Any])


def parse_generate(body: bytes) -> GenerateRequest:
    """Read a request. Raises FreeholdError of kind INVALID."""
    fields = wire.decode(_BODY, body)
    parameters = fields.pop("parameters", None) or {}
    if not isinstance(parameters, dict):
        raise FreeholdError("request_invalid", reason="`parameters` is no object")
    if "cache_salt" in fields:
        parameters = {**parameters, "cache_salt": fields["cache_salt"]}  # a gateway before us writes it here
    return generate_request({**fields, **parameters})


def generate_request(merged: dict[str, Any]) -> GenerateRequest:
    """A request from its fields, parameters among them. Raises FreeholdError of kind INVALID."""
    if merged.get("stop_words") and not merged.get("stop"):
        merged["stop"] = merged["stop_words"]
    if not isinstance(merged.get("stop"), str | list):
        merged.pop("stop", None)  # Triton's backends also know `stop` as a switch
    try:
        request = msgspec.convert(merged, GenerateRequest)
    except msgspec.ValidationError as error:
        raise FreeholdError("request_invalid", reason=wire.reason(error)) from error
    request.check_fields()
    return request


def encode_generate(model: str, version: str, text: str) -> bytes:
    """Write the answer."""
    return wire.encode(GenerateAnswer(model, version, text))


def generate_frame(model: str, version: str, text: str) -> bytes:
    """Write one frame of a streamed answer."""
    return frame(GenerateAnswer(model, version, text))
