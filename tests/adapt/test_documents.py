"""JSON files of a model folder: read into types, or refused by name."""

from contextlib import suppress
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from freehold.adapt.documents import read, read_or
from freehold.errors import FreeholdError


class Sample(msgspec.Struct, frozen=True):
    width: int


def test_unknown_fields_are_left_alone(tmp_path: Path) -> None:
    """A config.json has dozens of fields that shape nothing."""
    (tmp_path / "a.json").write_text('{"width": 3, "torch_dtype": "float32"}')
    assert read(tmp_path / "a.json", Sample) == Sample(3)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "truncated"),
        ('{"other": ' + "[" * 100_000, "recursion"),
        ('{"width": "3"}', r"\$\.width"),
        ("{}", "width"),
        ("[]", "object"),
        ('{"\udcff"', "invalid|malformed"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str, tmp_path: Path) -> None:
    """No JSON, a field of another type, a field that is missing, another document, bytes that are no text."""
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FreeholdError, match=reason) as caught:
        read(tmp_path / "a.json", Sample)
    assert caught.value.code == "model_folder_invalid"
    assert str(tmp_path / "a.json") in caught.value.cause


def test_an_absent_file_is_an_error_or_the_default(tmp_path: Path) -> None:
    """`read` needs the file, `read_or` does not."""
    with pytest.raises(FreeholdError, match="No such file"):
        read(tmp_path / "a.json", Sample)
    assert read_or(tmp_path / "a.json", Sample, Sample(1)) == Sample(1)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=60))
def test_no_bytes_get_past_as_another_exception(data: bytes, tmp_path: Path) -> None:
    """Whatever lies in the file, it is read or refused with a code."""
    (tmp_path / "a.json").write_bytes(data)
    with suppress(FreeholdError):
        read(tmp_path / "a.json", Sample)
