"""From the published package to one that installs with no network at all."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from freehold.deploy.bundle.plugin.making import check, make
from freehold.deploy.bundle.plugin.package import DAEMON_LIMIT

from .conftest import offline
from .packages import LOCKED, lock_of, project, write_plugin

OFFICIAL = ("dify-plugin==0.10.2", "openai>=1.99.9")


def closed_network() -> list[str]:
    """The start of a command line that runs the rest in a network namespace without a route."""
    unshare = shutil.which("unshare")
    assert unshare is not None, "unshare (util-linux) is missing"
    return [unshare, "--net"] if os.geteuid() == 0 else [unshare, "--map-root-user", "--net"]


def test_the_official_requirement_installs_from_the_package_alone(
    wheelhouse: Path, pair: tuple[Path, Path], tmp_path: Path
) -> None:
    """Repacked, signed, checked, unpacked, and pip installs it for Python 3.12 where there is no route."""
    source = write_plugin(tmp_path / "p.difypkg", project=project(*OFFICIAL), lock=lock_of(LOCKED))
    made = make(source, pair[0], tmp_path / "work", 1_700_000_000, offline(wheelhouse))
    assert [f"{wheel.name}=={wheel.version}" for wheel in made.wheels] == [pin for pin, _, _ in LOCKED]
    assert made.package.size < DAEMON_LIMIT
    target = tmp_path / "offline.difypkg"
    target.write_bytes(made.package.archive())
    package, signed = check(target, [pair[1]])
    assert (package.identity.name, signed.category) == ("openai_api_compatible", "langgenius")

    folder = tmp_path / "cwd"
    with zipfile.ZipFile(target) as archive:
        archive.extractall(folder)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
    pip += [
        "--no-compile",
        "--ignore-requires-python",
        "--only-binary",
        ":all:",
        "--python-version",
        "3.12",
        "--implementation",
        "cp",
    ]
    pip += ["--platform", "manylinux_2_39_x86_64", "--platform", "manylinux_2_28_x86_64"]
    pip += ["--platform", "manylinux_2_24_x86_64", "--platform", "manylinux2014_x86_64"]
    pip += ["--target", str(tmp_path / "site"), "--requirement", "requirements.txt"]
    alone = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    subprocess.run([*closed_network(), *pip], cwd=folder, env=alone, check=True)
    assert {"dify_plugin", "openai", "gevent"} <= {path.name for path in (tmp_path / "site").iterdir()}
