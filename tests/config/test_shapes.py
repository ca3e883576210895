"""The declarations themselves."""

from collections.abc import Iterator

import msgspec
import pytest
from msgspec import inspect as mi

from freehold.config import Config, Gpus, ModelConfig, Source
from freehold.config.shapes import Limits


def shapes(kind: mi.Type) -> Iterator[mi.StructType]:
    match kind:
        case mi.Metadata(type=inner) | mi.VarTupleType(item_type=inner) | mi.DictType(value_type=inner):
            yield from shapes(inner)
        case mi.UnionType(types=members):
            for member in members:
                yield from shapes(member)
        case mi.StructType(fields=fields):
            yield kind
            for field in fields:
                yield from shapes(field.type)


def test_every_key_is_documented_in_one_line() -> None:
    """Each has a sentence, and a number of seconds, bytes or tokens its unit."""
    for shape in shapes(mi.type_info(Config)):
        assert shape.cls.__doc__
        for field in shape.fields:
            assert isinstance(field.type, mi.Metadata), field.name
            text = (field.type.extra_json_schema or {}).get("description", "")
            assert text.endswith("."), field.name
            assert "\n" not in text
            assert len(text) <= 110, field.name
            if field.name.endswith(("_s", "_ms", "_mb", "_tokens")):
                assert (field.type.extra or {}).get("unit"), field.name


def test_a_configuration_cannot_be_changed() -> None:
    """Rooms share it without fear."""
    with pytest.raises(AttributeError):
        Config().models = ()  # type: ignore[misc]  # what the test is about


def test_the_shapes_that_others_lean_on_are_kept() -> None:
    """Names that documents, scripts and other programs' checks use."""
    assert set(ModelConfig.__struct_fields__) >= {
        *("id", "source", "engine", "kind", "input_shape", "context_length", "device", "precision", "gpus", "workers"),
        *("limits", "keep_alive", "require", "defaults"),
    }
    assert set(Config.__struct_fields__) >= {"models", "routes", "access", "deploy", "observe", "dify"}
    assert set(Limits.__struct_fields__) >= {"concurrency", "queue", "deadline_s", "body_mb"}


@pytest.mark.parametrize(
    ("gpus", "request_"),
    [(0, None), (2, Gpus(count=2)), (Gpus(count=1, resource="huawei.com/Ascend910"), Gpus(1, "huawei.com/Ascend910"))],
)
def test_both_forms_of_gpus_are_one_request(gpus: int | Gpus, request_: Gpus | None) -> None:
    """A number means NVIDIA's."""
    assert ModelConfig(id="a", source="/a", gpus=gpus).gpu_request == request_


@pytest.mark.parametrize(
    ("text", "seconds"), [("forever", None), ("90s", 90.0), ("30m", 1800.0), ("2h", 7200.0), ("7d", 604800.0)]
)
def test_keep_alive_is_a_time(text: str, seconds: float | None) -> None:
    """In seconds, or for ever."""
    assert ModelConfig(id="a", source="/a", keep_alive=text).keep_alive_s == seconds


def test_a_model_is_found_by_its_id() -> None:
    """Or not."""
    model = ModelConfig(id="a", source="m:1")
    assert Config(models=(model,)).model("a") is model
    assert Config().model("a") is None
    assert model.parsed_source == Source("store", "m", version="1")


def test_defaults_refuse_little_and_promise_what_dify_needs() -> None:
    """Time bounds the queue, not a count; the deadline lies under Dify's 60 seconds."""
    limits = msgspec.convert({}, Limits)
    assert (limits.concurrency, limits.queue) == (None, None)
    assert limits.deadline_for("embed") < 60


@pytest.mark.parametrize(
    ("model", "hosting"),
    [
        (ModelConfig(id="a", source="/a"), "here"),
        (ModelConfig(id="a", source="/a", engine="vllm"), "child"),
        (ModelConfig(id="a", source="/a", command=("x", "{port}")), "child"),
        (ModelConfig(id="a", source="http://h/v1"), "upstream"),
    ],
)
def test_what_computes_the_answers_is_known_from_the_configuration(model: ModelConfig, hosting: str) -> None:
    """This process, a server that it starts, or one elsewhere."""
    assert model.hosting == hosting


@pytest.mark.parametrize(
    ("limits", "kind", "seconds"),
    [(Limits(), "embed", 50), (Limits(), "generate", 120), (Limits(deadline_s=7), "generate", 7)],
)
def test_a_deadline_that_is_not_set_follows_the_kind(limits: Limits, kind: str, seconds: float) -> None:
    """Documents must start before Dify gives up; a chat is kept open while it waits."""
    assert limits.deadline_for(kind) == seconds
