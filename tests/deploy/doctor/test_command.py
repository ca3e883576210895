"""The command line of doctor.pyz, in this process."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from freehold.deploy.doctor.command import coloured, language_of, main, profile_of
from tests.deploy.doctor.known import MACHINES


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """English, and state in the test's own folder."""
    monkeypatch.setenv("FREEHOLD_LANG", "en")
    monkeypatch.setenv("FREEHOLD_HOME", str(tmp_path))


def test_another_machines_snapshot_is_judged(capsys: pytest.CaptureFixture[str]) -> None:
    """By the profile that is asked for; as text, as JSON, in Chinese."""
    source = str(MACHINES["edge-arm64"])
    assert main(["--from", source, "--profile", "edge"]) == 1
    assert re.search(r"^fail  ports +80 needs root$", capsys.readouterr().out, re.MULTILINE)
    assert main(["--from", source, "--profile", "edge", "--json", "--lang", "zh"]) == 1
    data: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert (data["profile"], data["ok"]) == ("edge", False)
    assert next(row for row in data["checks"] if row["id"] == "ports")["found"] == "端口 80 需要 root"
    assert main(["--from", str(MACHINES["pod-512mb"]), "--profile", "cluster"]) == 0


def test_gpus_are_needed_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    """A machine without them fails then."""
    main(["--from", str(MACHINES["openeuler-22.03"]), "--gpu"])
    assert "fail  nvidia_driver" in capsys.readouterr().out
    assert (profile_of("edge", False).gpu, profile_of("edge", True).gpu) == ("unasked", "needed")


def test_this_machines_snapshot_goes_there_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Written to a file or printed, and judged from it."""
    target = tmp_path / "machine.json"
    assert main(["--snapshot", str(target), "--folder", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"{target}\n"
    assert json.loads(target.read_text())["facts"]["disk"]["folder"] == str(tmp_path)
    assert main(["--from", str(target)]) in {0, 1}
    assert "cores" in capsys.readouterr().out
    assert main(["--snapshot", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["freehold_doctor"] == 1


def test_what_is_no_snapshot_is_wrong_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Absent, foreign, not text; and a file that cannot be written."""
    (tmp_path / "foreign.json").write_text("{}")
    (tmp_path / "bytes").write_bytes(b"\xff\xfe")
    for name, said in (("none", "No such file"), ("foreign.json", "freehold_doctor"), ("bytes", "UTF-8")):
        assert main(["--from", str(tmp_path / name)]) == 2
        told = capsys.readouterr().err
        assert said in told
        assert "--snapshot" in told
    assert main(["--snapshot", str(tmp_path / "none" / "x")]) == 2
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--profile", "huge"], ["--port", "0"], ["--port", "x"], ["surplus"]])
def test_wrong_usage_ends_with_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """As argparse tells it."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: doctor.pyz" in capsys.readouterr().err


def test_colours_and_language_follow_the_surroundings() -> None:
    """NO_COLOR and dumb terminals are respected; FREEHOLD_LANG goes before LANG."""
    assert coloured(terminal=True, environ={"TERM": "xterm"})
    assert not coloured(terminal=False, environ={})
    assert not coloured(terminal=True, environ={"NO_COLOR": "1"})
    assert not coloured(terminal=True, environ={"TERM": "dumb"})
    assert language_of({"LANG": "zh_CN.UTF-8"}) == "zh"
    assert language_of({"LANG": "zh_CN.UTF-8", "FREEHOLD_LANG": "en"}) == "en"
    assert language_of({}) == "en"
