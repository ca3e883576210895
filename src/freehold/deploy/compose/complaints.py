"""What Docker and Compose write on standard error, as our errors.

The patterns are of Docker 20.10 to 28 and of docker-compose 1.29; they were taken from real ones. What none of them
knows is passed on as it is, with the command.
"""

import re
import shlex
from collections.abc import Sequence

from freehold.deploy.services.images import split
from freehold.errors import FreeholdError

_PATTERNS: tuple[tuple[str, str], ...] = (
    ("compose_socket_denied", r"permission denied while trying to connect to the Docker|PermissionError\(13"),
    (
        "compose_daemon_down",
        r"Cannot connect to the Docker daemon|Couldn't connect to Docker daemon|Is the docker daemon running"
        r"|failed to connect to the docker API|Error while fetching server API version",
    ),
    ("compose_gpu_runtime", r"(?P<reason>could not select device driver \"\w*\" with capabilities: \[\[.*gpu.*\]\])"),
    ("compose_gpu_unknown", r"nvidia-container-cli: (?P<reason>device error: [^\n]*unknown device[^\n]*)"),
    ("compose_gpu_driver", r"nvidia-container-cli: (?P<reason>[^\n]+)"),
    ("compose_port_taken", r"Bind for (?P<host>\S+):(?P<port>\d+) failed: port is already allocated"),
    ("compose_port_taken", r"listen tcp[46]? (?P<host>\S+):(?P<port>\d+): bind: address already in use"),
    ("compose_port_taken", r"bind host port (?:for )?(?P<host>\S+?):(?P<port>\d+)[:/][^\n]*address already in use"),
    ("compose_address_missing", r"bind host port (?:for )?(?P<host>\S+?):\d+[:/][^\n]*cannot assign requested address"),
    ("compose_address_missing", r"listen tcp[46]? (?P<host>\S+):\d+: bind: cannot assign requested address"),
    ("compose_mount_missing", r"bind source path does not exist: (?P<path>[^\n]+)"),
    ("compose_disk_full", r"(?P<reason>[^\n]*no space left on device)"),
    (
        "compose_image_denied",
        r"(?P<reason>pull access denied[^\n]*|[^\n]*unauthorized[^\n]*|no basic auth credentials|[^\n]*403 Forbidden)",
    ),
    (
        "compose_image_missing",
        r"(?P<reason>manifest (?:for \S+ not found|unknown)[^\n]*|[^\n]*No such image[^\n]*"
        r"|failed to resolve reference \S+ \S+: not found)",
    ),
    (
        "compose_registry_unreachable",
        r"(?P<reason>Get \"https?://[^\n]*|[^\n]*x509:[^\n]*|[^\n]*TLS handshake[^\n]*|[^\n]*dial tcp[^\n]*)",
    ),
)


def complaint(said: str, command: Sequence[str], address: str = "", image: str = "") -> FreeholdError:
    """The error behind what `command` wrote when it failed. `address` is the daemon's; `image` what it was to pull."""
    for code, pattern in _PATTERNS:
        match = re.search(pattern, said)
        if match is None:
            continue
        named = image or _image_in(said)
        found = {key: value.rstrip(". \r") for key, value in match.groupdict("").items()}
        known = {"address": address, "image": named, "registry": split(named)[0]}
        return FreeholdError(code, **known | found)
    return FreeholdError("compose_failed", said=_last_words(said), command=shlex.join(command))


def _image_in(said: str) -> str:
    """The image that compose was about to pull: `Pulling minilm (org/image:1)...`."""
    match = re.search(r"Pulling \S+ \(([^)\s]+)\)|[Ii]mage '?([\w./:@-]+)'?", said)
    return next((group for group in match.groups() if group), "an image") if match else "an image"


def _last_words(said: str) -> str:
    """The lines that say what is wrong: Compose's own of errors, else the last three."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith(("ERROR: ", "Error response"))]
    return " / ".join(dict.fromkeys(errors or lines[-3:])) or "it said nothing"
