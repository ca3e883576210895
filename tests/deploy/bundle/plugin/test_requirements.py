"""What a package asks for is read, never run."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from freehold.deploy.bundle.plugin.package import Identity, Package
from freehold.deploy.bundle.plugin.requirements import Wanted, wanted
from freehold.errors import FreeholdError

from .packages import LOCKED, lock_of, project


def of(**files: str) -> Wanted:
    """What these files ask for; names are project, lock, requirements."""
    paths = {"project": "pyproject.toml", "lock": "uv.lock", "requirements": "requirements.txt"}
    raw = {paths[name]: text.encode() for name, text in files.items()}
    return wanted(Package(Identity("a", "p", "0.0.1"), raw))


def test_the_project_goes_before_the_list() -> None:
    """As in the daemon, requirements.txt counts only where there is no pyproject.toml; groups are not installed."""
    both = of(project=project("dify-plugin==0.10.2"), requirements="other==1\n")
    assert [str(one) for one in both.requirements] == ["dify-plugin==0.10.2"]
    assert [str(one) for one in of(requirements="other==1\n").requirements] == ["other==1"]


def test_a_lock_gives_versions_and_digests_but_not_the_plugin_itself() -> None:
    """Every package from an index is locked to its version, and to the files that the author saw."""
    found = of(project=project("dify-plugin"), lock=lock_of(LOCKED))
    assert {f"{name}=={version}" for name, version in found.locked.items()} == {pin for pin, _, _ in LOCKED}
    name, version = LOCKED[0][0].split("==")
    assert found.digests[name, version] == frozenset({LOCKED[0][2]})


def test_a_package_locked_to_two_versions_is_left_to_the_index() -> None:
    """Locks for several platforms may hold two versions of one package."""
    found = of(project=project("a"), lock=lock_of([["a==1", "a.whl", "00"], ["a==2", "a2.whl", "11"]]))
    assert found.locked == {}
    assert found.digests["a", "1"] == frozenset({"00"})


def test_a_list_with_hashes_continued_lines_and_indexes() -> None:
    """Digests are kept, comments and what is said of indexes are not."""
    text = """\
-i https://mirror.example/simple
--find-links=./wheels/
# a comment
Flask==3.0.3 \\
    --hash=sha256:aa \\
    --hash=sha256:bb
httpx[socks]>=0.27; python_version >= "3.12"  # for proxies
"""
    found = of(requirements=text)
    assert [one.name for one in found.requirements] == ["Flask", "httpx"]
    assert found.digests == {("flask", "3.0.3"): frozenset({"aa", "bb"})}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("git+https://example.com/a.git", "no name"),
        ("a @ https://example.com/a.whl", "an address"),
        ("-r other.txt", "no name"),
        ("-e .", "no name"),
        ("./local.whl", "no name"),
        ("a==1 --global-option=x", "no name"),
    ],
)
def test_a_line_that_would_run_or_fetch_something_is_refused(line: str, reason: str) -> None:
    """It is named with its line."""
    with pytest.raises(FreeholdError) as caught:
        of(requirements=f"fine==1\n{line}\n")
    assert caught.value.code == "plugin_requirement_refused"
    assert caught.value.details["where"] == "requirements.txt:2"
    assert reason in caught.value.details["reason"]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "plugin_requirements_missing"),
        ({"project": "[project"}, "plugin_requirements_invalid"),
        ({"project": "[project]\nname = 'a'\n"}, "plugin_requirements_invalid"),
        ({"project": "[project]\ndependencies = [1]\n"}, "plugin_requirements_invalid"),
        ({"project": project("a"), "lock": "package = [1]"}, "plugin_requirements_invalid"),
        ({"project": project("a"), "lock": "[[package]]\nname = 'a'\n"}, "plugin_requirements_invalid"),
        ({"project": project("a @ file:///a.whl")}, "plugin_requirement_refused"),
        ({"project": project("a") + '[tool.uv.sources]\na = {path = "../a"}\n'}, "plugin_requirement_refused"),
    ],
)
def test_what_cannot_be_read_is_named(files: dict[str, str], code: str) -> None:
    """Each file has its own error."""
    with pytest.raises(FreeholdError) as caught:
        of(**files)
    assert caught.value.code == code


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="ab=-1 \\\n#[];@/.\"'<>~\t", max_size=40))
def test_any_list_is_read_or_refused(text: str) -> None:
    """Lists of requirements end in requirements or in errors of ours."""
    with contextlib.suppress(FreeholdError):
        of(requirements=text)
