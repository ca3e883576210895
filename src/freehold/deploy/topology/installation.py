"""From a configuration to all services of its Dify. Pure: what is read is the release's own file."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from freehold.config import Config
from freehold.config.deploying import Deploy
from freehold.config.dify import Dify
from freehold.config.secret import is_reference
from freehold.deploy.services.images import located
from freehold.deploy.services.secret_files import path
from freehold.deploy.services.units import SecretFile
from freehold.deploy.topology.facts import HostOf, address, facts, features, secret_files
from freehold.deploy.topology.release import Part, Release, release_of
from freehold.deploy.topology.service import Installation, Service, Volume
from freehold.deploy.topology.texts import secrets_in, without, written
from freehold.errors import FreeholdError

CONSOLE_PASSWORD = "console_password"  # noqa: S105 - a name
"""The administrator's, which no service has: `freehold dify connect` makes the account with it."""
_OUTSIDE = ("gateway", "outside")


def installation(
    config: Config, digests: Mapping[str, str] = MappingProxyType({}), host_of: HostOf = lambda name: name
) -> Installation | None:
    """All services of the Dify that `config` deploys; None where it deploys none.

    `digests` as for `images.located`; `host_of` gives the name by which others reach a service of that name.

    Raises FreeholdError `dify_version_unknown`, `dify_variable_fixed`, `dify_public_default`.
    """
    dify = config.dify
    if dify is None or dify.version is None:
        return None
    release = release_of(dify.version)
    _check_variables(dify.environment, release)
    there = features(config, dify)
    parts = {name: part for name, part in release.services.items() if part.when <= there}
    maker = _Maker(
        settings=config.deploy or Deploy(),
        release=release,
        features=there,
        names=frozenset(parts),
        facts=facts(config, dify, host_of, release),
        chosen={name: text for name, text in dify.environment.items() if not is_reference(text)},
        entrusted={name: f"{{{name}}}" for name, text in dify.environment.items() if is_reference(text)},
        blank="redis_password" if dify.redis is not None and dify.redis.password is None else "",
        secret_files=secret_files(config, dify),
        digests=digests,
    )
    services = tuple(maker.service(name, part) for name, part in parts.items())
    given = given_secrets(dify)
    asked = {name for service in services for text in service.secrets.values() for name in secrets_in(text)}
    return Installation(
        version=release.release,
        services=services,
        secrets=tuple(name for name in release.secrets if name == CONSOLE_PASSWORD or name in asked - given.keys()),
        given={name: secret for name, secret in given.items() if name in asked},
        paths=tuple(release.paths.items()),
        address=address(config, dify),
    )


def given_secrets(dify: Dify) -> Mapping[str, SecretFile]:
    """By name in the texts of `Service.secrets`, the secrets that the user has."""
    vectors = {"pgvector": "pgvector_password", "weaviate": "weaviate_key", "qdrant": "qdrant_key"}
    said = {
        "db_password": dify.postgres.password if dify.postgres else None,
        "redis_password": dify.redis.password if dify.redis else None,
        "s3_access_key": dify.storage.access_key if dify.storage else None,
        "s3_secret_key": dify.storage.secret_key if dify.storage else None,
        vectors[dify.vectors.kind]: dify.vectors.key if dify.vectors.endpoint else None,
        **{name: text for name, text in dify.environment.items() if is_reference(text)},
    }
    names = {name: f"dify-{name.lower().replace('_', '-')}" for name in said}
    return {name: SecretFile(names[name], origin) for name, origin in said.items() if origin is not None}


def _check_variables(environment: Mapping[str, str], release: Release) -> None:
    fixed = release.fixed()
    for name, text in environment.items():
        if name in fixed:
            raise FreeholdError("dify_variable_fixed", name=name, version=release.release)
        if release.publishes(text):
            raise FreeholdError("dify_public_default", place=f"dify.environment.{name}")


@dataclass(frozen=True)
class _Maker:
    """What every service is made from."""

    settings: Deploy
    release: Release
    features: frozenset[str]
    names: frozenset[str]
    facts: Mapping[str, str]
    chosen: Mapping[str, str]
    """The user's own variables that are no secrets."""
    entrusted: Mapping[str, str]
    """Those that are, each as a text with its secret."""
    blank: str
    """The one secret that there is not."""
    secret_files: Mapping[str, SecretFile]
    digests: Mapping[str, str]

    def service(self, name: str, part: Part) -> Service:
        environment, secrets = self._variables(part)
        files = [self.secret_files[one] for one in part.secret_files if one in self.secret_files]
        return Service(
            name=name,
            image=located(part.image, self.settings, self.digests),
            kind=part.kind,
            entrypoint=part.entrypoint,
            command=tuple(self._text(word) for word in part.command),
            environment=dict(sorted(environment.items())),
            secrets=dict(sorted(secrets.items())),
            files={place: self._text(text) for place, text in part.files.items()},
            secret_files={path(file): file for file in files},
            volumes=tuple(
                Volume(kept, volume.path, volume.size_gb)
                for kept, volume in part.volumes.items()
                if volume.when <= self.features
            ),
            port=part.port,
            more_ports=part.more_ports,
            networks=part.networks,
            reaches=self._reaches(part),
            after=tuple(one for one in part.after if one in self.names),
            probe=part.probe,
            scale=part.scale,
            user=part.user,
            writable=part.writable,
            read_only=part.read_only,
            capabilities=part.capabilities,
            stateful=part.stateful,
        )

    def _variables(self, part: Part) -> tuple[dict[str, str], dict[str, str]]:
        """What is not secret, and what is: groups first, then the user's own, then what is not the user's to change."""
        groups = [self.release.groups[name] for name in part.groups]
        groups = [group for group in groups if group.when <= self.features]
        free = [group.environment for group in groups if not group.fixed]
        fixed = [group.environment for group in groups if group.fixed]
        chosen = self.chosen if part.given != "none" else {}
        environment = {
            name: text
            for variables in (*map(self._texts, free), chosen, *map(self._texts, (*fixed, part.environment)))
            for name, text in variables.items()
        }
        secrets = dict(self.entrusted) if part.given == "all" else {}
        for texts in (*(group.secrets for group in groups), part.secrets):
            secrets |= {name: self._secret(text) for name, text in texts.items()}
        kept = {name: text for name, text in secrets.items() if secrets_in(text)}
        plain = {**environment, **secrets}
        return {name: text for name, text in plain.items() if name not in kept}, kept

    def _reaches(self, part: Part) -> tuple[str, ...]:
        """Those that are there; what the user has in place of one is outside."""
        found = (one if one in self.names or one in _OUTSIDE else "outside" for one in part.reaches)
        return tuple(dict.fromkeys(found))

    def _texts(self, variables: Mapping[str, str]) -> Mapping[str, str]:
        return {name: self._text(text) for name, text in variables.items()}

    def _text(self, text: str) -> str:
        return written(text, self.facts, self.chosen)

    def _secret(self, text: str) -> str:
        return without(self._text(text), self.blank)
