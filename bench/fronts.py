"""The programs that stand before one upstream and pass requests on by the model that their bodies name."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import environments
from bench.places import ROOT, WORK
from bench.processes import Command, ServerProcess, free_port

MODEL = "paced"
ENVIRONMENT = "litellm"
"""The one front that is installed like a peer."""
BIN = Path(sys.executable).parent
QUIET = {"FREEHOLD_AUTH": "none", "FREEHOLD_LANG": "en"}


@dataclass(frozen=True)
class Place:
    """Where one is set up: a scratch folder, its port, the upstream's port, and the configuration of ours."""

    folder: Path
    port: int
    behind: int

    @property
    def config(self) -> Path:
        """freehold.yaml: made for ours, and what Nginx's and Envoy's are rendered from."""
        return self.folder / "freehold.yaml"

    @property
    def environment(self) -> Mapping[str, str]:
        """What ours is told."""
        return {**QUIET, "FREEHOLD_HOME": str(self.folder / "home")}


@dataclass(frozen=True)
class Front:
    """One program; `command` sets it up in a place and says how it is started."""

    name: str
    command: Callable[[Place], Command]
    ready_path: str = "/healthz"

    @property
    def folder(self) -> Path:
        """Its scratch folder."""
        return WORK / "routing" / self.name.partition(",")[0].lower().replace(" ", "-")


def simple(place: Place) -> str:
    """One model behind another server."""
    models = [{"id": MODEL, "source": f"http://127.0.0.1:{place.behind}/v1"}]
    return json.dumps({"models": models, "server": {"port": place.port}})


def start(front: Front, behind: int, config: Callable[[Place], str] = simple) -> ServerProcess:
    """Start it before the upstream at port `behind`. Raises ServerFailedError, CalledProcessError."""
    front.folder.mkdir(parents=True, exist_ok=True)
    place = Place(front.folder, free_port(), behind)
    place.config.write_text(config(place))
    return ServerProcess(front.command(place), place.port, front.ready_path, front.folder / "log", 60)


def _freehold(place: Place) -> Command:
    return Command([str(BIN / "freehold"), "gateway", str(place.config)], place.environment, place.folder)


def _rendered(target: str, place: Place) -> Path:
    """The folder with what ours renders for another program."""
    folder = place.folder / target
    argv = [BIN / "freehold", "render", target, place.config, "--output", folder]
    subprocess.run(argv, check=True, env={**os.environ, **place.environment}, stdout=subprocess.DEVNULL)
    return folder


def _nginx(place: Place) -> Command:
    folder = _rendered("nginx", place)
    main = folder / "nginx.conf"
    main.write_text(main.read_text().replace("worker_processes auto;", "worker_processes 1;"))
    argv = ["nginx", "-p", str(folder), "-c", main.name, "-g", "daemon off;"]
    return Command(argv, {}, folder)


def _envoy(place: Place) -> Command:
    folder = _rendered("envoy", place)
    argv = [str(BIN / "envoy"), "-c", str(folder / "envoy.yaml"), "--concurrency", "1", "--use-dynamic-base-id"]
    return Command([*argv, "--log-level", "warn"], {}, folder)


def _plain_envoy(place: Place) -> Command:
    config = place.folder / "envoy.json"
    config.write_text(json.dumps(_by_hand(place)))
    argv = [str(BIN / "envoy"), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id"]
    return Command([*argv, "--log-level", "warn"], {}, place.folder)


def _by_hand(place: Place) -> dict[str, Any]:
    """The least that Envoy needs to route by the body's model: no checks, no errors of its own, no shares."""
    extension = "type.googleapis.com/envoy.extensions.filters"
    name = {"metadata_namespace": "body", "key": "model"}
    rule = {"selectors": [{"key": "model"}], "on_present": name}
    named = {"filter": "body", "path": [{"key": "model"}], "value": {"string_match": {"exact": MODEL}}}
    health = {"match": {"path": "/healthz"}, "direct_response": {"status": 200}}
    there = {"cluster": MODEL, "timeout": "0s"}
    routes = [health, {"match": {"prefix": "/", "dynamic_metadata": [named]}, "route": there}]
    filters = [
        {
            "name": "body",
            "typed_config": {
                "@type": f"{extension}.http.json_to_metadata.v3.JsonToMetadata",
                "request_rules": {"rules": [rule]},
            },
        },
        {"name": "router", "typed_config": {"@type": f"{extension}.http.router.v3.Router"}},
    ]
    connections = {
        "@type": f"{extension}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "by_hand",
        "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": routes}]},
        "http_filters": filters,
    }
    chain = {"filters": [{"name": "http", "typed_config": connections}]}
    listener = {"address": _address(place.port), "filter_chains": [chain]}
    endpoint = {"endpoint": {"address": _address(place.behind)}}
    assignment = {"cluster_name": MODEL, "endpoints": [{"lb_endpoints": [endpoint]}]}
    cluster = {"name": MODEL, "type": "STATIC", "load_assignment": assignment}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


def _address(port: int) -> dict[str, Any]:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def _litellm(place: Place) -> Command:
    python = environments.ensure(ENVIRONMENT)
    behind = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{place.behind}/v1", "api_key": "none"}
    config = place.folder / "litellm.yaml"
    config.write_text(json.dumps({"model_list": [{"model_name": MODEL, "litellm_params": behind}]}))
    argv = [str(python.with_name("litellm")), "--config", str(config), "--host", "127.0.0.1", "--port", str(place.port)]
    environment = {
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",
    }
    environment |= {"LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    return Command([*argv, "--telemetry", "False"], environment, place.folder)


def upstream(port: int) -> ServerProcess:
    """The server behind all of them (bench/pacing.py)."""
    command = Command([sys.executable, "-m", "bench.pacing", str(port)], {}, ROOT)
    return ServerProcess(command, port, "/v1/models", WORK / "routing" / "upstream.log")


FREEHOLD = Front("Freehold", _freehold, "/readyz")
NGINX = Front("Nginx, rendered by Freehold", _nginx)
ENVOY = Front("Envoy, rendered by Freehold", _envoy)
PLAIN_ENVOY = Front("Envoy by hand, body routing alone", _plain_envoy)
LITELLM = Front("LiteLLM", _litellm, "/health/liveliness")
DIRECT = "The upstream itself"
FRONTS = (FREEHOLD, NGINX, ENVOY, PLAIN_ENVOY, LITELLM)
