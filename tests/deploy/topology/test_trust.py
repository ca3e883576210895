"""The user's own authorities and certificates."""

import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from freehold.deploy.topology.release import release_of
from freehold.deploy.topology.trust import check_pair, joined, joined_file
from freehold.errors import FreeholdError
from tests.deploy.topology.configured import VERSION
from tests.deploy.topology.test_nginx import serving
from tests.pki import Authority


def test_an_authority_joins_the_systems(tmp_path: Path) -> None:
    """One file, of which a client trusts all."""
    own = Authority(tmp_path).file.read_bytes()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=joined(own, "here").decode())
    subjects = [
        dict(pair[0] for pair in one["subject"])["commonName"]
        for one in context.get_ca_certs()
        if "authority" in str(one["subject"])
    ]
    assert "authority" in subjects


@pytest.mark.parametrize("data", [b"", b"no certificate", b"\xff\xfe", b"-----BEGIN CERTIFICATE-----\nx\n"])
def test_what_is_no_authority_is_refused(data: bytes) -> None:
    """With the place where it is named."""
    with pytest.raises(FreeholdError, match=r"/etc/corp\.pem") as refused:
        joined(data, "/etc/corp.pem")
    assert refused.value.code == "dify_ca_unreadable"


def test_a_key_beside_the_certificate_is_refused(tmp_path: Path) -> None:
    """What is mounted into five containers must hold no secret; a file that is not there is told alike."""
    authority = Authority(tmp_path)
    path = tmp_path / "both.pem"
    path.write_bytes(authority.file.read_bytes() + authority.issue().key.read_bytes())
    for place, reason in ((path, "private key"), (tmp_path / "none", "No such file")):
        with pytest.raises(FreeholdError, match=reason) as refused:
            joined_file(place)
        assert refused.value.code == "dify_ca_unreadable"


def test_comments_are_in_any_language(tmp_path: Path) -> None:
    """OpenSSL's Python takes ASCII alone."""
    own = "# Müller 公司\n".encode() + Authority(tmp_path).file.read_bytes()
    assert own.strip() in joined(own, "here")


def test_a_certificate_needs_its_own_key(tmp_path: Path) -> None:
    """Another's, none, or a key that asks for a passphrase are refused before anything starts."""
    authority = Authority(tmp_path)
    one, other = authority.issue("one"), authority.issue("other")
    check_pair(one.certificate, one.key)
    for certificate, key in ((one.certificate, other.key), (tmp_path / "none", one.key), (one.key, one.key)):
        with pytest.raises(FreeholdError) as refused:
            check_pair(certificate, key)
        assert refused.value.code == "dify_tls_unusable"


def test_a_real_server_under_ones_own_authority_is_trusted_by_the_variables_that_services_have(tmp_path: Path) -> None:
    """A process that is started as a service is: with the variables of the release, and the file that they name."""
    authority = Authority(tmp_path)
    bundle = tmp_path / "dify-ca"
    bundle.write_bytes(joined(authority.file.read_bytes(), "here"))
    variables = release_of(VERSION).groups["own-ca"].environment
    assert set(variables.values()) == {"${ca}"}
    pair = authority.issue()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pair.certificate, pair.key)
    with serving("tool", "127.0.0.1") as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        url = f"https://127.0.0.1:{server.server_address[1]}/v1/x"
        script = (
            f"import urllib.request as r; print(r.build_opener(r.ProxyHandler({{}})).open({url!r}, timeout=10).status)"
        )
        trusting, alone = (
            subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
            for env in (dict.fromkeys(variables, str(bundle)), {})
        )
    assert trusting.stdout.strip() == "200", trusting.stderr
    assert "CERTIFICATE_VERIFY_FAILED" in alone.stderr
