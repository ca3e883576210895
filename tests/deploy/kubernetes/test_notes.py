"""README.md beside the files."""

from freehold.deploy.kubernetes.notes import readme
from tests.deploy.kubernetes.deployments import BGE, CASES, configured


def test_every_secret_has_its_line_and_no_value() -> None:
    """By standard input or from a file; those that the deployment makes itself are random."""
    text = readme(CASES["vllm"])
    assert 'printf %s "$CORP_KEY" | kubectl -n freehold create secret generic freehold-corp-key' in text
    assert text.count("openssl rand -hex 32") == 2
    assert "harbor --type=kubernetes.io/dockerconfigjson" in text
    assert "create secret tls corp-tls" in text
    file = configured({"models": [{"id": "far", "source": "https://a.test/v1", "key": "${file:/etc/my key}"}]})
    assert "--from-file=value='/etc/my key'" in readme(file)


def test_it_says_what_copies_follow() -> None:
    """Their queue, by prometheus-adapter, or their cores, and why."""
    text = readme(CASES["hpa"])
    assert "prometheus-adapter.yaml" in text
    assert "small follows the use of its cores, which says little" in text
    assert "tgi follows the use of its cores: nothing is known of the queue" in text


def test_it_warns_of_keys_in_the_clear() -> None:
    """Where the ingress has no certificate."""
    assert "keys cross the network readable" in readme(configured({"models": [BGE]}, ingress={"host": "a.test"}))
    assert "keys cross the network readable" not in readme(CASES["tls"])


def test_it_says_how_files_come_to_a_claim_that_is_made() -> None:
    """And nothing of it where the claim is there."""
    assert "model-loader:/models" in readme(CASES["gpu"])
    assert "model-loader" not in readme(CASES["cpu"])


def test_it_says_where_the_key_of_clients_is() -> None:
    """Where the deployment makes one; a user's own is known to the user."""
    assert "get secret freehold-access --output jsonpath={.data.value}" in readme(CASES["cpu"])
    own = configured({"models": [BGE], "access": {"key": "${env:OUR_KEY}"}})
    assert "get secret" not in readme(own)


def test_it_says_how_programs_get_keys() -> None:
    """By the gateway's own command where its copies share a database; else they would be one copy's, which it says."""
    shared = configured({"models": [BGE], "access": {"database": "${env:PG}"}})
    assert "exec deploy/gateway -- freehold keys create --config /etc/freehold/freehold.yaml" in readme(shared)
    assert "port 5432" in readme(shared)
    assert "keys create" not in readme(CASES["cpu"])
    assert "they end with its pod" in readme(CASES["cpu"])
    opened = readme(configured({"models": [BGE], "access": {"auth": "none"}}))
    assert "keys create" not in opened
    assert "they end with its pod" not in opened


def test_it_leads_to_what_is_said_of_dify() -> None:
    """Where one is deployed: one that exists elsewhere takes nothing here."""
    deployed = configured({"models": [BGE], "dify": {"version": "1.15.0"}})
    assert "dify/README.md" in readme(deployed)
    assert "dify/README.md" not in readme(configured({"models": [BGE], "dify": {"url": "https://dify.corp.test"}}))
