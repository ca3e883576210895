"""A repacked package: what stays, what goes, what it asks for now."""

from dataclasses import replace
from pathlib import Path

from freehold.deploy.bundle.plugin.package import DAEMON_LIMIT, Identity, Package, parse
from freehold.deploy.bundle.plugin.repacking import limit_wanted, repack
from freehold.deploy.bundle.plugin.wheels import opened

from .packages import digest_of, plugin_files, write_wheel, zipped


def test_the_wheels_are_in_and_nothing_else_is_asked_for(tmp_path: Path) -> None:
    """The project and its lock are gone, so that the daemon reads the list; the plugin's own files are as they were."""
    paths = [write_wheel(tmp_path, "top", "1.0"), write_wheel(tmp_path, "base", "2.0")]
    files = plugin_files(lock="version = 1") | {"wheels/old.whl": b"", ".verification.dify.json": b"{}"}
    package = repack(parse(zipped(files, b"{}"), "p"), map(opened, paths))
    assert set(package.files) == (set(plugin_files()) - {"pyproject.toml"}) | {
        "requirements.txt",
        "wheels/base-2.0-py3-none-any.whl",
        "wheels/top-1.0-py3-none-any.whl",
    }
    assert package.files["main.py"] == plugin_files()["main.py"]
    assert package.comment == b""
    assert package.files["requirements.txt"].decode().splitlines()[1:] == [
        "--no-index",
        "--find-links=./wheels/",
        f"base==2.0 --hash=sha256:{digest_of(paths[1])}",
        f"top==1.0 --hash=sha256:{digest_of(paths[0])}",
    ]


def test_the_order_of_wheels_changes_no_byte(tmp_path: Path) -> None:
    """Deterministic, and repacking what is repacked already changes nothing."""
    wheels = [opened(write_wheel(tmp_path, name, "1.0")) for name in "cab"]
    package = parse(zipped(plugin_files()), "p")
    once = repack(package, wheels)
    assert once.archive() == repack(package, reversed(wheels)).archive()
    assert repack(once, wheels).archive() == once.archive()


def test_two_machines_wheels_are_one_line_with_two_digests(tmp_path: Path) -> None:
    """A pin names every file that may be installed for it."""
    tags = [f"cp312-cp312-manylinux_2_28_{machine}" for machine in ("x86_64", "aarch64")]
    paths = [write_wheel(tmp_path, "top", "1.0", tag=tag) for tag in tags]
    text = repack(parse(zipped(plugin_files()), "p"), map(opened, paths)).files["requirements.txt"].decode()
    assert text.splitlines()[-1].startswith("top==1.0 ")
    assert all(digest_of(path) in text.splitlines()[-1] for path in paths)


def test_the_limit_to_set_is_told_only_for_what_is_larger() -> None:
    """50 MiB pass; more asks for the next ten MiB."""
    small = Package(Identity("a", "p", "0.0.1"), {"a": bytes(DAEMON_LIMIT)})
    assert limit_wanted(small) is None
    assert limit_wanted(replace(small, files={"a": bytes(DAEMON_LIMIT), "b": b"x"})) == 60 << 20
