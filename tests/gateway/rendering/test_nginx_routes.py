"""The module `routes.js`: routes, models, paths and errors as Nginx's script reads them."""

import json
import re
from typing import Any

from freehold.gateway.rendering.nginx_routes import address, is_fixed, is_named, routes_js
from freehold.gateway.rendering.plan import Endpoint, Plan
from freehold.gateway.routing.places import PATHS
from tests.gateway.rendering.conftest import configured
from tests.gateway.rendering.test_nginx import SMALL, WHOLE

_FUNCTION = re.compile(r"^function (\w+)\(key\) \{\n    switch \(key\) \{\n(.*?)\n    \}", re.MULTILINE | re.DOTALL)
_CASE = re.compile(r"^    case (\".*?\"): return (.*);$", re.MULTILINE)


def tables(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Each function as what it says of every key."""
    text = routes_js(Plan.of(configured(8080, **settings)))
    return {
        name: {json.loads(key): json.loads(value) for key, value in _CASE.findall(cases)}
        for name, cases in _FUNCTION.findall(text)
    }


def test_routes_and_models_are_all_that_the_plan_says() -> None:
    """Shares in percents, fallback and shadow; every model's own route; addresses only where they are names."""
    found = tables(WHOLE)
    assert found["route"]["chat"] == {
        "to": [{"id": "Qwen3-32B", "percent": 95}, {"id": "qwen3-32b", "percent": 5}],
        "fallback": "far",
        "shadow": {"id": "qwen3-32b", "percent": 5},
    }
    assert found["route"]["far"] == {"to": [{"id": "far", "percent": 100}]}
    assert found["model"] == {
        "Qwen3-32B": {"there": "Qwen3-32B", "base": "/v1", "root": "", "silence": "90", "most": 12},
        "qwen3-32b": {"there": "qwen", "base": "/openai", "root": "/openai", "silence": "120"},
        "far": {
            "there": "far",
            "base": "/v1",
            "root": "",
            "silence": "120",
            "endpoints": ["llm.corp.test:443", "llm2.corp.test:8443"],
        },
    }


def test_every_path_of_the_gateway_is_passed_on() -> None:
    """OpenAI's with and without their version, Cohere's rerank, and the verbs of the Open Inference Protocol."""
    found = tables(SMALL)
    assert found["openai"] == {
        **{f"{version}/{path}": f"/{path}" for path in PATHS for version in ("/v1", "")},
        "/v2/rerank": "/rerank",
    }
    assert found["inference"] == {
        "": "GET",
        "ready": "GET",
        "config": "GET",
        "stats": "GET",
        "infer": "POST",
        "generate": "POST",
        "generate_stream": "POST",
    }


def test_errors_are_the_houses_with_blanks_for_what_a_request_says() -> None:
    """Both dialects are JSON as the gateway answers it, the names there are filled in, and nothing else is."""
    errors = tables(WHOLE)["error"]
    unknown = errors["model_not_found"]
    assert unknown["status"] == 404
    assert json.loads(unknown["openai"])["error"]["code"] == "model_not_found"
    assert "no model {model} here. Ask for one of: chat, Qwen3-32B, qwen3-32b, far." in unknown["openai"]
    assert json.loads(unknown["oip"])["error"].endswith("[model_not_found]")
    assert "16 MB" in errors["body_too_large"]["oip"]
    assert (errors["upstream_unreachable"]["status"], errors["upstream_unreachable"]["retry"]) == (503, "2")
    assert {code for code, error in errors.items() if "retry" not in error} >= {"json_malformed", "model_conflict"}


def test_hosts_that_may_move_are_names() -> None:
    """An address stays, and so does this machine."""
    assert [is_fixed(host) for host in ("10.0.0.1", "fd00::1", "localhost", "vllm", "10.test")] == [
        *(True, True, True),
        *(False, False),
    ]
    plan = Plan.of(configured(8080, **WHOLE))
    assert [is_named(cluster) for cluster in plan.clusters.values()] == [False, False, True]
    assert address(Endpoint("fd00::1", 80)) == "[fd00::1]:80"
    assert address(Endpoint("vllm", 8000)) == "vllm:8000"
