"""`freehold rollout shadow`."""

import json
from pathlib import Path

import pytest
import typer

from freehold.cli import rollout_shadow
from freehold.cli.output import Output
from freehold.errors import FreeholdError
from freehold.gateway.comparing.comparison import Comparison
from freehold.gateway.shadows.shadow_report import FOLDER, Report, Times, encoded


@pytest.fixture
def rollout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """The verb, at a place where the route `chat` has a report."""
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))
    report = Report("chat", "new", "auto", 1e-3, 0.9, 0.0, 0.0)
    found = Comparison("text", "differs", "text", 5.0, similarity=0.5)
    report.add("r-7", "old", found, Times(0.1, 0.2), Times(0.1, 0.3), 60.0)
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / "chat.json").write_bytes(encoded(report))
    app = typer.Typer()
    app.callback()(lambda: None)
    rollout_shadow.add_to(app)
    return app


def test_a_report_is_shown_and_drawn(rollout: typer.Typer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In lines, and as a page in a folder that is made."""
    page = tmp_path / "new" / "report.html"
    rollout(["shadow", "chat", "--html", str(page)], obj=Output(language="zh"), standalone_mode=False)
    assert "compared  1: 0 equal, 0 within bounds, 1 differ" in capsys.readouterr().out
    assert "r-7" in page.read_text()
    assert 'lang="zh"' in page.read_text()


def test_programs_get_all_of_it(rollout: typer.Typer, capsys: pytest.CaptureFixture[str]) -> None:
    """As it is kept, with its sums."""
    rollout(["shadow", "chat"], obj=Output(as_json=True), standalone_mode=False)
    told = json.loads(capsys.readouterr().out)
    assert (told["route"], told["compared"], told["share_differs"], told["worst"][0]["request_id"]) == (
        "chat",
        1,
        1.0,
        "r-7",
    )


def test_a_route_without_a_report_is_told(rollout: typer.Typer) -> None:
    """With those that have one."""
    with pytest.raises(FreeholdError, match="chat") as told:
        rollout(["shadow", "other"], obj=Output(), standalone_mode=False)
    assert told.value.code == "shadow_report_absent"


def test_a_page_that_cannot_be_written_is_told(rollout: typer.Typer, tmp_path: Path) -> None:
    """Before anything is shown."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FreeholdError) as told:
        rollout(["shadow", "chat", "--html", str(tmp_path / "file" / "x.html")], obj=Output(), standalone_mode=False)
    assert told.value.code == "report_unwritable"
