"""The doctor's live check: a session that is really opened."""

import onnxruntime
import pytest

from freehold.cli.live_session import session_check


def test_a_session_on_the_processor_computes() -> None:
    """It is told with the runtime's version."""
    check = session_check("cpu")
    assert (check.id, check.status) == ("session:cpu", "ok")
    assert check.found.en == f"onnxruntime {onnxruntime.__version__}"
    assert check.why.zh


def test_a_device_that_is_not_granted_fails_with_the_engines_words() -> None:
    """And with its fix, in both languages."""
    if "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        assert session_check("cuda").status == "ok"
        return
    check = session_check("cuda")
    assert check.status == "fail"
    assert "cuda" in check.found.en
    assert check.found.zh != check.found.en
    assert check.fix.en


def test_tensorrt_is_opened_with_a_compiled_engine_only() -> None:
    """Nothing can be said of it without one."""
    assert session_check("tensorrt").status == "skip"


def test_a_machine_without_a_temporary_folder_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A read-only root without /tmp: nothing is judged."""
    monkeypatch.setattr("tempfile.tempdir", "/nonexistent")
    check = session_check("cpu")
    assert (check.status, check.found.en) == ("skip", "unknown: No such file or directory")
