"""What Prometheus is told to scrape, and with which key."""

from freehold.deploy.kubernetes.monitoring import gateway_key, monitors
from freehold.deploy.services.secret_files import ACCESS
from tests.deploy.kubernetes.deployments import BGE, CASES, configured
from tests.deploy.kubernetes.trees import of_kind


def test_the_operator_gets_a_key_for_units_and_one_for_the_gateway() -> None:
    """As references to Secrets of the namespace."""
    units, gateway = monitors(CASES["tls"])
    assert units["spec"]["endpoints"][0]["authorization"]["credentials"]["name"] == "freehold-internal"
    (endpoint,) = gateway["spec"]["endpoints"]
    assert endpoint["authorization"]["credentials"] == {"name": "freehold-access", "key": "value"}
    assert endpoint["scheme"] == "https"


def test_monitors_select_the_services_of_the_deployment() -> None:
    """Each Service by exactly one of the two."""
    chosen = [
        (tree["spec"]["selector"]["matchLabels"], tree["spec"]["selector"]["matchExpressions"][0]["values"])
        for tree in monitors(CASES["tls"])
    ]
    for service in of_kind(CASES["tls"], "Service").values():
        labels = service["metadata"]["labels"]
        assert [
            labels["app.kubernetes.io/component"] in roles for same, roles in chosen if same.items() <= labels.items()
        ].count(True) == 1


def test_an_operator_that_chooses_by_labels_finds_them() -> None:
    """As the one of kube-prometheus-stack does."""
    assert {tree["metadata"]["labels"]["release"] for tree in monitors(CASES["tls"])} == {"prometheus"}


def test_a_monitor_is_made_only_where_the_operator_is() -> None:
    """Elsewhere nobody knows the kind."""
    assert of_kind(CASES["cpu"], "ServiceMonitor") == {}
    assert len(of_kind(CASES["tls"], "ServiceMonitor")) == 2


def test_the_gateway_is_asked_with_the_key_that_it_knows() -> None:
    """The user's own where there is one, none where the door is open."""
    assert gateway_key(CASES["cpu"]) == ACCESS
    assert gateway_key(configured({"models": [BGE], "access": {"auth": "none"}})) is None
    own = gateway_key(configured({"models": [BGE], "access": {"key": "${env:OUR_KEY}"}}))
    assert own is not None
    assert own.origin == "${env:OUR_KEY}"
