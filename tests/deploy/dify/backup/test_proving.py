"""Private keys that open what was stored, and packages of plugins."""

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from freehold.deploy.dify.backup.proving import Proof
from tests.deploy.dify.backup.world import PLUGIN, PRIVATE, TENANT, World


def test_a_key_of_another_tenant_opens_nothing(untouched: World) -> None:
    """The right one proves, another RSA key does not."""
    other = rsa.generate_private_key(65537, 2048).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    for key, codes in ((PRIVATE, []), (other, ["dify_backup_private_keys"])):
        proof = Proof()
        proof.see("app-storage", f"privkeys/{TENANT}/private.pem", key)
        proof.see("app-storage", ".dify_secret_key", b"secret\n")
        proof.see("plugin-daemon", f"plugin/{PLUGIN}", b"PK")
        faults = proof.faults(untouched.place, list(untouched.found().databases), "")
        assert [fault.code for fault in faults] == codes
    assert PRIVATE.decode()[40:60] not in repr(proof)
