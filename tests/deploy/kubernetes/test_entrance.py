"""How the outside comes to the gateway."""

from freehold.deploy.kubernetes.entrance import entrance
from tests.deploy.kubernetes.deployments import CASES, deployment
from tests.deploy.kubernetes.trees import Tree

HOST = "models.corp.test"


def ingress(**settings: str) -> dict[str, Tree]:
    return {tree["metadata"]["name"]: tree for tree in entrance(deployment(ingress={"host": HOST, **settings}))}


def test_without_an_ingress_there_is_no_way_in() -> None:
    """Nothing is rendered."""
    assert list(entrance(CASES["cpu"])) == []


def test_an_issuer_writes_the_secret_that_the_ingress_reads() -> None:
    """Named by the user, or by us."""
    tree = ingress(ingress_class="nginx", issuer="letsencrypt")["gateway"]
    assert tree["metadata"]["annotations"]["cert-manager.io/cluster-issuer"] == "letsencrypt"
    assert tree["spec"]["tls"] == [{"hosts": [HOST], "secretName": "gateway-tls"}]
    named = ingress(issuer="corp-ca", secret="corp-tls")["gateway"]
    assert named["spec"]["tls"][0]["secretName"] == "corp-tls"
    assert "ingressClassName" not in named["spec"]


def test_nginx_sends_http_to_https_and_buffers_nothing() -> None:
    """Bodies as large as the gateway's own limit, answers as they come, however long one is silent."""
    annotations = next(entrance(CASES["tls"]))["metadata"]["annotations"]
    nginx = {key.partition("/")[2]: value for key, value in annotations.items() if key.startswith("nginx.")}
    assert nginx == {
        "ssl-redirect": "true",
        "force-ssl-redirect": "true",
        "proxy-body-size": "16m",
        "proxy-read-timeout": "600",
        "proxy-send-timeout": "600",
        "proxy-buffering": "off",
        "proxy-request-buffering": "off",
        "backend-protocol": "HTTPS",
    }
    plain = ingress()["gateway"]["metadata"]["annotations"]
    assert plain["nginx.ingress.kubernetes.io/force-ssl-redirect"] == "false"
    assert plain["nginx.ingress.kubernetes.io/proxy-body-size"] == "64m"


def test_traefik_redirects_by_an_object_of_its_own() -> None:
    """A second Ingress at its plain entry point has the redirection."""
    trees = ingress(ingress_class="traefik", secret="corp-tls")
    assert list(trees) == ["gateway", "to-https", "gateway-to-https"]
    assert trees["to-https"]["spec"] == {"redirectScheme": {"scheme": "https", "permanent": True}}
    plain = trees["gateway-to-https"]
    middleware = plain["metadata"]["annotations"]["traefik.ingress.kubernetes.io/router.middlewares"]
    assert middleware == "freehold-to-https@kubernetescrd"
    assert "tls" not in plain["spec"]
    secure = trees["gateway"]["metadata"]["annotations"]
    assert secure["traefik.ingress.kubernetes.io/router.entrypoints"] == "websecure"


def test_traefik_without_a_certificate_has_one_ingress() -> None:
    """At its plain entry point."""
    (tree,) = ingress(ingress_class="traefik").values()
    assert tree["metadata"]["annotations"] == {"traefik.ingress.kubernetes.io/router.entrypoints": "web"}
