"""The override file of an official installation, and what it mounts: an own CA, and nginx that asks for addresses anew.

Pure: an `Official` and what is wanted give the files. The rewritten nginx template is the installation's own, changed
in one thing: every `proxy_pass` to a fixed name goes by a variable, so that nginx asks Docker's DNS again.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from freehold.deploy.dify.official.reading import NGINX_TEMPLATE, Official
from freehold.deploy.topology.nginx import DOCKER_DNS
from freehold.deploy.yaml_text import as_yaml
from freehold.errors import FreeholdError

NAME = "docker-compose.override.yaml"
MARK = "# Made by `freehold dify patch`, which alone replaces it. Without this file all is as it was.\n"
FOLDER = "freehold"
BUNDLE = f"{FOLDER}/ca-certificates.crt"
TEMPLATE = f"{FOLDER}/default.conf.template"
PLUGIN_KEY = f"{FOLDER}/plugin-key.pem"

TRUSTING = ("api", "worker", "worker_beat", "plugin_daemon", "sandbox")
"""Services that call models, tools and stores of the company."""
CA_PLACE = "/etc/freehold/ca-certificates.crt"
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT")
"""Of OpenSSL, httpx and uv; requests; curl; pip. Each holds one bundle, which stands in place of the default one."""

PLUGIN_KEY_PLACE = "/etc/freehold/plugin-key.pem"
QUIET: Mapping[str, Mapping[str, str]] = {
    **{name: {"CHECK_UPDATE_URL": "", "MARKETPLACE_ENABLED": "false"} for name in ("api", "worker", "worker_beat")},
    "web": {"NEXT_TELEMETRY_DISABLED": "1", "AMPLITUDE_API_KEY": "", "MARKETPLACE_ENABLED": "false"},
    "weaviate": {"DISABLE_TELEMETRY": "true"},
}
"""By service, what keeps it from calling out. Up to 1.14 an empty line in `.env` does not: the default wins."""

_PASS = re.compile(r"^(?P<indent>[ \t]*)proxy_pass[ \t]+http://(?P<host>[A-Za-z][A-Za-z0-9_.-]*:[0-9]+);", re.M)
_SERVER = re.compile(r"^(?P<indent>[ \t]*)server[ \t]*\{[ \t]*$", re.M)
_VARIABLE = "freehold_upstream"


@dataclass(frozen=True)
class Asked:
    """What a patch is to do; what is not asked for is not in it."""

    bundle: str | None = None
    """Authorities to trust, PEM."""
    plugin_key: str | None = None
    """The public key of packages that the plugin daemon is to take besides Dify's own, PEM."""
    is_cured: bool = False
    """nginx asks for addresses anew."""
    is_closed: bool = False
    """Nothing is asked of the internet."""


@dataclass(frozen=True)
class Patch:
    """Files by their path below the installation's folder; the override is the last one."""

    files: Mapping[str, str]

    @property
    def override(self) -> str:
        """The text of the override file."""
        return self.files[NAME]


def patch(official: Official, asked: Asked) -> Patch:
    """The files of a patch of this installation.

    Raises FreeholdError `official_nginx_unknown` where there is no nginx of Dify's own to cure.
    """
    files: dict[str, str] = {}
    services: dict[str, Any] = {}
    if asked.bundle is not None:
        files[BUNDLE] = asked.bundle
        for name in TRUSTING:
            services[name] = {
                "environment": dict.fromkeys(CA_VARIABLES, CA_PLACE),
                "volumes": [f"./{BUNDLE}:{CA_PLACE}:ro"],
            }
    if asked.plugin_key is not None:
        files[PLUGIN_KEY] = asked.plugin_key
        daemon = services.setdefault("plugin_daemon", {"environment": {}, "volumes": []})
        daemon["environment"] |= {
            "FORCE_VERIFYING_SIGNATURE": "true",
            "THIRD_PARTY_SIGNATURE_VERIFICATION_ENABLED": "true",
            "THIRD_PARTY_SIGNATURE_VERIFICATION_PUBLIC_KEYS": PLUGIN_KEY_PLACE,
        }
        daemon["volumes"].append(f"./{PLUGIN_KEY}:{PLUGIN_KEY_PLACE}:ro")
    if asked.is_closed:
        for name, variables in QUIET.items():
            services.setdefault(name, {}).setdefault("environment", {}).update(variables)
    if asked.is_cured:
        if official.nginx is None or "nginx" not in official.parts:
            raise FreeholdError("official_nginx_unknown", folder=official.folder)
        files[TEMPLATE] = resolving(official.nginx)
        place = PurePosixPath("/etc/nginx/conf.d") / NGINX_TEMPLATE.name
        services["nginx"] = {"volumes": [f"./{TEMPLATE}:{place}:ro"]}
    files[NAME] = MARK + as_yaml({"services": {name: one for name, one in services.items() if name in official.parts}})
    return Patch(files)


def fixed(template: str) -> tuple[str, ...]:
    """The upstreams that nginx asks DNS for once, at its start."""
    return tuple(dict.fromkeys(found["host"] for found in _PASS.finditer(template)))


def resolving(template: str) -> str:
    """`template` with every upstream by a variable; the same where that is so already."""
    if not fixed(template):
        return template
    by_variable = rf"\g<indent>set ${_VARIABLE} \g<host>;\n\g<indent>proxy_pass http://${_VARIABLE};"
    return _SERVER.sub(
        rf"\g<0>\n\g<indent>    resolver {DOCKER_DNS} valid=1s ipv6=off;", _PASS.sub(by_variable, template)
    )
