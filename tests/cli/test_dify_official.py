"""`freehold dify doctor` and `patch`, as typed."""

from collections.abc import Callable
from pathlib import Path

from tests.deploy.dify.official.installations import QUIET, SECRETS, install
from tests.pki import Authority

from .conftest import Ran

Freehold = Callable[..., Ran]


def test_a_doctor_that_finds_and_one_that_is_content(freehold: Freehold, folder: Path) -> None:
    """Exit 1 with the fixes in the reader's language, and 0 once it is as it should be."""
    install(folder / "docker")
    ran = freehold("dify", "doctor", "--compose-dir", "docker", "--lang", "zh")
    assert ran.code == 1
    assert "公开仓库" in ran.out
    assert "difyai123456" not in ran.out
    install(folder / "own", **SECRETS, **QUIET)
    data = freehold("dify", "doctor", "--compose-dir", "own", "--json").data
    assert (data["ok"], data["profile"]) == (True, "dify")


def test_a_plan_writes_nothing_and_the_patch_what_it_said(freehold: Freehold, folder: Path) -> None:
    """The same files, then the command that puts them in force."""
    install(folder / "docker")
    ca = str(Authority(folder).file)
    planned = freehold("dify", "patch", "--compose-dir", "docker", "--ca", ca, "--cure-502", "--plan", "--json").data
    assert not (folder / "docker" / "docker-compose.override.yaml").exists()
    ran = freehold("dify", "patch", "--compose-dir", "docker", "--ca", ca, "--cure-502")
    assert "docker compose up -d" in ran.out
    for name, text in planned["files"].items():
        assert (folder / "docker" / name).read_text() == text
    assert freehold("dify", "doctor", "--compose-dir", "docker", "--own-ca", "--json").data["summary"]["fail"] == 2


def test_nothing_asked_and_no_installation(freehold: Freehold, folder: Path) -> None:
    """Each with its own error."""
    assert freehold("dify", "patch", "--json").error["code"] == "official_nothing_asked"
    assert freehold("dify", "doctor", "--json").error["code"] == "official_missing"
