"""What installs Freehold's command line without a network: its own wheel, and those that it needs, by their hashes."""

import base64
import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import Distribution, PackagePath
from importlib.util import find_spec
from pathlib import Path

from freehold.artifact.artifact import sha256_of
from freehold.deploy.bundle.platforms import ALL
from freehold.errors import FreeholdError

LOCK = Path(__file__).with_name("base.lock")
"""requirements/base.lock: a link to it in the source, a copy in the wheel."""
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_NEWEST_GLIBC, _OLDEST_GLIBC = 36, 17  # of Debian 12, and what manylinux2014 stands for
_INSTALLERS_OWN = frozenset({"INSTALLER", "REQUESTED", "RECORD", "direct_url.json", "uv_cache.json"})
_DATE = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip knows: the same files make the same bytes


def fetch_wheels(lock: Path, into: Path, platform: str, environ: Mapping[str, str]) -> None:
    """Bring every wheel of `lock` into the folder `into`, by pip and its settings, for this Python on `platform`; for
    "all" for every machine that Freehold runs on.

    What is there already is taken where its hash is right. Raises `bundle_pip_missing`, `bundle_wheels_failed`.
    """
    if find_spec("pip") is None:
        raise FreeholdError("bundle_pip_missing", python=sys.executable)
    architectures = tuple(_MACHINES) if platform == ALL else (platform.split("/")[1],)
    for architecture in architectures:
        done = subprocess.run(  # noqa: S603 - argument lists of our own
            _command(lock, into, _MACHINES.get(architecture, architecture)),
            env=dict(environ),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.strip()]
            raise FreeholdError("bundle_wheels_failed", reason=(said or ["pip failed"])[-1][:300])
    locked = lock.read_text(encoding="utf-8")
    for wheel in into.iterdir():
        if sha256_of(wheel) not in locked:
            wheel.unlink()  # of an older lock, which an earlier try brought


def _command(lock: Path, into: Path, machine: str) -> list[str]:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "--requirement", str(lock), "--dest", str(into)]
    command += ["--python-version", "{}.{}".format(*sys.version_info)]
    for glibc in range(_NEWEST_GLIBC, _OLDEST_GLIBC - 1, -1):
        command += ["--platform", f"manylinux_2_{glibc}_{machine}"]
    return [*command, "--platform", f"manylinux2014_{machine}"]


def own_wheel(distribution: Distribution, into: Path) -> Path:
    """The wheel that `distribution` was installed from, put together again of its files, each as its RECORD says.

    Raises `bundle_wheel_wanted` where it was not installed from a wheel, or is no longer as it was.
    """
    files = [file for file in distribution.files or () if _of_wheel(file)]
    if not any(file.parts[0] == "freehold" for file in files):
        raise FreeholdError("bundle_wheel_wanted", reason="this one runs from its source folder")
    (info,) = {file.parts[0] for file in files if file.parts[0].endswith(".dist-info")}
    tags = [line for line in (distribution.read_text("WHEEL") or "").splitlines() if line.startswith("Tag:")]
    path = into / f"{info.removesuffix('.dist-info')}-{tags[0].partition(':')[2].strip()}.whl"
    record = []
    with zipfile.ZipFile(path, "w") as wheel:
        for file in sorted(files, key=str):
            raw = _verified(distribution, file)
            wheel.writestr(zipfile.ZipInfo(str(file), _DATE), raw, zipfile.ZIP_DEFLATED)
            record.append(f"{file},sha256={_hash(raw)},{len(raw)}")
        text = "\n".join([*record, f"{info}/RECORD,,", ""])
        wheel.writestr(zipfile.ZipInfo(f"{info}/RECORD", _DATE), text, zipfile.ZIP_DEFLATED)
    return path


def checked_wheel(path: Path) -> Path:
    """A wheel of Freehold that was given. Raises `bundle_wheel_unfit`."""
    try:
        with zipfile.ZipFile(path) as wheel:
            names = wheel.namelist()
    except (OSError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise FreeholdError("bundle_wheel_unfit", path=path, reason=reason) from None
    if path.suffix != ".whl" or "freehold/__init__.py" not in names:
        raise FreeholdError("bundle_wheel_unfit", path=path, reason="it is no wheel of Freehold")
    return path


def _of_wheel(file: PackagePath) -> bool:
    """Whether the wheel had it: not what the installer made beside it."""
    if ".." in file.parts or "__pycache__" in file.parts or file.is_absolute():
        return False
    return not (file.parts[0].endswith(".dist-info") and file.name in _INSTALLERS_OWN)


def _verified(distribution: Distribution, file: PackagePath) -> bytes:
    try:
        raw = Path(str(distribution.locate_file(file))).read_bytes()
    except OSError as error:
        raise FreeholdError("bundle_wheel_wanted", reason=f"{file}: {error.strerror}") from None
    if file.hash is None or file.hash.value != _hash(raw):
        raise FreeholdError("bundle_wheel_wanted", reason=f"{file} is not as it was installed")
    return raw


def _hash(raw: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(raw).digest()).rstrip(b"=").decode()
