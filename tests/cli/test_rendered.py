"""Files of a rendering, written and told."""

from pathlib import Path

import pytest

from freehold.cli.output import Output
from freehold.cli.rendered import write_rendered
from freehold.errors import FreeholdError


def test_files_are_written_and_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Below folders that are made; warnings come first."""
    warning = FreeholdError("rendering_mirror", routes="chat")
    write_rendered(Output(), tmp_path / "out", {"a/b.yaml": "é\n"}, (warning,))
    assert (tmp_path / "out/a/b.yaml").read_text(encoding="utf-8") == "é\n"
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("note: ")
    assert last == str(tmp_path / "out/a/b.yaml")


def test_what_cannot_be_written_is_named(tmp_path: Path) -> None:
    """The folder is a file."""
    (tmp_path / "out").write_text("")
    with pytest.raises(FreeholdError) as refused:
        write_rendered(Output(), tmp_path / "out", {"a": ""})
    assert refused.value.code == "rendering_unwritable"
