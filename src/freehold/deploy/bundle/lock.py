"""`images.lock.json`: what each image of a deployment is where a bundle was loaded, beside its configuration.

Renderings and rollouts of a configuration that has this file beside it take its images from there and ask nobody.
"""

from collections.abc import Mapping
from pathlib import Path

import msgspec

from freehold.artifact.artifact import write_durably
from freehold.errors import FreeholdError
from freehold.store.oci import UNREADABLE

FILE = "images.lock.json"


class _Lock(msgspec.Struct, frozen=True):
    """`bundle`: the digest of the manifest that it came from. `images` as for `images.located`."""

    bundle: str
    images: dict[str, str]


def write_lock(folder: Path, bundle: str, images: Mapping[str, str]) -> Path:
    """Where it was written, whole. Raises OSError."""
    raw = msgspec.json.encode(_Lock(bundle, dict(sorted(images.items()))))
    write_durably(folder / FILE, msgspec.json.format(raw, indent=1) + b"\n")
    return folder / FILE


def read_lock(folder: Path) -> Mapping[str, str]:
    """Digests by the names of images, none where there is no such file. Raises `bundle_lock_unreadable`."""
    path = folder / FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Lock).images
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise FreeholdError("bundle_lock_unreadable", path=path, reason=error.strerror or str(error)) from None
    except UNREADABLE as error:
        raise FreeholdError("bundle_lock_unreadable", path=path, reason=str(error)) from None
