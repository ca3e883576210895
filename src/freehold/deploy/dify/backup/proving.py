"""What shows that a restored Dify could work: keys that open what is stored, plugins that are there."""

from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from freehold.deploy.dify.backup.databases import rows, tables
from freehold.deploy.dify.backup.folders import KEY
from freehold.deploy.dify.backup.place import Database, Place
from freehold.errors import FreeholdError

STORAGE, PLUGINS = "app-storage", "plugin-daemon"
_PRIVATE, _PEM = "privkeys/", "/private.pem"
_INSTALLED = "plugin/"


@dataclass
class Proof:
    """What of a backup's files is looked at while they pass."""

    keys: dict[str, bytes] = field(default_factory=dict, repr=False)
    """By tenant its private key, as Dify writes it: storage/privkeys/TENANT/private.pem."""
    plugins: set[str] = field(default_factory=set)
    """The packages that the plugin daemon starts plugins from: storage/plugin/AUTHOR/NAME:VERSION@SHA256."""
    has_secret: bool = False

    def see(self, piece: str, name: str, data: bytes) -> None:
        """One file."""
        if piece == STORAGE and name.startswith(_PRIVATE) and name.endswith(_PEM):
            self.keys[name.removeprefix(_PRIVATE).removesuffix(_PEM)] = data
        elif piece == STORAGE and name == KEY:
            self.has_secret = bool(data.strip())
        elif piece == PLUGINS and name.startswith(_INSTALLED):
            self.plugins.add(name.removeprefix(_INSTALLED))

    def faults(self, place: Place, databases: list[Database], secret_key: str) -> list[FreeholdError]:
        """What is missing, as far as databases that came to life tell. `secret_key`: SECRET_KEY of the backup."""
        by_piece = {database.piece: database for database in databases}
        found = []
        if not secret_key and not self.has_secret:
            found.append(FreeholdError("dify_backup_no_secret_key"))
        if lost := sorted(
            tenant for tenant, public in self._tenants(place, by_piece["dify"]) if not self._opens(tenant, public)
        ):
            found.append(FreeholdError("dify_backup_private_keys", tenants=", ".join(lost), count=len(lost)))
        if lost := sorted(set(_plugins(place, by_piece.get("dify_plugin"))) - self.plugins):
            found.append(FreeholdError("dify_backup_plugins", plugins=", ".join(lost), count=len(lost)))
        return found

    def _tenants(self, place: Place, database: Database) -> list[tuple[str, str]]:
        if "tenants" not in tables(place, database):
            return []
        return [
            (tenant, public) for tenant, public in rows(place, database, "SELECT id, encrypt_public_key FROM tenants")
        ]

    def _opens(self, tenant: str, public: str) -> bool:
        """Whether the tenant's private key belongs to the public one, which API keys were encrypted with."""
        try:
            private = load_pem_private_key(self.keys.get(tenant, b""), None)
            known = load_pem_public_key(public.encode()) if public else None
        except (ValueError, TypeError, UnsupportedAlgorithm):
            return False
        if not isinstance(private, RSAPrivateKey):
            return False
        return known is None or (
            isinstance(known, RSAPublicKey) and private.public_key().public_numbers() == known.public_numbers()
        )


def _plugins(place: Place, database: Database | None) -> list[str]:
    """The packages that local plugins need; remote ones are somebody's who debugs."""
    if database is None or "plugins" not in tables(place, database):
        return []
    sql = "SELECT plugin_unique_identifier FROM plugins WHERE install_type = 'local'"
    return [name for (name,) in rows(place, database, sql)]
